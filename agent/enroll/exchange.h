// An enrolment token becomes a connection.
#pragma once

#include "base/fail.h"
#include "enroll/credentials.h"
#include "enroll/http.h"

// What this machine says about itself when it enrols.
struct enroll_machine {
    const char *public_key; // config/identity.h
    const char *arch;       // "x86_64" or "aarch64"
    const char *name;       // NULL: none
    bool display;           // it could show a desktop
    bool wants_screen;      // a hint for the person who decides
};

// Exchanges the token. Waits and tries again where the server asks for it: three times within
// 15 s. NULL with a text for a person.
struct connection *exchange_token(const struct http_client *client, const char *token,
                                  const struct enroll_machine *machine,
                                  const struct credentials_origin *origin, struct fail *why)
    __attribute__((warn_unused_result));

// The fields that both ways to enrol have in common, added to a request.
void enroll_machine_describe(const struct enroll_machine *machine, json_t *request);
