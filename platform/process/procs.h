// A look at the processes of the machine, proc(5).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
    pid_t pid, parent, group, session;
    uint64_t started; // clock ticks since boot; with the pid it names a process once and for all
    int tree;         // for tree.c
    bool dead;        // a zombie, or on the way there
    bool stopped;
};

struct procs {
    struct proc *all; // ascending by pid
    size_t count, room;
    int dir; // /proc
};

bool procs_init(struct procs *procs) __attribute__((warn_unused_result)); // false leaves errno
void procs_fini(struct procs *procs);

// Fills all with the processes that were started at or after a moment, PROCS_MAX at most, and as
// many as can be read until a moment of clock_mono_ms. A process that starts or ends meanwhile may
// be missing. Each one is shown at once, when what was read of it is as fresh as it can be;
// pointers into all are valid after the return.
typedef void (*procs_show)(void *context, struct proc *proc);
void procs_read(struct procs *procs, uint64_t since, int64_t until_ms, procs_show show,
                void *context);

struct proc *procs_find(const struct procs *procs, pid_t pid); // NULL: not there

// Reads one process again; false when it is gone.
bool procs_read_one(const struct procs *procs, pid_t pid, struct proc *proc)
    __attribute__((warn_unused_result));

uint64_t procs_now(void); // in the unit of started
