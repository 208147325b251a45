// The handlers behind the routes. id: the "*" of the path, "" without one.
#pragma once

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
API_HANDLER(api_machines);
API_HANDLER(api_machine);
API_HANDLER(api_machine_metrics);
API_HANDLER(api_revoke);
API_HANDLER(api_rename);
API_HANDLER(api_stream_token);
