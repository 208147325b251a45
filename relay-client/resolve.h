// Names to addresses, blocking: for a thread that may wait.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct addresses {
    union address list[RESOLVE_ADDRESSES_MAX];
    size_t count; // at least one after success
};

// host: a name or a numeric address, IPv6 without brackets. In the resolver's order (RFC 6724).
bool resolve(const char *host, uint16_t port, struct addresses *out, struct fail *why)
    __attribute__((warn_unused_result));

// "192.0.2.1" or "2001:db8::1", with a scope where there is one.
enum { ADDRESS_TEXT_BYTES = 64 };
void address_text(const union address *address, char text[ADDRESS_TEXT_BYTES]);

socklen_t address_size(const union address *address);
