// What terminals and desktops have in common at a relay: the id of their channel, and how a reply
// names it.
#pragma once

#include <stdint.h>

#include "ops/op.h"

enum { STREAM_ID_BYTES = 3 + 32 + 1 }; // "ch-" and 32 hexadecimal digits

// The id is a capability: old relays do not check much else of a viewer.
void stream_id_make(char id[STREAM_ID_BYTES]);

// For the reply to op, which has a relay. NULL when there is no memory for it.
Og__StreamChannel *stream_channel_of(const struct op *op, const char *id, Og__StreamKind kind,
                                     uint32_t port);
