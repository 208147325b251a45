// The tunnel against a real nats-server, used by the real NATS client.
#include <check.h>
#include <dirent.h>
#include <nats/nats.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "certificates.h"
#include "check_main.h"
#include "nats_rig.h"
#include "relay/stream.h"
#include "relay/tunnel.h"
#include "scratch.h"

static struct nats_rig rig;
static char ca_file[256];

static void setup(void)
{
    scratch_setup();
    unsetenv("SSL_CERT_FILE"); // a bundle is read for every connection, a directory is not
    unsetenv("SSL_CERT_DIR");
    nats_Open(-1);
    signal(SIGPIPE, SIG_IGN);
}

static void teardown(void)
{
    rig_stop(&rig);
    stream_stop();
    nats_Close();
    scratch_teardown();
}

static void start_plain(void)
{
    rig_start(&rig, scratch, NULL);
}

// With a certificate under a private authority.
static void start_tls(const char *names, long valid_s)
{
    char certificate[256], key[256], tls[768];
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", scratch);
    snprintf(certificate, sizeof certificate, "%s/server.pem", scratch);
    snprintf(key, sizeof key, "%s/server.key", scratch);
    struct authority ca = authority_new("a private authority", ca_file);
    certificate_new(&ca, names, valid_s, certificate, key);
    authority_free(&ca);
    snprintf(tls, sizeof tls, "tls { cert_file: \"%s\", key_file: \"%s\" }", certificate, key);
    rig_start(&rig, scratch, tls);
}

static uint16_t port_of(enum tunnel_scheme scheme)
{
    return scheme == TUNNEL_TLS ? rig.port : rig.ws_port;
}

static bool dial(enum tunnel_scheme scheme, const char *host, struct tunnel **tunnel,
                 struct fail *why)
{
    struct tunnel_target target = {.scheme = scheme,
                                   .host = host,
                                   .port = port_of(scheme),
                                   .path = "/",
                                   .ca_file = *ca_file ? ca_file : NULL};
    return tunnel_open(&target, clock_mono_ms() + 60000, NULL, tunnel, why);
}

static struct tunnel *open_tunnel(enum tunnel_scheme scheme, const char *host)
{
    struct fail why;
    struct tunnel *tunnel;
    char text[FAIL_TEXT_BYTES];
    if (!dial(scheme, host, &tunnel, &why))
        ck_abort_msg("%s", fail_text(&why, text, sizeof text));
    return tunnel;
}

static natsConnection *log_in_on(uint16_t port)
{
    char url[64];
    natsOptions *options = NULL;
    natsConnection *nats = NULL;
    snprintf(url, sizeof url, "nats://127.0.0.1:%u", port);
    natsOptions_Create(&options);
    natsOptions_SetURL(options, url);
    natsOptions_SetSendAsap(options, true);
    natsOptions_SetAllowReconnect(options, false);
    natsOptions_SetTimeout(options, 60000);
    natsOptions_UseGlobalMessageDelivery(options, true);
    natsStatus status = natsConnection_Connect(&nats, options);
    natsOptions_Destroy(options);
    ck_assert_msg(status == NATS_OK, "%s", nats_GetLastError(NULL));
    return nats;
}

static natsConnection *log_in(struct tunnel *tunnel)
{
    return log_in_on(tunnel_port(tunnel));
}

static void echo(natsConnection *nats, natsSubscription *subscription, natsMsg *msg, void *unused)
{
    (void)subscription, (void)unused;
    natsConnection_Publish(nats, natsMsg_GetReply(msg), natsMsg_GetData(msg),
                           natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
}

static void ask(natsConnection *nats, size_t size)
{
    char *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 31 + i / 7919);
    natsMsg *answer = NULL;
    ck_assert_int_eq(natsConnection_Request(&answer, nats, "echo", data, (int)size, 60000),
                     NATS_OK);
    ck_assert_int_eq(natsMsg_GetDataLength(answer), (int)size);
    ck_assert_int_eq(memcmp(natsMsg_GetData(answer), data, size), 0);
    natsMsg_Destroy(answer);
    free(data);
}

static void exchange(enum tunnel_scheme scheme, const char *host)
{
    struct tunnel *tunnel = open_tunnel(scheme, host);
    natsConnection *nats = log_in(tunnel);
    natsSubscription *subscription = NULL;
    ck_assert_int_eq(natsConnection_Subscribe(&subscription, nats, "echo", echo, NULL), NATS_OK);
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 65537, 1 << 20, 10 << 20};
    static size_t left_out; // the largest takes long: once is enough
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes - left_out; i++)
        ask(nats, sizes[i]);
    left_out = 1;
    ck_assert(!tunnel_failure(tunnel, NULL));
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(nats);
    tunnel_close(tunnel);
}

START_TEST(ws_carries_small_and_large_messages_both_ways)
{
    start_plain();
    exchange(TUNNEL_WS, "127.0.0.1");
    exchange(TUNNEL_WS, "localhost");
    exchange(TUNNEL_WS, "::1");
}
END_TEST

START_TEST(wss_carries_small_and_large_messages_both_ways)
{
    start_tls("DNS:localhost,IP:127.0.0.1,IP:::1", 86400);
    exchange(TUNNEL_WSS, "localhost");
    exchange(TUNNEL_WSS, "127.0.0.1");
    exchange(TUNNEL_WSS, "::1");
}
END_TEST

START_TEST(tls_carries_small_and_large_messages_both_ways)
{
    start_tls("DNS:localhost,IP:127.0.0.1,IP:::1", 86400);
    exchange(TUNNEL_TLS, "localhost");
    exchange(TUNNEL_TLS, "127.0.0.1");
    exchange(TUNNEL_TLS, "::1");
}
END_TEST

START_TEST(the_environment_names_no_proxy_that_is_used)
{
    start_plain();
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy",
                                        "socks_proxy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], "http://127.0.0.1:9", 1);
    exchange(TUNNEL_WS, "127.0.0.1");
}
END_TEST

// --- certificates

static void refused(enum tunnel_scheme scheme, const char *host, const char *reason)
{
    struct fail why = {0};
    struct tunnel *tunnel;
    ck_assert(!dial(scheme, host, &tunnel, &why));
    ck_assert_msg(strstr(why.what, reason) != NULL, "\"%s\" does not say \"%s\"", why.what, reason);
}

static const enum tunnel_scheme secure[] = {TUNNEL_WSS, TUNNEL_TLS};

START_TEST(an_unknown_authority_is_refused)
{
    start_tls("DNS:localhost", 86400);
    struct authority other;
    snprintf(ca_file, sizeof ca_file, "%s/other.pem", scratch);
    other = authority_new("another authority", ca_file);
    authority_free(&other);
    refused(secure[_i], "localhost", "unable to get local issuer certificate");
    ca_file[0] = '\0';
    refused(secure[_i], "localhost", "unable to get local issuer certificate");
}
END_TEST

START_TEST(another_hosts_certificate_is_refused)
{
    start_tls("DNS:example.com,IP:192.0.2.1", 86400);
    refused(secure[_i], "localhost", "hostname mismatch");
    refused(secure[_i], "127.0.0.1", "IP address mismatch");
    refused(secure[_i], "::1", "IP address mismatch");
}
END_TEST

START_TEST(an_expired_certificate_is_refused)
{
    start_tls("DNS:localhost", -3600);
    refused(secure[_i], "localhost", "certificate has expired");
}
END_TEST

START_TEST(the_authority_may_come_from_the_environment)
{
    start_tls("DNS:localhost", 86400);
    setenv("SSL_CERT_FILE", ca_file, 1);
    ca_file[0] = '\0';
    exchange(secure[_i], "localhost");
}
END_TEST

START_TEST(a_missing_ca_file_is_named)
{
    start_tls("DNS:localhost", 86400);
    snprintf(ca_file, sizeof ca_file, "/nonexistent/ca.pem");
    struct fail why = {0};
    struct tunnel *tunnel;
    ck_assert(!dial(secure[_i], "localhost", &tunnel, &why));
    ck_assert_str_eq(why.path, "/nonexistent/ca.pem");
}
END_TEST

START_TEST(a_server_without_tls_is_told_apart)
{
    start_plain();
    struct fail why = {0};
    struct tunnel *tunnel;
    ck_assert(!dial(TUNNEL_WSS, "localhost", &tunnel, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "TLS"));
    ck_assert_ptr_nonnull(strstr(why.what, "wrong version number"));
}
END_TEST

// --- its life

static size_t entries(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
        abort();
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void reconnect(enum tunnel_scheme scheme, int times)
{
    for (int i = 0; i < times; i++) {
        struct tunnel *tunnel = open_tunnel(scheme, "127.0.0.1");
        natsConnection *nats = log_in(tunnel);
        natsConnection_Destroy(nats);
        tunnel_close(tunnel);
    }
}

#ifdef __SANITIZE_THREAD__ // memory is not looked at then, and a handshake takes ten times as long
enum { RECONNECTS = 100 };
#else
enum { RECONNECTS = 1000 };
#endif

static void leaves_nothing(enum tunnel_scheme scheme)
{
    reconnect(scheme, 50);
    clock_sleep_ms(500);
    size_t fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    long before = resident_kib();
    reconnect(scheme, RECONNECTS);
    for (int i = 0;
         i < 1200 && (entries("/proc/self/fd") > fds || entries("/proc/self/task") > threads); i++)
        clock_sleep_ms(50);
    ck_assert_uint_le(entries("/proc/self/fd"), fds);
    ck_assert_uint_le(entries("/proc/self/task"), threads);
#ifndef __SANITIZE_ADDRESS__ // which keeps freed memory for a while
#ifndef __SANITIZE_THREAD__
    ck_assert_int_le(resident_kib() - before, 2048);
#endif
#endif
    (void)before;
}

START_TEST(many_ws_reconnects_leave_nothing_behind)
{
    start_plain();
    leaves_nothing(TUNNEL_WS);
}
END_TEST

START_TEST(many_wss_reconnects_leave_nothing_behind)
{
    start_tls("IP:127.0.0.1", 86400);
    leaves_nothing(TUNNEL_WSS);
}
END_TEST

START_TEST(many_tls_reconnects_leave_nothing_behind)
{
    start_tls("IP:127.0.0.1", 86400);
    leaves_nothing(TUNNEL_TLS);
}
END_TEST

START_TEST(a_killed_server_ends_the_tunnel_and_the_client)
{
    static const enum tunnel_scheme schemes[] = {TUNNEL_WS, TUNNEL_WSS, TUNNEL_TLS};
    if (schemes[_i] == TUNNEL_WS)
        start_plain();
    else
        start_tls("DNS:localhost", 86400);
    struct tunnel *tunnel = open_tunnel(schemes[_i], "localhost");
    natsConnection *nats = log_in(tunnel);
    char *data = calloc(1, 100000);
    for (int i = 0; i < 200; i++) {
        if (i == 100)
            kill(rig.pid, SIGKILL);
        natsConnection_Publish(nats, "somewhere", data, 100000);
    }
    free(data);
    for (int i = 0; i < 3000 && !natsConnection_IsClosed(nats); i++)
        clock_sleep_ms(20);
    ck_assert(natsConnection_IsClosed(nats));
    for (int i = 0; i < 3000 && !tunnel_failure(tunnel, NULL); i++)
        clock_sleep_ms(20);
    ck_assert(tunnel_failure(tunnel, NULL));
    natsConnection_Destroy(nats);
    tunnel_close(tunnel);
}
END_TEST

static atomic_int arrived;

static void count(natsConnection *nats, natsSubscription *subscription, natsMsg *msg, void *unused)
{
    (void)nats, (void)subscription, (void)unused;
    atomic_fetch_add(&arrived, 1);
    natsMsg_Destroy(msg);
}

// A goodbye is published and everything torn down at once: it still has to arrive.
START_TEST(what_was_flushed_before_the_close_arrives)
{
    start_tls("DNS:localhost", 86400);
    static const enum tunnel_scheme schemes[] = {TUNNEL_WSS, TUNNEL_TLS};
    struct tunnel *tunnel = open_tunnel(TUNNEL_WSS, "localhost");
    natsConnection *listener = log_in(tunnel);
    natsSubscription *subscription = NULL;
    natsConnection_Subscribe(&subscription, listener, "goodbye", count, NULL);
    natsConnection_Flush(listener);
    for (int i = 0; i < 20; i++) {
        struct tunnel *other = open_tunnel(schemes[i % 2], "localhost");
        natsConnection *nats = log_in(other);
        natsConnection_PublishString(nats, "goodbye", "x");
        natsConnection_FlushTimeout(nats, 60000);
        if (i % 4 < 2) {
            tunnel_close(other);
            natsConnection_Destroy(nats);
        } else {
            natsConnection_Destroy(nats);
            tunnel_close(other);
        }
    }
    for (int i = 0; i < 3000 && atomic_load(&arrived) < 20; i++)
        clock_sleep_ms(20);
    ck_assert_int_eq(atomic_load(&arrived), 20);
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(listener);
    tunnel_close(tunnel);
}
END_TEST

START_TEST(without_a_client_the_tunnel_ends)
{
    start_tls("DNS:localhost", 86400);
    struct tunnel *tunnels[2];
    for (size_t i = 0; i < 2; i++)
        tunnels[i] = open_tunnel(secure[i], "localhost");
    for (size_t i = 0; i < 2; i++) {
        struct fail why = {0};
        for (int k = 0; k < 3000 && !tunnel_failure(tunnels[i], &why); k++)
            clock_sleep_ms(20);
        ck_assert(tunnel_failure(tunnels[i], &why));
        ck_assert_int_eq(why.kind, FAIL_TIMEOUT);
        ck_assert_int_lt(rig_connect(tunnel_port(tunnels[i])), 0);
        tunnel_close(tunnels[i]);
    }
}
END_TEST

// Another process that is quicker than the NATS client gets nothing.
START_TEST(a_strangers_connection_is_refused_and_ours_is_taken)
{
    start_tls("DNS:localhost", 86400);
    struct tunnel *tunnel = open_tunnel(secure[_i], "localhost");
    uint16_t port = tunnel_port(tunnel);
    pid_t stranger = fork();
    if (stranger == 0) {
        int fd = rig_connect(port);
        char byte;
        _exit(fd >= 0 && read(fd, &byte, 1) <= 0 ? 0 : 1);
    }
    int status = 1;
    waitpid(stranger, &status, 0);
    ck_assert_int_eq(status, 0);
    natsConnection *nats = log_in(tunnel);
    ck_assert_int_lt(rig_connect(port), 0); // one connection, and the door is shut
    natsConnection_Destroy(nats);
    tunnel_close(tunnel);
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("tunnel");
    tcase_set_timeout(all, 600);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, ws_carries_small_and_large_messages_both_ways);
    tcase_add_test(all, wss_carries_small_and_large_messages_both_ways);
    tcase_add_test(all, tls_carries_small_and_large_messages_both_ways);
    tcase_add_test(all, the_environment_names_no_proxy_that_is_used);
    tcase_add_loop_test(all, an_unknown_authority_is_refused, 0, 2);
    tcase_add_loop_test(all, another_hosts_certificate_is_refused, 0, 2);
    tcase_add_loop_test(all, an_expired_certificate_is_refused, 0, 2);
    tcase_add_loop_test(all, the_authority_may_come_from_the_environment, 0, 2);
    tcase_add_loop_test(all, a_missing_ca_file_is_named, 0, 2);
    tcase_add_test(all, a_server_without_tls_is_told_apart);
    tcase_add_test(all, many_ws_reconnects_leave_nothing_behind);
    tcase_add_test(all, many_wss_reconnects_leave_nothing_behind);
    tcase_add_test(all, many_tls_reconnects_leave_nothing_behind);
    tcase_add_loop_test(all, a_killed_server_ends_the_tunnel_and_the_client, 0, 3);
    tcase_add_test(all, what_was_flushed_before_the_close_arrives);
    tcase_add_test(all, without_a_client_the_tunnel_ends);
    tcase_add_loop_test(all, a_strangers_connection_is_refused_and_ours_is_taken, 0, 2);
    return check_run_case("tunnel", all);
}
