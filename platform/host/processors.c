#include "host/processors.h"

#include <errno.h>
#include <sched.h>

#include "base/limits.h"
#include "host/cgroup_limits.h"

// The kernel refuses a mask that is too small for its processors, and tells no size.
static uint64_t in_affinity_mask(uint64_t unknown)
{
    for (size_t cpus = CPU_SETSIZE; cpus <= CPUS_MAX; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set)
            break;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        int error = errno;
        CPU_FREE(set);
        if (count > 0)
            return (uint64_t)count;
        if (error != EINVAL)
            break;
    }
    return unknown;
}

uint64_t processors_usable(const char *group, const char *mount, uint64_t unknown)
{
    uint64_t cpus = in_affinity_mask(unknown);
    uint64_t quota = group ? cgroup_cpus_max(group, mount) : UINT64_MAX;
    return quota < cpus ? quota : cpus;
}
