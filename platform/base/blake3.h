// BLAKE3, the plain hash of 32 bytes (https://github.com/BLAKE3-team/BLAKE3-specs, section 2).
// Data may arrive in pieces of any size; whole multiples of 8 KiB are the fast ones.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    BLAKE3_BYTES = 32,
    BLAKE3_HEX_BYTES = 2 * BLAKE3_BYTES + 1, // lower case, with the NUL
    BLAKE3_DEPTH_MAX = 54                    // of the tree: 2^54 chunks of 1 KiB are 2^64 bytes
};

struct blake3 {
    uint32_t chunk[8]; // chaining value of the chunk that is being read
    uint64_t chunks;   // complete chunks before it
    unsigned char block[64];
    unsigned block_size;                    // bytes in block
    unsigned chunk_size;                    // bytes of the chunk read so far, block included
    unsigned depth;                         // subtrees on the stack
    uint32_t subtrees[BLAKE3_DEPTH_MAX][8]; // left to right, each larger than the next
};

void blake3_init(struct blake3 *hash);
void blake3_update(struct blake3 *hash, const void *data, size_t size);

// The digest of all data so far; more may follow.
void blake3_final(const struct blake3 *hash, unsigned char digest[BLAKE3_BYTES]);
void blake3_final_hex(const struct blake3 *hash, char hex[BLAKE3_HEX_BYTES]);

void blake3_digest(const void *data, size_t size, unsigned char digest[BLAKE3_BYTES]);
