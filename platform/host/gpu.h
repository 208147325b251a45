// GPUs, as nvidia-smi describes them. The tool may be missing, slow or hung: it is asked seldom,
// killed when it is late, and never started again while one that cannot be killed is left.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct gpu {
    char name[NAME_BYTES_MAX]; // valid UTF-8
    double util_percent;       // 0..100
    uint64_t mem_used_bytes, mem_total_bytes;
};

// Reads what --format=csv,noheader,nounits prints for the fields name, utilization.gpu, memory.used
// and memory.total. Lines that make no sense are passed over. Returns the number of GPUs.
size_t gpu_parse(const char *text, struct gpu *gpus, size_t max);

struct gpu_query {
    const char *tool;         // nvidia-smi
    char *const *environment; // of the tool
    int64_t next_ms;          // clock_mono_ms; not asked before
    int pidfd;                // of a tool that survived its kill, else -1
};
void gpu_query_init(struct gpu_query *query, const char *tool, char *const *environment);
void gpu_query_fini(struct gpu_query *query);

// False when it is not time to ask; else *count GPUs, to be freed with mem_free; none, and NULL,
// when there is no tool. Takes up to GPU_TIMEOUT_MS and a little.
bool gpu_query_run(struct gpu_query *query, struct gpu **gpus, size_t *count);
