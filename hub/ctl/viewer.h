// The viewer's end of one relay channel, over any number of connections: what was printed comes in
// order and once, what is typed goes out in order and, if the agent can tell, once. The caller's
// thread dials, reads and types; the stream thread does the work and tells of news by a descriptor.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "relay/datagram.h"

struct viewer;

enum viewer_state {
    VIEWER_AWAY, // never dialled, or lost: why
    VIEWER_DIALLING,
    VIEWER_LIVE,
    VIEWER_REFUSED, // by the relay: why
    VIEWER_CLOSED,  // the other end, or the relay, has ended the channel: close_reason
};

struct viewer_options {
    struct stream_channel channel; // copied
    uint64_t first_seq;            // of what is typed
    // After a reconnect, what may have been lost on the way is sent once more: for agents that pass
    // over what they have (identity of frames, not their sequence number alone).
    bool resends;
    bool from_start; // it is new: what was printed before the first look counts as missed
    bool rfb; // frames before the one that begins with "RFB " are pictures: they are passed over
};

struct viewer_news {
    enum viewer_state state;
    struct fail why;
    unsigned close_reason; // enum stream_close, any number
    uint64_t missed;       // frames that are gone for good, since the last look
};

// NULL when the stream thread cannot be started.
struct viewer *viewer_new(const struct viewer_options *options, struct fail *why);
void viewer_free(struct viewer *viewer); // ends the connection; NULL is accepted

// Tells the other end that nobody looks any more; waits so long for the news to leave.
void viewer_leave(struct viewer *viewer, int64_t ms);

int viewer_ready(const struct viewer *viewer); // readable after news and new output
void viewer_look(struct viewer *viewer, struct viewer_news *news);

// When it is away or refused. ca_file: beside the system's trust store, or NULL.
bool viewer_dial(struct viewer *viewer, const char *relay_url, const char *token,
                 const char *ca_file, struct fail *why) __attribute__((warn_unused_result));

// Output that has come, in order; returns how much, 0 for none.
size_t viewer_read(struct viewer *viewer, void *out, size_t room);
bool viewer_has_output(struct viewer *viewer);

size_t viewer_room(struct viewer *viewer); // how many bytes can be typed now
void viewer_type(struct viewer *viewer, const void *data, size_t size); // no more than that
bool viewer_is_typed(struct viewer *viewer); // everything has been handed to the network
