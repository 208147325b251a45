#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_fini(struct buffer *buffer)
{
    mem_free(buffer->data);
    buffer_init(buffer, buffer->max);
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size > buffer->max - buffer->size)
        return NULL;
    size_t need = buffer->size + size + 1;
    if (need > buffer->room) {
        size_t room = buffer->room ? buffer->room : 256;
        while (room < need)
            room *= 2;
        if (room > buffer->max + 1)
            room = buffer->max + 1;
        char *data = realloc(buffer->data, room);
        if (!data)
            return NULL;
        buffer->data = data;
        buffer->room = room;
    }
    return buffer->data + buffer->size;
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    assert(buffer->size + size < buffer->room);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
}

bool buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    char *end = buffer_reserve(buffer, size);
    if (!end)
        return false;
    if (size)
        memcpy(end, data, size);
    buffer_commit(buffer, size);
    return true;
}

bool buffer_append_string(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *end = n < 0 ? NULL : buffer_reserve(buffer, (size_t)n);
    if (end) {
        vsnprintf(end, (size_t)n + 1, format, again);
        buffer_commit(buffer, (size_t)n);
    }
    va_end(again);
    return end != NULL;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    assert(size <= buffer->size);
    if (size == 0)
        return;
    buffer->size -= size;
    memmove(buffer->data, buffer->data + size, buffer->size + 1);
}
