#include "hub/signed_token.h"

#include <string.h>

#include <openssl/hmac.h>

#include "base/alloc.h"
#include "check_main.h"

static unsigned char key[DIGEST_BYTES] = "0123456789abcdef0123456789abcdef";
static const char *reason;

static char *mint(int64_t expires)
{
    return signed_token_mint(TOKEN_BEARER, key,
                             json_pack("{s:s, s:I}", "agentId", "a", "exp", (json_int_t)expires));
}

static const char *refusal(const char *token)
{
    json_t *claims = signed_token_verify(TOKEN_BEARER, key, token, strlen(token), 1000, &reason);
    json_decref(claims);
    return claims ? "accepted" : reason;
}

// HMAC pads short keys with zeros, so a short secret can be given as 32 bytes.
START_TEST(tokens_of_the_protocol_vectors_verify)
{
    static const struct {
        const char *secret, *prefix, *token;
    } vectors[] = {
        {"test-secret", TOKEN_PRODUCER,
         "ogr_eyJ3b3Jrc3BhY2VJZCI6InciLCJhZ2VudElkIjoiYSIsImV4cCI6NDEwMjQ0NDgwMH0.NXothMUjJkPFZWn9x"
         "2MVGgJ7LyqjkI4D88Wof6kAAmg"},
        {"test-secret", TOKEN_VIEWER,
         "ogs_eyJ3b3Jrc3BhY2VJZCI6InciLCJzZXNzaW9uSWQiOiJzIiwidmlld2VySWQiOiJ2IiwibGVhc2VFcG9jaCI6M"
         "SwibW9kZSI6InZpZXciLCJwb3J0Ijo3NjgxLCJleHAiOjQxMDI0NDQ4MDB9.2zL2SEKXmRIpW1OekIOfZeF1_ss6O"
         "yY_5Cr3foZWUmg"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        unsigned char padded[DIGEST_BYTES] = {0};
        memcpy(padded, vectors[i].secret, strlen(vectors[i].secret));
        json_t *claims = signed_token_verify(vectors[i].prefix, padded, vectors[i].token,
                                             strlen(vectors[i].token), 1000, &reason);
        ck_assert_msg(claims, "%zu: %s", i, reason);
        json_decref(claims);
    }
}
END_TEST

START_TEST(minting_gives_the_vector_of_the_bearer)
{
    unsigned char secret[DIGEST_BYTES] = "demo-secret";
    char *token = signed_token_mint(
        TOKEN_BEARER, secret,
        json_pack(
            "{s:s, s:s, s:s, s:i, s:s, s:I}", "workspaceId", "11111111-1111-4111-8111-111111111111",
            "agentId", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "enrollmentId",
            "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "credentialGeneration", 1, "subjectPrefix",
            "agent.11111111-1111-4111-8111-111111111111.aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
            "exp", (json_int_t)1893456000));
    ck_assert_str_eq(strrchr(token, '.') + 1, "C_F7FBUQStboUJnZVwnlJDAmuHQNTmZCYjXzRQIYTNQ");
    mem_free_secret(token);
}
END_TEST

START_TEST(a_token_lives_until_its_second_has_passed)
{
    char *now = mint(1000), *past = mint(999);
    ck_assert_str_eq(refusal(now), "accepted");
    ck_assert_str_eq(refusal(past), "token is expired");
    mem_free_secret(now);
    mem_free_secret(past);
}
END_TEST

START_TEST(any_changed_character_is_noticed)
{
    char *token = mint(2000);
    for (size_t i = 0; token[i]; i++) {
        char old = token[i];
        token[i] = old == 'A' ? 'B' : 'A';
        // The last character of 32 bytes carries two bits that decoders ignore; comparing text
        // notices them too.
        ck_assert_msg(strcmp(refusal(token), "accepted") != 0, "position %zu", i);
        token[i] = old;
    }
    ck_assert_str_eq(refusal(token), "accepted");
    mem_free_secret(token);
}
END_TEST

START_TEST(texts_that_are_no_token_are_refused_with_the_reason)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "token has the wrong prefix"},
        {"oge", "token has the wrong prefix"},
        {"ogr_e30.x", "token has the wrong prefix"},
        {"oge_", "token is malformed"},
        {"oge_.", "token is malformed"},
        {"oge_.abc", "token is malformed"},
        {"oge_e30", "token is malformed"},
        {"oge_e30.", "token signature is invalid"},
        {"oge_e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "token signature is invalid"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(refusal(cases[i].text), cases[i].reason);
    char *none = signed_token_mint(TOKEN_BEARER, key, json_pack("{s:s}", "exp", "soon"));
    char *array = signed_token_mint(TOKEN_BEARER, key, json_pack("[]"));
    ck_assert_str_eq(refusal(none), "token claims are invalid");
    ck_assert_str_eq(refusal(array), "token claims are invalid");
    mem_free_secret(none);
    mem_free_secret(array);
}
END_TEST

START_TEST(overlong_tokens_are_refused_before_they_are_decoded)
{
    char *long_text = mem_array(1, 100000);
    memset(long_text, 'A', 99999);
    memcpy(long_text, "oge_", 4);
    long_text[50000] = '.';
    ck_assert_str_eq(refusal(long_text), "token is malformed");
    mem_free(long_text);
}
END_TEST

CHECK_MAIN("signed_token", 300, tokens_of_the_protocol_vectors_verify,
           minting_gives_the_vector_of_the_bearer, a_token_lives_until_its_second_has_passed,
           any_changed_character_is_noticed, texts_that_are_no_token_are_refused_with_the_reason,
           overlong_tokens_are_refused_before_they_are_decoded)
