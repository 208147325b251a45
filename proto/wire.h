// The lowest layer of protobuf: tags, varints and lengths in a run of bytes. Knows no message.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64BIT = 1,
    WIRE_SPAN = 2, // a length, then that many bytes
    WIRE_GROUP_START = 3,
    WIRE_GROUP_END = 4,
    WIRE_32BIT = 5,
};

// What is left to read. A reader never passes its end; after a failure it stands anywhere before.
struct wire_reader {
    const uint8_t *at, *end;
};

// At most ten bytes and 64 bits; a longer one is an error, as is one cut off by the end.
bool wire_varint(struct wire_reader *in, uint64_t *value) __attribute__((warn_unused_result));

// False for field number 0, numbers above 2^29-1 and wire types that do not exist.
bool wire_tag(struct wire_reader *in, uint32_t *number, enum wire_type *type)
    __attribute__((warn_unused_result));

// A length and that many bytes, which span then stands for.
bool wire_span(struct wire_reader *in, struct wire_reader *span)
    __attribute__((warn_unused_result));

// Little-endian numbers of 4 or 8 bytes.
bool wire_fixed32(struct wire_reader *in, uint32_t *value) __attribute__((warn_unused_result));
bool wire_fixed64(struct wire_reader *in, uint64_t *value) __attribute__((warn_unused_result));

// Passes over the value of a field whose tag has just been read. Groups may nest to depth_max;
// the end of one that was never begun is an error.
bool wire_skip(struct wire_reader *in, uint32_t number, enum wire_type type, unsigned depth_max)
    __attribute__((warn_unused_result));

// Bytes that the varint of a value takes.
size_t wire_varint_size(uint64_t value);

// Writes that varint and returns the byte after it. There must be room.
uint8_t *wire_put_varint(uint8_t *out, uint64_t value);
