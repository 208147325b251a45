// The handlers behind the routes. id: the "*" of the path, "" without one.
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct enrol_machine;
struct http_request;
struct http_response;
struct hub;

#define API_HANDLER(name)                                                          \
    void name(struct hub *hub, const char *id, const struct http_request *request, \
              struct http_response *response)

API_HANDLER(api_prometheus);
API_HANDLER(api_ca);
API_HANDLER(api_exchange);
API_HANDLER(api_new_token);

// The device flow (RFC 8628): a machine asks, a person decides on the page or with opengeni-hub
// approve, and the machine, which has been polling, is enrolled.
API_HANDLER(api_device_start);
API_HANDLER(api_device_poll);
API_HANDLER(api_page); // GET /device, the form
API_HANDLER(api_page_sent);

// With the admin token. GET /api/requests: {"requests": [...]}, what waits for a decision. POST
// /api/requests/CODE/approve {"screen_control": false}, /deny: {"user_code": ..., "approved": ...}
// with what the machine said; 404 when there is none of this code that waits.
API_HANDLER(api_requests);
API_HANDLER(api_approve);
API_HANDLER(api_deny);

// GET /api/control, with the admin token: {"nats_url": "wss://...", "nats_token": "..."}, how
// opengeni-ctl reaches nats-server from another machine.
API_HANDLER(api_control);
API_HANDLER(api_machines);
API_HANDLER(api_machine);
API_HANDLER(api_machine_metrics);
// GET /api/machines/MACHINE/channels: {"id": ..., "channels": [{"channel": "ch-...", "port": 7681,
// "agent": true, "viewer": false, "idle_ms": 1200}]}, what the machine has at the relay now.
API_HANDLER(api_channels);
API_HANDLER(api_revoke);
API_HANDLER(api_rename);

// POST /api/machines/MACHINE/stream-token {"port": 7681}, with the admin token: what a viewer needs
// to dial one port of one machine. MACHINE is an id, the beginning of one, or a name. Answers 201:
//   {"token": "ogs_...", "relay_url": "ws://HOST:PORT/stream", "expires_in_seconds": 120}
// The port is that of the channel in the reply of pty_open (7681) or desktop_ensure (6080); the
// viewer appends ?ws=WORKSPACE&agent=AGENT&port=PORT&channel=CHANNEL from the same channel to
// relay_url, and shows the token in its StreamOpen. The token counts when the relay is dialled, not
// for how long the stream lasts: a viewer that dials again after it has expired asks for another.
// relay_url follows the Host header of the request unless the hub was given --relay-url. 400: no
// port; 401: no admin token; 404 and 409: no such machine, or more than one.
API_HANDLER(api_stream_token);

// What a machine says about itself, of a request's body. *name is to be freed with mem_free. NULL,
// or what is wrong.
const char *api_read_machine(json_t *body, struct enrol_machine *machine, char **name);

// Enrols a machine that somebody agreed to, the places being as this request has reached the hub.
// NULL when that cannot be stored. To be freed with json_decref.
json_t *api_enrol_agreed(struct hub *hub, const struct http_request *request,
                         const struct enrol_machine *machine, bool screen_control);
