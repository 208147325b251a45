#include "relay/ws.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/printable.h"
#include "base/random.h"
#include "relay/examination.h"
#include "relay/prepare.h"
#include "relay/stream_thread.h"
#include "relay/tls.h"
#include "relay/ws_frame.h"
#include "relay/ws_protocol.h"

static_assert((int)WS_HEADROOM >= LWS_PRE && (int)WS_HEADROOM >= WS_HEAD_BYTES_MAX,
              "room for the frame's head and libwebsockets' needs");

enum state {
    PREPARING,  // a helper thread looks up the name and reads the trust store
    CONNECTING, // to the address before next_address
    EXAMINING,  // that attempt failed; a plain connect finds out why
    OPEN,
    LEAVING, // closed by the owner; the far side is told
};

struct ws {
    struct ws *next, **link; // of all
    const struct ws_events *events;
    void *owner; // NULL from ws_close on
    char *host, *path, *ca_file;
    uint16_t port;
    bool tls, bulk;
    int64_t deadline_ms, ping_ms, silence_ms;
    enum state state;
    struct stream_timer timer;
    struct addresses addresses;
    size_t next_address;
    X509_STORE *trust;
    struct lws *wsi;
    struct examination examination;
    bool preparing;    // the helper thread has not reported yet
    bool request_sent; // TCP and TLS are done, the server has the HTTP request
    bool failed;       // libwebsockets gave the attempt up
    bool explained;    // and why says more than that
    bool ping_due, write_due, broken, paused;
    enum ws_code close_code;
    int64_t heard_ms;
    struct fail why;
};

static struct ws *all;
// What OpenSSL last complained about. The handshake that fails is reported in the same breath.
static char tls_complaint[TLS_ERROR_BYTES];

static void connect_next(struct ws *ws);

static void ws_free(struct ws *ws)
{
    assert(!ws->wsi && !ws->preparing && ws->examination.watch.fd < 0);
    timer_stop(&ws->timer);
    *ws->link = ws->next;
    if (ws->next)
        ws->next->link = ws->link;
    X509_STORE_free(ws->trust);
    mem_free(ws->host);
    mem_free(ws->path);
    mem_free(ws->ca_file);
    mem_free(ws);
}

// --- the end

// The last event of all. The ws is gone afterwards, or when its helper thread has reported.
static void finish(struct ws *ws)
{
    void *owner = ws->owner;
    const struct ws_events *events = ws->events;
    struct fail why = ws->why;
    examination_end(&ws->examination);
    ws->owner = NULL;
    ws->state = LEAVING;
    timer_stop(&ws->timer);
    if (!ws->preparing)
        ws_free(ws);
    if (owner)
        events->closed(owner, &why);
}

// The attempt with one address is over, ws->why tells why: the next one, or the end.
static void give_up_address(struct ws *ws)
{
    examination_end(&ws->examination);
    if (ws->next_address < ws->addresses.count && clock_mono_ms() < ws->deadline_ms)
        connect_next(ws);
    else
        finish(ws);
}

// --- why there is no TCP connection: libwebsockets does not say

static void examined(void *ws_, int error)
{
    struct ws *ws = ws_;
    char text[ADDRESS_TEXT_BYTES], to[ADDRESS_TEXT_BYTES + 16];
    address_text(&ws->addresses.list[ws->next_address - 1], text);
    snprintf(to, sizeof to, "%s port %u", text, ws->port);
    if (error)
        fail_errno(&ws->why, error, "connect to", to);
    give_up_address(ws);
}

static void examine(struct ws *ws)
{
    ws->state = EXAMINING;
    timer_set(&ws->timer, WS_EXAMINE_MS);
    examination_begin(&ws->examination, &ws->addresses.list[ws->next_address - 1], examined, ws);
}

// --- dialling

static const char *missing_answer(const struct ws *ws)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int fd = ws->wsi ? (int)lws_get_socket_fd(ws->wsi) : -1;
    bool connected = fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                     info.tcpi_state == TCP_ESTABLISHED;
    if (!connected && !ws->request_sent)
        return "there was no TCP connection";
    if (ws->tls && !ws->request_sent)
        return "the server did not answer the TLS handshake";
    return "the server did not answer the WebSocket request";
}

static void kill_attempt(struct ws *ws)
{
    struct lws *wsi = ws->wsi;
    ws->wsi = NULL;
    if (!wsi)
        return;
    lws_set_opaque_user_data(wsi, NULL); // no callback finds the ws any more
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

// The Host header: without the port when it is the scheme's own (RFC 9110 7.2).
static void host_header(const struct ws *ws, char *text, size_t room)
{
    bool v6 = strchr(ws->host, ':') != NULL;
    char port[8] = "";
    if (ws->port != (ws->tls ? 443 : 80))
        snprintf(port, sizeof port, ":%u", ws->port);
    snprintf(text, room, "%s%s%s%s", v6 ? "[" : "", ws->host, v6 ? "]" : "", port);
}

static void connect_next(struct ws *ws)
{
    static const lws_retry_bo_t never = {0}; // no pings of libwebsockets' own
    char address[ADDRESS_TEXT_BYTES], host[WS_HOST_BYTES_MAX + 16];
    int64_t addresses_left = (int64_t)(ws->addresses.count - ws->next_address);
    int64_t time_left = ws->deadline_ms - clock_mono_ms();
    address_text(&ws->addresses.list[ws->next_address++], address);
    host_header(ws, host, sizeof host);
    struct lws_client_connect_info info = {
        .context = stream_context(),
        .vhost = stream_vhost(),
        .address = address,
        .port = ws->port,
        .path = ws->path,
        .host = host,
        .alpn = "http/1.1",
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (ws->tls ? LCCSCF_USE_SSL : 0),
        .local_protocol_name = ws->bulk ? WS_PROTOCOL_BULK : WS_PROTOCOL_CHANNEL,
        .opaque_user_data = ws,
        .retry_and_idle_policy = &never,
    };
    ws->state = CONNECTING;
    ws->request_sent = ws->failed = ws->explained = false;
    fail_because(&ws->why, FAIL_SYSTEM, "the connection could not be made");
    timer_set(&ws->timer, time_left / addresses_left);
    struct lws *wsi = lws_client_connect_via_info(&info);
    if (wsi && !ws->failed) {
        ws->wsi = wsi;
    } else if (!ws->failed) { // at once, and without a callback
        ws->wsi = NULL;
        ws->failed = true;
        timer_set(&ws->timer, 0);
    }
}

static void prepared(void *ws_, struct preparation *result)
{
    struct ws *ws = ws_;
    ws->preparing = false;
    ws->addresses = result->addresses;
    ws->trust = result->trust;
    if (!result->good)
        ws->why = result->why;
    if (!ws->owner)
        ws_free(ws);
    else if (result->good)
        connect_next(ws);
    else
        finish(ws);
}

// --- an open one

// What is not read cannot be heard: while it is paused, only TCP tells whether anybody is there.
static void keep_alive(struct ws *ws)
{
    int64_t silent = ws->paused ? 0 : clock_mono_ms() - ws->heard_ms;
    if (ws->silence_ms && silent >= ws->silence_ms) {
        fail_because(&ws->why, FAIL_SYSTEM, "nothing was heard from the server for %lld seconds",
                     (long long)silent / 1000);
        kill_attempt(ws);
        finish(ws);
        return;
    }
    if (!ws->ping_ms)
        return;
    if (silent >= ws->ping_ms) {
        ws->ping_due = true;
        lws_callback_on_writable(ws->wsi);
    }
    int64_t next = silent < ws->ping_ms ? ws->ping_ms : ws->silence_ms;
    if (next > silent)
        timer_set(&ws->timer, next - silent);
}

static void attempt_over(struct ws *ws)
{
    if (!ws->failed) {
        fail_because(&ws->why, FAIL_TIMEOUT, "%s in time", missing_answer(ws));
        kill_attempt(ws);
        give_up_address(ws);
    } else if (ws->explained) {
        give_up_address(ws);
    } else {
        examine(ws);
    }
}

static void timer_fired(struct stream_timer *timer)
{
    struct ws *ws = holder_of(timer, struct ws, timer);
    switch (ws->state) {
    case PREPARING:
        fail_because(&ws->why, FAIL_TIMEOUT, "the look-up of %.120s took too long", ws->host);
        finish(ws);
        break;
    case CONNECTING:
        attempt_over(ws);
        break;
    case EXAMINING:
        give_up_address(ws);
        break;
    case OPEN:
        keep_alive(ws);
        break;
    case LEAVING: // the server takes nothing any more, not even the farewell
        kill_attempt(ws);
        ws_free(ws);
        break;
    }
}

// --- calls of the owner

struct ws *ws_dial(const struct ws_target *target, const struct ws_events *events, void *owner)
{
    assert(stream_here() && owner);
    struct ws *ws = mem_new(struct ws);
    *ws = (struct ws){
        .next = all,
        .link = &all,
        .events = events,
        .owner = owner,
        .host = mem_string(target->host),
        .path = mem_string(target->path && *target->path ? target->path : "/"),
        .ca_file = target->ca_file ? mem_string(target->ca_file) : NULL,
        .port = target->port,
        .tls = target->tls,
        .bulk = target->bulk,
        .deadline_ms = clock_mono_ms() + target->timeout_ms,
        .ping_ms = target->ping_ms,
        .silence_ms = target->silence_ms,
        .state = PREPARING,
        .timer.fired = timer_fired,
        .examination.watch.fd = -1,
    };
    if (all)
        all->link = &ws->next;
    all = ws;
    timer_set(&ws->timer, target->timeout_ms);
    ws->preparing = true;
    prepare(ws->host, ws->port, ws->tls, ws->ca_file, prepared, ws);
    return ws;
}

void ws_want_write(struct ws *ws)
{
    assert(ws->owner);
    ws->write_due = true;
    if (ws->state == OPEN)
        lws_callback_on_writable(ws->wsi);
}

void ws_send(struct ws *ws, void *data, size_t size)
{
    assert(ws->state == OPEN && size <= WS_SEND_BYTES_MAX);
    unsigned char key[WS_KEY_BYTES];
    random_bytes(key, sizeof key);
    // libwebsockets masks byte by byte, which takes longer than everything else. A frame that is
    // ready goes out as it is; what the socket does not take is kept, as with other writes.
    size_t head = ws_frame_mask(data, size, key);
    if (lws_write(ws->wsi, (unsigned char *)data - head, head + size, LWS_WRITE_RAW) < 0)
        ws->broken = true;
}

void ws_pause(struct ws *ws, bool paused)
{
    if (ws->paused && !paused)
        ws->heard_ms = clock_mono_ms();
    ws->paused = paused;
    if (ws->wsi)
        lws_rx_flow_control(ws->wsi, !paused);
}

void ws_close(struct ws *ws, enum ws_code code)
{
    assert(stream_here() && ws->owner);
    ws->owner = NULL;
    if (ws->state != OPEN) {
        kill_attempt(ws);
        finish(ws);
        return;
    }
    ws->state = LEAVING;
    ws->close_code = code;
    ws_pause(ws, false);
    lws_callback_on_writable(ws->wsi);
    timer_set(&ws->timer, WS_LEAVE_MS);
}

int ws_socket(const struct ws *ws)
{
    return ws->wsi ? (int)lws_get_socket_fd(ws->wsi) : -1;
}

// --- TLS

static struct ws *ws_of(const SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    for (struct ws *ws = all; ws; ws = ws->next)
        if (ws->wsi && fd >= 0 && (int)lws_get_socket_fd(ws->wsi) == fd)
            return ws;
    return NULL;
}

static int verify(X509_STORE_CTX *chain, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct ws *ws = ssl ? ws_of(ssl) : NULL;
    if (!ws || !ws->trust)
        return 0;
    ws->explained = !tls_verify(chain, ws->trust, ws->host, &ws->why);
    return !ws->explained;
}

static void watch_handshake(const SSL *ssl, int where, int result)
{
    struct ws *ws = where & SSL_CB_HANDSHAKE_START ? ws_of(ssl) : NULL;
    if (ws && tls_host_is_address(ws->host))
        SSL_set_tlsext_host_name((SSL *)ssl, NULL); // for names only (RFC 6066 3)
    if (where != SSL_CB_CONNECT_EXIT || result > 0)
        return;
    unsigned long error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    snprintf(tls_complaint, sizeof tls_complaint, "%s", reason ? reason : "");
}

SSL_CTX *ws_tls_context(void)
{
    SSL_CTX *context = tls_context(verify, NULL);
    if (context)
        SSL_CTX_set_info_callback(context, watch_handshake);
    return context;
}

// --- libwebsockets' side

static void attempt_failed(struct ws *ws, struct lws *wsi, const char *text, size_t size)
{
    unsigned status = lws_http_client_http_response(wsi);
    if (ws->explained)
        ;
    else if (ws->request_sent && status && status != 101)
        ws->explained =
            !fail_because(&ws->why, FAIL_SYSTEM, "the server answers with HTTP status %u", status);
    else if (ws->request_sent)
        ws->explained =
            !fail_because(&ws->why, FAIL_SYSTEM, "the server does not speak WebSocket here (%.*s)",
                          size < 100 ? (int)size : 100, text ? text : "");
    else if (*tls_complaint)
        ws->explained = !fail_because(&ws->why, FAIL_SYSTEM, "TLS: %s", tls_complaint);
    tls_complaint[0] = '\0';
    ws->failed = true;
    ws->wsi = NULL;
    timer_set(&ws->timer, 0); // what follows is not for a callback of the dying wsi
}

static void peer_closes(struct ws *ws, const unsigned char *payload, size_t size)
{
    if (size < 2) {
        fail_because(&ws->why, FAIL_SYSTEM, "the server closed the WebSocket");
        return;
    }
    char reason[128]; // a close frame has 125 bytes at most (RFC 6455 5.5)
    size_t n = size - 2 < sizeof reason ? size - 2 : sizeof reason - 1;
    memcpy(reason, payload + 2, n);
    reason[n] = '\0';
    fail_because(&ws->why, FAIL_SYSTEM, "the server closed the WebSocket: code %u%s%s",
                 (unsigned)payload[0] << 8 | payload[1], n ? ", " : "", printable_strip(reason));
}

static void opened(struct ws *ws)
{
    ws->state = OPEN;
    ws->heard_ms = clock_mono_ms();
    X509_STORE_free(ws->trust);
    ws->trust = NULL;
    fail_because(&ws->why, FAIL_SYSTEM, "the connection to the server was lost");
    timer_stop(&ws->timer);
    keep_alive(ws);
    if (ws->write_due)
        lws_callback_on_writable(ws->wsi);
    ws->events->opened(ws->owner);
}

// What a callback returns: -1 has libwebsockets close the connection.
static int verdict(struct ws *ws)
{
    if (ws->state == LEAVING) {
        lws_close_reason(ws->wsi, (enum lws_close_status)ws->close_code, NULL, 0);
        return -1;
    }
    return ws->broken ? -1 : 0;
}

// A callback that refuses a piece of a message makes libwebsockets 4.1.6 write beyond the end of
// its receive buffer with what follows. So the end waits for writable().
static void received(struct ws *ws, const void *data, size_t size)
{
    if (!ws->owner)
        return;
    struct ws_piece piece = {
        .data = data,
        .size = size,
        .first = lws_is_first_fragment(ws->wsi),
        .last = lws_is_final_fragment(ws->wsi),
        .binary = lws_frame_is_binary(ws->wsi),
    };
    ws->heard_ms = clock_mono_ms();
    ws->events->received(ws->owner, &piece);
}

static int writable(struct ws *ws)
{
    if (ws->state == LEAVING)
        return verdict(ws);
    if (ws->ping_due) {
        unsigned char room[WS_HEADROOM];
        ws->ping_due = false;
        if (lws_write(ws->wsi, room + sizeof room, 0, LWS_WRITE_PING) < 0)
            ws->broken = true;
        if (ws->write_due)
            lws_callback_on_writable(ws->wsi);
    } else if (ws->write_due) {
        ws->write_due = false;
        ws->events->writable(ws->owner);
    }
    return verdict(ws);
}

static void gone(struct ws *ws)
{
    ws->wsi = NULL;
    if (ws->owner)
        finish(ws);
    else if (!ws->preparing)
        ws_free(ws);
}

static int connection_callback(struct ws *ws, struct lws *wsi, enum lws_callback_reasons reason,
                               void *in, size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE: // TCP is there
        ws->wsi = wsi;
        return 0;
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        ws->request_sent = true;
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        lws_set_opaque_user_data(wsi, NULL);
        attempt_failed(ws, wsi, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        opened(ws);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        received(ws, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        ws->heard_ms = clock_mono_ms();
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return writable(ws);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        peer_closes(ws, in, size);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY: // now and then it comes without the one above
        lws_set_opaque_user_data(wsi, NULL);
        if (ws->state == CONNECTING)
            attempt_failed(ws, wsi, NULL, 0);
        else
            gone(ws);
        return 0;
    default:
        return 0;
    }
}

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t size)
{
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY: {
        struct ws *ws = lws_get_opaque_user_data(wsi);
        return ws ? connection_callback(ws, wsi, reason, in, size) : 0;
    }
    default: // many come without a connection of ours
        return 0;
    }
}
