// Durations of one measure, and what is told of them.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct samples {
    int64_t *ns;
    size_t count, room;
};

struct summary {
    size_t count;
    int64_t p50_ns, p99_ns, max_ns; // 0 without samples
};

void samples_add(struct samples *samples, int64_t ns);
struct summary samples_summary(struct samples *samples); // sorts them
void samples_fini(struct samples *samples);
