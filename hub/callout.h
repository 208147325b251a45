// nats-server asks the hub about every connection (auth callout, nats-server 2.10): the request is
// a JWT that describes the client, the answer a JWT that lets it in with permissions, or refuses.
// https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_callout
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "hub/nkey.h"

struct callout_request {
    char user_nkey[NKEY_TEXT_BYTES]; // has to come back in the answer
    char server_id[NKEY_TEXT_BYTES];
    char *token;               // what the client presented; "" when nothing
    char instance[UUID_BYTES]; // from the CONNECT name, folded to lower case; "" without one
    char *client;              // address of the client, for the log
};

// False when the bytes are no such request. Otherwise to be freed with callout_request_fini.
bool callout_read(const void *data, size_t size, struct callout_request *request)
    __attribute__((warn_unused_result));
void callout_request_fini(struct callout_request *request);

// What a client may do. Lists are closed by NULL.
struct callout_grant {
    const char *user; // how the server shall call the client in its own log and lists
    const char *const *publish, *const *subscribe;
    const char *const *deny; // both ways; may be NULL
    int64_t expires_s;       // unix time at which the server ends the connection; 0: never
};

// The answers, to be freed with mem_free.
char *callout_grant(const struct nkey *account, const struct callout_request *request,
                    const struct callout_grant *grant);
char *callout_refuse(const struct nkey *account, const struct callout_request *request,
                     const char *reason);

// The instance id of a CONNECT name "opengeni-agent/connection/<uuid>" (any RFC 9562 UUID),
// lower case; "" for any other name.
void callout_instance(const char *name, char instance[UUID_BYTES]);
