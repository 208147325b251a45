// What only this hub knows. One random key in DIR/hub.key; every other key is derived from it under
// a name of its own, so that a backup is one small file. The two tokens that people and programs
// present to the hub are files of their own, so that they can be handed out and replaced.
#pragma once

#include <stdbool.h>

#include "hub/digest.h"

struct data_dir;
struct fail;

enum { SECRETS_TOKEN_BYTES = 64, SECRETS_PASSWORD_BYTES = 44 };

struct secrets {
    unsigned char enrolment[DIGEST_BYTES];      // signs enrolment tokens and machines' bearers
    unsigned char producer[DIGEST_BYTES];       // signs relay tokens of machines
    unsigned char viewer[DIGEST_BYTES];         // signs relay tokens of viewers
    unsigned char nats_account[DIGEST_BYTES];   // Ed25519 seed: signs what nats-server is answered
    char nats_password[SECRETS_PASSWORD_BYTES]; // of the hub's own NATS users
    char admin_token[SECRETS_TOKEN_BYTES];      // DIR/admin.token: the HTTP API
    char control_token[SECRETS_TOKEN_BYTES]; // DIR/control.token: NATS, everything of the machines
};

// Loads the secrets, makes the missing ones. A file that holds something else is refused, never
// replaced: a new key would make every enrolled machine a stranger.
bool secrets_load(struct secrets *secrets, const struct data_dir *dir, struct fail *why)
    __attribute__((warn_unused_result));
void secrets_wipe(struct secrets *secrets);
