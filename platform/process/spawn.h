// Starts one program. The cost does not depend on the size of the agent: the child borrows its
// memory until it executes the program (CLONE_VM and CLONE_VFORK, clone(2)).
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/fail.h"

struct spawn {
    const char *program; // with a slash: a path, from cwd if relative; without: searched
    const char *search;  // directories, as in PATH; NULL: the ones execvp(3) takes without PATH
    char *const *argv;
    char *const *envp;
    const char *cwd; // NULL: the agent's
    int stdio[3];    // become 0, 1 and 2; all above 2
    int keep;        // becomes 3; -1: none
    bool terminal;   // stdio[0] becomes the controlling terminal
};

// The child leads a session of its own, has default signals, an empty mask, no other descriptors,
// and dies with the thread that called. On success *pidfd belongs to the caller, close-on-exec.
//
// Fails with errno and what = "spawn" (path = the program's name, cut short), or what = "working
// directory" (path = cwd). Nothing has run then and there is nothing to wait for. A script that
// says no interpreter is ENOEXEC; no shell is tried.
bool spawn_start(const struct spawn *spawn, pid_t *pid, int *pidfd, struct fail *why)
    __attribute__((warn_unused_result));
