#include "enroll/http.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/printable.h"
#include "config/api_url.h"
#include "config/document.h"
#include "trust/trust.h"

static size_t take_body(char *data, size_t size, size_t count, void *argument)
{
    struct buffer *body = argument;
    return buffer_append(body, data, size * count) ? count : 0; // 0 ends the transfer
}

static struct curl_slist *make_headers(const struct http_client *client)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Accept: application/json");
    headers = curl_slist_append(headers, "Accept-Encoding: identity");
    if (client->access_key) {
        char *line = mem_printf("x-opengeni-access-key: %s", client->access_key);
        headers = curl_slist_append(headers, line);
        mem_free_secret(line);
    }
    return headers;
}

static void set_options(CURL *curl, const struct http_client *client, const char *body,
                        struct http_reply *reply)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "opengeni-agent/" OG_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)ENROLL_CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ENROLL_REQUEST_MS);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply->body);
    trust_apply(curl, &client->ca_file);
}

// Whether the server may have received the whole request.
static bool may_have_arrived(CURLcode code)
{
    return code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY &&
           code != CURLE_COULDNT_CONNECT && code != CURLE_SSL_CONNECT_ERROR &&
           code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE;
}

static bool explain(CURLcode code, const char *url, const char *text, struct fail *why)
{
    char *shown = printable_copy(*text ? text : curl_easy_strerror(code));
    if (code == CURLE_WRITE_ERROR)
        fail_because(why, FAIL_PROTOCOL, "the answer of %.100s is too large", url);
    else
        fail_because(why, code == CURLE_OPERATION_TIMEDOUT ? FAIL_TIMEOUT : FAIL_SYSTEM,
                     "no answer from %.100s: %.120s", url, shown);
    mem_free(shown);
    return false;
}

static bool perform(const struct http_client *client, CURL *curl, const char *url,
                    struct http_reply *reply, bool *lost, struct fail *why)
{
    char text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    buffer_consume(&reply->body, reply->body.size);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK) {
        *lost = may_have_arrived(code);
        return code == CURLE_SSL_CACERT_BADFILE ? trust_explain(client->ca_file, why)
                                                : explain(code, url, text, why);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    return true;
}

// The next place of a redirection that keeps the request as it is. NULL at the end of the way, or
// with *refused where it must not be followed.
static char *next_place(CURL *curl, const char *url, const struct http_reply *reply, bool *refused,
                        struct fail *why)
{
    char *to = NULL;
    if (reply->status < 300 || reply->status > 399)
        return NULL;
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &to);
    bool keeps = reply->status == 307 || reply->status == 308;
    bool known = to && (strncmp(to, "https://", 8) == 0 ||
                        (strncmp(to, "http://", 7) == 0 && strncmp(url, "http://", 7) == 0));
    if (keeps && known)
        return mem_string(to);
    // Origin and path without the query, which may be a secret of the other place.
    char *shown = printable_copy(to ? to : "nowhere");
    shown[strcspn(shown, "?#")] = '\0';
    *refused = true;
    fail_because(why, FAIL_PROTOCOL,
                 "the deployment is somewhere else (%.150s): give its own "
                 "address with --api-url",
                 shown);
    mem_free(shown);
    return NULL;
}

static bool post(const struct http_client *client, CURL *curl, char *url, struct http_reply *reply,
                 bool *lost, struct fail *why)
{
    bool done = false, refused = false;
    for (int hops = 0; url && (done = perform(client, curl, url, reply, lost, why)); hops++) {
        char *next = next_place(curl, url, reply, &refused, why);
        mem_free(url);
        url = next;
        if (url && hops == ENROLL_REDIRECTS_MAX) {
            refused = true;
            fail_because(why, FAIL_PROTOCOL, "the deployment redirects without end");
            break;
        }
    }
    mem_free(url);
    return done && !refused;
}

bool http_post(const struct http_client *client, const char *path, const char *body,
               struct http_reply *reply, bool *lost, struct fail *why)
{
    *reply = (struct http_reply){0};
    *lost = false;
    buffer_init(&reply->body, ENROLL_REPLY_BYTES_MAX);
    CURL *curl = curl_easy_init();
    if (!curl)
        return fail_because(why, FAIL_SYSTEM, "libcurl cannot be started");
    struct curl_slist *headers = make_headers(client);
    set_options(curl, client, body, reply);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    bool done = post(client, curl, api_url_endpoint(client->api_url, path), reply, lost, why);
    for (struct curl_slist *line = headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (!done)
        http_reply_fini(reply);
    return done;
}

void http_reply_fini(struct http_reply *reply)
{
    if (reply->body.data)
        explicit_bzero(reply->body.data, reply->body.size);
    buffer_fini(&reply->body);
}

// {"error":{"message":...}}, {"error":"..."} or {"message":...}; NULL for none of them.
static const char *message_of(const json_t *object)
{
    const json_t *error = json_object_get(object, "error");
    const char *text = json_string_value(json_object_get(error, "message"));
    if (!text)
        text = json_string_value(error);
    return text ? text : json_string_value(json_object_get(object, "message"));
}

char *http_reply_message(const struct http_reply *reply)
{
    const struct buffer *body = &reply->body;
    json_t *object =
        body->size ? document_parse(body->data, body->size, ENROLL_REPLY_VALUES, NULL) : NULL;
    const char *text = message_of(object);
    char *line = mem_printf("%.*s", ENROLL_MESSAGE_BYTES,
                            text         ? text
                            : body->size ? body->data
                                         : "no reason given");
    line[strcspn(line, "\r\n")] = '\0';
    printable_strip(line);
    log_redact(line);
    json_decref(object);
    return line;
}

bool http_reply_wants_key(const struct http_client *client, const struct http_reply *reply,
                          struct fail *why)
{
    json_t *object = reply->body.size ? document_parse(reply->body.data, reply->body.size,
                                                       ENROLL_REPLY_VALUES, NULL)
                                      : NULL;
    const char *text = json_string_value(json_object_get(object, "error"));
    bool wants = reply->status == 401 && text && strcmp(text, "unauthorized") == 0;
    json_decref(object);
    if (wants)
        fail_because(why, FAIL_CONSENT,
                     "%.120s wants the deployment's access key: put it into OPENGENI_ACCESS_KEY",
                     client->api_url);
    return wants;
}
