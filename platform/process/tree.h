// The tree of a command: all that it started, directly or not, wherever it went. Without control
// groups the kernel keeps no such list; members are found by process group, session, ancestry, and
// a mark in the environment that is inherited by what has left all of these (the way Jenkins and
// systemd recognise processes). Nothing is looked for until a tree has to die.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree {
    pid_t leader; // of its session and process group; 0: not started
    bool held;    // the leader is our child and not yet waited for: its id is not used again
    uint64_t number;
    uint64_t since, until; // the leader was started between these, in clock ticks since boot
};

// A tree without a process yet. Its number goes into the leader's environment (mark.h).
void tree_begin(struct tree *tree);
void tree_started(struct tree *tree, pid_t leader); // right after; the leader is held

// Kills with SIGKILL until nothing is left or the time has passed. Returns how many are left:
// in an uninterruptible wait, or other users' (sudo), whom only root may kill. A process that has
// taken over the id of a member is never hit.
size_t tree_kill(const struct tree *trees, size_t count, int64_t patience_ms);
