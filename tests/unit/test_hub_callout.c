#include "hub/callout.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "check_main.h"
#include "hub/jwt.h"

#define USER   "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
#define SERVER "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
#define UUID   "12345678-9abc-4def-8012-3456789abcde"

static struct nkey *account(void)
{
    static const unsigned char seed[DIGEST_BYTES] = "account";
    return nkey_new(NKEY_ACCOUNT, seed);
}

static char *request_of(json_t *nats)
{
    struct nkey *key = account();
    char *token = jwt_sign(key, json_pack("{s:o}", "nats", nats));
    nkey_free(key);
    return token;
}

static char *good_request(void)
{
    return request_of(json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s, s:s}}", "user_nkey", USER,
                                "server_id", "id", SERVER, "client_info", "host", "10.0.0.1",
                                "connect_opts", "auth_token", "secret", "name",
                                "opengeni-agent/connection/" UUID));
}

START_TEST(a_request_is_read)
{
    char *text = good_request();
    struct callout_request request;
    ck_assert(callout_read(text, strlen(text), &request));
    ck_assert_str_eq(request.user_nkey, USER);
    ck_assert_str_eq(request.server_id, SERVER);
    ck_assert_str_eq(request.token, "secret");
    ck_assert_str_eq(request.instance, UUID);
    ck_assert_str_eq(request.client, "10.0.0.1");
    callout_request_fini(&request);
    mem_free(text);
}
END_TEST

START_TEST(bytes_that_are_no_request_are_refused)
{
    struct callout_request request;
    static const char *const texts[] = {"", ".", "..", "a.b.c", "a.e30.c", "a.!!.c", "a.W10.c"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert(!callout_read(texts[i], strlen(texts[i]), &request));
    char *text = good_request();
    for (size_t cut = 0; text + cut < strrchr(text, '.'); cut++)
        ck_assert(!callout_read(text, cut, &request));
    mem_free(text);
    text = request_of(json_pack("{s:s, s:{s:s}}", "user_nkey", SERVER, "server_id", "id", SERVER));
    ck_assert(!callout_read(text, strlen(text), &request));
    mem_free(text);
    text = request_of(json_pack("{s:i, s:[]}", "user_nkey", 1, "server_id"));
    ck_assert(!callout_read(text, strlen(text), &request));
    mem_free(text);
}
END_TEST

START_TEST(a_client_without_token_or_name_reads_as_empty)
{
    char *text =
        request_of(json_pack("{s:s, s:{s:s}}", "user_nkey", USER, "server_id", "id", SERVER));
    struct callout_request request;
    ck_assert(callout_read(text, strlen(text), &request));
    ck_assert_str_eq(request.token, "");
    ck_assert_str_eq(request.instance, "");
    callout_request_fini(&request);
    mem_free(text);
}
END_TEST

START_TEST(only_the_documented_connection_name_carries_an_instance)
{
    static const struct {
        const char *name, *instance;
    } cases[] = {
        {"opengeni-agent/connection/" UUID, UUID},
        {"opengeni-agent/connection/12345678-9ABC-4DEF-8012-3456789ABCDE", UUID},
        {"opengeni-agent/connection/12345678-9abc-0def-8012-3456789abcde", ""}, // version 0
        {"opengeni-agent/connection/12345678-9abc-9def-8012-3456789abcde", ""},
        {"opengeni-agent/connection/12345678-9abc-8def-c012-3456789abcde", ""}, // variant
        {"opengeni-agent/connection/" UUID "0", ""},
        {"opengeni-agent/connection/" UUID ".>", ""},
        {"opengeni-agent/connection/12345678-9abc-4def-8012-3456789abcd*", ""},
        {"opengeni-agent/connection/12345678.9abc-4def-8012-3456789abcde", ""},
        {"opengeni-agent/connection/", ""},
        {"opengeni-agent/" UUID, ""},
        {UUID, ""},
        {"", ""},
    };
    char instance[UUID_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        callout_instance(cases[i].name, instance);
        ck_assert_str_eq(instance, cases[i].instance);
    }
}
END_TEST

START_TEST(a_grant_is_for_the_asking_client_and_server)
{
    char *text = good_request();
    struct callout_request request;
    ck_assert(callout_read(text, strlen(text), &request));
    struct nkey *key = account();
    static const char *const publish[] = {"a.>", NULL}, *const subscribe[] = {"b.*", NULL};
    struct callout_grant grant = {
        .user = "me", .publish = publish, .subscribe = subscribe, .expires_s = 4102444800};
    char *answer = callout_grant(key, &request, &grant);
    json_t *claims = jwt_claims(answer, strlen(answer));
    ck_assert_str_eq(json_string_value(json_object_get(claims, "sub")), USER);
    ck_assert_str_eq(json_string_value(json_object_get(claims, "aud")), SERVER);
    ck_assert_str_eq(json_string_value(json_object_get(claims, "iss")), nkey_public(key));
    const char *inner = json_string_value(json_object_get(json_object_get(claims, "nats"), "jwt"));
    json_t *user = jwt_claims(inner, strlen(inner)), *nats = json_object_get(user, "nats");
    ck_assert_str_eq(json_string_value(json_object_get(user, "sub")), USER);
    ck_assert_int_eq(json_integer_value(json_object_get(user, "exp")), 4102444800);
    char *permissions = json_dumps(json_object_get(nats, "pub"), JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(permissions, "{\"allow\":[\"a.>\"],\"deny\":[]}");
    mem_free(permissions);
    json_decref(user);
    json_decref(claims);
    mem_free(answer);
    answer = callout_refuse(key, &request, "no");
    claims = jwt_claims(answer, strlen(answer));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(claims, "nats"), "error")),
                     "no");
    ck_assert_ptr_null(json_object_get(json_object_get(claims, "nats"), "jwt"));
    json_decref(claims);
    mem_free(answer);
    nkey_free(key);
    callout_request_fini(&request);
    mem_free(text);
}
END_TEST

CHECK_MAIN("callout", 300, a_request_is_read, bytes_that_are_no_request_are_refused,
           a_client_without_token_or_name_reads_as_empty,
           only_the_documented_connection_name_carries_an_instance,
           a_grant_is_for_the_asking_client_and_server)
