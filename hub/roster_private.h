// Shared by roster.c and presence.c.
#pragma once

#include <pthread.h>

#include "hub/roster.h"

struct roster {
    pthread_mutex_t lock;
    bool open;
    char workspace[UUID_BYTES];
    struct machine **machines; // sorted by id
    size_t count, room;
};

// Under the lock; NULL when there is no such machine.
struct machine *roster_find(struct roster *roster, const char *id);

// Under the lock, too: the machine is offline, and its process has to connect again before it
// counts: what it has just sent may still be under way.
void machine_dismiss(struct machine *machine, const char *reason, int64_t unix_ms);
