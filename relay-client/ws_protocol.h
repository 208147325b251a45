// What ws.c gives to libwebsockets by way of the stream thread.
#pragma once

#include <libwebsockets.h>
#include <openssl/ssl.h>

#define WS_PROTOCOL_BULK    "bulk"
#define WS_PROTOCOL_CHANNEL "channel"

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t size);

// The client context of every wss connection; NULL when OpenSSL fails.
SSL_CTX *ws_tls_context(void);
