// What a connection needs before it can be dialled: the addresses behind a name, and the trust
// store. Both may block, so a thread of its own gets them.
#pragma once

#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "relay/resolve.h"

struct preparation {
    bool good;
    struct addresses addresses;
    X509_STORE *trust; // with TLS; the receiver's
    struct fail why;   // when it is not good
};

// Calls done on the stream thread, later, unless the agent is ending. Nothing can stop it, so owner
// has to live until then.
void prepare(const char *host, uint16_t port, bool tls, const char *ca_file,
             void (*done)(void *owner, struct preparation *result), void *owner);
