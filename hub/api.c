// The routes of the HTTP API.
#include <string.h>

#include "base/limits.h"
#include "hub/api.h"
#include "hub/faults.h"
#include "hub/http.h"
#include "hub/http_server.h"
#include "hub/hub.h"

static void get_health(struct hub *hub, const char *id, const struct http_request *request,
                       struct http_response *response)
{
    (void)id, (void)request;
    if (hub_healthy(hub))
        answer_text(response, 200, "text/plain", "ok\n");
    else
        answer_text(response, 503, "text/plain", "no connection to nats-server\n");
}

static void get_front(struct hub *hub, const char *id, const struct http_request *request,
                      struct http_response *response)
{
    (void)hub, (void)id, (void)request;
    answer_text(response, 200, "text/plain", "opengeni-hub " OG_VERSION "\n");
}

enum guard { EVERYBODY, ADMIN };

// A path may hold one "*", which stands for a machine's id and is given to the handler.
static const struct route {
    enum http_method method;
    const char *path;
    enum guard guard;
    void (*answer)(struct hub *hub, const char *id, const struct http_request *request,
                   struct http_response *response);
} routes[] = {
    {HTTP_GET, "/", EVERYBODY, get_front},
    {HTTP_GET, "/healthz", EVERYBODY, get_health},
    {HTTP_GET, "/metrics", EVERYBODY, api_prometheus},
    {HTTP_GET, "/ca.pem", EVERYBODY, api_ca},
    {HTTP_POST, "/v1/enrollments/token/exchange", EVERYBODY, api_exchange},
    {HTTP_POST, "/v1/enrollments/device/start", EVERYBODY, api_device_start},
    {HTTP_POST, "/v1/enrollments/device/poll", EVERYBODY, api_device_poll},
    {HTTP_GET, "/device", EVERYBODY, api_page},
    {HTTP_POST, "/device", EVERYBODY, api_page_sent}, // wants the admin token in the form
    {HTTP_GET, "/api/requests", ADMIN, api_requests},
    {HTTP_POST, "/api/requests/*/approve", ADMIN, api_approve},
    {HTTP_POST, "/api/requests/*/deny", ADMIN, api_deny},
    {HTTP_POST, "/api/tokens", ADMIN, api_new_token},
    {HTTP_GET, "/api/control", ADMIN, api_control},
    {HTTP_GET, "/api/machines", ADMIN, api_machines},
    {HTTP_GET, "/api/machines/*", ADMIN, api_machine},
    {HTTP_GET, "/api/machines/*/metrics", ADMIN, api_machine_metrics},
    {HTTP_GET, "/api/machines/*/channels", ADMIN, api_channels},
    {HTTP_POST, "/api/machines/*/revoke", ADMIN, api_revoke},
    {HTTP_POST, "/api/machines/*/rename", ADMIN, api_rename},
    {HTTP_POST, "/api/machines/*/stream-token", ADMIN, api_stream_token},
};

static bool matches(const char *pattern, const char *path, char *id, size_t room)
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return strcmp(pattern, path) == 0;
    size_t before = (size_t)(star - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    size_t size = strcspn(path + before, "/");
    if (size == 0 || size >= room || strcmp(star + 1, path + before + size) != 0)
        return false;
    memcpy(id, path + before, size);
    id[size] = '\0';
    return true;
}

void hub_answer(void *context, const struct http_request *request, struct http_response *response)
{
    struct hub *hub = context;
    char id[HUB_MACHINE_NAME_UNITS_MAX * 3 + 1] = "";
    bool gets = false, posts = false;
    if (faults_answer(hub->settings->faults, request, response))
        return;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const struct route *route = &routes[i];
        if (!matches(route->path, request->path, id, sizeof id))
            continue;
        gets |= route->method == HTTP_GET;
        posts |= route->method == HTTP_POST;
        if (route->method != request->method)
            continue;
        if (route->guard == ADMIN && !http_has_token(request, hub->secrets.admin_token))
            answer_error(response, 401, "unauthorized", false,
                         "this needs the hub's admin token: Authorization: Bearer ...");
        else
            route->answer(hub, id, request, response);
        return;
    }
    response->allow = gets && posts ? "GET, HEAD, POST"
                      : gets        ? "GET, HEAD"
                      : posts       ? "POST"
                                    : NULL;
    if (response->allow)
        answer_error(response, 405, "method_not_allowed", false, "not with this method");
    else
        answer_error(response, 404, "not_found", false, "there is nothing here");
}
