// Makes pieces of a deflate stream (RFC 1951) from streams that were compressed one by one. A
// compressor ends each with a final block somewhere inside a byte; here that block is made an
// ordinary one and the piece is filled up to a whole byte with an empty stored block. Pieces can
// then stand behind one another, in any mix of old and new, before one last empty final block.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEAM_ROOM =
        32, // bytes that have to be free behind the stream, and readable before it is opened
};

// *size: of the complete stream, then of the piece. False when the stream is not valid deflate; it
// is then unchanged.
bool seam_open(uint8_t *stream, size_t *size) __attribute__((warn_unused_result));

// data as a piece of stored blocks, uncompressed. Returns its size; out has room for
// seam_stored_bound(size).
size_t seam_store(const uint8_t *data, size_t size, uint8_t *out);
size_t seam_stored_bound(size_t size);

// The empty final block that ends the stream.
extern const uint8_t seam_end[5];
