// The hub (docs/hub.md) at this end: where it answers, and one question to it. The hub of the same
// user says where it is in a file; another one is named by its URL and a file with its admin token.
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct fault;

struct hub_source {
    const char *url, *token_file; // NULL: the environment's, else the hub of this machine
    const char *ca_file;          // beside the system's; NULL: the hub's own where it is known
};

struct hub_place {
    char *url;                        // http or https, without a slash at its end
    char *socket;                     // of the hub of this machine; NULL: the network
    char *token_file;                 // holds the admin token
    char *ca_file;                    // may be NULL
    char *nats_url, *nats_token_file; // of the hub of this machine; NULL: it is to be asked
};

// A hub that is named, by option or by OPENGENI_HUB and OPENGENI_HUB_TOKEN_FILE. *named tells
// whether there is one; false with a fault when it is named wrongly.
bool hub_find_named(const struct hub_source *source, struct hub_place *out, bool *named,
                    struct fault *fault) __attribute__((warn_unused_result));

// The hub that serves on this machine for this user; false: none.
bool hub_find_local(struct hub_place *out) __attribute__((warn_unused_result));

void hub_place_fini(struct hub_place *place); // accepts zeros

// One question: a POST when there is a body (JSON), else a GET, timeout_ms at most. The answer is
// for json_decref. FAULT_MACHINE when the hub knows no such machine, or several.
bool hub_ask(const struct hub_place *place, const char *path, const char *body, long timeout_ms,
             json_t **answer, struct fault *fault) __attribute__((warn_unused_result));
