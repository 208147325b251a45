// One event of keyboard, pointer or wheel: from the protocol's messages to the desktop process's.
#pragma once

#include <stdbool.h>

#include "base/fail.h"
#include "desktop_protocol/protocol.h"
#include "proto/opengeni_agent.pb-c.h"

void desktop_event_pointer(const Og__PointerEvent *event, struct desktop_input *input);
void desktop_event_scroll(const Og__ScrollEvent *event, struct desktop_input *input);

// *text: of DESKTOP_TEXT, the event's own; else it is left alone. FAIL_UNSUPPORTED for a chord that
// is too long.
bool desktop_event_key(const Og__KeyEvent *event, struct desktop_input *input, const char **text,
                       struct fail *why) __attribute__((warn_unused_result));
