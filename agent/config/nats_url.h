// Addresses of NATS servers as a connection document holds them: nats, tls, ws, wss; without a
// scheme nats is meant. User info is ignored: the bearer is the only credential.
#pragma once

#include <stdbool.h>

#include "base/fail.h"

enum nats_scheme { NATS_PLAIN, NATS_TLS, NATS_WS, NATS_WSS };

enum { NATS_HOST_BYTES = 256, NATS_PATH_BYTES = 1024 };

struct nats_url {
    enum nats_scheme scheme;
    char host[NATS_HOST_BYTES]; // without the brackets of an IPv6 literal
    unsigned short port;        // the scheme's own when none is given
    char path[NATS_PATH_BYTES]; // "/" when empty; ws and wss only
};

bool nats_url_parse(const char *text, struct nats_url *url, struct fail *why)
    __attribute__((warn_unused_result));
