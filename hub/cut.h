// Ending the connections of a machine that may no longer have any: the server is asked which ones
// there are, and told to close each (nats-server 2.10, system account).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <nats/nats.h>

#include "base/random.h"

// Machines to be cut. Each is cut twice: a connection that was let in a moment before the decision
// may not be in the server's list yet.
struct cuts {
    struct cut *entries;
    size_t count, room;
};

void cuts_fini(struct cuts *cuts);
void cuts_add(struct cuts *cuts, const char *machine, int64_t now_ms);

// 0: machine is to be cut now. Otherwise how long to wait, -1: until there is one.
int64_t cuts_next(struct cuts *cuts, int64_t now_ms, char machine[UUID_BYTES]);

void cut_machine(natsConnection *system, const char *machine);
