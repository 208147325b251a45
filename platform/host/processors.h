// How many processors this process may use.
#pragma once

#include <stdint.h>

// Those of its affinity mask, less when the quota of its cgroup (NULL: none known) is smaller; at
// least 1. unknown when the mask cannot be read.
uint64_t processors_usable(const char *group, const char *mount, uint64_t unknown);
