// HTTP requests behind the parser of libwebsockets: five lines (method and rights, path, query,
// Host, Authorization), then the body. The hub is a whole one, but for its servers.
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/bus.h"
#include "hub/devices.h"
#include "hub/form.h"
#include "hub/http.h"
#include "hub/http_server.h"
#include "hub/hub.h"
#include "hub/limiter.h"
#include "hub/relay/relay.h"
#include "hub/relay/socket.h"
#include "hub/roster.h"

#define WORKSPACE "11111111-0000-4000-8000-00000000000f"

static struct settings settings = {.http = {"127.0.0.1", 8000}, .agents = {"127.0.0.1", 8001}};
static struct hub hub = {.settings = &settings};
static char directory[256];

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool nobody(void *context, const char *agent, int64_t generation)
{
    (void)context, (void)agent, (void)generation;
    return false;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *at)
{
    (void)status, (void)flag, (void)at;
    return remove(path);
}

static void remove_directory(void)
{
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(void)
{
    struct fail why;
    log_set_level(LOG_OFF);
    const char *place = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/fuzz-hub-XXXXXX", place ? place : "/tmp");
    if (!mkdtemp(directory))
        abort();
    char *data = mem_printf("%s/d", directory);
    memset(&hub.secrets, 7, sizeof hub.secrets);
    snprintf(hub.secrets.admin_token, sizeof hub.secrets.admin_token, "admin");
    snprintf(hub.secrets.control_token, sizeof hub.secrets.control_token, "control");
    snprintf(hub.secrets.nats_password, sizeof hub.secrets.nats_password, "password");
    if (!data_dir_open(&hub.dir, data, true, &why) || !store_open(&hub.store, &hub.dir, &why) ||
        !observed_open(&hub.observed, &hub.dir, &why))
        abort();
    mem_free(data);
    memcpy(hub.store.workspace, WORKSPACE, sizeof WORKSPACE); // else no request could name it
    hub.roster = roster_new(hub.store.workspace, false);
    hub.watch.roster = hub.roster;
    hub.failures = limiter_new(HUB_FAILURES_BURST, HUB_FAILURES_PER_SECOND);
    hub.starts = limiter_new(HUB_DEVICE_STARTS_BURST, HUB_DEVICE_STARTS_PER_SECOND);
    hub.polls = limiter_new(HUB_DEVICE_POLLS_BURST, HUB_DEVICE_POLLS_PER_SECOND);
    hub.devices = devices_new();
    hub.nats_url = mem_string("nats://127.0.0.1:1");
    static const char *const subjects[] = {NULL};
    const struct bus_setup bus = {.url = hub.nats_url, .ready = never, .subjects = subjects};
    hub.bus = bus_start(&bus, &why);
    const struct relay_setup relay = {.limits = relay_default_limits, .is_known = nobody};
    hub.relay = relay_socket_new(&relay);
    char *path = mem_printf("%s/hub.sock", directory); // nobody dials it: the server never runs
    const struct http_setup http = {.address = "127.0.0.1",
                                    .socket_path = path,
                                    .answer = hub_answer,
                                    .context = &hub,
                                    .sockets = relay_socket_handler(hub.relay)};
    hub.http = http_server_new(&http, &why);
    mem_free(path);
    if (!hub.bus || !hub.http)
        abort();
    atexit(remove_directory);
}

static char *next_line(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *stop = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    size_t size = stop ? (size_t)(stop - *at) : 0;
    char *line = mem_printf("%.*s", (int)size, (const char *)*at);
    *at = stop ? stop + 1 : *at;
    return line;
}

// Whatever was asked, the answer is one that a client can read.
static void judge(const struct http_response *response)
{
    if (response->status < 200 || response->status > 599 || !response->type)
        abort();
    const char *text = response->body.data ? response->body.data : "";
    if (strcmp(response->type, "application/json") == 0) {
        json_t *value = json_loadb(text, response->body.size, 0, NULL);
        if (!value)
            abort();
        json_decref(value);
    }
    if (response->page && strcasestr(text, "<script"))
        abort();
}

static void answer(const struct http_request *request)
{
    struct http_response response = {0};
    buffer_init(&response.body, HUB_HTTP_ANSWER_BYTES_MAX);
    hub_answer(&hub, request, &response);
    judge(&response);
    buffer_fini(&response.body);
}

static void show_request(void *context, const struct device_view *view)
{
    snprintf(context, DEVICE_USER_CODE_BYTES, "%s", view->user_code);
}

// The newest request of the device flow is shown to a person, who decides and makes room for
// others.
static void decide_on_page(const struct http_request *request)
{
    char code[DEVICE_USER_CODE_BYTES] = "", path[] = "/device", none[] = "";
    devices_each(hub.devices, clock_boot_ms(), show_request, code);
    struct http_request shown = *request;
    shown.method = HTTP_POST;
    shown.path = path;
    shown.query = none;
    buffer_init(&shown.body, HUB_HTTP_BODY_BYTES_MAX);
    if (!buffer_printf(&shown.body, "step=look&user_code=%s&admin_token=admin", code))
        abort();
    answer(&shown);
    buffer_fini(&shown.body);
    if (*code && !devices_decide(hub.devices, code, NULL, false, false, clock_boot_ms()))
        abort();
}

static void read_forms(const struct http_request *request)
{
    static const char *const names[] = {"", "code", "user_code", "step", "admin_token", "ticket"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *value = form_value(request->body.data, request->body.size, names[i]);
        for (const char *at = value; *at; at++)
            if ((unsigned char)*at < ' ')
                abort();
        mem_free_secret(value);
        mem_free(http_query(request, names[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!hub.bus)
        start();
    const uint8_t *at = data, *end = data + size;
    char *how = next_line(&at, end);
    struct http_request request = {.local = strchr(how, 'l') != NULL};
    request.method = strchr(how, 'P') ? HTTP_POST : strchr(how, 'O') ? HTTP_OTHER : HTTP_GET;
    request.path = next_line(&at, end);
    request.query = next_line(&at, end);
    request.host = next_line(&at, end);
    request.authorization = next_line(&at, end);
    // Each from an address of its own, else the limits on strangers would answer for everything.
    static unsigned stranger;
    stranger++;
    snprintf(request.peer, sizeof request.peer, "10.%u.%u.%u", stranger >> 16 & 255,
             stranger >> 8 & 255, stranger & 255);
    buffer_init(&request.body, HUB_HTTP_BODY_BYTES_MAX);
    if (strchr(how, 'A')) {
        mem_free(request.authorization);
        request.authorization = mem_printf("Bearer %s", hub.secrets.admin_token);
    }
    if (buffer_append(&request.body, at, (size_t)(end - at))) {
        answer(&request);
        read_forms(&request);
        if (strchr(how, 'p'))
            decide_on_page(&request);
    }
    buffer_fini(&request.body);
    mem_free(request.path);
    mem_free(request.query);
    mem_free(request.host);
    mem_free(request.authorization);
    mem_free(how);
    return 0;
}
