#include "process/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

bool procs_init(struct procs *procs)
{
    *procs = (struct procs){.dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return procs->dir >= 0;
}

void procs_fini(struct procs *procs)
{
    io_close(&procs->dir);
    mem_free(procs->all);
}

// The fields after the name, which is in parentheses and may contain anything, even ')'.
static bool parse(const char *stat, struct proc *proc)
{
    const char *p = strrchr(stat, ')');
    if (!p || p[1] != ' ')
        return false;
    char state = p[2];
    long long fields[19]; // numbers 4 to 22 of proc_pid_stat(5)
    char *at = (char *)p + 3;
    for (int i = 4; i <= 22; i++) {
        char *end;
        fields[i - 4] = strtoll(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    proc->parent = (pid_t)fields[4 - 4];
    proc->group = (pid_t)fields[5 - 4];
    proc->session = (pid_t)fields[6 - 4];
    proc->started = (uint64_t)fields[22 - 4];
    proc->tree = -1;
    // While other threads run on, one whose first thread has ended only looks like a zombie.
    long long threads = fields[20 - 4];
    proc->dead = threads <= 1 && (state == 'Z' || state == 'X' || state == 'x');
    proc->stopped = state == 'T' || state == 't';
    return true;
}

bool procs_read_one(const struct procs *procs, pid_t pid, struct proc *proc)
{
    char path[32], stat[PROC_LINE_BYTES_MAX];
    snprintf(path, sizeof path, "%d/stat", (int)pid);
    int fd = openat(procs->dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (n <= 0)
        return false;
    stat[n] = '\0';
    proc->pid = pid;
    return parse(stat, proc);
}

static struct proc *add(struct procs *procs, pid_t pid, uint64_t since)
{
    struct proc proc;
    if (!procs_read_one(procs, pid, &proc) || proc.started < since || procs->count >= PROCS_MAX)
        return NULL;
    if (procs->count == procs->room) {
        procs->room = procs->room ? procs->room * 2 : 64;
        procs->all = mem_resize(procs->all, procs->room * sizeof *procs->all);
    }
    procs->all[procs->count] = proc;
    return &procs->all[procs->count++];
}

static int by_pid(const void *a, const void *b)
{
    const struct proc *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

// getdents64(2) rather than readdir(3): no allocation, and the descriptor is kept.
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

void procs_read(struct procs *procs, uint64_t since, int64_t until_ms, procs_show show,
                void *context)
{
    // The kernel lists by ascending pid and looks for the next one when asked. A few at a time, so
    // that one who forks and leaves over and over again, always with a higher pid, is followed.
    _Alignas(struct entry) char entries[PROCS_LIST_BYTES];
    procs->count = 0;
    (void)lseek(procs->dir, 0, SEEK_SET);
    while (clock_mono_ms() < until_ms) {
        long n = syscall(SYS_getdents64, procs->dir, entries, sizeof entries);
        if (n <= 0)
            break;
        for (long at = 0; at < n;) {
            const struct entry *entry = (const struct entry *)(entries + at);
            at += entry->size;
            char *end;
            long pid = strtol(entry->name, &end, 10);
            struct proc *proc = pid > 0 && *end == '\0' ? add(procs, (pid_t)pid, since) : NULL;
            if (proc)
                show(context, proc);
        }
    }
    if (procs->count > 1)
        qsort(procs->all, procs->count, sizeof *procs->all, by_pid);
}

struct proc *procs_find(const struct procs *procs, pid_t pid)
{
    const struct proc key = {.pid = pid};
    return procs->count ? bsearch(&key, procs->all, procs->count, sizeof key, by_pid) : NULL;
}

uint64_t procs_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    return (uint64_t)now.tv_sec * per_second + (uint64_t)now.tv_nsec / (1000000000u / per_second);
}
