// Input for a machine's desktop: one event a request, which is answered when the event has been
// made. An event is never sent twice, unless it has certainly not begun.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/opengeni_agent.pb-c.h"

struct ctl;
struct fault;

bool act_pointer(struct ctl *ctl, int32_t x, int32_t y, Og__PointerAction action,
                 Og__PointerButton button, struct fault *fault) __attribute__((warn_unused_result));
bool act_scroll(struct ctl *ctl, int32_t x, int32_t y, int32_t dx, int32_t dy, struct fault *fault)
    __attribute__((warn_unused_result));

// Presses and lets go of keys that are named and joined with '+', or types a text.
bool act_key(struct ctl *ctl, const char *chord, struct fault *fault)
    __attribute__((warn_unused_result));
bool act_text(struct ctl *ctl, const char *text, struct fault *fault)
    __attribute__((warn_unused_result));

// Tells why the desktop cannot be used, and what its owner can do; returns ctl->status.
int act_fault(struct ctl *ctl, struct fault *fault);
