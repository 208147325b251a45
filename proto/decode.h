// Bytes from outside become messages, in the memory of an arena. Whatever the bytes are, the
// outcome is a message or a refusal; the cap of the arena bounds the memory.
//
// The descriptors that protobuf-c generates guide the decoder, but its own unpack is not used: it
// rejects unknown groups and the second occurrence of a message whose oneof is unset, copies what
// it does not know, takes a bool of any wire type, and checks no UTF-8.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct arena;
struct fail;

// The message, or NULL with FAIL_PROTOCOL in *why.
//
//   - Strings are copied, NUL-terminated. Bytes fields point into data, which has to live as long.
//   - Refused: anything cut off, bad tags and lengths, varints beyond 64 bits, a known field with
//     another wire type, strings that are not UTF-8 or hold a NUL, nesting deeper than
//     REQUEST_DEPTH_MAX, more memory than the arena may give.
//   - Unknown fields, groups too, are passed over. Unknown enum values are kept.
//   - The last occurrence of a field wins; messages that occur twice are merged. Entries of a map
//     stay in the order of the wire, duplicates included: the last one counts.
void *decode_message(struct arena *arena, const ProtobufCMessageDescriptor *type, const void *data,
                     size_t size, struct fail *why) __attribute__((warn_unused_result));

// The same where a NUL in a string shall be answered rather than refused, and where one string is
// wanted as it was on the wire.
struct decoder {
    struct arena *arena;
    const ProtobufCFieldDescriptor *raw_field; // this string may hold NULs; may be NULL

    // Outcome:
    const void *raw; // last occurrence of raw_field, in data; NULL when it does not occur
    size_t raw_size;
    bool has_nul;        // another string holds a NUL, its C string ends there
    const char *problem; // why there is no message
};

void *decoder_run(struct decoder *decoder, const ProtobufCMessageDescriptor *type, const void *data,
                  size_t size) __attribute__((warn_unused_result));
