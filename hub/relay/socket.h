// The relay's WebSocket side: GET /stream?ws=...&agent=...&port=...&channel=...
#pragma once

#include "hub/http_server.h"

struct relay;
struct relay_setup;
struct relay_socket;

// The functions about a socket are filled in here. What is returned owns the relay.
struct relay_socket *relay_socket_new(const struct relay_setup *setup);
void relay_socket_free(struct relay_socket *socket); // NULL; after the HTTP server is gone

const struct http_sockets *relay_socket_handler(const struct relay_socket *socket);
struct relay *relay_socket_relay(const struct relay_socket *socket);
