// The daemon's side of the desktop, shared by its files.
#pragma once

#include <pthread.h>
#include <time.h>

#include "base/lane.h"
#include "desktop_client/candidates.h"
#include "desktop_client/desktop.h"
#include "desktop_client/process.h"

struct desktop {
    char *program, *display, *xauthority, *home;
    bool primary_only;
    int64_t idle_ms;
    int held; // memory in which the process notes what is pressed
    struct ordered_lane view, input;

    pthread_mutex_t lock;                   // for all below
    struct process *process;                // NULL: not running
    struct desktop_state state;             // available: the process has this display open
    int64_t looked_ms;                      // when nothing was found
    struct timespec sockets_changed;        // the directory of X sockets at that time
    char *fixed_display, *fixed_xauthority; // with the view lane, as the next two
    bool fixed_virtual;
    char *none; // no display is wanted, for this reason; NULL: one is
};

// With the view lane: makes sure that the process runs and has a display open. *process: a
// reference.
bool desktop_open(struct desktop *desktop, int64_t deadline_ms, struct process **process,
                  struct fail *why) __attribute__((warn_unused_result));

// The running process, a reference; NULL when there is none or it has no display open.
struct process *desktop_process(struct desktop *desktop);

// It has ended, or is to: the next call starts another.
void desktop_forget(struct desktop *desktop, struct process *process);

// The X server that held them has gone.
void desktop_forget_marks(struct desktop *desktop);
