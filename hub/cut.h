// Ending the connections of a machine that may no longer have any: the server is asked which ones
// there are, and told to close each (nats-server 2.10, system account).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nats/nats.h>

#include "base/random.h"

// Machines to be cut. Each is cut twice, because a connection that was let in a moment before may
// not be in the server's list yet.
struct cuts {
    struct cut *entries;
    size_t count, room;
};

void cuts_fini(struct cuts *cuts);

// Which connections: those that were begun before a moment (unix time in ns), which has to be read
// from this machine's clock after the decision is in force and before anybody is told of it. A
// later decision about the same machine replaces an earlier one.
#define CUT_EVERY INT64_MAX
void cuts_add(struct cuts *cuts, const char *machine, int64_t before_ns, int64_t now_ms);

struct cut_order {
    char machine[UUID_BYTES];
    int64_t before_ns;
};

// 0: the order is to be carried out now. Otherwise how long to wait, -1: until there is one.
int64_t cuts_next(struct cuts *cuts, int64_t now_ms, struct cut_order *order);

// start: as the server tells it; what cannot be read as a time is cut. So is what begins after
// now_ns, the time after the server has told it: the clock was set back since, and nobody can say
// how old the connection is.
bool cut_concerns(const struct cut_order *order, const char *start, int64_t now_ns);

void cut_carry_out(natsConnection *system, const struct cut_order *order);

// Unix time of "2006-01-02T15:04:05.999999999Z" or "...+07:00" in ns (RFC 3339, as Go writes it);
// -1 for anything else.
int64_t cut_parse_time(const char *text);
