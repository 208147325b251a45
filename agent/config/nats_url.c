#include "config/nats_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    unsigned short port;
} schemes[] = {
    [NATS_PLAIN] = {"nats", 4222},
    [NATS_TLS] = {"tls", 4222},
    [NATS_WS] = {"ws", 80},
    [NATS_WSS] = {"wss", 443},
};

static bool bad(struct fail *why, const char *text)
{
    return fail_because(why, FAIL_INVALID, "not the address of a NATS server: %.200s", text);
}

static bool parse_scheme(const char **text, enum nats_scheme *scheme)
{
    const char *colon = strstr(*text, "://");
    *scheme = NATS_PLAIN;
    if (!colon)
        return true;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i].name) == (size_t)(colon - *text) &&
            strncasecmp(*text, schemes[i].name, (size_t)(colon - *text)) == 0) {
            *scheme = (enum nats_scheme)i;
            *text = colon + 3;
            return true;
        }
    return false;
}

static bool parse_port(const char *text, size_t size, unsigned short *port)
{
    if (size == 0 || size > 5 || strspn(text, "0123456789") < size)
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *port = (unsigned short)value;
    return value > 0 && value <= 65535;
}

// host, host:port, [v6] or [v6]:port
static bool parse_authority(const char *text, size_t size, struct nats_url *url)
{
    const char *at = memrchr(text, '@', size);
    if (at) {
        size -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    const char *end = text + size, *host = text, *host_end, *rest;
    if (size > 0 && *text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', size - 1);
        if (!host_end)
            return false;
        rest = host_end + 1;
    } else {
        host_end = memchr(text, ':', size);
        if (!host_end)
            host_end = end;
        rest = host_end;
    }
    size_t host_size = (size_t)(host_end - host);
    if (host_size == 0 || host_size >= sizeof url->host)
        return false;
    for (const char *p = host; p < host_end; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return false;
    memcpy(url->host, host, host_size);
    url->host[host_size] = '\0';
    if (rest == end)
        return true;
    return *rest == ':' && parse_port(rest + 1, (size_t)(end - rest - 1), &url->port);
}

bool nats_url_parse(const char *text, struct nats_url *url, struct fail *why)
{
    *url = (struct nats_url){0};
    const char *rest = text;
    if (!parse_scheme(&rest, &url->scheme))
        return bad(why, text);
    url->port = schemes[url->scheme].port;
    size_t authority = strcspn(rest, "/?#");
    if (!parse_authority(rest, authority, url))
        return bad(why, text);
    const char *path = rest + authority;
    size_t path_size = strcspn(path, "#");
    if (path_size >= sizeof url->path - 1)
        return bad(why, text);
    for (size_t i = 0; i < path_size; i++)
        if ((unsigned char)path[i] <= ' ' || (unsigned char)path[i] >= 0x7f)
            return bad(why, text);
    snprintf(url->path, sizeof url->path, "%s%.*s", *path == '/' ? "" : "/", (int)path_size, path);
    return true;
}
