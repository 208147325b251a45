// The group of processes that systemd has made for a unit, and that the unit may divide.
#pragma once

#include <sys/types.h>

// The group of a process (0: this one) below /sys/fs/cgroup, by cgroups(7); an agent in its
// subgroup "supervisor" divides the one above. Freed with mem_free; NULL without version 2.
char *service_group(pid_t pid);
