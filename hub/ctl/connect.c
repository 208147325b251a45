#include "ctl/connect.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "ctl/address.h"
#include "ctl/fault.h"
#include "ctl/server.h"
#include "relay/tunnel.h"

// The default of nats.c writes connection errors to stderr; ours are told with the failed request.
static void on_error(natsConnection *nats, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
    (void)nats, (void)subscription, (void)status, (void)closure;
}

static natsStatus set_options(natsOptions *options, const struct server *server, const char *name,
                              const char *url, bool again)
{
    const natsStatus steps[] = {
        natsOptions_SetURL(options, url),
        natsOptions_SetName(options, name),
        server->token ? natsOptions_SetToken(options, server->token) : NATS_OK,
        natsOptions_SetTimeout(options, CTL_CONNECT_MS),
        natsOptions_SetSendAsap(options, true), // the flusher thread would sleep to batch
        natsOptions_SetIgnoreDiscoveredServers(options, true),
        natsOptions_SetNoEcho(options, true),
        natsOptions_SetWriteDeadline(options, CTL_WRITE_MS),
        natsOptions_UseGlobalMessageDelivery(options, true),
        natsOptions_SetErrorHandler(options, on_error, NULL),
        // Where INFO says tls_required, nats.c would begin TLS itself, and then read and write it
        // from two threads. No certificate is for this name, so it fails before it says anything.
        natsOptions_SetExpectedHostname(options, "tls-through-the-tunnel.invalid"),
        // A transfer outlives a restart of the server. A tunnel ends with its connection.
        natsOptions_SetAllowReconnect(options, again),
        natsOptions_SetMaxReconnect(options, CTL_RECONNECTS),
        natsOptions_SetReconnectWait(options, CTL_RECONNECT_MS),
        natsOptions_SetReconnectJitter(options, CTL_RECONNECT_MS / 2, CTL_RECONNECT_MS / 2),
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] != NATS_OK)
            return steps[i];
    return NATS_OK;
}

static natsStatus login(const struct server *server, const char *name, const char *host,
                        unsigned port, bool again, struct connection *out)
{
    char url[320];
    snprintf(url, sizeof url, strchr(host, ':') ? "nats://[%s]:%u" : "nats://%s:%u", host, port);
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = set_options(options, server, name, url, again);
    if (status == NATS_OK)
        status = natsConnection_Connect(&out->nats, options);
    natsOptions_Destroy(options);
    return status;
}

static bool open_tunnel(const struct address *address, const char *ca_file, struct tunnel **tunnel,
                        struct fault *fault)
{
    static const enum tunnel_scheme schemes[] = {[ADDRESS_NATS] = TUNNEL_TLS,
                                                 [ADDRESS_TLS] = TUNNEL_TLS,
                                                 [ADDRESS_WS] = TUNNEL_WS,
                                                 [ADDRESS_WSS] = TUNNEL_WSS};
    const struct tunnel_target target = {.scheme = schemes[address->scheme],
                                         .host = address->host,
                                         .port = address->port,
                                         .path = address->path,
                                         .ca_file = ca_file};
    struct fail why;
    if (tunnel_open(&target, clock_mono_ms() + CTL_CONNECT_MS, NULL, tunnel, &why))
        return true;
    return fault_fail(fault, FAULT_SERVER, &why);
}

static bool login_failed(const struct server *server, natsStatus status, struct connection *out,
                         struct fault *fault)
{
    struct fail why;
    const char *text = nats_GetLastError(NULL);
    if (out->tunnel && tunnel_failure(out->tunnel, &why))
        fault_fail(fault, FAULT_SERVER, &why);
    else if (status == NATS_CONNECTION_AUTH_FAILED)
        fault_set(fault, FAULT_SERVER, "the server refuses %s",
                  server->token ? "the token" : "us without a token; use --token-file");
    else if (status == NATS_NO_SERVER)
        fault_set(fault, FAULT_SERVER, "nobody answers there");
    else
        fault_set(fault, FAULT_SERVER, "%s", text && *text ? text : natsStatus_GetText(status));
    ctl_disconnect(out);
    return false;
}

bool ctl_connect(const struct server *server, const char *name, struct connection *out,
                 struct fault *fault)
{
    *out = (struct connection){0};
    // Before OpenSSL is used for the first time: what both clean up at exit has to be cleaned up by
    // OpenSSL first (nats.c 3.4 frees its list of compression methods, and would leave it freed).
    if (nats_Open(-1) != NATS_OK)
        return fault_set(fault, FAULT_SERVER, "the NATS library cannot be started");
    struct address address;
    if (!address_parse(server->url, &address, fault))
        return false;
    if (address.scheme == ADDRESS_NATS) {
        natsStatus status = login(server, name, address.host, address.port, true, out);
        if (status == NATS_OK)
            return true;
        // TLS after all: the tunnel verifies certificates and keeps to its timeout.
        if (status != NATS_SSL_ERROR && status != NATS_SECURE_CONNECTION_REQUIRED)
            return login_failed(server, status, out, fault);
    }
    if (!open_tunnel(&address, server->ca_file, &out->tunnel, fault))
        return false;
    natsStatus status = login(server, name, "127.0.0.1", tunnel_port(out->tunnel), false, out);
    return status == NATS_OK || login_failed(server, status, out, fault);
}

void ctl_disconnect(struct connection *connection)
{
    if (connection->nats)
        natsConnection_Close(connection->nats);
    natsConnection_Destroy(connection->nats);
    if (connection->tunnel)
        tunnel_close(connection->tunnel);
    *connection = (struct connection){0};
}
