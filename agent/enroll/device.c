#include "enroll/device.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/printable.h"
#include "base/random.h"
#include "base/secret.h"
#include "config/api_url.h"
#include "config/connection.h"
#include "config/document.h"

struct flow {
    const struct http_client *client;
    const char *workspace_id;
    const struct credentials_origin *origin;
    char *device_code;            // secret
    int64_t interval_ms, ends_ms; // boot clock; ends_ms 0: not known
};

static json_t *parse(const struct http_reply *reply, struct fail *why)
{
    return document_parse(reply->body.size ? reply->body.data : "", reply->body.size,
                          ENROLL_REPLY_VALUES, why);
}

static bool refuse_start(const struct http_client *client, const struct http_reply *reply,
                         struct fail *why)
{
    if (http_reply_wants_key(client, reply, why))
        return false;
    char *message = http_reply_message(reply);
    fail_because(why, FAIL_SYSTEM, "%.80s does not begin connecting (%ld): %.120s", client->api_url,
                 reply->status, message);
    mem_free(message);
    return false;
}

// Scheme, host and port of a URL.
static size_t origin_size(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);
}

static bool same_origin(const char *a, const char *b)
{
    size_t size = origin_size(a);
    return size == origin_size(b) && strncasecmp(a, b, size) == 0;
}

static bool read_start(struct flow *flow, const json_t *object,
                       void (*show)(const struct device_prompt *prompt), struct fail *why)
{
    const char *device, *code, *page, *direct = "";
    int64_t interval_s = ENROLL_POLL_S, expires_s = 0;
    if (!document_text(object, "deviceCode", REQUIRED, &device, why) ||
        !document_text(object, "userCode", REQUIRED, &code, why) ||
        !document_text(object, "verificationUri", REQUIRED, &page, why) ||
        !document_text(object, "verificationUriComplete", OPTIONAL, &direct, why) ||
        !document_number(object, "intervalSeconds", OPTIONAL, 0, ENROLL_POLL_MAX_S, &interval_s,
                         why) ||
        !document_number(object, "expiresInSeconds", OPTIONAL, 0, ENROLL_WAIT_MAX_S, &expires_s,
                         why))
        return false;
    flow->device_code = mem_string(device);
    flow->interval_ms = (interval_s > 0 ? interval_s : 1) * 1000;
    if (expires_s > 0)
        flow->ends_ms = clock_boot_ms() + expires_s * 1000 + flow->interval_ms;
    char *shown_page = printable_copy(page), *shown_code = printable_copy(code),
         *shown_direct = printable_copy(direct);
    const struct device_prompt prompt = {shown_page, shown_code, shown_direct,
                                         !same_origin(shown_page, flow->client->api_url)};
    show(&prompt);
    mem_free(shown_page);
    mem_free(shown_code);
    mem_free(shown_direct);
    return true;
}

static bool start(struct flow *flow, const struct enroll_machine *machine,
                  void (*show)(const struct device_prompt *prompt), struct fail *why)
{
    json_t *request = json_object();
    json_object_set_new(request, "workspaceId", json_string(flow->workspace_id));
    enroll_machine_describe(machine, request);
    char *text = document_write(request, ENROLL_REQUEST_BYTES_MAX);
    json_decref(request);
    struct http_reply reply;
    bool lost, done = text && http_post(flow->client, "v1/enrollments/device/start", text, &reply,
                                        &lost, why);
    secret_free(text);
    if (!done)
        return false;
    json_t *object = NULL;
    done = reply.status / 100 == 2
               ? (object = parse(&reply, why)) && read_start(flow, object, show, why)
               : refuse_start(flow->client, &reply, why);
    json_decref(object);
    http_reply_fini(&reply);
    return done;
}

enum progress { WAITING, SLOWER, CONNECTED, OVER };

static enum progress read_state(const struct flow *flow, const json_t *object,
                                struct connection **connection, struct fail *why)
{
    const char *state;
    if (!document_text(object, "state", REQUIRED, &state, why))
        return OVER;
    if (strcmp(state, "pending") == 0)
        return WAITING;
    if (strcmp(state, "slow_down") == 0)
        return SLOWER;
    if (strcmp(state, "authorized") == 0) {
        *connection = credentials_read(json_object_get(object, "credentials"), flow->origin, why);
        if (*connection && strcmp((*connection)->workspace_id, flow->workspace_id) != 0) {
            connection_free(*connection);
            *connection = NULL;
            fail_because(why, FAIL_PROTOCOL, "the credentials are for another workspace");
        }
        return *connection ? CONNECTED : OVER;
    }
    if (strcmp(state, "denied") == 0)
        fail_because(why, FAIL_CONSENT,
                     "the request was denied, or this machine is connected "
                     "already under somebody's personal account");
    else if (strcmp(state, "expired") == 0)
        fail_because(why, FAIL_TIMEOUT, "the code has expired; connect again for a new one");
    else if (strcmp(state, "disabled") == 0)
        fail_because(why, FAIL_UNSUPPORTED,
                     "this deployment cannot connect machines; ask its "
                     "operator");
    else
        fail_because(why, FAIL_PROTOCOL, "the deployment's answer is not understood");
    return OVER;
}

// An outage in between does not end the wait.
static bool is_passing(long status)
{
    return status == 408 || status == 425 || status >= 500;
}

static enum progress poll_once(const struct flow *flow, const char *request,
                               struct connection **connection, struct fail *why)
{
    struct http_reply reply;
    bool lost;
    if (!http_post(flow->client, "v1/enrollments/device/poll", request, &reply, &lost, why))
        return WAITING;
    enum progress progress = OVER;
    if (reply.status / 100 == 2) {
        json_t *object = parse(&reply, why);
        if (object)
            progress = read_state(flow, object, connection, why);
        json_decref(object);
    } else if (reply.status == 429) {
        progress = SLOWER;
    } else if (is_passing(reply.status)) {
        progress = WAITING;
    } else {
        char *message = http_reply_message(&reply);
        fail_because(why, FAIL_SYSTEM, "the deployment answered %ld: %.200s", reply.status,
                     message);
        mem_free(message);
    }
    http_reply_fini(&reply);
    return progress;
}

static struct connection *wait_for_decision(struct flow *flow, struct fail *why)
{
    json_t *object = json_pack("{s:s}", "deviceCode", flow->device_code);
    char *request = document_write(object, ENROLL_REQUEST_BYTES_MAX);
    struct connection *connection = NULL;
    json_decref(object);
    for (enum progress progress = WAITING; progress == WAITING || progress == SLOWER;) {
        if (progress == SLOWER && flow->interval_ms < ENROLL_POLL_MAX_S * 1000ll)
            flow->interval_ms += ENROLL_SLOWER_MS;
        // Up to a fifth more, so that a fleet does not ask in step.
        int64_t fifth = flow->interval_ms / 5;
        clock_sleep_ms(flow->interval_ms + (int64_t)random_below((uint64_t)fifth + 1));
        if (flow->ends_ms && clock_boot_ms() > flow->ends_ms) {
            fail_because(why, FAIL_TIMEOUT,
                         "nobody confirmed in time; connect again for a new code");
            break;
        }
        progress = poll_once(flow, request, &connection, why);
    }
    secret_free(request);
    return connection;
}

struct connection *device_connect(const struct http_client *client, const char *workspace_id,
                                  const struct enroll_machine *machine,
                                  const struct credentials_origin *origin,
                                  void (*show)(const struct device_prompt *prompt),
                                  struct fail *why)
{
    struct flow flow = {.client = client, .workspace_id = workspace_id, .origin = origin};
    struct connection *connection = NULL;
    if (start(&flow, machine, show, why))
        connection = wait_for_decision(&flow, why);
    mem_free_secret(flow.device_code);
    return connection;
}
