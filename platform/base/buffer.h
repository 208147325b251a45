// A growing run of bytes with a hard maximum.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data; // size bytes, then a NUL that is not counted; NULL while empty
    size_t size;
    size_t room;
    size_t max;
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_fini(struct buffer *buffer); // frees the memory; the buffer may be used again

// False when the maximum would be passed; the buffer is then unchanged.
bool buffer_append(struct buffer *buffer, const void *data, size_t size)
    __attribute__((warn_unused_result));
bool buffer_append_string(struct buffer *buffer, const char *text)
    __attribute__((warn_unused_result));
bool buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

// Room for at least size more bytes at the end, to be filled and then committed; NULL when the
// maximum would be passed.
char *buffer_reserve(struct buffer *buffer, size_t size) __attribute__((warn_unused_result));
void buffer_commit(struct buffer *buffer, size_t size);

// Drops bytes from the front.
void buffer_consume(struct buffer *buffer, size_t size);
