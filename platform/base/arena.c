#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { BLOCK_BYTES = 4096, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size, used; // of data
    _Alignas(ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena, size_t cap)
{
    *arena = (struct arena){.cap = cap};
}

void arena_fini(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
    arena->used = 0;
}

static struct arena_block *block_with_room(struct arena *arena, size_t size)
{
    struct arena_block *first = arena->blocks;
    if (first && first->size - first->used >= size)
        return first;
    size_t room = size > BLOCK_BYTES / 4 ? size : BLOCK_BYTES - sizeof(struct arena_block);
    struct arena_block *block = malloc(sizeof *block + room);
    if (!block)
        return NULL;
    block->size = room;
    block->used = 0;
    // A block made for one large object is full at once: keep filling the one before it.
    if (first && room == size) {
        block->next = first->next;
        first->next = block;
    } else {
        block->next = first;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGN)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size > arena->cap - arena->used)
        return NULL;
    struct arena_block *block = block_with_room(arena, size);
    if (!block)
        return NULL;
    void *memory = block->data + block->used;
    block->used += size;
    arena->used += size;
    return memory;
}

void *arena_roomy(struct arena *arena, size_t size)
{
    size_t all;
    if (__builtin_add_overflow(size, 2 * (size_t)REPLY_ROOM_BYTES, &all))
        return NULL;
    char *memory = arena_alloc(arena, all);
    return memory ? memory + REPLY_ROOM_BYTES : NULL;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *memory = arena_alloc(arena, total);
    if (memory)
        memset(memory, 0, total);
    return memory;
}

char *arena_string_n(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *arena_string(struct arena *arena, const char *text)
{
    return arena_string_n(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
