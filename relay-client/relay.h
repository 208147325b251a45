// The relay of one connection to a control plane: where it is and what it wants to see. Shared by
// the connection and every channel on it; a change counts from the next dial on.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

struct relay;

// Copied. workspace_id and agent_id never change for one relay.
struct relay_settings {
    const char *workspace_id, *agent_id;
    const char *url;     // "": there is none
    const char *token;   // secret, may be ""
    const char *ca_file; // a private CA beside the system's, or NULL
};

struct relay *relay_new(const struct relay_settings *settings);
struct relay *relay_ref(struct relay *relay);
void relay_unref(struct relay *relay); // NULL is accepted

// New values of url, token and ca_file. From any thread.
void relay_change(struct relay *relay, const struct relay_settings *settings);

const char *relay_workspace_id(const struct relay *relay);
const char *relay_agent_id(const struct relay *relay);
