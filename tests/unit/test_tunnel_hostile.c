// The tunnel against servers that do what no NATS server should, and against bad luck.
#include <check.h>
#include <nats/nats.h>
#include <poll.h>
#include <stdatomic.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "check_main.h"
#include "fake_ws_server.h"
#include "nats_rig.h"
#include "relay/stream.h"
#include "relay/tunnel.h"

static const char info[] = "INFO {\"server_id\":\"F\",\"version\":\"2.10.0\",\"proto\":1,"
                           "\"headers\":true,\"max_payload\":1048576,\"tls_required\":true}\r\n";
static const char plain_info[] =
    "INFO {\"server_id\":\"F\",\"version\":\"2.10.0\",\"proto\":1,"
    "\"headers\":true,\"max_payload\":1048576,\"tls_required\":false}\r\n";

static bool dial_until(enum tunnel_scheme scheme, const char *host, uint16_t port,
                       int64_t timeout_ms, struct cancel *cancel, struct tunnel **tunnel,
                       struct fail *why)
{
    struct tunnel_target target = {.scheme = scheme, .host = host, .port = port, .path = "/a?b=c"};
    return tunnel_open(&target, clock_mono_ms() + timeout_ms, cancel, tunnel, why);
}

static void refused(enum tunnel_scheme scheme, uint16_t port, const char *reason)
{
    struct fail why = {0};
    struct tunnel *tunnel;
    char text[FAIL_TEXT_BYTES];
    ck_assert(!dial_until(scheme, "127.0.0.1", port, 60000, NULL, &tunnel, &why));
    fail_text(&why, text, sizeof text);
    ck_assert_msg(strstr(text, reason) != NULL, "\"%s\" does not say \"%s\"", text, reason);
}

static struct tunnel *opened(struct fake_server *server)
{
    struct fail why = {0};
    struct tunnel *tunnel;
    ck_assert_msg(dial_until(TUNNEL_WS, "127.0.0.1", server->port, 60000, NULL, &tunnel, &why),
                  "%s", why.what);
    return tunnel;
}

static void ends_with(struct tunnel *tunnel, const char *reason)
{
    struct fail why = {0};
    for (int i = 0; i < 6000 && !tunnel_failure(tunnel, &why); i++)
        clock_sleep_ms(10);
    ck_assert(tunnel_failure(tunnel, &why));
    ck_assert_msg(strstr(why.what, reason) != NULL, "\"%s\" does not say \"%s\"", why.what, reason);
}

// --- before the WebSocket is there

static void answer_404(int fd, void *unused)
{
    (void)unused;
    static const char answer[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    char head[4096];
    if (recv(fd, head, sizeof head, 0) > 0)
        fake_write(fd, answer, sizeof answer - 1);
}

static void redirect(int fd, void *unused)
{
    (void)unused;
    static const char answer[] = "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\n"
                                 "Content-Length: 0\r\n\r\n";
    char head[4096];
    if (recv(fd, head, sizeof head, 0) > 0)
        fake_write(fd, answer, sizeof answer - 1);
}

static void no_http(int fd, void *unused)
{
    (void)unused;
    char head[4096];
    if (recv(fd, head, sizeof head, 0) > 0)
        fake_write(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n", 23);
}

static void wrong_accept(int fd, void *unused)
{
    (void)unused;
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n";
    char head[4096];
    if (recv(fd, head, sizeof head, 0) > 0)
        fake_write(fd, answer, sizeof answer - 1);
}

static void endless_head(int fd, void *unused)
{
    (void)unused;
    char head[4096], junk[4096];
    memset(junk, 'x', sizeof junk);
    if (recv(fd, head, sizeof head, 0) > 0 && fake_write(fd, "HTTP/1.1 101 ok\r\nA: ", 20))
        for (int i = 0; i < 1000 && fake_write(fd, junk, sizeof junk); i++)
            ;
}

static void silent(int fd, void *unused)
{
    (void)unused;
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void hang_up(int fd, void *unused)
{
    (void)fd, (void)unused;
}

START_TEST(a_server_that_is_no_websocket_server_is_refused_with_the_reason)
{
    static const struct {
        void (*serve)(int, void *);
        const char *reason;
    } cases[] = {{answer_404, "HTTP status 404"},
                 {redirect, "HTTP status 302"},
                 {no_http, "does not speak WebSocket"},
                 {wrong_accept, "does not speak WebSocket"},
                 {endless_head, "does not speak WebSocket"},
                 {hang_up, "does not speak WebSocket"}};
    struct fake_server server;
    fake_start(&server, cases[_i].serve, NULL);
    refused(TUNNEL_WS, server.port, cases[_i].reason);
    fake_stop(&server);
}
END_TEST

START_TEST(a_silent_server_is_given_up_at_the_deadline)
{
    static const struct {
        enum tunnel_scheme scheme;
        const char *reason;
    } cases[] = {{TUNNEL_WS, "did not answer the WebSocket request in time"},
                 {TUNNEL_WSS, "did not answer the TLS handshake in time"},
                 {TUNNEL_TLS, "sent no INFO in time"}};
    struct fake_server server;
    struct tunnel *tunnel;
    struct fail why;
    fake_start(&server, silent, NULL);
    int64_t start = clock_mono_ms();
    ck_assert(!dial_until(cases[_i].scheme, "127.0.0.1", server.port, 1000, NULL, &tunnel, &why));
    int64_t took = clock_mono_ms() - start;
    ck_assert_msg(strstr(why.what, cases[_i].reason) != NULL, "%s", why.what);
    ck_assert_int_eq(why.kind, FAIL_TIMEOUT);
    ck_assert_int_ge(took, 990);
    ck_assert_int_le(took, 20000);
    fake_stop(&server);
}
END_TEST

static void *fire_soon(void *cancel)
{
    clock_sleep_ms(100);
    cancel_fire(cancel);
    return NULL;
}

START_TEST(a_dial_can_be_cancelled)
{
    static const enum tunnel_scheme schemes[] = {TUNNEL_WS, TUNNEL_TLS};
    struct fake_server server;
    struct tunnel *tunnel;
    struct fail why;
    pthread_t thread;
    fake_start(&server, silent, NULL);
    struct cancel *cancel = cancel_new();
    pthread_create(&thread, NULL, fire_soon, cancel);
    ck_assert(!dial_until(schemes[_i], "127.0.0.1", server.port, 60000, cancel, &tunnel, &why));
    ck_assert_int_eq(why.kind, FAIL_CANCELLED);
    pthread_join(thread, NULL);
    ck_assert(!dial_until(schemes[_i], "127.0.0.1", server.port, 60000, cancel, &tunnel, &why));
    ck_assert_int_eq(why.kind, FAIL_CANCELLED);
    cancel_unref(cancel);
    fake_stop(&server);
}
END_TEST

START_TEST(without_a_server_the_systems_reason_is_given)
{
    static const enum tunnel_scheme schemes[] = {TUNNEL_WS, TUNNEL_WSS, TUNNEL_TLS};
    struct fail why;
    struct tunnel *tunnel;
    refused(schemes[_i], rig_free_port(), "Connection refused");
    ck_assert(!dial_until(schemes[_i], "nowhere.invalid", 80, 5000, NULL, &tunnel, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "resolve nowhere.invalid"));
}
END_TEST

START_TEST(a_name_too_long_to_be_verified_is_refused)
{
    char name[WS_HOST_BYTES_MAX + 2];
    struct fail why;
    struct tunnel *tunnel;
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert(!dial_until(TUNNEL_WSS, name, 443, 5000, NULL, &tunnel, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "too long"));
}
END_TEST

// --- inside

static char request[4096];

static void wait_for_end(int fd)
{
    unsigned char *data;
    size_t size;
    while (fake_receive(fd, &data, &size))
        free(data);
    free(data);
}

// INFO in pieces of every kind, with pings between them; ends when the client answers the last one.
static void send_in_shreds(int fd, void *unused)
{
    (void)unused;
    unsigned char bytes[4096], *data;
    size_t n = 0, size, half = strlen(info) / 2;
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    n += fake_frame(FAKE_PING, "one", 3, bytes + n);
    n += fake_frame(0x02, info, half, bytes + n); // a first fragment
    n += fake_frame(FAKE_PING, "two", 3, bytes + n);
    n += fake_frame(0x00, "", 0, bytes + n);
    n += fake_frame(0x80, info + half, strlen(info) - half, bytes + n);
    n += fake_frame(FAKE_TEXT, "PI", 2, bytes + n);
    n += fake_frame(FAKE_BINARY, "NG\r\n", 4, bytes + n);
    for (size_t i = 0; i < n; i++) {
        if (!fake_write(fd, bytes + i, 1))
            return;
        if (i % 16 == 0)
            clock_sleep_ms(1);
    }
    static const char *const pongs[] = {"one", "two"};
    for (size_t i = 0; i < 2; i++) {
        unsigned kind = fake_receive(fd, &data, &size);
        bool good = kind == FAKE_PONG && strcmp((char *)data, pongs[i]) == 0;
        free(data);
        if (!good)
            return;
    }
    fake_send(fd, FAKE_BINARY, "+OK\r\n", 5);
    wait_for_end(fd);
}

static void expect(int fd, const char *text)
{
    char got[4096];
    ck_assert(fake_read(fd, got, strlen(text)));
    got[strlen(text)] = '\0';
    ck_assert_str_eq(got, text);
}

START_TEST(frames_of_any_shape_are_one_stream_and_pings_are_answered)
{
    struct fake_server server;
    fake_start(&server, send_in_shreds, NULL);
    struct tunnel *tunnel = opened(&server);
    int fd = rig_connect(tunnel_port(tunnel));
    expect(fd, plain_info);
    expect(fd, "PING\r\n");
    expect(fd, "+OK\r\n");
    close(fd);
    tunnel_close(tunnel);
    fake_stop(&server);
}
END_TEST

START_TEST(the_request_is_plain_websocket)
{
    struct fake_server server;
    fake_start(&server, send_in_shreds, NULL);
    struct tunnel *tunnel = opened(&server);
    tunnel_close(tunnel);
    fake_stop(&server);
    char host[64];
    snprintf(host, sizeof host, "Host: 127.0.0.1:%u\r\n", server.port);
    ck_assert_ptr_eq(strstr(request, "GET /a?b=c HTTP/1.1\r\n"), request);
    ck_assert_ptr_nonnull(strstr(request, host));
    ck_assert_ptr_nonnull(strstr(request, "Sec-WebSocket-Version: 13\r\n"));
    static const char *const absent[] = {"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol",
                                         "Origin:", "Authorization", "Cookie"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        ck_assert_ptr_null(strcasestr(request, absent[i]));
}
END_TEST

static void refuse_client(int fd, void *unused)
{
    (void)unused;
    static const unsigned char close_frame[] = {0x03, 0xf0, 'n', 'o', '\033'};
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    fake_send(fd, FAKE_BINARY, info, strlen(info));
    fake_send(fd, FAKE_BINARY, "-ERR 'Authorization Violation'\r\n", 32);
    fake_send(fd, FAKE_CLOSE, close_frame, sizeof close_frame);
    wait_for_end(fd);
}

START_TEST(last_words_arrive_and_the_close_code_is_told)
{
    struct fake_server server;
    fake_start(&server, refuse_client, NULL);
    struct tunnel *tunnel = opened(&server);
    clock_sleep_ms(100); // all of it is there before the client is
    int fd = rig_connect(tunnel_port(tunnel));
    char byte;
    expect(fd, plain_info);
    expect(fd, "-ERR 'Authorization Violation'\r\n");
    ck_assert_int_eq(read(fd, &byte, 1), 0);
    close(fd);
    ends_with(tunnel, "code 1008, no");
    tunnel_close(tunnel);
    fake_stop(&server);
}
END_TEST

static void other_service(int fd, void *first)
{
    if (fake_upgrade(fd, request, sizeof request)) {
        fake_send(fd, FAKE_TEXT, first, strlen(first));
        wait_for_end(fd);
    }
}

START_TEST(a_websocket_of_another_service_is_refused)
{
    static const struct {
        const char *first, *reason;
    } cases[] = {{"{\"hello\":1}\r\n", "first line is {\"hello\":1}"},
                 {"-ERR 'maximum connections exceeded'\r\n", "maximum connections exceeded"},
                 {"INFO nonsense\r\n", "no JSON object"}};
    struct fake_server server;
    fake_start(&server, other_service, (void *)cases[_i].first);
    struct tunnel *tunnel = NULL;
    struct fail why = {0};
    if (dial_until(TUNNEL_WS, "127.0.0.1", server.port, 60000, NULL, &tunnel, &why))
        ends_with(tunnel, cases[_i].reason);
    else
        ck_assert_ptr_nonnull(strstr(why.what, cases[_i].reason));
    if (tunnel)
        tunnel_close(tunnel);
    fake_stop(&server);
}
END_TEST

static void flood_of_info(int fd, void *unused)
{
    (void)unused;
    char junk[4096];
    memset(junk, 'x', sizeof junk);
    if (fake_upgrade(fd, request, sizeof request))
        while (fake_send(fd, FAKE_BINARY, junk, sizeof junk))
            ;
}

START_TEST(an_endless_first_line_ends_the_tunnel)
{
    struct fake_server server;
    struct tunnel *tunnel = NULL;
    struct fail why = {0};
    fake_start(&server, flood_of_info, NULL);
    if (dial_until(TUNNEL_WS, "127.0.0.1", server.port, 60000, NULL, &tunnel, &why))
        ends_with(tunnel, "first line is too long");
    if (tunnel)
        tunnel_close(tunnel);
    fake_stop(&server);
}
END_TEST

// --- flow control

static atomic_llong flooded;

static void flood(int fd, void *unused)
{
    (void)unused;
    static char junk[60000];
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int));
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    fake_send(fd, FAKE_BINARY, info, strlen(info));
    for (unsigned i = 0; i < 2000; i++) { // 120 MB
        memset(junk, (int)('a' + i % 26), sizeof junk);
        if (!fake_send(fd, FAKE_BINARY, junk, sizeof junk))
            return;
        atomic_fetch_add(&flooded, sizeof junk);
    }
    wait_for_end(fd);
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

START_TEST(a_client_that_does_not_read_stops_the_server_and_loses_nothing)
{
    struct fake_server server;
    fake_start(&server, flood, NULL);
    struct tunnel *tunnel = opened(&server);
    int fd = rig_connect(tunnel_port(tunnel));
    expect(fd, plain_info);
    long before = resident_kib();
    long long seen = -1;
    for (int i = 0; i < 100 && atomic_load(&flooded) != seen; i++) {
        seen = atomic_load(&flooded);
        clock_sleep_ms(200);
    }
    ck_assert_int_lt(atomic_load(&flooded), 60 << 20);
#ifndef __SANITIZE_ADDRESS__
#ifndef __SANITIZE_THREAD__
    ck_assert_int_lt(resident_kib() - before, 12 << 10);
#endif
#endif
    (void)before;
    static char junk[60000];
    for (unsigned i = 0; i < 2000; i++) {
        ck_assert(fake_read(fd, junk, sizeof junk));
        ck_assert_int_eq(junk[0], 'a' + i % 26);
        ck_assert_int_eq(junk[sizeof junk - 1], 'a' + i % 26);
    }
    close(fd);
    tunnel_close(tunnel);
    fake_stop(&server);
}
END_TEST

static atomic_bool may_read;
static atomic_llong taken;

static void read_late(int fd, void *unused)
{
    (void)unused;
    unsigned char *data;
    size_t size;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int));
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    fake_send(fd, FAKE_BINARY, info, strlen(info));
    while (!atomic_load(&may_read))
        clock_sleep_ms(10);
    while (fake_receive(fd, &data, &size) == FAKE_BINARY) {
        bool good = size <= TUNNEL_FRAME_BYTES;
        free(data);
        if (!good)
            return;
        atomic_fetch_add(&taken, (long long)size);
    }
    free(data);
}

START_TEST(a_server_that_does_not_read_stops_the_client_and_loses_nothing)
{
    enum { TOTAL = 64 << 20 };
    struct fake_server server;
    fake_start(&server, read_late, NULL);
    struct tunnel *tunnel = opened(&server);
    int fd = rig_connect(tunnel_port(tunnel));
    expect(fd, plain_info);
    long before = resident_kib();
    static char junk[65536];
    size_t sent = 0;
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    while (sent < TOTAL && poll(&writable, 1, 1000) > 0) {
        ssize_t n = send(fd, junk, sizeof junk, MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
    }
    ck_assert_uint_lt(sent, TOTAL);
#ifndef __SANITIZE_ADDRESS__
#ifndef __SANITIZE_THREAD__
    ck_assert_int_lt(resident_kib() - before, 2 << 10);
#endif
#endif
    (void)before;
    atomic_store(&may_read, true);
    while (sent < TOTAL) {
        size_t size = TOTAL - sent < sizeof junk ? TOTAL - sent : sizeof junk;
        ck_assert(fake_write(fd, junk, size));
        sent += size;
    }
    close(fd); // the rest is still delivered
    for (int i = 0; i < 6000 && atomic_load(&taken) < TOTAL; i++)
        clock_sleep_ms(10);
    ck_assert_int_eq(atomic_load(&taken), TOTAL);
    tunnel_close(tunnel);
    fake_stop(&server);
}
END_TEST

static void cut_at_random(int fd, void *unused)
{
    (void)unused;
    static unsigned seed = 1;
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    fake_send(fd, FAKE_BINARY, info, (size_t)rand_r(&seed) % (strlen(info) + 1));
    clock_sleep_ms(rand_r(&seed) % 3);
}

START_TEST(open_close_and_cut_race_without_harm)
{
    struct fake_server server;
    fake_start(&server, cut_at_random, NULL);
    unsigned seed = 2;
    for (int i = 0; i < 500; i++) {
        struct tunnel *tunnel;
        struct fail why;
        if (!dial_until(TUNNEL_WS, "127.0.0.1", server.port, 60000, NULL, &tunnel, &why))
            continue;
        int fd = i % 2 ? rig_connect(tunnel_port(tunnel)) : -1;
        if (fd >= 0 && i % 3 == 0)
            fake_write(fd, "CONNECT {}\r\n", 12);
        clock_sleep_ms(rand_r(&seed) % 3);
        if (i % 4 < 2 && fd >= 0)
            close(fd);
        tunnel_close(tunnel);
        if (i % 4 >= 2 && fd >= 0)
            close(fd);
    }
    fake_stop(&server);
}
END_TEST

// Bytes of a stream of frames, broken at random: nothing may crash or hang.
static void garble(int fd, void *unused)
{
    (void)unused;
    static unsigned seed = 3;
    unsigned char bytes[4096], payload[512];
    size_t n = 0;
    if (!fake_upgrade(fd, request, sizeof request))
        return;
    memset(payload, 'p', sizeof payload);
    n += fake_frame(FAKE_BINARY, info, strlen(info), bytes + n);
    while (n < 3000)
        n += fake_frame((unsigned)rand_r(&seed) % 256, payload, (size_t)rand_r(&seed) % 400,
                        bytes + n);
    for (int i = 0; i < 4; i++)
        bytes[(size_t)rand_r(&seed) % n] ^= (unsigned char)(1 << rand_r(&seed) % 8);
    fake_write(fd, bytes, n);
}

START_TEST(garbled_frames_do_no_harm)
{
    struct fake_server server;
    fake_start(&server, garble, NULL);
    for (int i = 0; i < 1000; i++) {
        struct tunnel *tunnel;
        struct fail why;
        if (!dial_until(TUNNEL_WS, "127.0.0.1", server.port, 60000, NULL, &tunnel, &why))
            continue;
        int fd = rig_connect(tunnel_port(tunnel));
        char buffer[8192];
        while (fd >= 0 && recv(fd, buffer, sizeof buffer, 0) > 0)
            ;
        close(fd);
        tunnel_close(tunnel);
    }
    fake_stop(&server);
}
END_TEST

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    unsetenv("SSL_CERT_FILE"); // a bundle takes long to read
    unsetenv("SSL_CERT_DIR");
}

static void teardown(void)
{
    stream_stop();
}

int main(void)
{
    TCase *all = tcase_create("tunnel_hostile");
    tcase_set_timeout(all, 600);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_loop_test(all, a_server_that_is_no_websocket_server_is_refused_with_the_reason, 0, 6);
    tcase_add_loop_test(all, a_silent_server_is_given_up_at_the_deadline, 0, 3);
    tcase_add_loop_test(all, a_dial_can_be_cancelled, 0, 2);
    tcase_add_loop_test(all, without_a_server_the_systems_reason_is_given, 0, 3);
    tcase_add_test(all, a_name_too_long_to_be_verified_is_refused);
    tcase_add_test(all, frames_of_any_shape_are_one_stream_and_pings_are_answered);
    tcase_add_test(all, the_request_is_plain_websocket);
    tcase_add_test(all, last_words_arrive_and_the_close_code_is_told);
    tcase_add_loop_test(all, a_websocket_of_another_service_is_refused, 0, 3);
    tcase_add_test(all, an_endless_first_line_ends_the_tunnel);
    tcase_add_test(all, a_client_that_does_not_read_stops_the_server_and_loses_nothing);
    tcase_add_test(all, a_server_that_does_not_read_stops_the_client_and_loses_nothing);
    tcase_add_test(all, open_close_and_cut_race_without_harm);
    tcase_add_test(all, garbled_frames_do_no_harm);
    return check_run_case("tunnel_hostile", all);
}
