// Where a link dials, when, and what it listens to.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "check_main.h"
#include "config/nats_url.h"
#include "link/backoff.h"
#include "link/subjects.h"

START_TEST(addresses_of_servers_are_understood)
{
    static const struct {
        const char *text, *host, *path;
        enum nats_scheme scheme;
        unsigned port;
    } cases[] = {
        {"nats://h", "h", "/", NATS_PLAIN, 4222},
        {"h:1", "h", "/", NATS_PLAIN, 1},
        {"tls://h.example", "h.example", "/", NATS_TLS, 4222},
        {"WSS://h/a/b?c=d#e", "h", "/a/b?c=d", NATS_WSS, 443},
        {"ws://h:8080", "h", "/", NATS_WS, 8080},
        {"wss://user:pass@h:9", "h", "/", NATS_WSS, 9},
        {"ws://h?x", "h", "/?x", NATS_WS, 80},
        {"nats://[::1]:5", "::1", "/", NATS_PLAIN, 5},
        {"wss://[fe80::1]", "fe80::1", "/", NATS_WSS, 443},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nats_url url;
        ck_assert_msg(nats_url_parse(cases[i].text, &url, NULL), "%s", cases[i].text);
        ck_assert_str_eq(url.host, cases[i].host);
        ck_assert_str_eq(url.path, cases[i].path);
        ck_assert_int_eq(url.scheme, cases[i].scheme);
        ck_assert_uint_eq(url.port, cases[i].port);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {"",          "ftp://x",      "nats://",       "nats://h:",
                                      "h:0",       "h:65536",      "h:99999999999", "nats://h:1x",
                                      "ws://[::1", "ws://[]:1",    "ws://h/a b",    "nats://a b",
                                      "ws://h/\n", "nats://h\r\n", "://h",          "ws://[::1]x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct nats_url url;
        struct fail why;
        ck_assert_msg(!nats_url_parse(bad[i], &url, &why), "%s", bad[i]);
        ck_assert_int_eq(why.kind, FAIL_INVALID);
    }
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    struct nats_url url;
    ck_assert(!nats_url_parse(longest, &url, NULL));
}
END_TEST

START_TEST(subjects_have_their_forms)
{
    struct subjects subjects;
    ck_assert(subjects_init(&subjects, "w", "a", "i"));
    ck_assert_str_eq(subjects.at[ADDRESS_LEGACY].rpc, "agent.w.a.rpc");
    ck_assert_str_eq(subjects.at[ADDRESS_LEGACY].events, "agent.w.a.events");
    ck_assert_str_eq(subjects.at[ADDRESS_FENCED].hello, "agent.w.a.connection.i.hello");
    ck_assert_str_eq(subjects.at[ADDRESS_FENCED].ack, "agent.w.a.connection.i.ack");
}
END_TEST

START_TEST(ids_that_would_change_a_subject_are_refused)
{
    static const char *const bad[] = {"", "a.b", "*", ">", "a b", "a\n", "ü"};
    struct subjects subjects;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert(!subjects_init(&subjects, bad[i], "a", "i"));
        ck_assert(!subjects_init(&subjects, "w", bad[i], "i"));
    }
    char longest[SUBJECT_TOKEN_BYTES + 2] = {0};
    memset(longest, 'a', SUBJECT_TOKEN_BYTES);
    ck_assert(subjects_init(&subjects, longest, longest, longest));
    ck_assert_uint_eq(strlen(subjects.at[ADDRESS_FENCED].events),
                      strlen("agent..") + 64 + 64 + strlen(".connection..events") + 64 - 0);
    longest[SUBJECT_TOKEN_BYTES] = 'a';
    ck_assert(!subjects_init(&subjects, longest, "a", "i"));
}
END_TEST

START_TEST(waits_grow_late_and_never_long)
{
    for (unsigned i = 0; i < BACKOFF_FAST_ATTEMPTS; i++)
        ck_assert_int_eq(backoff_ceiling(i, 0), 3000);
    ck_assert_int_eq(backoff_ceiling(20, 0), 1000);
    ck_assert_int_eq(backoff_ceiling(21, 0), 2000);
    ck_assert_int_eq(backoff_ceiling(23, 0), 8000);
    ck_assert_int_eq(backoff_ceiling(24, 0), 10000);
    ck_assert_int_eq(backoff_ceiling(4000000000u, 0), 10000);
    ck_assert_int_eq(backoff_ceiling(0, BACKOFF_DENIED_AFTER_MS), 60000);
    int64_t least = 3000, most = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t delay = backoff_delay(0, 0);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    ck_assert_int_ge(least, 0);
    ck_assert_int_le(most, 3000);
    ck_assert_int_lt(least, 300); // full jitter: from zero on
    ck_assert_int_gt(most, 2700);
}
END_TEST

CHECK_MAIN("addresses", 300, addresses_of_servers_are_understood, what_is_no_address_is_refused,
           subjects_have_their_forms, ids_that_would_change_a_subject_are_refused,
           waits_grow_late_and_never_long)
