// The certificates the agent trusts: one store for all its connections.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

struct ca_store {
    char *file; // PEM bundle, NULL for none
    char *dir;  // hashed directory, or several with colons between them; NULL for none
};

// option (--ca-file, may be NULL), else $OPENGENI_CA_FILE, else $SSL_CERT_FILE and $SSL_CERT_DIR,
// else the first bundle that the system has in one of the usual places. Fails when what was named
// cannot be read, or nothing is found.
bool ca_store_find(const char *option, struct ca_store *store, struct fail *why)
    __attribute__((warn_unused_result));
void ca_store_fini(struct ca_store *store);
