// Makes libcurl trust what the rest of the agent trusts (relay/tls.h): the system's store, which
// SSL_CERT_FILE and SSL_CERT_DIR may replace, and perhaps a private CA. TLS 1.2 or newer.
#pragma once

#include <curl/curl.h>

// *ca_file is NULL or the private CA's file; both are used until the handle's last transfer.
void trust_apply(CURL *curl, const char *const *ca_file);
