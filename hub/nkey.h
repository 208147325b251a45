// NATS keys: Ed25519 key pairs whose public half is written as base32 with a type and a checksum
// (https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth).
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "hub/digest.h"

enum { NKEY_TEXT_BYTES = 57, NKEY_SIGNATURE_BYTES = 64 }; // 56 characters and a NUL

// The first letter of a public key.
enum nkey_type { NKEY_ACCOUNT = 'A', NKEY_SERVER = 'N', NKEY_USER = 'U' };

struct nkey;

struct nkey *nkey_new(enum nkey_type type, const unsigned char seed[DIGEST_BYTES]);
void nkey_free(struct nkey *key); // NULL is accepted
const char *nkey_public(const struct nkey *key);
void nkey_sign(const struct nkey *key, const void *data, size_t size,
               unsigned char signature[NKEY_SIGNATURE_BYTES]);

// Whether text is a public key of that type.
bool nkey_is_public(enum nkey_type type, const char *text);
