#include "hub/nkey.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "hub/digest.h"

// Made with the nkeys library of NATS from the seed 00 01 ... 1f and the text "abc".
static const struct {
    enum nkey_type type;
    const char *text;
} keys[] = {
    {NKEY_ACCOUNT, "AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV"},
    {NKEY_USER, "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"},
    {NKEY_SERVER, "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"},
};

static struct nkey *counting_key(enum nkey_type type)
{
    unsigned char seed[DIGEST_BYTES];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (unsigned char)i;
    return nkey_new(type, seed);
}

START_TEST(public_keys_and_signatures_are_those_of_nats)
{
    for (size_t i = 0; i < 3; i++) {
        struct nkey *key = counting_key(keys[i].type);
        ck_assert_str_eq(nkey_public(key), keys[i].text);
        unsigned char signature[NKEY_SIGNATURE_BYTES];
        char hex[2 * sizeof signature + 1];
        nkey_sign(key, "abc", 3, signature);
        digest_hex(signature, sizeof signature, hex);
        ck_assert_str_eq(hex,
                         "cc46d62d3754f41754b27b6ea2cb2c272bafa7a5a1f6062bd060f414e50caaeac2da66ad3"
                         "9cef4424a90236ea907b7d8057e3443dc5abfc9986967ee7213a407");
        nkey_free(key);
    }
}
END_TEST

START_TEST(a_public_key_is_told_from_other_text)
{
    const char *good = keys[1].text;
    char text[NKEY_TEXT_BYTES + 1];
    ck_assert(nkey_is_public(NKEY_USER, good));
    ck_assert(!nkey_is_public(NKEY_SERVER, good));
    for (size_t i = 0; i < strlen(good); i++) { // one character wrong
        snprintf(text, sizeof text, "%s", good);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        ck_assert_msg(!nkey_is_public(NKEY_USER, text), "position %zu", i);
    }
    ck_assert(!nkey_is_public(NKEY_USER, ""));
    snprintf(text, sizeof text, "%s", good);
    text[55] = '\0';
    ck_assert(!nkey_is_public(NKEY_USER, text));
    snprintf(text, sizeof text, "%sA", good);
    ck_assert(!nkey_is_public(NKEY_USER, text));
    snprintf(text, sizeof text, "%s", good);
    text[10] = '1'; // no base32 digit
    ck_assert(!nkey_is_public(NKEY_USER, text));
}
END_TEST

CHECK_MAIN("nkey", 300, public_keys_and_signatures_are_those_of_nats,
           a_public_key_is_told_from_other_text)
