// What people and programs ask about machines, and decide about them.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/api.h"
#include "hub/decide.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/machine_json.h"
#include "hub/relay/relay.h"
#include "hub/relay/socket.h"
#include "hub/roster.h"
#include "hub/signed_token.h"

struct listing {
    const char *workspace;
    json_t *machines, *one;
    bool whole;
};

static void list_one(void *context, struct machine *machine)
{
    struct listing *listing = context;
    json_array_append_new(listing->machines, listing->whole
                                                 ? machine_json(machine, listing->workspace)
                                                 : machine_summary(machine));
}

static void show_one(void *context, struct machine *machine)
{
    struct listing *listing = context;
    listing->one = machine_json(machine, listing->workspace);
}

void api_control(struct hub *hub, const char *id, const struct http_request *request,
                 struct http_response *response)
{
    (void)id;
    char *url = settings_agents_url(hub->settings, request->host);
    answer_json(response, 200,
                json_pack("{s:s, s:s, s:s}", "workspace_id", hub->store.workspace, "nats_url", url,
                          "nats_token", hub->secrets.control_token));
    mem_free(url);
}

void api_machines(struct hub *hub, const char *id, const struct http_request *request,
                  struct http_response *response)
{
    (void)id;
    char *detail = http_query(request, "detail");
    struct listing listing = {.workspace = hub->store.workspace,
                              .machines = json_array(),
                              .whole = detail && strcmp(detail, "whole") == 0};
    mem_free(detail);
    roster_each(hub->roster, list_one, &listing);
    answer_json(response, 200,
                json_pack("{s:s, s:o}", "workspace_id", hub->store.workspace, "machines",
                          listing.machines));
}

// The machine of the path, which may be an id, the beginning of one, or a name.
static bool resolve(struct hub *hub, const char *text, char id[UUID_BYTES],
                    struct http_response *response)
{
    struct fail why;
    if (roster_resolve(hub->roster, text, id, &why))
        return true;
    bool several = strncmp(why.what, "there is no", 11) != 0;
    answer_error(response, several ? 409 : 404, several ? "ambiguous" : "not_found", false, "%s",
                 why.what);
    return false;
}

void api_machine(struct hub *hub, const char *text, const struct http_request *request,
                 struct http_response *response)
{
    (void)request;
    char id[UUID_BYTES];
    struct listing listing = {.workspace = hub->store.workspace};
    if (!resolve(hub, text, id, response))
        return;
    roster_visit(hub->roster, id, show_one, &listing);
    answer_json(response, 200, listing.one);
}

void api_machine_metrics(struct hub *hub, const char *text, const struct http_request *request,
                         struct http_response *response)
{
    char id[UUID_BYTES], *since = http_query(request, "since_ms");
    struct fail why;
    if (resolve(hub, text, id, response)) {
        json_t *samples =
            observed_metrics(&hub->observed, id, since ? strtoll(since, NULL, 10) : 0, &why);
        if (samples)
            answer_json(response, 200, json_pack("{s:s, s:o}", "id", id, "samples", samples));
        else
            answer_error(response, 503, "unavailable", true, "the history cannot be read");
    }
    mem_free(since);
}

static void add_channel(void *channels, const struct relay_sight *sight)
{
    json_array_append_new(channels,
                          json_pack("{s:s, s:I, s:b, s:b, s:I}", "channel", sight->channel, "port",
                                    (json_int_t)sight->port, "agent", sight->agent, "viewer",
                                    sight->viewer, "idle_ms", (json_int_t)sight->idle_ms));
}

void api_channels(struct hub *hub, const char *text, const struct http_request *request,
                  struct http_response *response)
{
    (void)request;
    char id[UUID_BYTES];
    if (!resolve(hub, text, id, response))
        return;
    json_t *channels = json_array();
    relay_each(relay_socket_relay(hub->relay), id, clock_mono_ms(), add_channel, channels);
    answer_json(response, 200, json_pack("{s:s, s:o}", "id", id, "channels", channels));
}

static void answer_decision(struct http_response *response, bool done, const char *id,
                            const struct fail *why)
{
    if (done)
        answer_json(response, 200, json_pack("{s:s}", "id", id));
    else if (why->kind == FAIL_INVALID)
        answer_error(response, 400, "bad_request", false, "%s", why->what);
    else
        answer_error(response, 503, "unavailable", true, "the hub cannot store that right now");
}

void api_revoke(struct hub *hub, const char *text, const struct http_request *request,
                struct http_response *response)
{
    (void)request;
    char id[UUID_BYTES];
    struct fail why;
    if (!resolve(hub, text, id, response))
        return;
    bool done = decide_revoke(&hub->store, hub->roster, id, &why);
    if (done)
        hub_cut(hub, id);
    answer_decision(response, done, id, &why);
}

void api_rename(struct hub *hub, const char *text, const struct http_request *request,
                struct http_response *response)
{
    char id[UUID_BYTES];
    struct fail why;
    json_t *body = http_json(request);
    const char *name = json_string_value(json_object_get(body, "name"));
    if (!name)
        answer_error(response, 400, "bad_request", false, "name is missing");
    else if (resolve(hub, text, id, response))
        answer_decision(response, decide_rename(&hub->store, hub->roster, id, name, &why), id,
                        &why);
    json_decref(body);
}

// What a viewer shows the relay to see one port of one machine.
void api_stream_token(struct hub *hub, const char *text, const struct http_request *request,
                      struct http_response *response)
{
    char id[UUID_BYTES], session[UUID_BYTES];
    json_t *body = http_json(request), *port = json_object_get(body, "port");
    int64_t expires = moment_now().unix_ms / 1000 + HUB_VIEWER_TTL_S;
    random_uuid(session);
    if (!json_is_integer(port) || json_integer_value(port) < 0 ||
        json_integer_value(port) > UINT32_MAX) {
        answer_error(response, 400, "bad_request", false, "port is missing");
    } else if (resolve(hub, text, id, response)) {
        char *url = settings_relay_url(hub->settings, request->host);
        char *token = signed_token_mint(
            TOKEN_VIEWER, hub->secrets.viewer,
            json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:I, s:I}", "workspaceId",
                      hub->store.workspace, "agentId", id, "sessionId", session, "viewerId",
                      session, "leaseEpoch", 1, "mode", "view", "port", json_integer_value(port),
                      "exp", (json_int_t)expires));
        answer_json(response, 201,
                    json_pack("{s:s, s:s, s:i}", "token", token, "relay_url", url,
                              "expires_in_seconds", HUB_VIEWER_TTL_S));
        mem_free_secret(token);
        mem_free(url);
    }
    json_decref(body);
}
