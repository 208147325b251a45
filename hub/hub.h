// Everything of one running hub.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "hub/bucket.h"
#include "hub/data_dir.h"
#include "hub/observed.h"
#include "hub/secrets.h"
#include "hub/settings.h"
#include "hub/store.h"
#include "hub/watch.h"

struct bus;
struct devices;
struct fail;
struct http_request;
struct http_response;
struct http_server;
struct limiter;
struct nats_server;
struct nkey;
struct relay_socket;

struct hub {
    const struct settings *settings;
    struct data_dir dir;
    struct secrets secrets;
    struct store store;
    struct observed observed;
    struct roster *roster;
    struct nkey *account;
    struct watch watch;
    struct limiter *failures;       // of enrolment, by address
    struct limiter *starts, *polls; // of the device flow
    struct devices *devices;        // wait for a decision
    char *certificate, *key, *ca;   // files; NULL: no TLS, no private CA
    char *nats_url;
    bool open; // nats-server is too old to ask who may connect
    struct http_server *http;
    struct relay_socket *relay;
    struct nats_server *nats; // NULL: somebody else's
    struct bus *bus;
    int64_t started_ms; // mono
    atomic_uint_fast64_t enrolments, grants, refusals;
    struct bucket refusal_log; // only the callout's thread uses it
};

// Opens everything and starts nats-server; listens, but does not answer yet.
bool hub_start(struct hub *hub, const struct settings *settings, struct fail *why)
    __attribute__((warn_unused_result));

// Answers until hub_end or a fatal signal's thread says so.
void hub_run(struct hub *hub);
void hub_end(struct hub *hub);
void hub_stop(struct hub *hub); // also after a failed start

// Reads certificates again, without a restart.
void hub_reload(struct hub *hub);

// Renews the certificate of the private CA when its end comes near.
void hub_renew(struct hub *hub);

// nats-server's question about a connection (bus.h).
char *hub_authorize(void *hub, const void *data, size_t size);

// Answers one HTTP request (http_server.h).
void hub_answer(void *hub, const struct http_request *request, struct http_response *response);

bool hub_healthy(struct hub *hub);

// Ends everything that a machine has open, at NATS and at the relay.
void hub_cut(struct hub *hub, const char *machine);

// The same for what was begun before now: a machine that has just enrolled again may come back as
// soon as it is told so.
void hub_cut_older(struct hub *hub, const char *machine);
