// A queue of bytes with a hard maximum. Memory grows with what is in it and goes when it is empty.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ring {
    char *data;
    size_t start, size; // the bytes in it: size of them, from start on, around the end
    size_t room, max;
};

void ring_init(struct ring *ring, size_t max);
void ring_fini(struct ring *ring); // it may be used again afterwards

// False when it would pass the maximum; nothing is added then.
bool ring_add(struct ring *ring, const void *data, size_t size) __attribute__((warn_unused_result));

// Adds in any case; the oldest bytes make room. Returns how many were lost.
size_t ring_add_newest(struct ring *ring, const void *data, size_t size);

// The oldest bytes that lie in one piece; *size is 0 when it is empty.
const char *ring_peek(const struct ring *ring, size_t *size);
void ring_drop(struct ring *ring, size_t size); // the oldest ones
