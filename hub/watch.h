// What machines publish about themselves becomes knowledge: hellos, heartbeats, goodbyes, on the
// addresses of both generations. Whatever the bytes are, the memory is bounded and nothing breaks.
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "hub/roster.h"

struct watch {
    struct roster *roster;
    // The machine sent far too much: its connections are to be cut. May be NULL.
    void (*cut)(void *context, const char *machine);
    void *context;
    atomic_uint_fast64_t messages, heartbeats, bad; // since the start
};

// What is to be subscribed to; closed by NULL.
extern const char *const watch_subjects[];

// Any thread may call it.
void watch_feed(struct watch *watch, const char *subject, const void *data, size_t size,
                struct moment now);
