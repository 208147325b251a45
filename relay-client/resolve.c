#include "relay/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

bool resolve(const char *host, uint16_t port, struct addresses *out, struct fail *why)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, service, &hints, &found);
    if (status == EAI_SYSTEM)
        return fail_errno(why, errno, "resolve", host);
    if (status != 0)
        return fail_because(why, FAIL_SYSTEM, "resolve %.200s: %s", host, gai_strerror(status));
    out->count = 0;
    for (struct addrinfo *at = found; at && out->count < RESOLVE_ADDRESSES_MAX; at = at->ai_next)
        if ((at->ai_family == AF_INET || at->ai_family == AF_INET6) &&
            at->ai_addrlen <= sizeof(union address)) {
            memset(&out->list[out->count], 0, sizeof(union address));
            memcpy(&out->list[out->count++], at->ai_addr, at->ai_addrlen);
        }
    freeaddrinfo(found);
    if (out->count == 0)
        return fail_because(why, FAIL_SYSTEM, "resolve %.200s: no usable address", host);
    return true;
}

void address_text(const union address *address, char text[ADDRESS_TEXT_BYTES])
{
    if (getnameinfo(&address->any, address_size(address), text, ADDRESS_TEXT_BYTES, NULL, 0,
                    NI_NUMERICHOST) != 0)
        text[0] = '\0';
}

socklen_t address_size(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}
