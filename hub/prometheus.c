// GET /metrics: numbers without names, so that everybody may read them.
#include <stdio.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "hub/api.h"
#include "hub/bus.h"
#include "hub/http.h"
#include "hub/http_server.h"
#include "hub/hub.h"
#include "hub/nats_server.h"
#include "hub/relay/relay.h"
#include "hub/relay/socket.h"
#include "hub/roster.h"

struct figure {
    const char *prefix, *name, *type, *help;
    uint64_t value;
};

static bool put_figure(struct buffer *out, const struct figure *figure)
{
    char name[96];
    snprintf(name, sizeof name, "opengeni_%s_%s", figure->prefix, figure->name);
    return buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, figure->help, name,
                         figure->type, name, (unsigned long long)figure->value);
}

void api_prometheus(struct hub *hub, const char *id, const struct http_request *request,
                    struct http_response *response)
{
    (void)id, (void)request;
    struct roster_counts machines = roster_count(hub->roster);
    struct http_counts http = http_server_count(hub->http);
    const struct relay_counters *relay = relay_counters(relay_socket_relay(hub->relay));
    const struct figure figures[] = {
        {"hub", "machines", "gauge", "Enrolled machines.", machines.machines},
        {"hub", "machines_online", "gauge", "Machines that are connected and speak.",
         machines.online},
        {"hub", "machines_revoked", "gauge", "Revoked machines.", machines.revoked},
        {"hub", "nats_up", "gauge", "1 while connected to nats-server.", bus_up(hub->bus)},
        {"hub", "nats_connects_total", "counter", "Connections made to nats-server.",
         bus_connects(hub->bus)},
        {"hub", "nats_server_starts_total", "counter", "Starts of the hub's own nats-server.",
         hub->nats ? nats_server_starts(hub->nats) : 0},
        {"hub", "enrolments_total", "counter", "Machines enrolled since the start.",
         atomic_load(&hub->enrolments)},
        {"hub", "connections_granted_total", "counter", "Connections of machines let in.",
         atomic_load(&hub->grants)},
        {"hub", "connections_refused_total", "counter", "Connections refused.",
         atomic_load(&hub->refusals)},
        {"hub", "messages_total", "counter", "Hellos and events received.",
         atomic_load(&hub->watch.messages)},
        {"hub", "heartbeats_total", "counter", "Heartbeats of live machines.",
         atomic_load(&hub->watch.heartbeats)},
        {"hub", "messages_bad_total", "counter", "Messages that could not be read.",
         atomic_load(&hub->watch.bad)},
        {"hub", "http_requests_total", "counter", "HTTP requests answered.", http.requests},
        {"hub", "http_refused_total", "counter", "HTTP requests refused before they were read.",
         http.refused},
        {"hub", "http_connections", "gauge", "Open HTTP connections and relay channels.",
         http.open},
        {"hub", "uptime_seconds", "gauge", "Seconds since the start.",
         (uint64_t)(clock_boot_ms() - hub->started_ms) / 1000},
        // The names that operators of other relays of this protocol know.
        {"relay", "bytes_agent_to_viewer_total", "counter", "Data forwarded to viewers.",
         atomic_load(&relay->to_viewer_bytes)},
        {"relay", "bytes_viewer_to_agent_total", "counter", "Data forwarded to machines.",
         atomic_load(&relay->to_agent_bytes)},
        {"relay", "frames_spliced_total", "counter", "Frames forwarded.",
         atomic_load(&relay->frames)},
        {"relay", "opens_accepted_total", "counter", "Ends that registered.",
         atomic_load(&relay->accepted)},
        {"relay", "opens_rejected_total", "counter", "Ends that were refused.",
         atomic_load(&relay->rejected)},
        {"relay", "reconnects_total", "counter", "Ends that took the place of one still there.",
         atomic_load(&relay->reconnects)},
        {"relay", "rate_limit_drops_total", "counter", "Frames dropped for their rate: none ever.",
         0},
        {"relay", "rate_limit_pauses_total", "counter", "Times an end was held back for its rate.",
         atomic_load(&relay->rate_pauses)},
        {"relay", "buffer_drops_total", "counter", "Ends dropped because they took nothing.",
         atomic_load(&relay->stalls)},
        {"relay", "buffer_high_water", "gauge", "Most bytes that ever waited for one end.",
         atomic_load(&relay->high_water)},
        {"relay", "live_channels", "gauge", "Channels.", atomic_load(&relay->channels)},
    };
    answer_text(response, 200, "text/plain; version=0.0.4", "");
    bool done = true;
    for (size_t i = 0; i < sizeof figures / sizeof figures[0] && done; i++)
        done = put_figure(&response->body, &figures[i]);
    if (!done)
        response->status = 500;
}
