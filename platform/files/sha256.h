// SHA-256 (FIPS 180-4), for a digest or two a day. libcrypto does it faster, but to set libcrypto
// up for its first digest costs two megabytes of memory for as long as the process lives.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK_BYTES = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t size; // bytes so far
    unsigned char block[SHA256_BLOCK_BYTES];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);
void sha256_end(struct sha256 *hash, unsigned char digest[SHA256_BYTES]);
