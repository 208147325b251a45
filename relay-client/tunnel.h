// Carries a NATS connection to a server that wants WebSocket or TLS: the NATS client connects to a
// loopback port of ours, and the bytes are copied both ways. (From nats.c 3.11 on a connected
// socket can be handed over with natsOptions_SetProxyConnHandler; this works with every version.)
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

struct cancel;
struct tunnel;

enum tunnel_scheme {
    TUNNEL_WS,
    TUNNEL_WSS,
    TUNNEL_TLS, // TCP, INFO in clear, then TLS; also for nats:// when INFO says tls_required
};

struct tunnel_target {
    enum tunnel_scheme scheme;
    const char *host; // a name or an address, IPv6 without brackets; certificates are for this
    uint16_t port;
    const char *path;    // of the request, for ws and wss; NULL means "/"
    const char *ca_file; // a private CA beside the system's, or NULL
};

// Blocks until the far side is established or deadline_ms (clock_mono_ms) has passed or cancel
// (may be NULL) fires. Fails with the reason: name, TCP, certificate, HTTP status, close code.
// The NATS client then has TUNNEL_ACCEPT_MS to connect to 127.0.0.1:tunnel_port().
bool tunnel_open(const struct tunnel_target *target, int64_t deadline_ms, struct cancel *cancel,
                 struct tunnel **out, struct fail *why) __attribute__((warn_unused_result));

uint16_t tunnel_port(const struct tunnel *tunnel);

// True when the tunnel has ended by itself; *why then tells how.
bool tunnel_failure(struct tunnel *tunnel, struct fail *why);

// Never blocks. What the NATS client had written before it closed its connection is still sent.
void tunnel_close(struct tunnel *tunnel);
