// The limits that cgroup v2 sets for this process (cgroups(7), the kernel's cgroup-v2 document).
#pragma once

#include <stdbool.h>
#include <stdint.h>

// The directory of the own cgroup, from <proc>/self/cgroup, under the mount point. NULL when there
// is none of version 2. Freed with mem_free.
char *cgroup_own(const char *proc, const char *mount);

// False when the group has no limit on processes.
bool cgroup_pids_max(const char *group, uint64_t *pids) __attribute__((warn_unused_result));

// Whole processors that the narrowest quota of the group and of those above it, up to the mount
// point, amounts to, at least 1; UINT64_MAX without one.
uint64_t cgroup_cpus_max(const char *group, const char *mount);
