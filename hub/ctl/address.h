// The address of a NATS server as a person types it: "host", "host:port", or a URL with one of the
// schemes nats, tls, ws, wss.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fault;

enum address_scheme { ADDRESS_NATS, ADDRESS_TLS, ADDRESS_WS, ADDRESS_WSS };

struct address {
    enum address_scheme scheme;
    char host[256]; // an IPv6 literal without its brackets
    uint16_t port;  // the scheme's own when none is given
    char path[512]; // of ws and wss, "/" when empty
};

// User names and tokens in a URL are refused: command lines are for everybody to see (proc(5)).
bool address_parse(const char *text, struct address *address, struct fault *fault)
    __attribute__((warn_unused_result));
