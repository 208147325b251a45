// What claims to be a question of nats-server, and what claims to be a token.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "hub/callout.h"
#include "hub/cut.h"
#include "hub/signed_token.h"

static void answer(const void *text, size_t size)
{
    static const unsigned char seed[DIGEST_BYTES] = "fuzz";
    struct callout_request request;
    if (!callout_read(text, size, &request))
        return;
    struct nkey *key = nkey_new(NKEY_ACCOUNT, seed);
    char *refusal = callout_refuse(key, &request, "no");
    if (!refusal)
        abort();
    mem_free(refusal);
    nkey_free(key);
    callout_request_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char key[DIGEST_BYTES] = "fuzz";
    const char *reason;
    answer(data, size);
    json_decref(signed_token_verify(TOKEN_BEARER, key, (const char *)data, size, 0, &reason));

    // The same bytes as the claims of a well-formed JWT, and of a well-signed token.
    char *encoded = mem_array(1, BASE64_TEXT_BYTES(size));
    base64_encode(BASE64_URL, data, size, encoded);
    char *jwt = mem_printf("e30.%s.x", encoded);
    answer(jwt, strlen(jwt));
    unsigned char digest[DIGEST_BYTES];
    char signature[BASE64_TEXT_BYTES(DIGEST_BYTES)];
    digest_hmac(key, encoded, strlen(encoded), digest);
    base64_encode(BASE64_URL, digest, sizeof digest, signature);
    char *token = mem_printf(TOKEN_BEARER "%s.%s", encoded, signature);
    json_decref(signed_token_verify(TOKEN_BEARER, key, token, strlen(token), 0, &reason));
    mem_free(token);
    mem_free(jwt);
    mem_free(encoded);

    char text[128];
    size_t length = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, length);
    text[length] = '\0';
    cut_parse_time(text);
    char instance[UUID_BYTES];
    callout_instance(text, instance);
    nkey_is_public(NKEY_USER, text);
    return 0;
}
