// Between the files of a probe.
#pragma once

#include <curl/curl.h>

#include "doctor/probe.h"

struct nats_url;

// A handle with everything that all probes have in common; until_ms as clock_mono_ms. NULL with
// *why when there is none.
CURL *probe_handle(const char *url, const char *const *ca_file, int64_t until_ms, struct fail *why);

// What libcurl says, as a reason.
bool probe_curl_failed(CURLcode code, const char *text, struct fail *why);

// TCP, the server's INFO, and TLS where the address or INFO asks for it.
bool probe_nats(const struct nats_url *url, const char *const *ca_file, int64_t until_ms,
                struct probe_answer *answer);
