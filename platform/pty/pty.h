// A terminal with a program in it: the master of a pseudo-terminal (pty(7)) and the process that
// leads the session behind it.
#pragma once

#include <stdbool.h>

#include "base/fail.h"
#include "process/child.h"

struct pty_setup {
    const char *program, *search, *cwd; // as in process/spawn.h
    char *const *argv;
    char **envp; // its first element is the place for the mark (process/environment.h)
    unsigned short cols, rows;
};

struct pty {
    int master;         // non-blocking, close-on-exec
    struct child child; // without pipes; child.pidfd is readable when the leader has ended
};

// Blocks until the program has been executed. The terminal is UTF-8 (IUTF8), otherwise as the
// kernel makes it. Fails as spawn_start does, or with what = "pseudo-terminal"; nothing is left
// then.
bool pty_start(struct pty *pty, const struct pty_setup *setup, struct fail *why)
    __attribute__((warn_unused_result));

// Characters; 0 keeps what is. The foreground process group gets SIGWINCH when it changes.
bool pty_resize(const struct pty *pty, unsigned short cols, unsigned short rows, struct fail *why);

// What closing a terminal window does: SIGHUP, and SIGCONT for what was stopped, to the leader's
// process group and to the one in the foreground.
void pty_hang_up(const struct pty *pty);

// True when the leader has ended. *code: its exit code, 1 when a signal ended it.
bool pty_ended(const struct pty *pty, int *code);

// Kills whatever is left of the tree; blocks for KILL_TREE_MS at most.
void pty_kill(const struct pty *pty);

// Closes both descriptors and takes the leader's exit status. The leader has ended, or a kill could
// not end it.
void pty_end(struct pty *pty);

// The shell of the user the agent runs as: $SHELL of the environment if it can be executed, else
// the one in the user database, else /bin/bash or /bin/sh. Lives as long as the environment, or for
// ever.
const char *pty_shell(char *const *environment);
