// Enrolment over HTTP, as agents know it.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/printable.h"
#include "hub/api.h"
#include "hub/decide.h"
#include "hub/enrol.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/limiter.h"
#include "hub/roster.h"

static const char *text_or(json_t *body, const char *key, const char *otherwise)
{
    json_t *value = json_object_get(body, key);
    return value ? json_string_value(value) : otherwise;
}

static bool is_one_of(const char *text, const char *const *values)
{
    for (; text && *values; values++)
        if (strcmp(text, *values) == 0)
            return true;
    return false;
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < 0x21 || *text > 0x7e)
            return false;
    return true;
}

// The fields that lifecycle's device start and token exchange have in common.
const char *api_read_machine(json_t *body, struct enrol_machine *machine, char **name)
{
    static const char *const systems[] = {"linux", "macos", "windows", NULL};
    static const char *const processors[] = {"x86_64", "aarch64", NULL};
    json_t *given = json_object_get(body, "machineName");
    *machine = (struct enrol_machine){
        .public_key = text_or(body, "publicKey", NULL),
        .os = text_or(body, "os", "linux"),
        .arch = text_or(body, "arch", "x86_64"),
        .display = json_is_true(json_object_get(body, "canOfferDisplay")),
    };
    if (!machine->public_key || !*machine->public_key ||
        strlen(machine->public_key) > HUB_PUBLIC_KEY_BYTES_MAX ||
        !is_printable(machine->public_key))
        return "publicKey must have 1 to 1024 characters";
    if (!is_one_of(machine->os, systems))
        return "os must be linux, macos or windows";
    if (!is_one_of(machine->arch, processors))
        return "arch must be x86_64 or aarch64";
    *name = given ? json_is_string(given) ? decide_name(json_string_value(given)) : NULL
                  : mem_string("unknown");
    if (!*name)
        return "machineName must have 1 to 256 characters";
    machine->name = *name;
    return NULL;
}

static void answer_result(struct http_response *response, enum enrol_result result)
{
    switch (result) {
    case ENROL_SPENT:
        answer_error(response, 401, "token_used", false,
                     "this enrolment token has been used; a token of this hub is good for one "
                     "enrolment, make another one with: opengeni-hub token");
        break;
    case ENROL_EXPIRED:
        answer_error(response, 401, "token_expired", false,
                     "this enrolment token has expired; make another one with: opengeni-hub token");
        break;
    case ENROL_TOO_OFTEN:
        response->retry_after = "2";
        answer_error(response, 429, "rate_limited", true, "too many failed attempts; slow down");
        break;
    case ENROL_IMPOSSIBLE:
        answer_error(response, 503, "unavailable", true,
                     "the hub cannot store the enrolment right now; the token is still good");
        break;
    default:
        answer_error(response, 401, "unauthorized", false,
                     "this is not an enrolment token of this hub");
    }
}

static void exchange(struct hub *hub, const struct http_request *request, json_t *body,
                     struct http_response *response)
{
    struct enrol_machine machine;
    char *name = NULL;
    const char *token = text_or(body, "token", NULL),
               *wrong = api_read_machine(body, &machine, &name);
    if (wrong || !token || !*token) {
        answer_error(response, 400, "bad_request", false, "%s", wrong ? wrong : "token is missing");
        mem_free(name);
        return;
    }
    char *nats_url = settings_agents_url(hub->settings, request->host),
         *relay_url = settings_relay_url(hub->settings, request->host);
    const struct enrol_places places = {nats_url, relay_url};
    const struct enrol enrol = {&hub->store, hub->roster, &hub->secrets};
    struct fail why;
    json_t *credentials = NULL;
    char id[UUID_BYTES];
    enum enrol_result result =
        enrol_exchange(&enrol, token, &machine, &places, &credentials, id, &why);
    if (result == ENROLLED) {
        atomic_fetch_add(&hub->enrolments, 1);
        hub_cut_older(hub, id); // whoever is connected has an older bearer
        answer_json(response, 201, json_pack("{s:o}", "credentials", credentials));
    } else {
        if (result == ENROL_IMPOSSIBLE)
            log_error("enrolment cannot be stored", "reason", log_why(&why), NULL);
        // Only failures count: a hundred machines behind one address can enrol at once, and a
        // stranger behind the same address does not keep them out.
        else if (!limiter_take(hub->failures, request->peer, moment_now().mono_ms))
            result = ENROL_TOO_OFTEN;
        answer_result(response, result);
    }
    mem_free(nats_url);
    mem_free(relay_url);
    mem_free(name);
}

json_t *api_enrol_agreed(struct hub *hub, const struct http_request *request,
                         const struct enrol_machine *machine, bool screen_control)
{
    char *nats_url = settings_agents_url(hub->settings, request->host),
         *relay_url = settings_relay_url(hub->settings, request->host);
    const struct enrol_places places = {nats_url, relay_url};
    const struct enrol enrol = {&hub->store, hub->roster, &hub->secrets};
    struct fail why;
    json_t *credentials = NULL;
    char id[UUID_BYTES];
    if (enrol_agreed(&enrol, machine, screen_control, &places, &credentials, id, &why) ==
        ENROLLED) {
        atomic_fetch_add(&hub->enrolments, 1);
        hub_cut_older(hub, id);
    } else {
        log_error("enrolment cannot be stored", "reason", log_why(&why), NULL);
    }
    mem_free(nats_url);
    mem_free(relay_url);
    return credentials;
}

void api_exchange(struct hub *hub, const char *id, const struct http_request *request,
                  struct http_response *response)
{
    (void)id;
    json_t *body = http_json(request);
    if (body)
        exchange(hub, request, body, response);
    else
        answer_error(response, 400, "bad_request", false, "the body must be a JSON object");
    json_decref(body);
}

void api_ca(struct hub *hub, const char *id, const struct http_request *request,
            struct http_response *response)
{
    (void)id, (void)request;
    struct buffer text;
    buffer_init(&text, HUB_CERTIFICATE_BYTES_MAX);
    if (hub->ca && io_read_file(hub->dir.fd, hub->ca, &text) && text.size)
        answer_text(response, 200, "application/x-pem-file", text.data);
    else
        answer_error(response, 404, "not_found", false, "this hub has no CA of its own");
    buffer_fini(&text);
}

void api_new_token(struct hub *hub, const char *id, const struct http_request *request,
                   struct http_response *response)
{
    (void)id;
    json_t *body = request->body.size ? http_json(request) : json_object();
    json_t *ttl = json_object_get(body, "ttl_s");
    int64_t ttl_s = ttl ? json_integer_value(ttl) : HUB_TOKEN_TTL_MS / 1000;
    if (!body || ttl_s <= 0 || ttl_s > HUB_TOKEN_TTL_MAX_MS / 1000) {
        answer_error(response, 400, "bad_request", false,
                     body ? "ttl_s must be 1 s to 30 days" : "the body must be a JSON object");
        json_decref(body);
        return;
    }
    struct fail why;
    char *token = enrol_token(&hub->store, &hub->secrets, ttl_s * 1000,
                              json_is_true(json_object_get(body, "screen_control")), &why);
    json_decref(body);
    if (token)
        answer_json(
            response, 201,
            json_pack("{s:s, s:I}", "token", token, "expires_in_seconds", (json_int_t)ttl_s));
    else
        answer_error(response, 503, "unavailable", true, "the hub cannot store a token: %s",
                     why.what);
    mem_free_secret(token);
}
