// SHA-256 and HMAC-SHA256, in bytes and in hex.
#pragma once

#include <stddef.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX_BYTES = 2 * DIGEST_BYTES + 1 };

void digest_sha256(const void *data, size_t size, unsigned char digest[DIGEST_BYTES]);
void digest_hmac(const unsigned char key[DIGEST_BYTES], const void *data, size_t size,
                 unsigned char digest[DIGEST_BYTES]);

// Lower case, NUL-terminated: text has room for 2 * size + 1 bytes.
void digest_hex(const void *data, size_t size, char *text);
