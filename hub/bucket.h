// A token bucket: so many at once, so many a second on average.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket_rate {
    double burst;      // holds this much when full
    double per_second; // fills with this speed
};

struct bucket {
    double level; // of an all-zero bucket: full at its first use
    int64_t at_ms;
};

// Takes amount out if it is there. now_ms is of a monotonic clock. An amount above the burst passes
// when the bucket is full, and empties it.
bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, double amount,
                 int64_t now_ms) __attribute__((warn_unused_result));
