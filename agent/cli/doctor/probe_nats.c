#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/printable.h"
#include "config/document.h"
#include "config/nats_url.h"
#include "doctor/probe_private.h"
#include "relay/tls.h"

// What NATS says first: "INFO {...}\r\n" (NATS protocol).
struct greeting {
    char version[64];
    bool wants_tls;
};

static bool wait_for(int fd, short events, int64_t until_ms)
{
    for (;;) {
        struct pollfd fds = {.fd = fd, .events = events};
        int64_t left = until_ms - clock_mono_ms();
        int n = left > 0 ? poll(&fds, 1, (int)left) : 0;
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

static bool read_line(int fd, struct buffer *line, int64_t until_ms, struct fail *why)
{
    while (line->size == 0 || !memchr(line->data, '\n', line->size)) {
        char part[4096];
        if (!wait_for(fd, POLLIN, until_ms))
            return fail_because(why, FAIL_TIMEOUT, "connected, but the server says nothing");
        // Byte by byte where TLS may follow, which has to be left to it: a peek tells how far.
        ssize_t n = recv(fd, part, sizeof part, MSG_PEEK);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return fail_because(why, FAIL_SYSTEM, "the server closed the connection at once");
        const char *end = memchr(part, '\n', (size_t)n);
        n = recv(fd, part, end ? (size_t)(end - part) + 1 : (size_t)n, 0);
        if (n > 0 && !buffer_append(line, part, (size_t)n))
            return fail_because(why, FAIL_PROTOCOL, "this is no NATS server: it says too much");
    }
    return true;
}

static bool parse(const struct buffer *line, struct greeting *greeting, struct fail *why)
{
    json_t *info = NULL;
    const char *version = "of unknown version";
    if (line->size > 5 && strncmp(line->data, "INFO ", 5) == 0)
        info =
            document_parse((const char *)line->data + 5, line->size - 5, CONFIG_VALUES_MAX, NULL);
    if (!info)
        return fail_because(why, FAIL_PROTOCOL, "something answers, but no NATS server");
    greeting->wants_tls = json_is_true(json_object_get(info, "tls_required"));
    (void)!document_text(info, "version", OPTIONAL, &version, NULL);
    snprintf(greeting->version, sizeof greeting->version, "%.60s", version);
    printable_strip(greeting->version);
    json_decref(info);
    return true;
}

// --- TLS

struct judge {
    X509_STORE *trust;
    const char *host;
    struct fail *why;
    bool rejected;
};

static int verify(X509_STORE_CTX *chain, void *judge_)
{
    struct judge *judge = judge_;
    judge->rejected = !tls_verify(chain, judge->trust, judge->host, judge->why);
    return !judge->rejected;
}

static bool handshake(SSL *ssl, int fd, const struct judge *judge, int64_t until_ms,
                      struct fail *why)
{
    for (int done; (done = SSL_connect(ssl)) != 1;) {
        int wants = SSL_get_error(ssl, done);
        short events = wants == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        if (judge->rejected)
            return false;
        if (wants != SSL_ERROR_WANT_READ && wants != SSL_ERROR_WANT_WRITE) {
            char text[TLS_ERROR_BYTES];
            return fail_because(why, FAIL_SYSTEM, "TLS: %s", tls_error(text, sizeof text));
        }
        if (!wait_for(fd, events, until_ms))
            return fail_because(why, FAIL_TIMEOUT, "TLS: the server does not answer in time");
    }
    return true;
}

static bool check_tls(int fd, const struct nats_url *url, const char *ca_file, int64_t until_ms,
                      struct fail *why)
{
    struct judge judge = {.trust = tls_trust(ca_file, why), .host = url->host, .why = why};
    if (!judge.trust)
        return false;
    SSL_CTX *context = tls_context(verify, &judge);
    SSL *ssl = context ? SSL_new(context) : NULL;
    bool good = ssl && SSL_set_fd(ssl, fd) == 1 &&
                (tls_host_is_address(url->host) || SSL_set_tlsext_host_name(ssl, url->host) == 1);
    if (good)
        good = handshake(ssl, fd, &judge, until_ms, why);
    else
        fail_because(why, FAIL_SYSTEM, "OpenSSL cannot be started");
    SSL_free(ssl);
    SSL_CTX_free(context);
    X509_STORE_free(judge.trust);
    return good;
}

// --- all of it

static bool greet(int fd, const struct nats_url *url, const char *ca_file, int64_t until_ms,
                  struct probe_answer *answer)
{
    struct buffer line;
    struct greeting greeting = {0};
    buffer_init(&line, DOCTOR_INFO_BYTES_MAX);
    bool good =
        read_line(fd, &line, until_ms, &answer->why) && parse(&line, &greeting, &answer->why);
    buffer_fini(&line);
    bool tls = url->scheme == NATS_TLS || greeting.wants_tls;
    if (good && tls)
        good = check_tls(fd, url, ca_file, until_ms, &answer->why);
    snprintf(answer->text, sizeof answer->text, "nats-server %s%s", greeting.version,
             tls ? ", TLS" : "");
    return good;
}

bool probe_nats(const struct nats_url *url, const char *const *ca_file, int64_t until_ms,
                struct probe_answer *answer)
{
    char text[CURL_ERROR_SIZE] = "";
    curl_socket_t fd = CURL_SOCKET_BAD;
    bool v6 = strchr(url->host, ':') != NULL, good = false;
    // libcurl looks the name up and connects, within the time; no HTTP is spoken.
    char *address =
        mem_printf("http://%s%s%s:%d", v6 ? "[" : "", url->host, v6 ? "]" : "", url->port);
    CURL *curl = probe_handle(address, ca_file, until_ms, &answer->why);
    if (curl) {
        curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
        CURLcode code = curl_easy_perform(curl);
        if (code == CURLE_OK)
            code = curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd);
        good = code == CURLE_OK && fd != CURL_SOCKET_BAD
                   ? greet(fd, url, *ca_file, until_ms, answer)
                   : probe_curl_failed(code, text, &answer->why);
    }
    curl_easy_cleanup(curl);
    mem_free(address);
    return good;
}
