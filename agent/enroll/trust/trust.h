// Makes libcurl trust what the rest of the agent trusts (relay/tls.h): the system's store, which
// SSL_CERT_FILE and SSL_CERT_DIR may replace, and perhaps a private CA. TLS 1.2 or newer.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "base/fail.h"

// *ca_file is NULL or the private CA's file; both are used until the handle's last transfer.
void trust_apply(CURL *curl, const char *const *ca_file);

// Says why a transfer has ended with CURLE_SSL_CACERT_BADFILE, and returns false.
bool trust_explain(const char *ca_file, struct fail *why);
