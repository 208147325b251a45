// One look at a server: whether it can be reached and is what it should be. Nothing is sent that
// would identify this machine, and nobody logs in: a second session of one machine would disturb
// the first.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

enum probe_kind {
    PROBE_NATS,  // nats, tls, ws or wss: up to the server's greeting
    PROBE_RELAY, // ws, wss, http or https: whether there is an HTTP server at all
    PROBE_API,   // http or https, the same; through the proxies of the environment
};

enum { PROBE_TEXT_BYTES = 160 };

struct probe_answer {
    bool reached;
    char text[PROBE_TEXT_BYTES]; // what answered: "nats-server 2.10.7", "HTTP 404"
    struct fail why;             // when it was not reached
    int64_t took_ms;
    bool has_date;              // the HTTP answer had a date
    int64_t date_s, received_s; // what it was, and our clock when it came; unix time
};

// ca_file: a private CA beside the system's store, or NULL. Takes timeout_ms at most.
void probe(enum probe_kind kind, const char *url, const char *ca_file, int64_t timeout_ms,
           struct probe_answer *answer);
