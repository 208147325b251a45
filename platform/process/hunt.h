// Finds and signals the members of trees (tree.h), one look at all processes at a time. Not for
// several threads at once: tree.c sees to that.
#pragma once

#include <stdbool.h>

#include "process/procs.h"
#include "process/tree.h"

struct hunt_session;

struct hunt_tally {
    size_t hit;          // members that were alive and got the signal
    size_t beyond_reach; // that we may not signal
};

struct hunt {
    const struct tree *trees;
    struct hunt_tally *tallies; // of the latest call, one for each tree
    size_t count;
    struct procs procs;
    struct hunt_session *sessions; // kept from look to look
    size_t session_count, session_room;
    pid_t self, own_session;
};

// False with errno when there is no way to look at processes.
bool hunt_init(struct hunt *hunt) __attribute__((warn_unused_result));
void hunt_fini(struct hunt *hunt);

// The trees to go for from now on; both arrays stay the caller's.
void hunt_set(struct hunt *hunt, const struct tree *trees, struct hunt_tally *tallies,
              size_t count);

// Looks for members and stops those that run. Returns how many did.
size_t hunt_stop(struct hunt *hunt);

// Kills the members that the latest hunt_stop has seen.
void hunt_kill(struct hunt *hunt);
