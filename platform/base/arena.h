// A region of memory that belongs to one request and is freed in one piece. It has a hard cap, so
// a hostile request cannot make the process grow: allocation beyond it returns NULL.
#pragma once

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used; // bytes handed out
    size_t cap;  // bytes that may be handed out
};

// An empty arena costs nothing until the first allocation.
void arena_init(struct arena *arena, size_t cap);
void arena_fini(struct arena *arena);

// 16-byte aligned, not zeroed; NULL when the cap would be passed.
void *arena_alloc(struct arena *arena, size_t size) __attribute__((warn_unused_result));

// Like arena_alloc, for what a reply is written around: REPLY_ROOM_BYTES before and behind it may
// be written, too.
void *arena_roomy(struct arena *arena, size_t size) __attribute__((warn_unused_result));

// Like arena_alloc, zeroed; the product is checked for overflow.
void *arena_array(struct arena *arena, size_t count, size_t size)
    __attribute__((warn_unused_result));

// Copies of text; NULL when the cap would be passed.
char *arena_string(struct arena *arena, const char *text) __attribute__((warn_unused_result));
char *arena_string_n(struct arena *arena, const char *text, size_t size)
    __attribute__((warn_unused_result));
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
