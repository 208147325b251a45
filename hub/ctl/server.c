#include "ctl/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "ctl/fault.h"
#include "ctl/hub.h"

#define SERVER_DEFAULT_URL "nats://127.0.0.1:4222" // nats-server's own default

static const char *setting(const char *option, const char *variable)
{
    const char *value = option ? option : getenv(variable);
    return value && *value ? value : NULL;
}

bool server_read_token(const char *path, char **token, struct fault *fault)
{
    struct buffer text;
    buffer_init(&text, CTL_TOKEN_BYTES_MAX);
    bool ok = io_read_file(AT_FDCWD, path, &text);
    if (!ok) {
        fault_local(fault, errno, "token file", path);
    } else {
        size_t size = text.size ? strcspn(text.data, "\r\n") : 0;
        ok = size > 0;
        if (ok) {
            text.data[size] = '\0';
            *token = mem_string(text.data);
        } else {
            fault_set(fault, FAULT_LOCAL, "token file %s: the first line is empty", path);
        }
    }
    if (text.size)
        explicit_bzero(text.data, text.size);
    buffer_fini(&text);
    return ok;
}

bool server_find(struct server *server, const char *url, const char *token_file,
                 struct fault *fault)
{
    *server = (struct server){0};
    const char *found = setting(url, "OPENGENI_SERVER");
    const char *file = setting(token_file, "OPENGENI_TOKEN_FILE");
    server->url = mem_string(found ? found : SERVER_DEFAULT_URL);
    if (!file || server_read_token(file, &server->token, fault))
        return true;
    server_fini(server);
    return false;
}

static bool ask_hub(struct server *server, const struct hub_place *hub, struct fault *fault)
{
    json_t *answer;
    if (!hub_ask(hub, "/api/control", NULL, CTL_HUB_MS, &answer, fault))
        return false;
    const char *url = json_string_value(json_object_get(answer, "nats_url")),
               *token = json_string_value(json_object_get(answer, "nats_token"));
    bool good = url && token;
    if (good) {
        server->url = mem_string(url);
        server->token = mem_string(token);
    } else {
        fault_set(fault, FAULT_SERVER, "the hub at %s names no server", hub->url);
    }
    json_decref(answer);
    return good;
}

bool server_of_hub(struct server *server, const struct hub_place *hub, struct fault *fault)
{
    *server = (struct server){.ca_file = hub->ca_file ? mem_string(hub->ca_file) : NULL};
    bool good;
    if (hub->nats_url && hub->nats_token_file) {
        server->url = mem_string(hub->nats_url);
        good = server_read_token(hub->nats_token_file, &server->token, fault);
    } else {
        good = ask_hub(server, hub, fault);
    }
    if (!good)
        server_fini(server);
    return good;
}

void server_fini(struct server *server)
{
    mem_free(server->url);
    mem_free_secret(server->token);
    mem_free(server->ca_file);
    *server = (struct server){0};
}
