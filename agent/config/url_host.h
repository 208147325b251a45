// The host part of an http URL in its one canonical spelling (WHATWG URL, "host parsing").
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

enum { URL_HOST_BYTES = 256 };

// Lower case; IPv4 in all its spellings as four decimal numbers; IPv6 in brackets, shortened. A
// name has to be ASCII, so an international one in its xn-- form.
bool url_host_normalise(const char *text, size_t size, char host[URL_HOST_BYTES], struct fail *why)
    __attribute__((warn_unused_result));

// True for this very machine: localhost, 127.0.0.0/8, [::1]. Takes a normalised host.
bool url_host_is_loopback(const char *host);
