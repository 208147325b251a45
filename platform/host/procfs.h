// The texts of /proc (proc(5)) that tell how busy the machine is. Whatever the text, the outcome is
// numbers or a refusal; numbers that are too large stay at the largest.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu_times { // ticks since boot, of all processors together
    uint64_t busy, total;
};
bool procfs_cpu(const char *stat, struct cpu_times *out) __attribute__((warn_unused_result));

// 0..100, of the time between two readings; 0 when there is none.
double procfs_cpu_percent(const struct cpu_times *before, const struct cpu_times *now);

struct load {
    double average[3]; // over 1, 5 and 15 minutes
    uint64_t running;  // tasks that run or wait for a processor
};
bool procfs_load(const char *loadavg, struct load *out) __attribute__((warn_unused_result));

struct memory { // bytes
    uint64_t total, available;
};
bool procfs_memory(const char *meminfo, struct memory *out) __attribute__((warn_unused_result));

// A decimal number after blanks; *at then stands behind it.
bool procfs_number(const char **at, uint64_t *value) __attribute__((warn_unused_result));
