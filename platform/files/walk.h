// The way from a directory down a tree, by descriptors, so that nobody who swaps a directory for a
// link leads it elsewhere. The number of descriptors is bounded: those of the upper levels are
// closed, and reopened through ".." when the walk comes back, if they are still the same.
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "files/names.h"

// To open a directory itself, not what a link leads to, without side effects.
#define WALK_OPEN (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

struct level {
    int fd;
    dev_t device;
    ino_t inode;
    struct names names; // what is to do here, filled by the user of the walk
    size_t next;        // of names
    unsigned passes;    // also for the user
};

struct walk {
    struct level *levels;
    size_t depth, room;
};

void walk_fini(struct walk *walk); // a walk starts as {0}

// NULL before the first and after the last directory.
struct level *walk_top(struct walk *walk);

// Goes down into a directory. Takes the descriptor over, also when it fails with errno: ELOOP below
// FS_WALK_DEPTH_MAX levels.
bool walk_enter(struct walk *walk, int fd) __attribute__((warn_unused_result));

// Goes up. False with errno when the way back is lost; ESTALE when the tree was moved meanwhile.
bool walk_leave(struct walk *walk) __attribute__((warn_unused_result));
