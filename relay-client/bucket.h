// A token bucket: so many bytes a second on average, so many at once.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bucket {
    int64_t rate, burst; // bytes a second, bytes; a rate of 0 means no limit
    int64_t level;       // bytes that may go now; below 0 after a message larger than that
    int64_t at_ms;       // clock_mono_ms of the level
};

void bucket_init(struct bucket *bucket, int64_t rate, int64_t burst, int64_t now_ms);

// How many bytes may go now, at most size.
size_t bucket_room(struct bucket *bucket, size_t size, int64_t now_ms);
void bucket_take(struct bucket *bucket, size_t size);

// Milliseconds until size bytes (or a full bucket) may go.
int64_t bucket_wait_ms(const struct bucket *bucket, size_t size);
