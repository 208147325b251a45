// The live views of the desktop: which there are, for which link, and how many. Each is a channel
// at a relay; all share the desktop process's one capture and encoder. A viewer sees whole PNGs, or
// speaks RFB when that is what it begins with.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "ops/stream_channel.h"

struct cancel;
struct desktop;
struct relay;
struct views;

enum { VIEW_PORT = 6080 }; // a label of the protocol; nothing listens there

// rfb_rate: bytes a second of one RFB viewer, 0 for no limit.
struct views *views_new(struct desktop *desktop, int64_t rfb_rate);

// Says goodbye to the relays. For the end of the process: no more can be opened, nothing is waited
// for.
void views_stop(struct views *views);

// The link of this relay has gone for good, and its views with it.
void views_leave(struct views *views, struct relay *relay);

// The owner has withdrawn the consent to keyboard and pointer: views that were opened with it end.
void views_revoke_input(struct views *views, struct relay *relay);

// Registers a channel, and returns when its first picture has gone out. FAIL_STREAM,
// FAIL_STREAM_DOWN, FAIL_TIMEOUT, FAIL_BUSY when the agent stops; nothing is left behind then.
bool views_open(struct views *views, struct relay *relay, struct cancel *cancel,
                char id[STREAM_ID_BYTES], struct fail *why) __attribute__((warn_unused_result));

// A view of this relay that shows pictures already: it sends the present one again.
bool views_find(struct views *views, struct relay *relay, char id[STREAM_ID_BYTES])
    __attribute__((warn_unused_result));
