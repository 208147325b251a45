// Channels of programs that ended before anybody could watch: they stay registered a moment longer,
// so that whoever has opened the terminal, and is on the way to the relay, still gets its output
// and its end. Nothing else is left of such a terminal. For the stream thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "relay/datagram.h"

struct channel;
struct relay;

struct lingerings {
    struct lingering *newest, *oldest;
    size_t count;
};

// Takes a live channel from its owner. It is closed after ms at the latest, at once with the first
// word of a viewer, with the loss of the relay, and when there are too many.
void lingering_begin(struct lingerings *all, struct channel *channel, const struct relay *relay,
                     const char *id, int64_t ms);

// Somebody knows of it: a viewer is there.
void lingering_seen(struct lingerings *all, const struct relay *relay, const char *id);

void lingering_end_all(struct lingerings *all, const struct relay *relay); // NULL: of all relays
