#include "hub/nkey.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/alloc.h"

struct nkey {
    EVP_PKEY *pair;
    char text[NKEY_TEXT_BYTES];
};

enum { RAW_BYTES = 1 + 32 + 2 }; // type, key, checksum: 35 bytes, which are 56 base32 characters

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; // RFC 4648, without padding

static void base32_encode(const unsigned char raw[RAW_BYTES], char text[NKEY_TEXT_BYTES])
{
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < RAW_BYTES; i++) {
        bits = bits << 8 | raw[i];
        for (count += 8; count >= 5; count -= 5)
            *text++ = alphabet[bits >> (count - 5) & 31];
    }
    *text = '\0';
}

static bool base32_decode(const char *text, unsigned char raw[RAW_BYTES])
{
    unsigned bits = 0, count = 0;
    size_t used = 0;
    for (; *text; text++) {
        const char *digit = strchr(alphabet, *text);
        if (!digit || used == RAW_BYTES)
            return false;
        bits = bits << 5 | (unsigned)(digit - alphabet);
        if ((count += 5) >= 8) {
            count -= 8;
            raw[used++] = (unsigned char)(bits >> count);
        }
    }
    return used == RAW_BYTES && count == 0;
}

// CRC-16/XMODEM, least significant byte first.
static void put_checksum(unsigned char raw[RAW_BYTES])
{
    unsigned crc = 0;
    for (size_t i = 0; i < RAW_BYTES - 2; i++) {
        crc ^= (unsigned)raw[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
    raw[RAW_BYTES - 2] = (unsigned char)(crc & 0xff);
    raw[RAW_BYTES - 1] = (unsigned char)(crc >> 8);
}

// The first byte holds the letter in its upper five bits.
static unsigned char type_byte(enum nkey_type type)
{
    return (unsigned char)((type - 'A') << 3);
}

struct nkey *nkey_new(enum nkey_type type, const unsigned char seed[DIGEST_BYTES])
{
    struct nkey *key = mem_new(struct nkey);
    unsigned char raw[RAW_BYTES] = {type_byte(type)};
    size_t size = 32;
    key->pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, DIGEST_BYTES);
    int done = key->pair && EVP_PKEY_get_raw_public_key(key->pair, raw + 1, &size);
    assert(done && size == 32);
    (void)done;
    put_checksum(raw);
    base32_encode(raw, key->text);
    return key;
}

void nkey_free(struct nkey *key)
{
    if (key)
        EVP_PKEY_free(key->pair);
    mem_free(key);
}

const char *nkey_public(const struct nkey *key)
{
    return key->text;
}

void nkey_sign(const struct nkey *key, const void *data, size_t size,
               unsigned char signature[NKEY_SIGNATURE_BYTES])
{
    size_t signature_size = NKEY_SIGNATURE_BYTES;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int done = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) == 1 &&
               EVP_DigestSign(context, signature, &signature_size, data, size) == 1;
    assert(done && signature_size == NKEY_SIGNATURE_BYTES);
    (void)done;
    EVP_MD_CTX_free(context);
}

bool nkey_is_public(enum nkey_type type, const char *text)
{
    unsigned char raw[RAW_BYTES], sum[RAW_BYTES];
    if (strlen(text) != NKEY_TEXT_BYTES - 1 || !base32_decode(text, raw) ||
        raw[0] != type_byte(type))
        return false;
    memcpy(sum, raw, sizeof sum);
    put_checksum(sum);
    return memcmp(sum, raw, sizeof sum) == 0;
}
