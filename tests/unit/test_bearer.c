#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/limits.h"
#include "config/bearer.h"

#include "check_main.h"

// Minted by a control plane, with exp 4102444800.
static const char minted[] =
    "ogr_eyJ3b3Jrc3BhY2VJZCI6IjExMTExMTExLTExMTEtNDExMS04MTExLTExMTExMTExMTExMSIsImFnZW50SWQiOiI0"
    "NDQ0NDQ0NC00NDQ0LTQ0NDQtODQ0NC00NDQ0NDQ0NDQ0NDQiLCJleHAiOjQxMDI0NDQ4MDB9."
    "-1OF29Iixp6WgIkfsiIGH4xn_k7GBaXGBTo5zyMsZCw";

static const int64_t day = 24 * 60 * 60;

START_TEST(a_minted_token_tells_its_expiry)
{
    int64_t at;
    ck_assert_int_eq(bearer_read(minted, 1700000000, &at), BEARER_VALID);
    ck_assert_int_eq(at, 4102444800);
    ck_assert_int_eq(bearer_read(minted, at - 7 * day, &at), BEARER_VALID);
    ck_assert_int_eq(bearer_read(minted, 4102444800 - 7 * day + 1, &at), BEARER_ENDING);
    ck_assert_int_eq(bearer_read(minted, 4102444800, &at), BEARER_ENDING);
    ck_assert_int_eq(bearer_read(minted, 4102444801, &at), BEARER_EXPIRED);
    ck_assert_int_eq(at, 4102444800);
}
END_TEST

START_TEST(an_empty_token_is_no_credential)
{
    int64_t at = 7;
    ck_assert_int_eq(bearer_read("", 0, &at), BEARER_MISSING);
    ck_assert_int_eq(at, 0);
}
END_TEST

static enum bearer_state of_claims(const char *json)
{
    char *text = mem_array(BASE64_TEXT_BYTES(strlen(json)), 1);
    base64_encode(BASE64_URL, json, strlen(json), text);
    char *token = mem_printf("oge_%s.c2ln", text);
    int64_t at = 7;
    enum bearer_state state = bearer_read(token, 1000, &at);
    ck_assert(state != BEARER_UNKNOWN || at == 0);
    mem_free(text);
    mem_free(token);
    return state;
}

START_TEST(claims_without_a_sensible_expiry_are_unknown)
{
    ck_assert_int_eq(of_claims("{\"exp\":100000000}"), BEARER_VALID);
    ck_assert_int_eq(of_claims("{\"exp\":1}"), BEARER_EXPIRED);
    static const char *const odd[] = {"{}",
                                      "[]",
                                      "7",
                                      "",
                                      "{\"exp\":\"9\"}",
                                      "{\"exp\":1e9}",
                                      "{\"exp\":0}",
                                      "{\"exp\":-5}",
                                      "{\"exp\":9223372036854775807}",
                                      "{\"exp\":99999999999999999999}",
                                      "{\"exp\":null}",
                                      "{\"exp\":9,\"exp\":9}",
                                      "{\"exp\":9",
                                      "{\"exp\":{\"a\":1}}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        ck_assert_msg(of_claims(odd[i]) == BEARER_UNKNOWN, "%s", odd[i]);
}
END_TEST

START_TEST(garbage_is_unknown_and_does_no_harm)
{
    static const char *const garbage[] = {
        "x",  "oge_",    "oge_.", "oge_.x",   ".",          "_",         "._",
        "og", "oge_e30", "e30.x", "oge_!!.x", "oge_e30=.x", "ogd.e30_x", "tok_eyJleHAiOjl9.x"};
    int64_t at;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        ck_assert_msg(bearer_read(garbage[i], 0, &at) == BEARER_UNKNOWN, "%s", garbage[i]);
    for (size_t size = 0; size < sizeof minted - 1; size++) {
        char *part = mem_array(size + 1, 1);
        memcpy(part, minted, size);
        const char *dot = strchr(part, '.');
        if (!dot)
            ck_assert_int_ne(bearer_read(part, 0, &at), BEARER_VALID);
        mem_free(part);
    }
    size_t huge = 2 * CONFIG_STRING_BYTES_MAX;
    char *big = mem_array(huge + 1, 1);
    memset(big, 'e', huge);
    memcpy(big, "oge_", 4);
    big[huge - 1] = '.';
    ck_assert_int_eq(bearer_read(big, 0, &at), BEARER_UNKNOWN);
    mem_free(big);
}
END_TEST

CHECK_MAIN("bearer", 300, a_minted_token_tells_its_expiry, an_empty_token_is_no_credential,
           claims_without_a_sensible_expiry_are_unknown, garbage_is_unknown_and_does_no_harm)
