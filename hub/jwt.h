// JSON Web Tokens as NATS uses them (version 2: algorithm ed25519-nkey).
#pragma once

#include <stddef.h>

#include <jansson.h>

struct nkey;

// Signs the claims, which it takes over. Freed with mem_free.
char *jwt_sign(const struct nkey *issuer, json_t *claims);

// The claims of a token, without a look at its signature; NULL when it is none. To be freed with
// json_decref.
json_t *jwt_claims(const char *token, size_t size);
