#include "ctl/hub.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <nats/nats.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "ctl/fault.h"
#include "ctl/server.h"

void hub_place_fini(struct hub_place *place)
{
    mem_free(place->url);
    mem_free(place->socket);
    mem_free(place->token_file);
    mem_free(place->ca_file);
    mem_free(place->nats_url);
    mem_free(place->nats_token_file);
    *place = (struct hub_place){0};
}

// --- the hub of this machine says where it is (docs/hub.md)

static char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text ? mem_string(text) : NULL;
}

// A hub that was killed leaves its file behind.
static bool is_alive(json_t *object)
{
    json_int_t pid = json_integer_value(json_object_get(object, "pid"));
    return pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static bool read_place(const char *path, struct hub_place *out)
{
    struct buffer text;
    buffer_init(&text, HUB_DISCOVER_BYTES_MAX);
    json_t *object =
        io_read_file(AT_FDCWD, path, &text) ? json_loadb(text.data, text.size, 0, NULL) : NULL;
    buffer_fini(&text);
    bool alive = is_alive(object);
    *out = (struct hub_place){.url = text_of(object, "http_url"),
                              .socket = text_of(object, "socket"),
                              .token_file = text_of(object, "admin_token_file"),
                              .ca_file = text_of(object, "ca_file"),
                              .nats_url = text_of(object, "nats_url"),
                              .nats_token_file = text_of(object, "nats_token_file")};
    json_decref(object);
    // Without TLS behind the socket, which only this user can reach.
    if (out->url && out->socket && strncmp(out->url, "https://", 8) == 0)
        memmove(out->url + 4, out->url + 5, strlen(out->url + 5) + 1);
    if (alive && out->url && out->token_file && access(out->token_file, R_OK) == 0)
        return true;
    hub_place_fini(out);
    return false;
}

bool hub_find_local(struct hub_place *out)
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

// --- a hub that is named

static const char *setting(const char *given, const char *variable)
{
    const char *value = given ? given : getenv(variable);
    return value && *value ? value : NULL;
}

bool hub_find_named(const struct hub_source *source, struct hub_place *out, bool *named,
                    struct fault *fault)
{
    const char *url = setting(source->url, "OPENGENI_HUB"),
               *file = setting(source->token_file, "OPENGENI_HUB_TOKEN_FILE");
    *out = (struct hub_place){0};
    *named = url != NULL;
    if (!url)
        return true;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return fault_set(fault, FAULT_LOCAL, "the hub's URL is neither http nor https: %s", url);
    if (!file)
        return fault_set(fault, FAULT_LOCAL, "the hub wants a token: see --hub-token-file");
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/')
        size--;
    *out = (struct hub_place){.url = mem_printf("%.*s", (int)size, url),
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
    char *url;
    struct buffer answer;
    char why[CURL_ERROR_SIZE];
};

static void prepare(struct question *question, const struct hub_place *place, const char *token,
                    const char *path, const char *body)
{
    CURL *curl = question->curl;
    char *authorization = mem_printf("Authorization: Bearer %s", token);
    question->url = mem_printf("%s%s", place->url, path);
    question->headers = curl_slist_append(NULL, authorization);
    mem_free_secret(authorization);
    if (body) {
        question->headers = curl_slist_append(question->headers, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(curl, CURLOPT_URL, question->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, question->headers);
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
    curl_easy_cleanup(question->curl);
}

static bool take_answer(const struct question *question, const struct hub_place *place,
                        json_t **answer, struct fault *fault)
{
    long status = 0;
    curl_easy_getinfo(question->curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *object = question->answer.size
                         ? json_loadb(question->answer.data, question->answer.size, 0, NULL)
                         : NULL;
    if (status / 100 == 2 && json_is_object(object)) {
        *answer = object;
        return true;
    }
    json_t *error = json_object_get(object, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    if (message)
        fault_set(fault, status == 404 || status == 409 ? FAULT_MACHINE : FAULT_SERVER,
                  "the hub says: %s", message);
    else
        fault_set(fault, FAULT_SERVER, "the hub at %s answers with HTTP status %ld", place->url,
                  status);
    json_decref(object);
    return false;
}

bool hub_ask(const struct hub_place *place, const char *path, const char *body, long timeout_ms,
             json_t **answer, struct fault *fault)
{
    // Before libcurl uses OpenSSL for the first time, for the reason that ctl_connect tells.
    if (nats_Open(-1) != NATS_OK)
        return fault_set(fault, FAULT_LOCAL, "the NATS library cannot be started");
    char *token;
    if (!server_read_token(place->token_file, &token, fault))
        return false;
    struct question question = {.curl = curl_easy_init()};
    buffer_init(&question.answer, CTL_HUB_ANSWER_BYTES_MAX);
    bool good = false;
    if (!question.curl) {
        fault_set(fault, FAULT_LOCAL, "libcurl cannot be started");
    } else {
        prepare(&question, place, token, path, body);
        curl_easy_setopt(question.curl, CURLOPT_TIMEOUT_MS, timeout_ms);
        CURLcode code = curl_easy_perform(question.curl);
        if (code == CURLE_OK)
            good = take_answer(&question, place, answer, fault);
        else
            fault_set(fault, FAULT_SERVER, "the hub at %s: %s", place->url,
                      *question.why ? question.why : curl_easy_strerror(code));
    }
    mem_free_secret(token);
    question_fini(&question);
    return good;
}
