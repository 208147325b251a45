// The hub's own nats-server: found, started, watched, started again.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fail;
struct nats_server;

// The program: the given path, or the one in PATH (and the directories for servers, which PATH of a
// user often lacks). Freed with mem_free; NULL with a text that says what to install.
char *nats_server_find(const char *given, struct fail *why);

struct nats_version {
    unsigned major, minor, patch;
};
bool nats_server_version(const char *program, struct nats_version *version, struct fail *why)
    __attribute__((warn_unused_result));

// Whether that version asks an authorization service about each connection, and cuts off a single
// one on request.
bool nats_version_has_callout(struct nats_version version);

// Starts the program with that configuration, and again whenever it ends. It dies with the hub.
struct nats_server *nats_server_start(const char *program, const char *config, struct fail *why);

// Makes it read its configuration and certificates again.
void nats_server_reload(struct nats_server *server);

// Whether it listens now. Until it does, its port may be somebody else's.
bool nats_server_ready(struct nats_server *server);

// Whether it has ended at least once, and the last error that it printed ("" when none).
bool nats_server_ended(struct nats_server *server, char *error, unsigned long room);
uint64_t nats_server_starts(struct nats_server *server);

// Kills it when it has run for at least that long, so that it is started again: for one that does
// not answer any more. False when it does not run, or not for so long.
bool nats_server_kill(struct nats_server *server, int64_t age_ms);

void nats_server_stop(struct nats_server *server); // NULL is accepted
