#include "hub/discover.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/hub.h"
#include "hub/private_file.h"

static const char in_dir[] = "hub.json", in_runtime[] = "opengeni-hub.json";

static json_t *file_of(const struct hub *hub, const char *name)
{
    return json_sprintf("%s/%s", hub->dir.path, name);
}

static char *describe(const struct hub *hub)
{
    const struct listen_at *http = &hub->settings->http;
    const char *address = listen_at_is_any(http) ? "127.0.0.1" : http->address;
    bool six = strchr(address, ':') != NULL;
    json_t *object = json_pack(
        "{s:i, s:I, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "version", 1, "pid",
        (json_int_t)getpid(), "data_dir", hub->dir.path, "workspace_id", hub->store.workspace,
        "http_url",
        json_sprintf(six ? "%s://[%s]:%d" : "%s://%s:%d", hub->certificate ? "https" : "http",
                     address, http->port),
        "nats_url", hub->nats_url, "nats_token_file", file_of(hub, "control.token"),
        "admin_token_file", file_of(hub, "admin.token"), "socket", file_of(hub, "hub.sock"),
        "ca_file", hub->ca ? file_of(hub, hub->ca) : json_null());
    char *text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    return text;
}

static int open_runtime(void)
{
    const char *path = getenv("XDG_RUNTIME_DIR");
    return path && path[0] == '/' ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

void discover_announce(const struct hub *hub)
{
    struct fail why;
    char *text = describe(hub);
    int runtime = open_runtime();
    if (!private_file_write(hub->dir.fd, in_dir, text, strlen(text), &why) ||
        (runtime >= 0 && !private_file_write(runtime, in_runtime, text, strlen(text), &why)))
        log_warn("local programs may not find this hub", "reason", log_why(&why), NULL);
    io_close(&runtime);
    mem_free(text);
}

// Another hub of this user may have written its own in the meantime.
static bool is_ours(int dir, const char *name)
{
    struct buffer text;
    struct fail why;
    buffer_init(&text, HUB_DISCOVER_BYTES_MAX);
    json_t *object = private_file_read(dir, name, &text, &why)
                         ? json_loadb(text.data, text.size, 0, NULL)
                         : NULL;
    bool ours = json_integer_value(json_object_get(object, "pid")) == getpid();
    json_decref(object);
    buffer_fini(&text);
    return ours;
}

void discover_withdraw(const struct hub *hub)
{
    int runtime = open_runtime();
    unlinkat(hub->dir.fd, in_dir, 0);
    if (runtime >= 0 && is_ours(runtime, in_runtime))
        unlinkat(runtime, in_runtime, 0);
    io_close(&runtime);
}
