#include "ctl/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/fault.h"

static const struct {
    const char *name;
    uint16_t port;
} schemes[] = {
    [ADDRESS_NATS] = {"nats://", 4222},
    [ADDRESS_TLS] = {"tls://", 4222},
    [ADDRESS_WS] = {"ws://", 80},
    [ADDRESS_WSS] = {"wss://", 443},
};

static bool bad(struct fault *fault, const char *text, const char *why)
{
    return fault_set(fault, FAULT_SERVER, "\"%.200s\" is no server's address: %s", text, why);
}

static bool parse_scheme(const char **text, enum address_scheme *scheme)
{
    if (!strstr(*text, "://"))
        return true;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i].name);
        if (strncasecmp(*text, schemes[i].name, size) == 0) {
            *scheme = (enum address_scheme)i;
            *text += size;
            return true;
        }
    }
    return false;
}

static bool parse_port(const char *text, const char *end, uint16_t *port)
{
    size_t size = (size_t)(end - text);
    if (size == 0 || size > 5 || strspn(text, "0123456789") < size)
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

bool address_parse(const char *text, struct address *address, struct fault *fault)
{
    *address = (struct address){.scheme = ADDRESS_NATS, .path = "/"};
    const char *at = text;
    if (!parse_scheme(&at, &address->scheme))
        return bad(fault, text, "the schemes are nats, tls, ws and wss");
    const char *end = at + strcspn(at, "/?#");
    // Not quoted in the message: it may be a secret.
    if (memchr(at, '@', (size_t)(end - at)))
        return fault_set(fault, FAULT_SERVER,
                         "a token in the server's address can be seen by others; use --token-file");
    const char *host = at, *host_end = memchr(at, ':', (size_t)(end - at)), *rest;
    if (*at == '[') {
        host = at + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return bad(fault, text, "a bracket is missing");
        rest = host_end + 1;
    } else {
        rest = host_end = host_end ? host_end : end;
    }
    size_t size = (size_t)(host_end - host);
    if (size == 0 || size >= sizeof address->host)
        return bad(fault, text, "a host is missing");
    memcpy(address->host, host, size);
    address->port = schemes[address->scheme].port;
    if (rest < end && (*rest != ':' || !parse_port(rest + 1, end, &address->port)))
        return bad(fault, text, "the port is no number up to 65535");
    if (*end == '/')
        snprintf(address->path, sizeof address->path, "%s", end);
    return true;
}
