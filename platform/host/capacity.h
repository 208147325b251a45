// What is left for more work: the figures that admission limits are derived from. A figure that
// cannot be read takes its default. Safe to use from any thread.
#pragma once

#include <stdint.h>

struct capacity;

struct capacity_setup {
    const char *spool;  // where streamed operations keep their output; made when missing
    const char *proc;   // NULL: /proc
    const char *cgroup; // NULL: /sys/fs/cgroup
};

// The texts are copied.
struct capacity *capacity_new(const struct capacity_setup *setup);
void capacity_free(struct capacity *capacity);

// Measures, to be called every CAPACITY_PERIOD_MS. May hang when the spool is on a dead mount.
void capacity_sample(struct capacity *capacity);

struct capacity_sample {
    uint64_t mem_available_bytes; // default 8 GiB
    uint64_t disk_free_bytes;     // of the spool; default 64 GiB
    uint64_t fd_headroom;         // descriptors that may still be opened; default 65536
    uint64_t pid_headroom;        // processes in the own cgroup or of the user; default 30000
    uint64_t nproc;               // usable processors, affinity and quota considered; default 8
};

// The last measurement, without waiting for one; the defaults before the first. UINT64_MAX is
// "without a limit".
void capacity_get(struct capacity *capacity, struct capacity_sample *out);
