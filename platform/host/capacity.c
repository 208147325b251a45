#include "host/capacity.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "host/cgroup_limits.h"
#include "host/processors.h"
#include "host/procfs.h"

static const struct capacity_sample defaults = {
    .mem_available_bytes = 8ull << 30,
    .disk_free_bytes = 64ull << 30,
    .fd_headroom = 65536,
    .pid_headroom = 30000,
    .nproc = 8,
};

struct capacity {
    char *spool, *proc, *cgroup;
    pthread_mutex_t lock;
    struct capacity_sample sample;
};

struct capacity *capacity_new(const struct capacity_setup *setup)
{
    struct capacity *capacity = mem_new(struct capacity);
    capacity->spool = mem_string(setup->spool);
    capacity->proc = mem_string(setup->proc ? setup->proc : "/proc");
    capacity->cgroup = mem_string(setup->cgroup ? setup->cgroup : "/sys/fs/cgroup");
    capacity->sample = defaults;
    pthread_mutex_init(&capacity->lock, NULL);
    return capacity;
}

void capacity_free(struct capacity *capacity)
{
    if (!capacity)
        return;
    pthread_mutex_destroy(&capacity->lock);
    mem_free(capacity->spool);
    mem_free(capacity->proc);
    mem_free(capacity->cgroup);
    mem_free(capacity);
}

static void measure_memory(const struct capacity *capacity, struct capacity_sample *out)
{
    char *path = mem_printf("%s/meminfo", capacity->proc);
    struct buffer text;
    struct memory memory;
    buffer_init(&text, PROC_TEXT_BYTES);
    if (io_read_file(AT_FDCWD, path, &text) && text.data && procfs_memory(text.data, &memory))
        out->mem_available_bytes = memory.available;
    buffer_fini(&text);
    mem_free(path);
}

static void measure_disk(const struct capacity *capacity, struct capacity_sample *out)
{
    struct statvfs disk;
    (void)mkdir(capacity->spool, 0700);
    if (statvfs(capacity->spool, &disk) == 0 &&
        __builtin_mul_overflow(disk.f_bavail, disk.f_frsize, &out->disk_free_bytes))
        out->disk_free_bytes = UINT64_MAX;
}

// Entries of <proc>/self/fd; false when it cannot be read.
static bool count_descriptors(const struct capacity *capacity, uint64_t *count)
{
    char *path = mem_printf("%s/self/fd", capacity->proc);
    DIR *dir = opendir(path);
    mem_free(path);
    if (!dir)
        return false;
    *count = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        *count += entry->d_name[0] != '.';
    closedir(dir);
    --*count; // the one that was counted with
    return true;
}

static void measure_descriptors(const struct capacity *capacity, struct capacity_sample *out)
{
    struct rlimit limit;
    uint64_t open;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur == RLIM_INFINITY)
        out->fd_headroom = UINT64_MAX;
    else if (count_descriptors(capacity, &open))
        out->fd_headroom = limit.rlim_cur > open ? limit.rlim_cur - open : 0;
}

static void measure_processes(const char *group, struct capacity_sample *out)
{
    struct rlimit limit;
    if (group && cgroup_pids_max(group, &out->pid_headroom))
        return;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0)
        out->pid_headroom = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

void capacity_sample(struct capacity *capacity)
{
    struct capacity_sample fresh = defaults;
    char *group = cgroup_own(capacity->proc, capacity->cgroup);
    measure_memory(capacity, &fresh);
    measure_descriptors(capacity, &fresh);
    measure_processes(group, &fresh);
    fresh.nproc = processors_usable(group, capacity->cgroup, defaults.nproc);
    mem_free(group);
    // Last, as only this may hang.
    measure_disk(capacity, &fresh);
    pthread_mutex_lock(&capacity->lock);
    capacity->sample = fresh;
    pthread_mutex_unlock(&capacity->lock);
}

void capacity_get(struct capacity *capacity, struct capacity_sample *out)
{
    pthread_mutex_lock(&capacity->lock);
    *out = capacity->sample;
    pthread_mutex_unlock(&capacity->lock);
}
