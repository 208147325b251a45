// Enrolment by a code that a person confirms, as agents and programs know it.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/api.h"
#include "hub/devices.h"
#include "hub/enrol.h"
#include "hub/http.h"
#include "hub/hub.h"
#include "hub/limiter.h"

static void answer_busy(struct http_response *response, const char *message)
{
    response->retry_after = "5";
    answer_error(response, 429, "rate_limited", true, "%s", message);
}

static void answer_codes(struct hub *hub, const struct http_request *request,
                         const struct device_codes *codes, struct http_response *response)
{
    char *origin = settings_web_url(hub->settings, request->host);
    answer_json(response, 201,
                json_pack("{s:s, s:s, s:o, s:o, s:i, s:i}", "deviceCode", codes->device, "userCode",
                          codes->user, "verificationUri", json_sprintf("%s/device", origin),
                          "verificationUriComplete",
                          json_sprintf("%s/device?user_code=%s", origin, codes->user),
                          "intervalSeconds", HUB_DEVICE_INTERVAL_S, "expiresInSeconds",
                          (int)(HUB_DEVICE_TTL_MS / 1000)));
    mem_free(origin);
}

static void start(struct hub *hub, const struct http_request *request, json_t *body,
                  struct http_response *response)
{
    struct enrol_machine machine;
    struct device_codes codes;
    char *name = NULL;
    const char *workspace = json_string_value(json_object_get(body, "workspaceId"));
    const char *wrong =
        workspace ? api_read_machine(body, &machine, &name) : "workspaceId is missing";
    int64_t now_ms = clock_boot_ms();
    if (wrong) {
        answer_error(response, 400, "bad_request", false, "%s", wrong);
    } else if (strcasecmp(workspace, hub->store.workspace) != 0) {
        answer_error(response, 404, "not_found", false,
                     "this hub has no such workspace; 'opengeni-hub workspace' prints its own");
    } else if (!limiter_take(hub->starts, request->peer, now_ms)) {
        answer_busy(response, "too many requests; slow down");
    } else {
        bool wants_screen = json_is_true(json_object_get(body, "requestsScreenControl"));
        switch (
            devices_begin(hub->devices, &machine, wants_screen, request->peer, now_ms, &codes)) {
        case DEVICE_BEGUN:
            log_info("a machine asks to be enrolled", "name", machine.name, "address",
                     request->peer, NULL);
            answer_codes(hub, request, &codes, response);
            break;
        case DEVICE_TOO_MANY_HERE:
            answer_busy(response, "too many machines of your network wait to be confirmed");
            break;
        case DEVICE_FULL:
            answer_busy(response, "too many machines wait to be confirmed");
            break;
        }
        explicit_bzero(&codes, sizeof codes);
    }
    mem_free(name);
}

void api_device_start(struct hub *hub, const char *id, const struct http_request *request,
                      struct http_response *response)
{
    (void)id;
    json_t *body = http_json(request);
    if (body)
        start(hub, request, body, response);
    else
        answer_error(response, 400, "bad_request", false, "the body must be a JSON object");
    json_decref(body);
}

static void answer_approved(struct hub *hub, const struct http_request *request, const char *code,
                            const struct device_view *view, struct http_response *response)
{
    const struct enrol_machine machine = {view->public_key, view->name, view->os, view->arch,
                                          view->display};
    json_t *credentials = api_enrol_agreed(hub, request, &machine, view->screen_control);
    if (credentials) {
        answer_json(response, 200,
                    json_pack("{s:s, s:o}", "state", "authorized", "credentials", credentials));
        return;
    }
    devices_give_back(hub->devices, code);
    answer_error(response, 503, "unavailable", true,
                 "the hub cannot store the enrolment right now; ask again");
}

static void poll_once(struct hub *hub, const struct http_request *request, const char *code,
                      struct http_response *response)
{
    static const char *const states[] = {
        [DEVICE_PENDING] = "pending",
        [DEVICE_SLOW_DOWN] = "slow_down",
        [DEVICE_DENIED] = "denied",
        [DEVICE_EXPIRED] = "expired",
    };
    struct device_view view;
    enum device_state state = devices_poll(hub->devices, code, clock_boot_ms(), &view);
    if (state == DEVICE_APPROVED) {
        answer_approved(hub, request, code, &view, response);
        device_view_fini(&view);
    } else {
        answer_json(response, 200, json_pack("{s:s}", "state", states[state]));
    }
}

void api_device_poll(struct hub *hub, const char *id, const struct http_request *request,
                     struct http_response *response)
{
    (void)id;
    json_t *body = http_json(request);
    const char *code = json_string_value(json_object_get(body, "deviceCode"));
    if (!code || !*code || strlen(code) > HUB_DEVICE_CODE_BYTES_MAX)
        answer_error(response, 400, "bad_request", false,
                     "deviceCode must have 1 to 256 characters");
    else if (!limiter_take(hub->polls, request->peer, clock_boot_ms()))
        answer_busy(response, "too many requests; slow down");
    else
        poll_once(hub, request, code, response);
    json_decref(body);
}

static json_t *view_json(const struct device_view *view)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I}", "user_code",
                     view->user_code, "name", view->name, "os", view->os, "arch", view->arch,
                     "address", view->address, "public_key", view->public_key, "display",
                     view->display, "requests_screen_control", view->wants_screen, "age_s",
                     (json_int_t)(view->age_ms / 1000), "expires_in_s",
                     (json_int_t)(view->left_ms / 1000));
}

static void list_one(void *list, const struct device_view *view)
{
    json_array_append_new(list, view_json(view));
}

void api_requests(struct hub *hub, const char *id, const struct http_request *request,
                  struct http_response *response)
{
    (void)id, (void)request;
    json_t *list = json_array();
    devices_each(hub->devices, clock_boot_ms(), list_one, list);
    answer_json(response, 200, json_pack("{s:o}", "requests", list));
}

static void decide(struct hub *hub, const char *code, bool approved, bool screen_control,
                   struct http_response *response)
{
    struct device_view view = {0};
    int64_t now_ms = clock_boot_ms();
    if (!devices_find(hub->devices, code, now_ms, &view) ||
        !devices_decide(hub->devices, code, view.ticket, approved, screen_control, now_ms)) {
        answer_error(response, 404, "not_found", false,
                     "no machine with this code waits: it may be mistyped, decided already, or "
                     "older than %d minutes",
                     (int)(HUB_DEVICE_TTL_MS / 60000));
    } else {
        log_info(approved ? "request approved" : "request denied", "name", view.name, "address",
                 view.address, "screen_control", approved && screen_control ? "yes" : "no", NULL);
        json_t *answer = view_json(&view);
        json_object_set_new(answer, "approved", json_boolean(approved));
        json_object_set_new(answer, "screen_control", json_boolean(approved && screen_control));
        answer_json(response, 200, answer);
    }
    device_view_fini(&view);
}

void api_approve(struct hub *hub, const char *code, const struct http_request *request,
                 struct http_response *response)
{
    json_t *body = request->body.size ? http_json(request) : json_object();
    json_t *screen = json_object_get(body, "screen_control");
    if (body && (!screen || json_is_boolean(screen)))
        decide(hub, code, true, json_is_true(screen), response);
    else
        answer_error(response, 400, "bad_request", false, "screen_control must be true or false");
    json_decref(body);
}

void api_deny(struct hub *hub, const char *code, const struct http_request *request,
              struct http_response *response)
{
    (void)request;
    decide(hub, code, false, false, response);
}
