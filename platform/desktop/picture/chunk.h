// PNG's containers: chunks (PNG specification, section 5) and the checksum of a zlib stream that is
// put together from parts (RFC 1950).
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    CHUNK_FRAME = 12, // length, type and checksum around a chunk's data
    CHUNK_DATA = 8,   // where the data begins
};

// Writes the frame around size bytes of data that are in place already. Returns the whole size.
size_t chunk_close(uint8_t *chunk, const char *type, size_t size);

// The two bytes a zlib stream begins with, and what follows the last piece of it: the end of the
// deflate stream and the checksum. Both are whole chunks; they return their sizes.
size_t chunk_zlib_head(uint8_t *chunk);
size_t chunk_zlib_tail(uint8_t *chunk, uint32_t adler);

enum { CHUNK_ZLIB_ROOM = CHUNK_FRAME + 9 };

void chunk_put32(uint8_t *out, uint32_t value); // in network order

// Of two runs of bytes behind one another, the second size bytes long.
uint32_t adler_join(uint32_t one, uint32_t two, size_t size);
