// The hub's HTTP side: libwebsockets on one thread, requests answered on workers in plain blocking
// code. Sizes, times and numbers of what strangers may hold open are bounded.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hub/http.h"

struct fail;
struct http_server;
struct lws;

// Long-lived WebSocket connections, all on the server's thread.
struct http_sockets {
    // Before the upgrade: an HTTP status to refuse with, or 0. The headers can be read from wsi.
    unsigned (*admit)(void *context, struct lws *wsi);
    void *(*opened)(void *context, struct lws *wsi); // NULL: close it
    // Both: false closes the connection, closed() follows.
    bool (*received)(void *peer, void *data, size_t size, bool first, bool last, bool binary);
    bool (*writable)(void *peer);
    void (*closed)(void *peer);
    void (*tick)(void *context); // once a second
    void *context;
};

struct http_setup {
    const char *address; // to listen on; "" for all
    int port;
    const char *certificate, *key; // files; NULL: no TLS
    const char *socket_path;       // the hub's own socket
    void (*answer)(void *context, const struct http_request *request,
                   struct http_response *response); // on a worker
    void *context;
    const struct http_sockets *sockets; // may be NULL
};

struct http_server *http_server_new(const struct http_setup *setup, struct fail *why);

// Serves until http_server_end, which any thread or signal handler may call.
void http_server_run(struct http_server *server);
void http_server_end(struct http_server *server);

void http_server_free(struct http_server *server); // NULL is accepted

// Takes over new certificates from the same files, soon; the log tells when they are no good and
// the old ones stay. Any thread may call it.
void http_server_reload(struct http_server *server);

struct http_counts {
    uint64_t requests, refused, open;
};
struct http_counts http_server_count(struct http_server *server);
