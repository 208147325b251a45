#include "ctl/grant.h"

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ctl/fault.h"
#include "ctl/hub.h"
#include "ctl/server.h"

static bool ask(const struct hub_place *place, const char *agent, unsigned port, struct grant *out,
                struct fault *fault)
{
    char *path = mem_printf("/api/machines/%s/stream-token", agent);
    char *body = mem_printf("{\"port\":%u}", port);
    json_t *object;
    bool good = hub_ask(place, path, body, SHELL_GRANT_MS, &object, fault);
    mem_free(path);
    mem_free(body);
    if (!good)
        return false;
    const char *url = json_string_value(json_object_get(object, "relay_url")),
               *token = json_string_value(json_object_get(object, "token"));
    if (url && token) {
        *out = (struct grant){.relay_url = mem_string(url),
                              .token = mem_string(token),
                              .ca_file = place->ca_file ? mem_string(place->ca_file) : NULL,
                              .until_ms = INT64_MAX};
        json_t *seconds = json_object_get(object, "expires_in_seconds");
        if (json_is_integer(seconds) && json_integer_value(seconds) < 1000000000)
            out->until_ms = clock_mono_ms() + 1000 * json_integer_value(seconds);
    } else {
        good = fault_set(fault, FAULT_SERVER, "the hub at %s names no relay", place->url);
    }
    json_decref(object);
    return good;
}

static bool find_hub(const struct grant_source *source, struct hub_place *out, struct fault *fault)
{
    const struct hub_source hub = {
        .url = source->hub_url, .token_file = source->hub_token_file, .ca_file = source->ca_file};
    bool named;
    if (!hub_find_named(&hub, out, &named, fault))
        return false;
    return named || hub_find_local(out) ||
           fault_set(fault, FAULT_LOCAL,
                     "this needs a hub's relay: none serves on this machine; see --hub "
                     "and --relay-url");
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
    struct hub_place place;
    if (!find_hub(source, &place, fault))
        return false;
    bool good = ask(&place, agent, port, out, fault);
    hub_place_fini(&place);
    return good;
}

void grant_fini(struct grant *grant)
{
    mem_free(grant->relay_url);
    mem_free_secret(grant->token);
    mem_free(grant->ca_file);
    *grant = (struct grant){0};
}
