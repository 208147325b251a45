// What the tests of the decoder share: an arena for each test, messages from hexadecimal text,
// bytes put together.
#pragma once

#include <check.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "proto/decode.h"
#include "proto/wire.h"
#include "wire_messages.h"

static struct arena arena;
static struct fail why;

static inline void setup(void)
{
    arena_init(&arena, 4 << 20);
}

static inline void teardown(void)
{
    arena_fini(&arena);
}

static inline void *decode(const ProtobufCMessageDescriptor *type, struct wire_bytes bytes)
{
    return decode_message(&arena, type, bytes.data, bytes.size, &why);
}

// The bytes live as long as the test: bytes fields of the message point into them.
static inline void *decode_hex(const ProtobufCMessageDescriptor *type, const char *hex)
{
    struct wire_bytes in = wire_from_hex(hex);
    uint8_t *kept = arena_alloc(&arena, in.size + 1);
    memcpy(kept, in.data, in.size);
    void *message = decode_message(&arena, type, in.data, in.size, &why);
    if (message) { // once more from memory that stays
        message = decode_message(&arena, type, kept, in.size, &why);
        ck_assert_ptr_nonnull(message);
    }
    free(in.data);
    return message;
}

static inline bool refused(const ProtobufCMessageDescriptor *type, const char *hex)
{
    return decode_hex(type, hex) == NULL && why.kind == FAIL_PROTOCOL && why.what[0];
}

static inline void append(struct buffer *out, const void *data, size_t size)
{
    ck_assert(buffer_append(out, data, size));
}

static inline void append_varint(struct buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    append(out, bytes, (size_t)(wire_put_varint(bytes, value) - bytes));
}

static inline void append_tag(struct buffer *out, uint32_t number, unsigned type)
{
    append_varint(out, (uint64_t)number << 3 | type);
}

static inline void append_span(struct buffer *out, uint32_t number, const void *data, size_t size)
{
    append_tag(out, number, WIRE_SPAN);
    append_varint(out, size);
    append(out, data, size);
}

static inline struct wire_bytes taken(struct buffer *buffer)
{
    struct wire_bytes bytes = wire_from(buffer->data, buffer->size);
    buffer_fini(buffer);
    return bytes;
}
