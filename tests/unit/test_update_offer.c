#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "update/offer.h"

#include "check_main.h"

// In their order, from the examples of semver.org and beyond.
static const char *const ascending[] = {"0.0.1",
                                        "0.1.17",
                                        "1.0.0-alpha",
                                        "1.0.0-alpha.1",
                                        "1.0.0-alpha.beta",
                                        "1.0.0-beta",
                                        "1.0.0-beta.2",
                                        "1.0.0-beta.11",
                                        "1.0.0-rc.1",
                                        "1.0.0-rc.1.1",
                                        "1.0.0",
                                        "1.0.2",
                                        "1.0.10",
                                        "1.2.0",
                                        "1.10.0",
                                        "2.0.0-0",
                                        "2.0.0--",
                                        "2.0.0",
                                        "999999999.999999999.999999999"};

START_TEST(versions_have_an_order)
{
    size_t count = sizeof ascending / sizeof *ascending;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            struct version a, b;
            ck_assert_msg(version_parse(ascending[i], &a), "%s", ascending[i]);
            ck_assert(version_parse(ascending[j], &b));
            int order = version_compare(&a, &b);
            ck_assert_msg((order > 0) - (order < 0) == (i > j) - (i < j), "%s %s", ascending[i],
                          ascending[j]);
        }
    struct version a, b;
    ck_assert(version_parse("1.2.3+one.001", &a) && version_parse("1.2.3+two", &b));
    ck_assert_int_eq(version_compare(&a, &b), 0);
}
END_TEST

START_TEST(what_is_no_version_is_not_guessed_at)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2",
        "v1.2.3",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-a..b",
        "1.2.3-01",
        "1.2.3+",
        "1.2.3 ",
        " 1.2.3",
        "1.2.x",
        "1.2.-3",
        "1.2.3-a_b",
        "1.2.3/..",
        "1,2,3",
        "9999999999.0.0",
        "1.2.3-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct version version;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!version_parse(bad[i], &version), "%s", bad[i]);
}
END_TEST

#define ROW(target, more)                                                        \
    "{\"target\":\"" target "\",\"url\":\"a\",\"minisig_url\":\"b\",\"sha256\":" \
    "\"AB12058bbf409cd1949e5d0c4bec7ff3fdfbeaf9d8da13b4db9a362a647c66c9\"" more "}"

static struct manifest *read_manifest(const char *version, const char *more, struct fail *why)
{
    char *text = mem_printf(
        "{\"channel\":\"stable\",\"version\":\"%s\",\"artifacts\":[" ROW("x", "") "]%s%s}", version,
        *more ? "," : ",\"min_supported\":\"1.0.0\"", more);
    struct manifest *manifest = manifest_parse(text, strlen(text), "stable", why);
    mem_free(text);
    return manifest;
}

static enum offer judge(const char *version, const char *more, const char *id)
{
    struct fail why;
    struct version current;
    struct manifest *manifest = read_manifest(version, more, &why);
    ck_assert_msg(manifest != NULL, "%s", why.what);
    ck_assert(version_parse("1.0.0", &current));
    enum offer offer = offer_judge(manifest, &current, id);
    manifest_free(manifest);
    return offer;
}

START_TEST(only_a_newer_version_is_offered)
{
    ck_assert_int_eq(judge("1.0.1", "", "x"), OFFER_YES);
    ck_assert_int_eq(judge("1.0.0", "", "x"), OFFER_OLD);
    ck_assert_int_eq(judge("0.9.9", "", "x"), OFFER_OLD);
    ck_assert_int_eq(judge("1.0.0-rc.1", "", "x"), OFFER_OLD);
    ck_assert_int_eq(judge("1.0.1", "\"min_supported\":\"1.0.2\"", "x"), OFFER_OLD);
    ck_assert_int_eq(judge("0.1.17", "\"min_supported\":\"0.1.0\",\"force\":true", "x"), OFFER_OLD);
}
END_TEST

START_TEST(a_rollout_reaches_the_machines_of_its_share)
{
    ck_assert_int_eq(offer_bucket("agent-deadbeef", "salt-xyz"), 70);
    ck_assert_int_eq(offer_bucket("agent-1", "spread-salt"), 17);
    ck_assert_int_eq(offer_bucket("unenrolled", "fixture"), 1);
    ck_assert_int_eq(offer_bucket("", ""), 63);
#define SPREAD(percent) \
    "\"min_supported\":\"1.0.0\",\"cohort_salt\":\"spread-salt\",\"rollout_percent\":" percent
    ck_assert_int_eq(judge("1.0.1", SPREAD("17"), "agent-1"), OFFER_LATER);
    ck_assert_int_eq(judge("1.0.1", SPREAD("18"), "agent-1"), OFFER_YES);
    ck_assert_int_eq(judge("1.0.1", SPREAD("0"), "agent-1"), OFFER_LATER);
    ck_assert_int_eq(judge("1.0.1", SPREAD("100"), "agent-1"), OFFER_YES);
    ck_assert_int_eq(judge("1.0.1", SPREAD("4294967295"), "agent-1"), OFFER_YES);
    ck_assert_int_eq(judge("1.0.1", SPREAD("0,\"force\":true"), "agent-1"), OFFER_YES);
}
END_TEST

START_TEST(a_manifest_reads_as_it_was_written)
{
    struct buffer text;
    struct fail why;
    buffer_init(&text, UPDATE_MANIFEST_BYTES_MAX);
    ck_assert(io_read_file(AT_FDCWD, OG_SOURCE_DIR "/tests/vectors/update/manifest.json", &text));
    struct manifest *manifest = manifest_parse(text.data, text.size, "stable", &why);
    ck_assert(manifest != NULL);
    ck_assert_str_eq(manifest->version_text, "1.0.1");
    ck_assert_str_eq(manifest->cohort_salt, "fixture");
    ck_assert_str_eq(manifest->notes_url, "https://x/notes");
    ck_assert_int_eq(manifest->rollout_percent, 100);
    ck_assert_int_eq(manifest->signed_at_ms, 1700000000000);
    ck_assert(!manifest->force);
    const struct artifact *artifact =
        manifest_artifact(manifest, "x86_64-unknown-linux-musl", &why);
    ck_assert(artifact && artifact->size == 44 && artifact->sha256[0] == 0xab);
    ck_assert(!manifest_artifact(manifest, "aarch64-unknown-linux-musl", &why));
    char *url = manifest_url("https://x.example/base", artifact->url);
    ck_assert_str_eq(url, "https://x.example/base/agent/stable/agent-v1.0.1");
    mem_free(url);
    url = manifest_url("https://x.example", "https://y.example/a");
    ck_assert_str_eq(url, "https://y.example/a");
    mem_free(url);
    manifest_free(manifest);
    ck_assert(!manifest_parse(text.data, text.size, "beta", &why));
    ck_assert(strstr(why.what, "another channel"));
    buffer_fini(&text);
}
END_TEST

START_TEST(what_is_no_manifest_is_refused_with_a_reason)
{
#define HEAD "{\"channel\":\"stable\",\"version\":\"1.0.1\",\"min_supported\":\"1.0.0\","
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "nonsense",
        "{\"channel\":\"stable\",\"version\":\"newest\",\"min_supported\":\"1.0.0\",\"artifacts\":["
        "]}",
        "{\"channel\":\"stable\",\"version\":\"1.0.1\",\"artifacts\":[]}",
        HEAD "\"artifacts\":{}}",
        HEAD "\"artifacts\":[7]}",
        HEAD "\"artifacts\":[{}]}",
        HEAD "\"artifacts\":[" ROW("x", "") "," ROW("x", "") "]}",
        HEAD "\"artifacts\":[" ROW("x", ",\"size\":-1") "]}",
        HEAD "\"artifacts\":[" ROW("x", ",\"size\":1.5") "]}",
        HEAD "\"rollout_percent\":-1,\"artifacts\":[]}",
        HEAD "\"rollout_percent\":\"50\",\"artifacts\":[]}",
        HEAD "\"force\":1,\"artifacts\":[]}",
        HEAD "\"version\":\"1.0.2\",\"artifacts\":[]}",
        HEAD "\"artifacts\":[{\"target\":\"x\",\"url\":\"a\",\"minisig_url\":\"b\",\"sha256\":"
             "\"ab\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fail why = {.kind = FAIL_NONE};
        ck_assert_msg(!manifest_parse(bad[i], strlen(bad[i]), "stable", &why), "%s", bad[i]);
        ck_assert(*why.what);
    }
    struct fail why;
    struct manifest *fine = read_manifest("1.0.1", "\"min_supported\":\"1.0.0\",\"new\":{}", &why);
    ck_assert(fine != NULL);
    manifest_free(fine);
}
END_TEST

CHECK_MAIN("update_offer", 300, versions_have_an_order, what_is_no_version_is_not_guessed_at,
           only_a_newer_version_is_offered, a_rollout_reaches_the_machines_of_its_share,
           a_manifest_reads_as_it_was_written, what_is_no_manifest_is_refused_with_a_reason)
