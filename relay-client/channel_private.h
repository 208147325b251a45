// What a channel is made of. channel.c takes it from one state to the next, channel_wire.c puts
// messages together and takes them apart.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "relay/channel.h"
#include "relay/redials.h"
#include "relay/seen.h"
#include "relay/stream_thread.h"
#include "relay/tail.h"

struct ws;
struct ws_piece;

enum channel_state {
    CHANNEL_WAITING,     // for the next attempt, or for its turn
    CHANNEL_REGISTERING, // from the dial to the relay's answer
    CHANNEL_LIVE,
    CHANNEL_PARKED,  // the relay can hold one channel of this port, and it holds a newer one
    CHANNEL_CLOSING, // the owner has gone; the farewell is to be sent
    CHANNEL_DEAD,
};

struct channel {
    struct channel *next, **link; // of the relay's
    struct relay *relay;
    struct channel_policy policy;
    char id[CHANNEL_ID_BYTES_MAX + 1];
    uint64_t number; // a later one is newer
    const struct channel_events *events;
    void *owner; // NULL when it has gone, or has been told of the end
    enum channel_state state;
    struct stream_timer timer; // of the state
    struct ws *ws;
    struct redial redial;
    bool open_sent, paused;

    // registration
    bool was_live;     // ever
    unsigned attempts; // since it was live, or since the beginning
    int64_t created_ms, live_ms, lost_ms;
    int64_t refused_since_ms; // 0: the latest answer was no refusal
    struct channel *rival;    // CHANNEL_PARKED: the one that has its place

    // frames out
    uint64_t out_seq;
    struct tail tail;
    bool resending;
    uint64_t resend_seq;
    int64_t sent_ms; // the latest frame

    // frames in
    uint64_t in_high; // one more than the highest sequence number that was delivered
    struct seen seen;
    struct buffer message; // pieces of one
    bool skipping;         // the rest of a message that is not for us
    int64_t complained_ms; // when nonsense from the relay was logged last

    enum stream_close farewell;
    char farewell_message[64];
};

// channel_wire.c: events of the WebSocket
void channel_received(void *channel, const struct ws_piece *piece);
void channel_writable(void *channel);

// channel.c: what they lead to
void channel_go_live(struct channel *channel);
void channel_refused(struct channel *channel, const struct fail *why);
// The next attempt follows, no sooner than after so many milliseconds, or the end.
void channel_lost(struct channel *channel, const struct fail *why, int64_t at_least_ms);
void channel_lost_because(struct channel *channel, enum fail_kind kind, const char *text);
// Tells the owner, and is freed when the caller's caller is done with it.
void channel_end(struct channel *channel, const struct fail *why);
void channel_die(struct channel *channel); // the same without a word
