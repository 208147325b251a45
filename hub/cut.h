// Ending the connections of a machine that may no longer have any: the server is asked which ones
// there are, and told to close each (nats-server 2.10, system account).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <nats/nats.h>

#include "base/random.h"

// Machines to be cut: of each the connections that were begun before the decision. Each is cut
// twice, because one that was let in a moment before may not be in the server's list yet.
struct cuts {
    struct cut *entries;
    size_t count, room;
};

void cuts_fini(struct cuts *cuts);
void cuts_add(struct cuts *cuts, const char *machine, int64_t now_ms);

struct cut_order {
    char machine[UUID_BYTES];
    int64_t decided_ms; // unix time
};

// 0: the order is to be carried out now. Otherwise how long to wait, -1: until there is one.
int64_t cuts_next(struct cuts *cuts, int64_t now_ms, struct cut_order *order);

void cut_carry_out(natsConnection *system, const struct cut_order *order);

// Unix time of "2006-01-02T15:04:05.999999999Z" in ms; -1 for anything else.
int64_t cut_parse_time(const char *text);
