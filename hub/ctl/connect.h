// The way to the server: plain TCP by nats.c itself, everything else through a tunnel.
#pragma once

#include <stdbool.h>

#include <nats/nats.h>

struct fault;
struct server;
struct tunnel;

struct connection {
    natsConnection *nats;
    struct tunnel *tunnel; // NULL: none
};

// Connects within CTL_CONNECT_MS. name is shown by the server's monitoring.
bool ctl_connect(const struct server *server, const char *name, struct connection *out,
                 struct fault *fault) __attribute__((warn_unused_result));

// A connection of zeros is accepted.
void ctl_disconnect(struct connection *connection);
