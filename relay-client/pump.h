// Joins a descriptor (the master of a terminal) with a channel: output becomes frames, frames
// become input. For the stream thread.
//
// While the channel is live, output is read when it can be sent: what waits, waits in the kernel,
// and the program with it. While there is no relay, output is read on and the newest kept, so that
// the program goes on.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/bucket.h"
#include "relay/channel.h"
#include "relay/ring.h"
#include "relay/stream_thread.h"

struct pump_events {
    // The first output has been sent.
    void (*shown)(void *owner);
    // The other side of the descriptor is closed (EIO, end of file).
    void (*hung_up)(void *owner);
    // After pump_finish: everything has been sent, or cannot be.
    void (*finished)(void *owner);
};

struct pump {
    const struct pump_events *events;
    void *owner;
    struct channel *channel; // NULL: none (any more)
    struct watch watch;      // fd -1: not started
    struct stream_timer timer;
    struct bucket bucket;
    struct ring backlog; // output that was read while there was no relay
    uint64_t lost;       // bytes of it that were not kept
    struct ring input;
    int64_t finish_until_ms;
    bool live, readable, hung_up, shown, finishing, finished, paused;
};

// rate: bytes a second of output, 0: no limit.
void pump_init(struct pump *pump, const struct pump_events *events, void *owner, int64_t rate);
void pump_fini(struct pump *pump);

// fd is non-blocking and stays the owner's. Input that has come before is written now.
void pump_start(struct pump *pump, int fd);

// The owner passes on what its channel tells.
void pump_channel(struct pump *pump, struct channel *channel); // NULL: there is none any more
void pump_live(struct pump *pump, bool live);
size_t pump_produce(struct pump *pump);

// Input for the program. False when too much is waiting already.
bool pump_write(struct pump *pump, const void *data, size_t size);

// The program has ended: what is still to be read is sent, then comes finished().
void pump_finish(struct pump *pump);
