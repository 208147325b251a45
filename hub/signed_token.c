#include "hub/signed_token.h"

#include <string.h>

#include <openssl/crypto.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/limits.h"

enum { SIGNATURE_CHARACTERS = BASE64_TEXT_BYTES(DIGEST_BYTES) - 1 };

static void sign(const unsigned char key[DIGEST_BYTES], const char *encoded, size_t size,
                 char signature[SIGNATURE_CHARACTERS + 1])
{
    unsigned char digest[DIGEST_BYTES];
    digest_hmac(key, encoded, size, digest);
    base64_encode(BASE64_URL, digest, sizeof digest, signature);
}

char *signed_token_mint(const char *prefix, const unsigned char key[DIGEST_BYTES], json_t *claims)
{
    char signature[SIGNATURE_CHARACTERS + 1];
    char *text = json_dumps(claims, JSON_COMPACT);
    json_decref(claims);
    if (!text)
        return NULL;
    size_t size = strlen(text);
    char *encoded = mem_array(1, BASE64_TEXT_BYTES(size));
    base64_encode(BASE64_URL, text, size, encoded);
    sign(key, encoded, strlen(encoded), signature);
    char *token = mem_printf("%s%s.%s", prefix, encoded, signature);
    mem_free(encoded);
    mem_free(text);
    return token;
}

static json_t *refuse(const char **reason, const char *text)
{
    *reason = text;
    return NULL;
}

json_t *signed_token_verify(const char *prefix, const unsigned char key[DIGEST_BYTES],
                            const char *token, size_t size, int64_t now_s, const char **reason)
{
    size_t skip = strlen(prefix);
    if (size < skip || memcmp(token, prefix, skip) != 0)
        return refuse(reason, "token has the wrong prefix");
    const char *encoded = token + skip, *dot = memrchr(encoded, '.', size - skip);
    if (!dot || dot == encoded || size > HUB_TOKEN_BYTES_MAX)
        return refuse(reason, "token is malformed");
    char signature[SIGNATURE_CHARACTERS + 1];
    size_t encoded_size = (size_t)(dot - encoded), rest = (size_t)(token + size - dot) - 1;
    sign(key, encoded, encoded_size, signature);
    if (rest != SIGNATURE_CHARACTERS || CRYPTO_memcmp(signature, dot + 1, rest) != 0)
        return refuse(reason, "token signature is invalid");

    char text[HUB_TOKEN_BYTES_MAX];
    size_t text_size;
    json_t *claims = NULL;
    if (base64_decode(BASE64_URL, encoded, encoded_size, text, &text_size))
        claims = json_loadb(text, text_size, JSON_REJECT_DUPLICATES, NULL);
    json_t *expires = json_object_get(claims, "exp");
    *reason = !json_is_integer(expires)             ? "token claims are invalid"
              : json_integer_value(expires) < now_s ? "token is expired"
                                                    : NULL;
    if (*reason) {
        json_decref(claims);
        return NULL;
    }
    return claims;
}
