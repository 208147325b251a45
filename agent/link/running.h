// What a link is working on at this moment, for the owner to see: names of operations and since
// when, nothing of what they are about.
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

// Embedded in what runs.
struct running_entry {
    struct running_entry *next, *previous;
    const char *name;
    int64_t since_ms; // clock_wall_ms
};

struct running {
    pthread_mutex_t lock;
    struct running_entry *oldest, *newest;
    size_t count;
};

void running_init(struct running *running);
void running_fini(struct running *running);

// name lives at least until running_leave.
void running_enter(struct running *running, struct running_entry *entry, const char *name);
void running_leave(struct running *running, struct running_entry *entry);

// One line of the list; the name lives for ever.
struct running_shown {
    const char *name;
    int64_t since_ms; // unix time
};

// The oldest ones, room of them at most. Returns how many were stored.
size_t running_list(struct running *running, struct running_shown *list, size_t room);
