// How busy the machine is. Readings that fail are 0 and fail nothing else. Safe to use from any
// thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/gpu.h"

struct arena;
struct metrics;

struct metrics_setup {
    const char *disk;         // a directory: its filesystem is measured
    char *const *environment; // of nvidia-smi, in whose PATH it is searched
    const char *proc;         // NULL: /proc
    const char *gpu_tool;     // NULL: nvidia-smi
};

// The texts are copied, the environment is not.
struct metrics *metrics_new(const struct metrics_setup *setup);
void metrics_free(struct metrics *metrics);

// Measures everything, to be called every METRICS_PERIOD_MS. May hang on a dead mount, and take
// GPU_TIMEOUT_MS on a slow nvidia-smi; what was measured before that can be had meanwhile. Called
// again before it has returned it measures only what /proc says.
void metrics_sample(struct metrics *metrics);

// Measures what /proc says, which never hangs, when that is older than age_ms. The rest stays.
void metrics_refresh(struct metrics *metrics, int64_t age_ms);

struct metrics_sample {
    int64_t sampled_at_ms; // unix time; 0: never measured
    double cpu_percent;    // 0..100, since the measurement before
    double load[3];        // over 1, 5 and 15 minutes
    double run_queue;      // tasks
    uint64_t mem_used_bytes, mem_total_bytes;
    uint64_t disk_used_bytes, disk_total_bytes;
    const struct gpu *gpus;
    size_t gpu_count;
};

// The last measurement, without waiting for one. The GPUs are copied into the arena, and left out
// when it is full. All doubles are finite, all counts at most METRIC_MAX.
void metrics_get(struct metrics *metrics, struct arena *arena, struct metrics_sample *out);
