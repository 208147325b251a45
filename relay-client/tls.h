// TLS as a client: version 1.2 or newer, the system's trust store and perhaps a private CA beside
// it, and a certificate that is valid for the host by name or address. There is no way around it.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/fail.h"

// A context whose handshakes fail unless tls_verify says yes; NULL when OpenSSL fails. verify is
// called with the store context of the chain to judge and argument; it returns 1 or 0.
SSL_CTX *tls_context(int (*verify)(X509_STORE_CTX *chain, void *argument), void *argument);

// The system's store (SSL_CERT_FILE and SSL_CERT_DIR come first), plus ca_file when it is not NULL.
// Reads files. Freed with X509_STORE_free.
X509_STORE *tls_trust(const char *ca_file, struct fail *why) __attribute__((warn_unused_result));

// Judges the server's chain for the host. On failure *why says what is wrong with it.
bool tls_verify(X509_STORE_CTX *chain, X509_STORE *trust, const char *host, struct fail *why);

// The next error of this thread's OpenSSL queue, as a text for people; empties the queue.
const char *tls_error(char *text, size_t room);
enum { TLS_ERROR_BYTES = 160 };

// True for something like 192.0.2.1 or 2001:db8::1, which certificates carry in another place.
bool tls_host_is_address(const char *host);
