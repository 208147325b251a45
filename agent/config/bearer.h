// Tokens as the control plane hands them out: "<prefix>_<base64url of JSON>.<signature>". The agent
// cannot verify them; what is read here is for display, warnings and patience, and gives no right.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum bearer_state {
    BEARER_MISSING, // empty: no credential
    BEARER_UNKNOWN, // carries no readable expiry
    BEARER_VALID,
    BEARER_ENDING, // within BEARER_WARN_S
    BEARER_EXPIRED,
};

// *expires_s is unix time, 0 unless the state is one of the last three.
enum bearer_state bearer_read(const char *token, int64_t now_s, int64_t *expires_s);
