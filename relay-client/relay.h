// The relay of one connection to a control plane: where it is and what it wants to see. Shared by
// the connection and every channel on it; a change counts from the next dial on.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

struct relay;

// Copied. workspace_id and agent_id never change for one relay.
struct relay_settings {
    const char *workspace_id, *agent_id;
    const char *url;     // "": there is none
    const char *token;   // secret, may be ""
    const char *ca_file; // a private CA beside the system's, or NULL
    bool may_input;      // the owner lets viewers of the desktop use keyboard and pointer
    int64_t first_ms;    // for a channel's first registration; 0: CHANNEL_FIRST_MS
    int64_t refused_ms;  // of refusals, until a terminal ends; 0: CHANNEL_REFUSED_MS
    int64_t silence_ms;  // until it counts as dead, asked after a third; 0: CHANNEL_SILENCE_MS
};

struct relay *relay_new(const struct relay_settings *settings);
struct relay *relay_ref(struct relay *relay);
void relay_unref(struct relay *relay); // NULL is accepted

// New values of the rest. From any thread.
void relay_change(struct relay *relay, const struct relay_settings *settings);

// The control plane does not know this machine any more, as far as that can be told, or knows it
// (again). Terminals that the relay refuses as well end CHANNEL_DISOWNED_PART times sooner.
void relay_disown(struct relay *relay, bool disowned);

bool relay_is_named(struct relay *relay);  // there is one
bool relay_may_input(struct relay *relay); // now
const char *relay_workspace_id(const struct relay *relay);
const char *relay_agent_id(const struct relay *relay);
