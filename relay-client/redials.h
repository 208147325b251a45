// How many reconnects may be under way at once: after a restart of the relay, all channels of the
// agent come back, but not all in the same moment.
#pragma once

#include <stdbool.h>

struct redial {
    struct redial *next;
    void (*turn)(struct redial *redial);
    bool waiting, running;
};

// Calls turn at once, or when another has ended.
void redial_begin(struct redial *redial, void (*turn)(struct redial *redial));

// For one that has ended, or is no longer wanted; harmless for one that never began.
void redial_end(struct redial *redial);
