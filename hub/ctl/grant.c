#include "ctl/grant.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "ctl/fault.h"
#include "ctl/server.h"

// Where a hub answers, and what it wants to see.
struct place {
    char *url;        // http or https, without a path
    char *socket;     // of the hub of this machine; NULL: the network
    char *token_file; // holds the admin token
    char *ca_file;
};

static void place_fini(struct place *place)
{
    mem_free(place->url);
    mem_free(place->socket);
    mem_free(place->token_file);
    mem_free(place->ca_file);
}

// --- the hub of this machine says where it is (docs/hub.md)

static char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text ? mem_string(text) : NULL;
}

static bool read_place(const char *path, struct place *out)
{
    struct buffer text;
    buffer_init(&text, HUB_DISCOVER_BYTES_MAX);
    json_t *object =
        io_read_file(AT_FDCWD, path, &text) ? json_loadb(text.data, text.size, 0, NULL) : NULL;
    buffer_fini(&text);
    *out = (struct place){.url = text_of(object, "http_url"),
                          .socket = text_of(object, "socket"),
                          .token_file = text_of(object, "admin_token_file"),
                          .ca_file = text_of(object, "ca_file")};
    json_decref(object);
    // Without TLS behind the socket, which only this user can reach.
    if (out->url && out->socket && strncmp(out->url, "https://", 8) == 0)
        memmove(out->url + 4, out->url + 5, strlen(out->url + 5) + 1);
    if (out->url && out->token_file)
        return true;
    place_fini(out);
    return false;
}

static bool find_local(struct place *out)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *state = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    char *paths[] = {
        mem_printf("%s/opengeni-hub.json", runtime ? runtime : ""),
        mem_printf("%s/opengeni-hub/hub.json", state ? state : ""),
        mem_printf("%s/.local/state/opengeni-hub/hub.json", home ? home : ""),
        mem_string("/var/lib/opengeni-hub/hub.json"),
    };
    bool found = false;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        found = found || read_place(paths[i], out);
        mem_free(paths[i]);
    }
    return found;
}

static const char *setting(const char *given, const char *variable)
{
    const char *value = given ? given : getenv(variable);
    return value && *value ? value : NULL;
}

static bool find_hub(const struct grant_source *source, struct place *out, struct fault *fault)
{
    const char *url = setting(source->hub_url, "OPENGENI_HUB"),
               *file = setting(source->hub_token_file, "OPENGENI_HUB_TOKEN_FILE");
    if (!url) {
        if (find_local(out))
            return true;
        return fault_set(fault, FAULT_LOCAL,
                         "a terminal needs a hub's relay: none serves on this machine; see --hub "
                         "and --relay-url");
    }
    if (!file)
        return fault_set(fault, FAULT_LOCAL, "the hub wants a token: see --hub-token-file");
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return fault_set(fault, FAULT_LOCAL, "the hub's URL is neither http nor https: %s", url);
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/')
        size--;
    *out = (struct place){.url = mem_printf("%.*s", (int)size, url),
                          .token_file = mem_string(file),
                          .ca_file = source->ca_file ? mem_string(source->ca_file) : NULL};
    return true;
}

// --- the question

static size_t take(char *data, size_t one, size_t size, void *answer)
{
    return buffer_append(answer, data, one * size) ? size : 0;
}

struct question {
    CURL *curl;
    struct curl_slist *headers;
    char *url, *body;
    struct buffer answer;
    char why[CURL_ERROR_SIZE];
};

static void prepare(struct question *question, const struct place *place, const char *token,
                    const char *agent, unsigned port)
{
    CURL *curl = question->curl;
    char *authorization = mem_printf("Authorization: Bearer %s", token);
    question->url = mem_printf("%s/api/machines/%s/stream-token", place->url, agent);
    question->body = mem_printf("{\"port\":%u}", port);
    question->headers = curl_slist_append(NULL, "Content-Type: application/json");
    question->headers = curl_slist_append(question->headers, authorization);
    mem_free_secret(authorization);
    curl_easy_setopt(curl, CURLOPT_URL, question->url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question->body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, question->headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)SHELL_GRANT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &question->answer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, question->why);
    if (place->socket) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, place->socket);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    } else if (place->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, place->ca_file);
    }
}

static void question_fini(struct question *question)
{
    for (struct curl_slist *header = question->headers; header; header = header->next)
        explicit_bzero(header->data, strlen(header->data));
    curl_slist_free_all(question->headers);
    if (question->answer.size)
        explicit_bzero(question->answer.data, question->answer.size);
    buffer_fini(&question->answer);
    mem_free(question->url);
    mem_free(question->body);
    curl_easy_cleanup(question->curl);
}

static bool take_answer(const struct question *question, const struct place *place,
                        struct grant *out, struct fault *fault)
{
    long status = 0;
    curl_easy_getinfo(question->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *object = question->answer.size
                         ? json_loadb(question->answer.data, question->answer.size, 0, NULL)
                         : NULL;
    json_t *error = json_object_get(object, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    *out = (struct grant){.relay_url = text_of(object, "relay_url"),
                          .token = text_of(object, "token"),
                          .ca_file = place->ca_file ? mem_string(place->ca_file) : NULL,
                          .until_ms = INT64_MAX};
    json_t *seconds = json_object_get(object, "expires_in_seconds");
    if (json_is_integer(seconds) && json_integer_value(seconds) < 1000000000)
        out->until_ms = clock_mono_ms() + 1000 * json_integer_value(seconds);
    bool good = status / 100 == 2 && out->relay_url && out->token;
    if (status == 404 && message)
        fault_set(fault, FAULT_MACHINE, "the hub says: %s", message);
    else if (!good && message)
        fault_set(fault, FAULT_SERVER, "the hub says: %s", message);
    else if (!good)
        fault_set(fault, FAULT_SERVER, "the hub at %s answers with HTTP status %ld", place->url,
                  status);
    json_decref(object);
    if (!good)
        grant_fini(out);
    return good;
}

static bool ask(const struct place *place, const char *agent, unsigned port, struct grant *out,
                struct fault *fault)
{
    char *token;
    if (!server_read_token(place->token_file, &token, fault))
        return false;
    struct question question = {.curl = curl_easy_init()};
    buffer_init(&question.answer, SHELL_GRANT_BYTES_MAX);
    bool good = false;
    if (!question.curl) {
        fault_set(fault, FAULT_LOCAL, "libcurl cannot be started");
    } else {
        prepare(&question, place, token, agent, port);
        CURLcode code = curl_easy_perform(question.curl);
        if (code == CURLE_OK)
            good = take_answer(&question, place, out, fault);
        else
            fault_set(fault, FAULT_SERVER, "the hub at %s: %s", place->url,
                      *question.why ? question.why : curl_easy_strerror(code));
    }
    mem_free_secret(token);
    question_fini(&question);
    return good;
}

// --- all together

bool grant_get(const struct grant_source *source, const char *agent, unsigned port,
               struct grant *out, struct fault *fault)
{
    *out = (struct grant){.until_ms = INT64_MAX};
    if (source->relay_url) { // the file is read again each time: somebody may renew it
        if (!server_read_token(source->relay_token_file, &out->token, fault))
            return false;
        out->relay_url = mem_string(source->relay_url);
        out->ca_file = source->ca_file ? mem_string(source->ca_file) : NULL;
        return true;
    }
    struct place place;
    if (!find_hub(source, &place, fault))
        return false;
    bool good = ask(&place, agent, port, out, fault);
    place_fini(&place);
    return good;
}

void grant_fini(struct grant *grant)
{
    mem_free(grant->relay_url);
    mem_free_secret(grant->token);
    mem_free(grant->ca_file);
    *grant = (struct grant){0};
}
