#include "hub/http_server.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/workers.h"
#include "hub/bucket.h"
#include "hub/http_headers.h"
#include "hub/plain_http.h"
#include "hub/porch.h"

enum stage { READING, RUNNING, ANSWERED, HEADERS_SENT };

// A request in the making. It outlives its connection while a worker has it.
struct exchange {
    struct http_server *server;
    struct http_request request;
    struct http_response response;
    struct lws *wsi; // NULL: the client has gone
    enum stage stage;
    size_t sent;
    struct exchange *next; // of those that are done
};

// What libwebsockets keeps with each connection.
struct session {
    struct exchange *exchange;
    void *peer; // of an upgraded connection
};

struct http_server {
    struct http_setup setup;
    struct lws_context *context;
    struct lws_vhost *public, *local;
    struct porch *porch;
    struct workers *workers;
    SSL_CTX *tls;   // of the public side
    SSL_CTX *fresh; // the certificate of the last reload; NULL: none yet
    atomic_bool end, reload;
    pthread_mutex_t lock;
    struct exchange *done; // answered by a worker, to be sent
    lws_sorted_usec_list_t tick;
    atomic_uint_fast64_t requests, refused, open;
};

static char *header(struct lws *wsi, enum lws_token_indexes which)
{
    int size = lws_hdr_total_length(wsi, which);
    char *text = mem_array(1, (size_t)(size > 0 ? size : 0) + 1);
    if (size > 0 && lws_hdr_copy(wsi, text, size + 1, which) < 0)
        text[0] = '\0';
    return text;
}

static void exchange_free(struct exchange *exchange)
{
    mem_free(exchange->request.path);
    mem_free(exchange->request.query);
    mem_free_secret(exchange->request.authorization);
    mem_free(exchange->request.host);
    if (exchange->request.body.data)
        explicit_bzero(exchange->request.body.data, exchange->request.body.size);
    if (exchange->response.body.data)
        explicit_bzero(exchange->response.body.data, exchange->response.body.size);
    buffer_fini(&exchange->request.body);
    buffer_fini(&exchange->response.body);
    mem_free(exchange);
}

static void run_exchange(void *job)
{
    struct exchange *exchange = job;
    struct http_server *server = exchange->server;
    server->setup.answer(server->setup.context, &exchange->request, &exchange->response);
    pthread_mutex_lock(&server->lock);
    exchange->next = server->done;
    server->done = exchange;
    pthread_mutex_unlock(&server->lock);
    lws_cancel_service(server->context);
}

// On the server's thread: what workers have finished goes to its connection, if that still exists.
static void collect_done(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    struct exchange *exchange = server->done;
    server->done = NULL;
    pthread_mutex_unlock(&server->lock);
    while (exchange) {
        struct exchange *next = exchange->next;
        exchange->stage = ANSWERED;
        if (exchange->wsi)
            lws_callback_on_writable(exchange->wsi);
        else
            exchange_free(exchange);
        exchange = next;
    }
}

static int use_fresh_certificate(SSL *ssl, void *context)
{
    const struct http_server *server = context;
    return SSL_set_SSL_CTX(ssl, server->fresh) != NULL;
}

// A context of its own for the new certificate: in the old one, a key of another type would only be
// added.
static void reload_certificates(struct http_server *server)
{
    const struct http_setup *setup = &server->setup;
    if (!server->tls)
        return;
    SSL_CTX *fresh = SSL_CTX_new(TLS_server_method());
    if (fresh && SSL_CTX_use_certificate_chain_file(fresh, setup->certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(fresh, setup->key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(fresh) == 1) {
        SSL_CTX_free(server->fresh);
        server->fresh = fresh;
        SSL_CTX_set_cert_cb(server->tls, use_fresh_certificate, server);
        log_info("certificate taken over", "file", setup->certificate, NULL);
        return;
    }
    SSL_CTX_free(fresh);
    log_error("certificate and key cannot be used, keeping the old ones", "file",
              setup->certificate, NULL);
}

static int start_answer(struct exchange *exchange)
{
    lws_set_timeout(exchange->wsi, NO_PENDING_TIMEOUT, 0);
    exchange->stage = RUNNING;
    atomic_fetch_add(&exchange->server->requests, 1);
    if (workers_submit(exchange->server->workers, run_exchange, exchange))
        return 0;
    exchange->stage = READING;
    return -1; // no thread can be made: the client may come again
}

// Refuses before anything is read of the body.
static int refuse(struct exchange *exchange, int status, const char *code, const char *message)
{
    atomic_fetch_add(&exchange->server->refused, 1);
    answer_error(&exchange->response, status, code, false, "%s", message);
    exchange->stage = ANSWERED;
    lws_callback_on_writable(exchange->wsi);
    return 0;
}

static int begin(struct http_server *server, struct session *session, struct lws *wsi,
                 const char *path)
{
    // A second request on one connection comes only after the first has been answered.
    assert(!session->exchange);
    struct exchange *exchange = session->exchange = mem_new(struct exchange);
    exchange->server = server;
    exchange->wsi = wsi;
    struct http_request *request = &exchange->request;
    buffer_init(&request->body, HUB_HTTP_BODY_BYTES_MAX);
    buffer_init(&exchange->response.body, HUB_HTTP_ANSWER_BYTES_MAX);
    char *text;
    int text_size, method = lws_http_get_uri_and_method(wsi, &text, &text_size);
    request->head = method == LWSHUMETH_HEAD;
    request->method = method == LWSHUMETH_GET || request->head ? HTTP_GET
                      : method == LWSHUMETH_POST               ? HTTP_POST
                                                               : HTTP_OTHER;
    request->path = mem_string(path);
    request->query = header(wsi, WSI_TOKEN_HTTP_URI_ARGS);
    request->authorization = header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);
    request->host = header(wsi, WSI_TOKEN_HOST);
    request->local = lws_get_vhost(wsi) == server->local;
    if (!request->local)
        lws_get_peer_simple(wsi, request->peer, sizeof request->peer);

    if (request->method == HTTP_OTHER) {
        exchange->response.allow = "GET, HEAD, POST";
        return refuse(exchange, 405, "method_not_allowed", "only GET and POST are known here");
    }
    if (request->method == HTTP_GET)
        return start_answer(exchange);
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return refuse(exchange, 411, "length_required", "send the body with a Content-Length");
    char *length = header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    bool large = strlen(length) > 9 || strtoul(length, NULL, 10) > HUB_HTTP_BODY_BYTES_MAX;
    bool empty = strtoul(length, NULL, 10) == 0;
    mem_free(length);
    if (large)
        return refuse(exchange, 413, "payload_too_large", "the body is too large");
    if (empty)
        return start_answer(exchange);
    // Once for the whole body: one byte now and then does not keep a connection open.
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, HUB_HTTP_BODY_S);
    return 0;
}

static int send_headers(struct exchange *exchange)
{
    if (http_send_headers(exchange->wsi, &exchange->response) != 0)
        return -1;
    exchange->stage = HEADERS_SENT;
    lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HUB_HTTP_ANSWER_S);
    lws_callback_on_writable(exchange->wsi);
    return 0;
}

// For tests of clients: the connection is torn away, or nothing ever comes.
static int send_nothing(struct exchange *exchange)
{
    if (exchange->response.ending == ENDING_RESET) {
        // Sends RST at once, connect(2); closing would begin with a FIN.
        const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
        (void)!connect(lws_get_socket_fd(exchange->wsi), &nobody, sizeof nobody);
        return -1;
    }
    lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HUB_FAULT_HANG_S);
    return 0;
}

static int send_body(struct session *session)
{
    struct exchange *exchange = session->exchange;
    struct lws *wsi = exchange->wsi;
    const struct buffer *body = &exchange->response.body;
    unsigned char room[LWS_PRE + HUB_HTTP_PIECE_BYTES];
    size_t left = exchange->request.head ? 0 : body->size - exchange->sent,
           size = left < HUB_HTTP_PIECE_BYTES ? left : HUB_HTTP_PIECE_BYTES;
    bool last = size == left;
    if (size)
        memcpy(room + LWS_PRE, body->data + exchange->sent, size);
    if (lws_write(wsi, room + LWS_PRE, size, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
        return -1;
    exchange->sent += size;
    if (!last) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    // After a refusal the body is still in the way; the connection cannot be used again.
    bool whole = exchange->response.status != 413 && exchange->response.status != 411 &&
                 exchange->response.status != 405;
    exchange_free(exchange);
    session->exchange = NULL;
    return whole && lws_http_transaction_completed(wsi) == 0 ? 0 : -1;
}

static int writable(struct session *session)
{
    struct exchange *exchange = session->exchange;
    if (!exchange)
        return 0;
    if (exchange->stage == ANSWERED)
        return exchange->response.ending == ENDING_ANSWER ? send_headers(exchange)
                                                          : send_nothing(exchange);
    if (exchange->stage == HEADERS_SENT)
        return send_body(session);
    return 0;
}

static int body_piece(struct session *session, const void *data, size_t size)
{
    struct exchange *exchange = session->exchange;
    if (!exchange || exchange->stage != READING)
        return 0;
    return buffer_append(&exchange->request.body, data, size) ? 0 : -1;
}

static void gone(struct http_server *server, struct session *session)
{
    if (session->peer) {
        server->setup.sockets->closed(session->peer);
        session->peer = NULL;
    }
    struct exchange *exchange = session->exchange;
    session->exchange = NULL;
    if (exchange && exchange->stage == RUNNING)
        exchange->wsi = NULL; // the worker's now; collect_done frees it
    else if (exchange)
        exchange_free(exchange);
}

static int upgrade(struct http_server *server, struct lws *wsi, const char *protocol)
{
    const struct http_sockets *sockets = server->setup.sockets;
    unsigned status = strcasecmp(protocol, "websocket") != 0 || !sockets
                          ? 400
                          : sockets->admit(sockets->context, wsi);
    if (!status)
        return 0;
    atomic_fetch_add(&server->refused, 1);
    return lws_return_http_status(wsi, status, NULL) ? -1 : 1;
}

// A connection that became a WebSocket, which only sockets can have admitted.
static int socket_callback(const struct http_sockets *sockets, struct session *session,
                           struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        session->peer = sockets->opened(sockets->context, wsi);
        return session->peer ? 0 : -1;
    case LWS_CALLBACK_RECEIVE:
        return sockets->received(session->peer, in, size, lws_is_first_fragment(wsi),
                                 lws_is_final_fragment(wsi), lws_frame_is_binary(wsi))
                   ? 0
                   : -1;
    default: // LWS_CALLBACK_SERVER_WRITEABLE
        return session->peer && sockets->writable(session->peer) ? 0 : -1;
    }
}

static int connection_callback(struct http_server *server, struct session *session, struct lws *wsi,
                               enum lws_callback_reasons reason, void *in, size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return begin(server, session, wsi, in);
    case LWS_CALLBACK_HTTP_BODY:
        return body_piece(session, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        if (session->exchange && session->exchange->stage == READING)
            return start_answer(session->exchange);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return writable(session);
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return server->setup.sockets
                   ? socket_callback(server->setup.sockets, session, wsi, reason, in, size)
                   : -1;
    default: // the end, by any of its names
        gone(server, session);
        return 0;
    }
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct http_server *server = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        return server && user ? connection_callback(server, user, wsi, reason, in, size) : 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return server ? upgrade(server, wsi, in) : -1;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        if (!server)
            return 0;
        collect_done(server);
        if (atomic_exchange(&server->reload, false))
            reload_certificates(server);
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        if (server)
            server->tls = user; // so libwebsockets documents it
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        atomic_fetch_add(&server->open, 1);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        atomic_fetch_sub(&server->open, 1);
        return 0;
    default:
        return 0;
    }
}

static int porch_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                          size_t size)
{
    (void)user, (void)in, (void)size;
    struct http_server *server = lws_context_user(lws_get_context(wsi));
    if (reason == LWS_CALLBACK_RAW_RX_FILE && server)
        porch_run(server->porch, clock_mono_ms());
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "http",
     .callback = callback,
     .per_session_data_size = sizeof(struct session),
     .rx_buffer_size = HUB_SOCKET_READ_BYTES},
    {.name = "porch", .callback = porch_callback},
    {0},
};

// Strangers can make it say some of these lines, for instance that there is no room for them.
static void log_lws(int level, const char *line)
{
    static const struct bucket_rate rate = {HUB_CLIENT_LOG_BURST, HUB_CLIENT_LOG_PER_SECOND};
    static struct bucket lines; // all of them come on the server's thread
    if (!bucket_take(&lines, &rate, 1, clock_mono_ms()))
        return;
    char *text = mem_printf("%.*s", (int)strcspn(line, "\n"), line);
    log_event(level & LLL_ERR ? LOG_WARN : LOG_DEBUG, "libwebsockets", "says", text, NULL);
    mem_free(text);
}

static void on_tick(lws_sorted_usec_list_t *tick)
{
    struct http_server *server = lws_container_of(tick, struct http_server, tick);
    porch_tick(server->porch, clock_mono_ms());
    if (server->setup.sockets)
        server->setup.sockets->tick(server->setup.sockets->context);
    lws_sul_schedule(server->context, 0, tick, on_tick, LWS_US_PER_SEC);
}

static void vhost_defaults(struct lws_context_creation_info *info)
{
    static const lws_retry_bo_t silence = {.secs_since_valid_ping = HUB_SOCKET_PING_S,
                                           .secs_since_valid_hangup = HUB_SOCKET_DEAD_S};
    *info = (struct lws_context_creation_info){
        .protocols = protocols,
        .timeout_secs = HUB_HTTP_HEADER_S,
        .keepalive_timeout = HUB_HTTP_KEEPALIVE_S,
        .retry_and_idle_policy = &silence,
        .alpn = "http/1.1",
        .server_string = "opengeni-hub",
    };
}

static void admit(void *context, int fd)
{
    struct http_server *server = context;
    if (server->setup.certificate && plain_http_turn_away(fd)) {
        atomic_fetch_add(&server->refused, 1);
        return;
    }
    lws_adopt_socket_vhost(server->public, fd); // closes it when it cannot
}

// The porch's descriptor becomes one of those that libwebsockets waits for.
static bool watch_porch(struct http_server *server)
{
    lws_sock_file_fd_type fd = {.filefd = dup(porch_fd(server->porch))};
    return fd.filefd >= 0 && lws_adopt_descriptor_vhost(server->public, LWS_ADOPT_RAW_FILE_DESC, fd,
                                                        "porch", NULL) != NULL;
}

// Clients have a part of the descriptors that the process may open, so that the rest of the hub
// always has some left.
static unsigned share_of_descriptors(unsigned part, unsigned most)
{
    struct rlimit limit;
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    return known && limit.rlim_cur / part < most ? (unsigned)(limit.rlim_cur / part) : most;
}

static bool listen_public(struct http_server *server, struct fail *why)
{
    struct lws_context_creation_info info;
    const struct porch_setup porch = {.address = server->setup.address,
                                      .port = server->setup.port,
                                      .places = share_of_descriptors(4, HUB_PORCH_MAX),
                                      .admit = admit,
                                      .context = server};
    server->porch = porch_new(&porch, why);
    if (!server->porch)
        return false;
    vhost_defaults(&info);
    info.vhost_name = "public";
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    if (server->setup.certificate) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = server->setup.certificate;
        info.ssl_private_key_filepath = server->setup.key;
        info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
    }
    server->public = lws_create_vhost(server->context, &info);
    if (!server->public && server->setup.certificate)
        return fail_because(why, FAIL_INVALID, "certificate %s and key %s cannot be used",
                            server->setup.certificate, server->setup.key);
    if (!server->public || !watch_porch(server))
        return fail_because(why, FAIL_SYSTEM, "libwebsockets cannot be started");
    return true;
}

static bool listen_local(struct http_server *server, struct fail *why)
{
    struct lws_context_creation_info info;
    if (strlen(server->setup.socket_path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return fail_errno(why, ENAMETOOLONG, "listen on", server->setup.socket_path);
    vhost_defaults(&info);
    info.vhost_name = "local";
    info.options = LWS_SERVER_OPTION_UNIX_SOCK;
    info.iface = server->setup.socket_path;
    unlink(server->setup.socket_path); // left by a hub that was killed
    server->local = lws_create_vhost(server->context, &info);
    if (!server->local)
        return fail_on_path(why, FAIL_SYSTEM, "cannot listen on", server->setup.socket_path);
    if (chmod(server->setup.socket_path, 0600) != 0)
        return fail_errno(why, errno, "chmod", server->setup.socket_path);
    return true;
}

struct http_server *http_server_new(const struct http_setup *setup, struct fail *why)
{
    struct http_server *server = mem_new(struct http_server);
    server->setup = *setup;
    server->setup.socket_path = mem_string(setup->socket_path);
    pthread_mutex_init(&server->lock, NULL);
    server->workers = workers_new(HUB_HTTP_WORKERS);
    lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .user = server,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (setup->certificate ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .max_http_header_data = HUB_HTTP_HEADER_BYTES_MAX,
        .max_http_header_pool = HUB_HTTP_HEADERS_MAX,
        .fd_limit_per_thread = share_of_descriptors(2, HUB_HTTP_CONNECTIONS_MAX),
        .pt_serv_buf_size = HUB_SOCKET_READ_BYTES,
        .timeout_secs = HUB_HTTP_HEADER_S,
    };
    server->context = lws_create_context(&info);
    if (!server->context)
        fail_because(why, FAIL_SYSTEM, "libwebsockets cannot be started");
    if (!server->context || !listen_public(server, why) || !listen_local(server, why)) {
        http_server_free(server);
        return NULL;
    }
    lws_sul_schedule(server->context, 0, &server->tick, on_tick, LWS_US_PER_SEC);
    return server;
}

void http_server_run(struct http_server *server)
{
    while (!atomic_load(&server->end) && lws_service(server->context, 0) >= 0)
        ;
}

void http_server_end(struct http_server *server)
{
    atomic_store(&server->end, true);
    lws_cancel_service(server->context);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    workers_free(server->workers); // its last jobs still reach the context
    if (server->context) {
        lws_sul_cancel(&server->tick);
        lws_context_destroy(server->context);
    }
    SSL_CTX_free(server->fresh);
    porch_free(server->porch);
    while (server->done) {
        struct exchange *exchange = server->done;
        server->done = exchange->next;
        exchange_free(exchange);
    }
    if (server->local)
        unlink(server->setup.socket_path);
    mem_free((char *)server->setup.socket_path);
    pthread_mutex_destroy(&server->lock);
    mem_free(server);
}

void http_server_reload(struct http_server *server)
{
    atomic_store(&server->reload, true);
    lws_cancel_service(server->context);
}

struct http_counts http_server_count(struct http_server *server)
{
    return (struct http_counts){.requests = atomic_load(&server->requests),
                                .refused = atomic_load(&server->refused),
                                .open = atomic_load(&server->open)};
}
