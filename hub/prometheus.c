// GET /metrics: numbers without names, so that everybody may read them.
#include "base/buffer.h"
#include "base/clock.h"
#include "hub/api.h"
#include "hub/bus.h"
#include "hub/http.h"
#include "hub/http_server.h"
#include "hub/hub.h"
#include "hub/nats_server.h"
#include "hub/roster.h"

struct figure {
    const char *name, *type, *help;
    uint64_t value;
};

static bool put_figure(struct buffer *out, const struct figure *figure)
{
    return buffer_printf(out, "# HELP opengeni_hub_%s %s\n# TYPE opengeni_hub_%s %s\n",
                         figure->name, figure->help, figure->name, figure->type) &&
           buffer_printf(out, "opengeni_hub_%s %llu\n", figure->name,
                         (unsigned long long)figure->value);
}

void api_prometheus(struct hub *hub, const char *id, const struct http_request *request,
                    struct http_response *response)
{
    (void)id, (void)request;
    struct roster_counts machines = roster_count(hub->roster);
    struct http_counts http = http_server_count(hub->http);
    const struct figure figures[] = {
        {"machines", "gauge", "Enrolled machines.", machines.machines},
        {"machines_online", "gauge", "Machines that are connected and speak.", machines.online},
        {"machines_revoked", "gauge", "Revoked machines.", machines.revoked},
        {"nats_up", "gauge", "1 while connected to nats-server.", bus_up(hub->bus)},
        {"nats_connects_total", "counter", "Connections made to nats-server.",
         bus_connects(hub->bus)},
        {"nats_server_starts_total", "counter", "Starts of the hub's own nats-server.",
         hub->nats ? nats_server_starts(hub->nats) : 0},
        {"enrolments_total", "counter", "Machines enrolled since the start.",
         atomic_load(&hub->enrolments)},
        {"connections_granted_total", "counter", "Connections of machines let in.",
         atomic_load(&hub->grants)},
        {"connections_refused_total", "counter", "Connections refused.",
         atomic_load(&hub->refusals)},
        {"messages_total", "counter", "Hellos and events received.",
         atomic_load(&hub->watch.messages)},
        {"heartbeats_total", "counter", "Heartbeats of live machines.",
         atomic_load(&hub->watch.heartbeats)},
        {"messages_bad_total", "counter", "Messages that could not be read.",
         atomic_load(&hub->watch.bad)},
        {"http_requests_total", "counter", "HTTP requests answered.", http.requests},
        {"http_refused_total", "counter", "HTTP requests refused before they were read.",
         http.refused},
        {"http_connections", "gauge", "Open HTTP connections and relay channels.", http.open},
        {"uptime_seconds", "gauge", "Seconds since the start.",
         (uint64_t)(clock_boot_ms() - hub->started_ms) / 1000},
    };
    answer_text(response, 200, "text/plain; version=0.0.4", "");
    bool done = true;
    for (size_t i = 0; i < sizeof figures / sizeof figures[0] && done; i++)
        done = put_figure(&response->body, &figures[i]);
    if (!done)
        response->status = 500;
}
