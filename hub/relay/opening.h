// The first message on a connection: who it is, for which channel, and whether that is allowed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hub/relay/relay.h"

enum relay_role { ROLE_AGENT, ROLE_VIEWER };

struct opening {
    enum relay_role role;
    uint64_t resume_from;
    // Of a viewer: epochs of the session it was made for; authority -1 when it has none.
    int64_t lease_epoch, authority_epoch;
};

enum { OPENING_REASON_BYTES = 160 };

// Reads and checks the message against the query of the URL. False with the reason, as it is told
// to the other side.
bool opening_check(const struct relay_setup *setup, const struct relay_query *query,
                   const struct frame *message, int64_t now_s, struct opening *opening,
                   char reason[OPENING_REASON_BYTES]) __attribute__((warn_unused_result));

// The answers.
struct frame *opening_accept(uint64_t resume_from);
struct frame *opening_reject(const char *reason);
