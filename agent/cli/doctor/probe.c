#include "doctor/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/printable.h"
#include "config/nats_url.h"
#include "doctor/probe_private.h"
#include "trust/trust.h"

CURL *probe_handle(const char *url, const char *const *ca_file, int64_t until_ms, struct fail *why)
{
    int64_t left = until_ms - clock_mono_ms();
    CURL *curl = curl_easy_init();
    if (!curl) {
        fail_because(why, FAIL_SYSTEM, "libcurl cannot be started");
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); // a hung name server is not waited for
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "opengeni-agent/" OG_VERSION);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left > 0 ? (long)left : 1L);
    trust_apply(curl, ca_file);
    return curl;
}

bool probe_curl_failed(CURLcode code, const char *text, struct fail *why)
{
    char *shown = printable_copy(*text ? text : curl_easy_strerror(code));
    fail_because(why, code == CURLE_OPERATION_TIMEDOUT ? FAIL_TIMEOUT : FAIL_SYSTEM, "%.200s",
                 shown);
    mem_free(shown);
    return false;
}

// --- HTTP

struct reading {
    struct probe_answer *answer;
    long status;
    bool websocket; // a switch of protocols is what we want
};

static size_t take_header(char *data, size_t size, size_t count, void *reading_)
{
    struct reading *reading = reading_;
    size_t bytes = size * count;
    char line[128];
    snprintf(line, sizeof line, "%.*s", (int)(bytes < sizeof line ? bytes : sizeof line - 1), data);
    if (strncasecmp(line, "HTTP/", 5) == 0)
        reading->status = 0;
    if (strncasecmp(line, "HTTP/", 5) == 0 && strchr(line, ' '))
        reading->status = strtol(strchr(line, ' '), NULL, 10);
    if (strncasecmp(line, "Date:", 5) == 0) {
        reading->answer->date_s = curl_getdate(line + 5, NULL);
        reading->answer->received_s = clock_wall_ms() / 1000;
        reading->answer->has_date = reading->answer->date_s > 0;
    }
    // After the empty line that ends a switch comes another protocol: we have seen enough.
    bool over = reading->websocket && reading->status == 101 && strcspn(line, "\r\n") == 0;
    return over ? 0 : bytes;
}

static size_t stop_at_body(char *data, size_t size, size_t count, void *reading)
{
    (void)data, (void)size, (void)count, (void)reading;
    return 0; // the head is all that we wanted
}

static bool judge(const struct reading *reading, struct probe_answer *answer)
{
    snprintf(answer->text, sizeof answer->text, "HTTP %ld", reading->status);
    if (reading->websocket && reading->status != 101)
        return fail_because(&answer->why, FAIL_PROTOCOL,
                            "it answers HTTP %ld instead of opening a WebSocket", reading->status);
    if (reading->websocket)
        snprintf(answer->text, sizeof answer->text, "WebSocket opened");
    return true;
}

static bool probe_http(const char *url, const char *const *ca_file, bool websocket, bool proxies,
                       int64_t until_ms, struct probe_answer *answer)
{
    // RFC 6455 4.1; the key only has to look like one.
    static const char *const upgrade[] = {"Connection: Upgrade", "Upgrade: websocket",
                                          "Sec-WebSocket-Version: 13",
                                          "Sec-WebSocket-Key: b3BlbmdlbmktYWdlbnQ9PQ=="};
    struct reading reading = {.answer = answer, .websocket = websocket};
    char text[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    CURL *curl = probe_handle(url, ca_file, until_ms, &answer->why);
    if (!curl)
        return false;
    for (size_t i = 0; websocket && i < sizeof upgrade / sizeof *upgrade; i++)
        headers = curl_slist_append(headers, upgrade[i]);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reading);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, stop_at_body);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    if (!proxies)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    CURLcode code = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (reading.status == 0)
        return probe_curl_failed(code == CURLE_OK ? CURLE_GOT_NOTHING : code, text, &answer->why);
    return judge(&reading, answer);
}

// --- the kinds

// ws and wss are http and https to libcurl. To be freed with mem_free.
static char *as_http(const char *url)
{
    if (strncasecmp(url, "ws", 2) == 0)
        return mem_printf("http%s", url + 2);
    return mem_string(url);
}

static bool probe_broker(const char *text, const char *const *ca_file, int64_t until_ms,
                         struct probe_answer *answer)
{
    struct nats_url url;
    if (!nats_url_parse(text, &url, &answer->why))
        return false;
    if (url.scheme == NATS_PLAIN || url.scheme == NATS_TLS)
        return probe_nats(&url, ca_file, until_ms, answer);
    bool v6 = strchr(url.host, ':') != NULL;
    char *http = mem_printf("http%s://%s%s%s:%d%s", url.scheme == NATS_WSS ? "s" : "",
                            v6 ? "[" : "", url.host, v6 ? "]" : "", url.port, url.path);
    bool reached = probe_http(http, ca_file, true, false, until_ms, answer);
    mem_free(http);
    return reached;
}

void probe(enum probe_kind kind, const char *url, const char *ca_file, int64_t timeout_ms,
           struct probe_answer *answer)
{
    int64_t begin = clock_mono_ms(), until = begin + timeout_ms;
    *answer = (struct probe_answer){0};
    if (kind == PROBE_NATS) {
        answer->reached = probe_broker(url, &ca_file, until, answer);
    } else {
        char *http = as_http(url);
        answer->reached = probe_http(http, &ca_file, false, kind == PROBE_API, until, answer);
        mem_free(http);
    }
    answer->took_ms = clock_mono_ms() - begin;
}
