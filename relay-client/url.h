// Where a relay is, and how a channel is asked for there. The viewer asks for the same path and
// query, byte for byte: deployments send both to one of several relays by them.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"

struct relay_url {
    bool tls;
    char host[RELAY_HOST_BYTES_MAX + 1]; // IPv6 without brackets
    uint16_t port;
    char path[RELAY_PATH_BYTES_MAX + 1]; // perhaps with a query
};

// ws and wss; http and https mean the same. An empty path becomes /stream. FAIL_STREAM.
bool relay_url_parse(const char *text, struct relay_url *url, struct fail *why)
    __attribute__((warn_unused_result));

// "/stream?ws=...&agent=...&port=7681&channel=...", ids percent-encoded but for unreserved
// characters (RFC 3986 2.3). To be freed with mem_free.
char *relay_url_channel(const struct relay_url *url, const char *workspace_id, const char *agent_id,
                        uint16_t port, const char *channel_id);
