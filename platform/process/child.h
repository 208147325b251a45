// One running command with its pipes: from the start to the moment when nothing of it is left to
// be waited for. Who reads and feeds the pipes is the caller's business (command.c).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "process/tree.h"

struct spawn;

struct child_setup {
    const char *program, *search, *cwd; // as in spawn.h
    char *const *argv;
    char **envp; // its first element is the place for the mark (environment.h)
    bool feed;   // stdin is a pipe, else /dev/null
    int script;  // descriptor that becomes the child's 3, -1: none; stays the caller's
};

struct child {
    struct tree tree;
    int pidfd;                 // readable when the leader has ended
    int input, output, errors; // our ends of its pipes, -1 when there is none
    int slot;                  // guardian.h
};

// Fails as spawn_start does, or with what = "pipe". The calling thread has to live as long as the
// leader: the leader dies with it.
bool child_start(struct child *child, const struct child_setup *setup, struct fail *why)
    __attribute__((warn_unused_result));

// The part of it that a terminal's program has in common with other commands: starts what spawn
// describes as the leader of the child's tree, whose pipes are the caller's business. The first
// element of envp, which becomes spawn->envp, is the place for the mark.
bool child_spawn(struct child *child, struct spawn *spawn, char **envp, struct fail *why)
    __attribute__((warn_unused_result));

// Kills the leader and all that it started; returns when they are gone, KILL_TREE_MS at the latest.
void child_kill(struct child *child);

// Ends our part: closes what is open and takes the leader's exit status. To be called after pidfd
// has become readable, or after child_kill. Descendants that are still there live on.
// Returns the exit code, -1 when a signal ended the leader (or nothing could).
int child_end(struct child *child);
