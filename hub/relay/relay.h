// The relay: pairs the agent's and the viewer's end of a channel and copies what each sends to the
// other. Knows no sockets: it is told what has come in, and asked what is to go out. One thread,
// but for the counters and relay_cut.
//
// Nothing is shed: an end that sends faster than the other takes, or than the rate allows, is not
// read from for a while, nor is the agent of a new channel once much is kept for its first viewer,
// who is on the way. An end that takes nothing at all for a time is dropped; what it has missed
// is in the ring when it comes back.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/relay/frame.h"

struct peer;
struct relay;

struct relay_limits {
    size_t ring_frames, ring_bytes; // kept of each direction of a channel
    size_t ring_total;              // of all channels: each gets its part
    double rate, burst;             // bytes a second of one end, and at once; rate 0: no limit
    int64_t pair_ms;                // a channel with one end only lives this long untouched
    int64_t open_ms;                // for the first message
    int64_t first_viewer_ms; // a new channel's agent is held back for it, not to lose the start
    int64_t stall_ms;        // an end that takes nothing for so long is dropped
};
extern const struct relay_limits relay_default_limits;

struct relay_setup {
    struct relay_limits limits;
    const unsigned char *producer_key, *viewer_key; // of the tokens, DIGEST_BYTES each
    // Whether this machine may use the relay with a token of that generation.
    bool (*is_known)(void *context, const char *agent, int64_t generation);
    // About the socket that was given to relay_accept: there is something to send, or it is to be
    // closed; reading is to stop or to go on.
    void (*wake)(void *socket);
    void (*pause)(void *socket, bool paused);
    // It has not been read from for a while, nor were its pings: to be told that we are alive.
    void (*sign_of_life)(void *socket);
    void *context;
};

struct relay_counters {
    atomic_uint_fast64_t to_viewer_bytes, to_agent_bytes, frames, accepted, rejected, reconnects,
        rate_pauses, stalls, channels, high_water;
};

struct relay *relay_new(const struct relay_setup *setup);
void relay_free(struct relay *relay); // no peer is left
const struct relay_counters *relay_counters(const struct relay *relay);

// What the URL of a connection says; texts are copied.
struct relay_query {
    const char *workspace, *agent, *channel;
    uint32_t port;
};

struct peer *relay_accept(struct relay *relay, void *socket, const struct relay_query *query,
                          int64_t now_ms);

// The largest message that this end may send now.
size_t relay_message_max(const struct peer *peer);

// A whole message; the frame is the relay's. False: close the socket.
bool relay_received(struct peer *peer, struct frame *message, int64_t now_ms)
    __attribute__((warn_unused_result));

// What to send next; NULL for nothing. It stays valid until relay_sent.
struct frame *relay_next(struct peer *peer);
void relay_sent(struct peer *peer, int64_t now_ms);

// Whether the socket is to be closed now.
bool relay_is_over(const struct peer *peer);

void relay_gone(struct peer *peer, int64_t now_ms); // the socket is closed; frees the peer

void relay_tick(struct relay *relay, int64_t now_ms); // about once a second

// One channel of a machine, as it is now.
struct relay_sight {
    const char *channel;
    uint32_t port;
    bool agent, viewer; // these ends are here
    int64_t idle_ms;    // since an end came or went, or sent something
};

void relay_each(const struct relay *relay, const char *agent, int64_t now_ms,
                void (*visit)(void *context, const struct relay_sight *sight), void *context);

// Drops what a machine and its viewers have open now, with the next tick. Any thread.
void relay_cut(struct relay *relay, const char *agent, int64_t now_ms);
