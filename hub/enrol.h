// A machine becomes known: its identity, what its owner agreed to, and the credentials it gets.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/random.h"

struct fail;
struct roster;
struct secrets;
struct store;

struct enrol {
    struct store *store;
    struct roster *roster;
    const struct secrets *secrets;
};

// Makes a token that enrols one machine within ttl_ms, to be freed with mem_free_secret. NULL: why.
char *enrol_token(struct store *store, const struct secrets *secrets, int64_t ttl_ms,
                  bool screen_control, struct fail *why) __attribute__((warn_unused_result));

// What a machine says about itself when it asks to be enrolled.
struct enrol_machine {
    const char *public_key; // names the machine: the same key is the same machine
    const char *name, *os, *arch;
    bool display;
};

// Where the machine is to find the hub.
struct enrol_places {
    const char *nats_url, *relay_url; // "": none
};

enum enrol_result {
    ENROLLED,
    ENROL_BAD_TOKEN, // not a token of this hub
    ENROL_SPENT,     // it has enrolled a machine already
    ENROL_EXPIRED,
    ENROL_TOO_OFTEN,  // only said to strangers who fail again and again
    ENROL_IMPOSSIBLE, // the store failed: nothing has changed, the token is still good
};

// Exchanges a token for credentials, once. When this returns ENROLLED, the enrolment is on disk;
// credentials is the object to answer with (json_decref), id the machine.
enum enrol_result enrol_exchange(const struct enrol *enrol, const char *token,
                                 const struct enrol_machine *machine,
                                 const struct enrol_places *places, json_t **credentials,
                                 char id[UUID_BYTES], struct fail *why);

// The same without a token, after a person has agreed.
enum enrol_result enrol_agreed(const struct enrol *enrol, const struct enrol_machine *machine,
                               bool screen_control, const struct enrol_places *places,
                               json_t **credentials, char id[UUID_BYTES], struct fail *why);

// A machine's bearer, verified: signature and expiry. The machine's id and the digest that the
// roster compares; false with the reason otherwise.
bool enrol_read_bearer(const struct secrets *secrets, const char *bearer, int64_t now_s,
                       char id[UUID_BYTES], unsigned char hash[32], const char **reason);
