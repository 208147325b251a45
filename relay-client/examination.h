// A plain TCP connect, to learn why another one to the same address failed. For the stream thread.
#pragma once

#include "relay/resolve.h"
#include "relay/stream_thread.h"

struct examination {
    struct watch watch; // watch.fd is -1 while there is none
    void (*done)(void *owner, int error);
    void *owner;
};

// Calls done, perhaps before it returns, with an errno; 0 when there is nothing wrong (any more).
// Whoever does not want to wait calls examination_end.
void examination_begin(struct examination *examination, const union address *address,
                       void (*done)(void *owner, int error), void *owner);

// May be called at any time, also from done.
void examination_end(struct examination *examination);
