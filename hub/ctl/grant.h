// The right to look at one port of one machine: where its relay is, and the token to show there.
// Either the command line says both, or a hub is asked.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fault;

struct grant_source {
    const char *relay_url, *relay_token_file; // both, or neither
    const char *hub_url, *hub_token_file; // NULL: the environment's, else the hub of this machine
    const char *ca_file;                  // for both, beside the system's; NULL: the hub's own
};

struct grant {
    char *relay_url, *token, *ca_file; // ca_file may be NULL
    int64_t until_ms;                  // mono; INT64_MAX: unknown
};

// Asks, SHELL_GRANT_MS at most. To be released with grant_fini, which accepts zeros.
bool grant_get(const struct grant_source *source, const char *agent, unsigned port,
               struct grant *out, struct fault *fault) __attribute__((warn_unused_result));
void grant_fini(struct grant *grant);
