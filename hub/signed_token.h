// The tokens of the plane: <prefix><claims>.<signature>, both base64url without padding; the
// signature is HMAC-SHA256 over the encoded claims.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "hub/digest.h"

#define TOKEN_ENROLMENT "oget_" // for one enrolment
#define TOKEN_BEARER    "oge_"  // a machine's NATS credential
#define TOKEN_PRODUCER  "ogr_"  // a machine's relay credential
#define TOKEN_VIEWER    "ogs_"  // one viewer's relay credential

// Takes over claims. The token is freed with mem_free_secret.
char *signed_token_mint(const char *prefix, const unsigned char key[DIGEST_BYTES], json_t *claims);

// The claims, to be freed with json_decref; NULL and a reason ("token is expired", ...) otherwise.
// A token whose "exp" is now_s is still valid.
json_t *signed_token_verify(const char *prefix, const unsigned char key[DIGEST_BYTES],
                            const char *token, size_t size, int64_t now_s, const char **reason);
