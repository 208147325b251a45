#include "hub/jwt.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/limits.h"
#include "hub/nkey.h"

// {"typ":"JWT","alg":"ed25519-nkey"}
#define HEADER "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ"

char *jwt_sign(const struct nkey *issuer, json_t *claims)
{
    char *text = json_dumps(claims, JSON_COMPACT);
    json_decref(claims);
    if (!text)
        return NULL;
    size_t size = strlen(text);
    char *encoded = mem_array(1, BASE64_TEXT_BYTES(size));
    base64_encode(BASE64_URL, text, size, encoded);
    mem_free(text);
    char *body = mem_printf(HEADER ".%s", encoded);
    mem_free(encoded);
    unsigned char signature[NKEY_SIGNATURE_BYTES];
    char signature_text[BASE64_TEXT_BYTES(NKEY_SIGNATURE_BYTES)];
    nkey_sign(issuer, body, strlen(body), signature);
    base64_encode(BASE64_URL, signature, sizeof signature, signature_text);
    char *token = mem_printf("%s.%s", body, signature_text);
    mem_free(body);
    return token;
}

json_t *jwt_claims(const char *token, size_t size)
{
    const char *first = memchr(token, '.', size);
    const char *last = first ? memrchr(token, '.', size) : NULL;
    if (!first || last == first || size > HUB_JWT_BYTES_MAX)
        return NULL;
    size_t encoded = (size_t)(last - first) - 1, decoded;
    char *text = mem_array(1, encoded);
    json_t *claims = NULL;
    if (base64_decode(BASE64_URL, first + 1, encoded, text, &decoded))
        claims = json_loadb(text, decoded, 0, NULL);
    mem_free(text);
    return claims;
}
