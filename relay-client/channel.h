// One channel at a relay: registers, keeps itself registered, and carries frames both ways. What
// produces the frames lives on while the relay is away. For the stream thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "relay/datagram.h"

struct channel;
struct relay;

struct channel_policy {
    enum stream_kind kind;
    uint16_t port;         // a label (see StreamChannel in the .proto)
    bool keeps_tail;       // the newest frames are sent again after a reconnect
    bool ends_when_reaped; // by a relay that found nobody watching
    int64_t give_up_ms;    // without a connection it ends after this long; 0: never
};

struct channel_events {
    // Registered (again), or no longer. The first one with true is the success of channel_new.
    void (*live)(void *owner, bool live);
    // It never was registered. FAIL_STREAM: and will not be; FAIL_STREAM_DOWN: it may be, later.
    void (*failed)(void *owner, const struct fail *why);
    // The other end or the relay wants no more of it.
    void (*ended)(void *owner, const struct fail *why);
    // A viewer's frame that was not delivered before; its input event, as it stands in the .proto.
    void (*frame)(void *owner, const void *data, size_t size);
    void (*input)(void *owner, const void *body, size_t size); // may be NULL
    // There is room for one frame: puts its data into channel_room() and returns how much there is,
    // 0 for none. Called after channel_want_send and after every registration.
    size_t (*produce)(void *owner);
};

// Dials. failed() and ended() are the last events.
struct channel *channel_new(struct relay *relay, const struct channel_policy *policy,
                            const char *channel_id, const struct channel_events *events,
                            void *owner);

void channel_want_send(struct channel *channel);

// For produce(): room for that much data.
char *channel_room(size_t size);

// Somebody else gets its events from now on.
void channel_hand_over(struct channel *channel, const struct channel_events *events, void *owner);

// Stops and resumes reading from the relay.
void channel_pause(struct channel *channel, bool paused);

// Does not wait any longer before the next attempt.
void channel_redial(struct channel *channel);

// Tells the other end, if it can be told, and goes. No event follows.
void channel_close(struct channel *channel, enum stream_close reason, const char *message);

// How many are still telling the other end goodbye.
unsigned channel_farewells(void);

// New values have come for the relay: channels that were refused try again.
void channel_retry_refused(struct relay *relay);
