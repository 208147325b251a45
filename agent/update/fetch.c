#include "update/fetch.h"

#include <errno.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/printable.h"
#include "config/url_host.h"
#include "trust/trust.h"

// Where the body goes, and what stopped it.
struct sink {
    struct buffer *text; // or NULL, and then
    int fd;
    EVP_MD_CTX *sha256, *blake2b;
    int64_t size, max;
    bool full;
    int error; // of writing
};

static size_t take_body(char *data, size_t one, size_t count, void *argument)
{
    struct sink *sink = argument;
    size_t size = one * count;
    if (sink->text)
        sink->full = !buffer_append(sink->text, data, size);
    else if ((int64_t)size > sink->max - sink->size)
        sink->full = true;
    else if (!io_write_all(sink->fd, data, size))
        sink->error = errno;
    else if (EVP_DigestUpdate(sink->sha256, data, size) != 1 ||
             EVP_DigestUpdate(sink->blake2b, data, size) != 1)
        sink->error = EIO;
    sink->size += (int64_t)size;
    return sink->full || sink->error ? CURL_WRITEFUNC_ERROR : size;
}

// Scheme and host of a URL, both freed with curl_free. False when it is none.
static bool take_apart(const char *url, char **scheme, char **host)
{
    CURLU *parts = curl_url();
    *scheme = *host = NULL;
    bool good = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_SCHEME, scheme, 0) == CURLUE_OK;
    if (good)
        curl_url_get(parts, CURLUPART_HOST, host, 0);
    curl_url_cleanup(parts);
    return good;
}

// What the transfer may use, and what a redirection may lead to; NULL: it may not be made at all.
static const char *allowed(const struct fetch_from *from, const char *url, const char **redirected)
{
    char *scheme, *host, name[URL_HOST_BYTES];
    const char *use = NULL;
    *redirected = "https";
    if (take_apart(url, &scheme, &host)) {
        bool here = host && url_host_normalise(host, strlen(host), name, NULL) &&
                    url_host_is_loopback(name);
        if (strcmp(scheme, "https") == 0)
            use = "https";
        else if (strcmp(scheme, "http") == 0 && (from->plain || here))
            use = "http";
        else if (strcmp(scheme, "file") == 0 && from->files)
            use = "file";
    }
    if (use && strcmp(use, "http") == 0 && from->plain)
        *redirected = "http,https";
    curl_free(scheme);
    curl_free(host);
    return use;
}

static void set_options(CURL *curl, const struct fetch_from *from, const char *url,
                        struct sink *sink)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "opengeni-agent-update/" OG_VERSION);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)UPDATE_REDIRECTS_MAX);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)UPDATE_CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)UPDATE_IDLE_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)UPDATE_FETCH_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    trust_apply(curl, &from->ca_file);
}

static bool explain(CURL *curl, CURLcode code, const char *ca_file, const char *url,
                    const char *text, const struct sink *sink, struct fail *why)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_SSL_CACERT_BADFILE)
        return trust_explain(ca_file, why);
    if (sink->full)
        return fail_because(why, FAIL_PROTOCOL, "%.200s is larger than it may be", url);
    if (sink->error)
        return fail_errno(why, sink->error, "write what was fetched", "");
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return fail_because(why, status == 404 || status == 410 ? FAIL_MISSING : FAIL_SYSTEM,
                            "%.180s: the server answers %ld", url, status);
    char *shown = printable_copy(*text ? text : curl_easy_strerror(code));
    fail_because(why, code == CURLE_OPERATION_TIMEDOUT ? FAIL_TIMEOUT : FAIL_SYSTEM,
                 "%.120s: %.120s", url, shown);
    mem_free(shown);
    return false;
}

static bool fetch(const struct fetch_from *from, const char *url, struct sink *sink,
                  struct fail *why)
{
    const char *redirected, *use = allowed(from, url, &redirected);
    char text[CURL_ERROR_SIZE] = "";
    if (!use)
        return fail_because(why, FAIL_INVALID, "%.200s: only https is good enough for updates",
                            url);
    CURL *curl = curl_easy_init();
    if (!curl)
        return fail_because(why, FAIL_SYSTEM, "libcurl cannot be started");
    set_options(curl, from, url, sink);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, use);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, redirected);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    CURLcode code = curl_easy_perform(curl);
    bool done = code == CURLE_OK || explain(curl, code, from->ca_file, url, text, sink, why);
    curl_easy_cleanup(curl);
    return done;
}

bool fetch_text(const struct fetch_from *from, const char *url, struct buffer *out,
                struct fail *why)
{
    struct sink sink = {.text = out, .fd = -1};
    buffer_consume(out, out->size);
    return fetch(from, url, &sink, why);
}

bool fetch_file(const struct fetch_from *from, const char *url, int64_t max, int fd,
                struct fetch_digests *digests, struct fail *why)
{
    struct sink sink = {
        .fd = fd, .max = max, .sha256 = EVP_MD_CTX_new(), .blake2b = EVP_MD_CTX_new()};
    bool ready = sink.sha256 && sink.blake2b &&
                 EVP_DigestInit_ex(sink.sha256, EVP_sha256(), NULL) == 1 &&
                 EVP_DigestInit_ex(sink.blake2b, EVP_blake2b512(), NULL) == 1;
    bool done = ready ? fetch(from, url, &sink, why)
                      : fail_because(why, FAIL_SYSTEM, "the digests are not available");
    if (done)
        done = (EVP_DigestFinal_ex(sink.sha256, digests->sha256, NULL) == 1 &&
                EVP_DigestFinal_ex(sink.blake2b, digests->blake2b, NULL) == 1) ||
               fail_because(why, FAIL_SYSTEM, "the digests are not available");
    digests->size = sink.size;
    EVP_MD_CTX_free(sink.sha256);
    EVP_MD_CTX_free(sink.blake2b);
    return done;
}
