// The configuration of the hub's nats-server.
#pragma once

#include <stdbool.h>

struct buffer;

// The machines and everything that talks to them; the callout; the server itself. Nothing crosses.
#define NATS_AGENTS_ACCOUNT "AGENTS"
#define NATS_AUTH_ACCOUNT   "AUTH"
#define NATS_SYSTEM_ACCOUNT "SYS"

// The hub's own user in each account.
#define NATS_AGENTS_USER "hub-agents"
#define NATS_AUTH_USER   "hub-auth"
#define NATS_SYSTEM_USER "hub-system"

// Subjects of requests about the server itself.
#define NATS_CALLOUT_SUBJECT "$SYS.REQ.USER.AUTH"

struct nats_config {
    const char *client_address; // loopback; for the hub and for programs of this machine
    int client_port;
    const char *agents_address; // WebSocket, for machines
    int agents_port;
    const char *certificate, *key; // of the WebSocket listener; NULL: no TLS
    // NULL: the server is too old to ask the hub, so it lets everybody in
    const char *issuer;   // public key that signs answers to the callout
    const char *password; // of the hub's own users
};

// The whole file; false when it would be larger than out may be.
bool nats_config_write(const struct nats_config *config, struct buffer *out)
    __attribute__((warn_unused_result));

// Only accounts and authorization: what a person adds to the configuration of a server of their
// own that the hub is to use.
bool nats_config_write_authorization(const struct nats_config *config, struct buffer *out)
    __attribute__((warn_unused_result));
