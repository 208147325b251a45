#include "hub/digest.h"

#include <assert.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

void digest_sha256(const void *data, size_t size, unsigned char digest[DIGEST_BYTES])
{
    int done = EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL);
    assert(done == 1);
    (void)done;
}

void digest_hmac(const unsigned char key[DIGEST_BYTES], const void *data, size_t size,
                 unsigned char digest[DIGEST_BYTES])
{
    unsigned char *done = HMAC(EVP_sha256(), key, DIGEST_BYTES, data, size, digest, NULL);
    assert(done);
    (void)done;
}

void digest_hex(const void *data, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++) {
        *text++ = digits[p[i] >> 4];
        *text++ = digits[p[i] & 15];
    }
    *text = '\0';
}
