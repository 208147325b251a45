// A tunnel over TLS that starts after the server's INFO, as NATS has it. A thread of its own moves
// the bytes: one SSL object is used by one thread only, and a stalled server holds up nobody else.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/thread.h"
#include "relay/info_rewrite.h"
#include "relay/loopback.h"
#include "relay/resolve.h"
#include "relay/tls.h"
#include "relay/tunnel_private.h"

enum { CHUNK_BYTES = 16384 }; // of one TLS record (RFC 8446 5.1)

// Bytes on their way in one direction.
struct pipe {
    char *data;
    size_t room, from, to; // [from, to) are still to be written
    bool ended;            // nothing more comes in
};

struct tls_tunnel {
    struct tunnel base;
    int leave_fd; // an eventfd: the owner has gone
    int remote, local;
    SSL_CTX *context;
    SSL *ssl;
    X509_STORE *trust;
    struct buffer info; // the first line as the client is to see it
    struct pipe out, in;
    short remote_wants; // poll events that the SSL object waits for
    struct fail verdict;
    bool rejected; // the certificate was; verdict says why
};

// --- waiting

// Waits for events on fd until deadline_ms. False at the deadline, and when the owner goes.
static bool wait_for(struct tls_tunnel *tunnel, int fd, short events, int64_t deadline_ms,
                     const char *what, struct fail *why)
{
    struct pollfd fds[] = {{.fd = fd, .events = events},
                           {.fd = tunnel->leave_fd, .events = POLLIN}};
    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        int n = left > 0 ? poll(fds, 2, (int)left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_because(why, FAIL_TIMEOUT, "%s in time", what);
        if (fds[1].revents)
            return fail_because(why, FAIL_CANCELLED, "the tunnel was closed");
        return true;
    }
}

// --- TCP

static void tune(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){WS_KEEPALIVE_S}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(unsigned){TUNNEL_USER_TIMEOUT_MS},
               sizeof(unsigned));
}

static bool connect_to(struct tls_tunnel *tunnel, const union address *address, int64_t deadline_ms,
                       struct fail *why)
{
    char text[ADDRESS_TEXT_BYTES], to[ADDRESS_TEXT_BYTES + 16];
    address_text(address, text);
    snprintf(to, sizeof to, "%s port %u", text, tunnel->base.remote_port);
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    socklen_t size = sizeof error;
    if (fd < 0 || connect(fd, &address->any, address_size(address)) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        if (!wait_for(tunnel, fd, POLLOUT, deadline_ms, "there was no TCP connection", why)) {
            io_close(&fd);
            return false;
        }
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
        io_close(&fd);
        return fail_errno(why, error, "connect to", to);
    }
    tune(fd);
    tunnel->remote = fd;
    return true;
}

static bool connect_any(struct tls_tunnel *tunnel, struct fail *why)
{
    struct addresses addresses;
    if (!resolve(tunnel->base.host, tunnel->base.remote_port, &addresses, why))
        return false;
    for (size_t i = 0; i < addresses.count; i++) {
        int64_t left = tunnel->base.deadline_ms - clock_mono_ms();
        int64_t until = clock_mono_ms() + left / (int64_t)(addresses.count - i);
        if (connect_to(tunnel, &addresses.list[i], until, why))
            return true;
        if (why->kind == FAIL_CANCELLED)
            return false;
    }
    return false;
}

// --- INFO, in clear

static bool read_info(struct tls_tunnel *tunnel, struct fail *why)
{
    struct buffer line;
    buffer_init(&line, TUNNEL_INFO_BYTES_MAX);
    enum info_rewrite step = INFO_INCOMPLETE;
    size_t used = 0;
    while (step == INFO_INCOMPLETE) {
        char *room = buffer_reserve(&line, 1);
        if (!room || !wait_for(tunnel, tunnel->remote, POLLIN, tunnel->base.deadline_ms,
                               "the server sent no INFO", why))
            break;
        // What follows the line belongs to TLS: it is looked at first, and then only the line read.
        char seen[1024];
        ssize_t n = recv(tunnel->remote, seen, sizeof seen, MSG_PEEK);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0) {
            fail_because(why, FAIL_SYSTEM, "the server closed the connection before its INFO");
            break;
        }
        const char *end = memchr(seen, '\n', (size_t)n);
        size_t take = end ? (size_t)(end - seen) + 1 : (size_t)n;
        n = recv(tunnel->remote, seen, take, 0);
        if (n <= 0 || !buffer_append(&line, seen, (size_t)n)) {
            fail_because(why, FAIL_PROTOCOL, "the server's first line is too long");
            break;
        }
        step = info_rewrite(line.data, line.size, &tunnel->info, &used, why);
    }
    buffer_fini(&line);
    return step == INFO_REWRITTEN;
}

// --- TLS

static int verify(X509_STORE_CTX *chain, void *tunnel_)
{
    struct tls_tunnel *tunnel = tunnel_;
    tunnel->rejected = !tls_verify(chain, tunnel->trust, tunnel->base.host, &tunnel->verdict);
    return !tunnel->rejected;
}

static bool set_up_tls(struct tls_tunnel *tunnel, struct fail *why)
{
    tunnel->trust = tls_trust(tunnel->base.ca_file, why);
    if (!tunnel->trust)
        return false;
    tunnel->context = tls_context(verify, tunnel);
    tunnel->ssl = tunnel->context ? SSL_new(tunnel->context) : NULL;
    if (!tunnel->ssl || SSL_set_fd(tunnel->ssl, tunnel->remote) != 1)
        return fail_because(why, FAIL_SYSTEM, "TLS: out of memory");
    if (!tls_host_is_address(tunnel->base.host))
        SSL_set_tlsext_host_name(tunnel->ssl, tunnel->base.host);
    return true;
}

// What an SSL call that returned `result` waits for: poll events, 0 when it failed for good.
static short waits_for(struct tls_tunnel *tunnel, int result)
{
    switch (SSL_get_error(tunnel->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

static bool handshake(struct tls_tunnel *tunnel, struct fail *why)
{
    if (!set_up_tls(tunnel, why))
        return false;
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(tunnel->ssl);
        if (result == 1)
            break;
        short wants = waits_for(tunnel, result);
        if (wants == 0 && tunnel->rejected) {
            *why = tunnel->verdict;
            return false;
        }
        char text[TLS_ERROR_BYTES];
        if (wants == 0)
            return fail_because(why, FAIL_SYSTEM, "TLS: %s", tls_error(text, sizeof text));
        if (!wait_for(tunnel, tunnel->remote, wants, tunnel->base.deadline_ms,
                      "the server did not answer the TLS handshake", why))
            return false;
    }
    X509_STORE_free(tunnel->trust);
    tunnel->trust = NULL;
    return true;
}

// --- the loopback side

static bool take_client(struct tls_tunnel *tunnel, struct fail *why)
{
    int listener = -1;
    uint16_t port = 0;
    if (!loopback_listen(&listener, &port, why))
        return false;
    int64_t until = clock_mono_ms() + TUNNEL_ACCEPT_MS;
    tunnel_established(&tunnel->base, port);
    while (tunnel->local < 0 &&
           wait_for(tunnel, listener, POLLIN, until, "the NATS client did not connect", why))
        tunnel->local = loopback_accept(listener);
    io_close(&listener);
    return tunnel->local >= 0;
}

// --- moving bytes. All return false when the tunnel has ended.

static bool far_lost(struct fail *why)
{
    char text[TLS_ERROR_BYTES];
    tls_error(text, sizeof text);
    return fail_because(why, FAIL_SYSTEM, "the connection to the server ended: %s", text);
}

static bool read_far(struct tls_tunnel *tunnel, bool *moved, struct fail *why)
{
    struct pipe *in = &tunnel->in;
    if (in->ended || in->from < in->to)
        return true;
    ERR_clear_error();
    int n = SSL_read(tunnel->ssl, in->data, (int)in->room);
    if (n > 0) {
        in->from = 0;
        in->to = (size_t)n;
        *moved = true;
        return true;
    }
    short wants = waits_for(tunnel, n);
    tunnel->remote_wants |= wants;
    if (wants != 0)
        return true;
    in->ended = true;
    return far_lost(why);
}

static bool write_far(struct tls_tunnel *tunnel, bool *moved, struct fail *why)
{
    struct pipe *out = &tunnel->out;
    if (out->from == out->to)
        return true;
    ERR_clear_error();
    int n = SSL_write(tunnel->ssl, out->data + out->from, (int)(out->to - out->from));
    if (n > 0) {
        out->from += (size_t)n;
        *moved = true;
        return true;
    }
    short wants = waits_for(tunnel, n);
    tunnel->remote_wants |= wants;
    return wants != 0 || far_lost(why);
}

static void read_near(struct tls_tunnel *tunnel, bool *moved)
{
    struct pipe *out = &tunnel->out;
    if (out->ended || out->from < out->to)
        return;
    ssize_t n = recv(tunnel->local, out->data, out->room, MSG_DONTWAIT);
    if (n > 0) {
        out->from = 0;
        out->to = (size_t)n;
        *moved = true;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        out->ended = true;
    }
}

static bool write_near(struct tls_tunnel *tunnel, bool *moved, struct fail *why)
{
    struct pipe *in = &tunnel->in;
    if (in->from == in->to)
        return true;
    ssize_t n =
        send(tunnel->local, in->data + in->from, in->to - in->from, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return fail_because(why, FAIL_CANCELLED, "the NATS client closed the connection");
    if (n > 0) {
        in->from += (size_t)n;
        *moved = true;
    }
    return true;
}

static bool move(struct tls_tunnel *tunnel, bool *moved, struct fail *why)
{
    tunnel->remote_wants = 0;
    read_near(tunnel, moved);
    return write_far(tunnel, moved, why) && read_far(tunnel, moved, why) &&
           write_near(tunnel, moved, why);
}

// Sleeps until something can be moved, the owner goes or until_ms (-1: never) has come.
static void sleep_until_ready(struct tls_tunnel *tunnel, bool leaving, int64_t until_ms)
{
    const struct pipe *out = &tunnel->out, *in = &tunnel->in;
    short near = (short)((out->from == out->to && !out->ended ? POLLIN : 0) |
                         (in->from < in->to ? POLLOUT : 0));
    struct pollfd fds[] = {
        {.fd = near ? tunnel->local : -1, .events = near},
        {.fd = tunnel->remote_wants ? tunnel->remote : -1, .events = tunnel->remote_wants},
        {.fd = leaving ? -1 : tunnel->leave_fd, .events = POLLIN}};
    int64_t left = until_ms < 0 ? -1 : until_ms - clock_mono_ms();
    poll(fds, 3, until_ms >= 0 && left < 0 ? 0 : (int)left);
}

static bool has_left(const struct tls_tunnel *tunnel)
{
    struct pollfd leave = {.fd = tunnel->leave_fd, .events = POLLIN};
    return poll(&leave, 1, 0) > 0;
}

static void serve(struct tls_tunnel *tunnel, struct fail *why)
{
    int64_t until = -1; // set when the owner goes: what he wrote before still goes out
    for (;;) {
        bool moved = false;
        if (!move(tunnel, &moved, why))
            return;
        if (tunnel->out.ended && tunnel->out.from == tunnel->out.to) {
            fail_because(why, FAIL_CANCELLED, "the NATS client closed the connection");
            return;
        }
        if (until < 0 && has_left(tunnel))
            until = clock_mono_ms() + TUNNEL_DRAIN_MS;
        else if (until >= 0 &&
                 ((!moved && tunnel->out.from == tunnel->out.to) || clock_mono_ms() >= until)) {
            fail_because(why, FAIL_CANCELLED, "the tunnel was closed");
            return;
        }
        if (!moved)
            sleep_until_ready(tunnel, until >= 0, until);
    }
}

// Gives the client what had come in before the end.
static void deliver_rest(struct tls_tunnel *tunnel)
{
    struct fail why;
    int64_t until = clock_mono_ms() + TUNNEL_DRAIN_MS;
    while (tunnel->local >= 0 && tunnel->in.from < tunnel->in.to) {
        bool moved = false;
        if (!write_near(tunnel, &moved, &why) ||
            (!moved && !wait_for(tunnel, tunnel->local, POLLOUT, until, "", &why)))
            return;
    }
}

// --- its life

static struct pipe pipe_new(size_t room)
{
    return (struct pipe){.data = mem_array(1, room), .room = room};
}

static bool run(struct tls_tunnel *tunnel, struct fail *why)
{
    if (!connect_any(tunnel, why) || !read_info(tunnel, why) || !handshake(tunnel, why) ||
        !take_client(tunnel, why))
        return false;
    tunnel->out = pipe_new(CHUNK_BYTES);
    tunnel->in = pipe_new(TUNNEL_INFO_BYTES_MAX); // also a whole TLS record
    memcpy(tunnel->in.data, tunnel->info.data, tunnel->info.size);
    tunnel->in.to = tunnel->info.size;
    buffer_fini(&tunnel->info);
    serve(tunnel, why);
    deliver_rest(tunnel);
    SSL_shutdown(tunnel->ssl);
    return false;
}

static void *tls_tunnel_main(void *tunnel_)
{
    struct tls_tunnel *tunnel = tunnel_;
    struct fail why;
    (void)!run(tunnel, &why);
    SSL_free(tunnel->ssl);
    SSL_CTX_free(tunnel->context);
    X509_STORE_free(tunnel->trust);
    io_close(&tunnel->remote);
    tunnel_ended(&tunnel->base, &why);
    io_close(&tunnel->local); // the client looks for the reason from here on
    buffer_fini(&tunnel->info);
    mem_free(tunnel->in.data);
    mem_free(tunnel->out.data);
    tunnel_unref(&tunnel->base);
    OPENSSL_thread_stop();
    return NULL;
}

static bool tls_tunnel_start(struct tunnel *base, struct fail *why)
{
    struct tls_tunnel *tunnel = (struct tls_tunnel *)base;
    tunnel->remote = tunnel->local = -1;
    buffer_init(&tunnel->info, TUNNEL_INFO_BYTES_MAX);
    tunnel->leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (tunnel->leave_fd < 0)
        return fail_errno(why, errno, "eventfd", NULL);
    if (thread_start(tls_tunnel_main, tunnel, NULL))
        return true;
    io_close(&tunnel->leave_fd);
    return fail_because(why, FAIL_SYSTEM, "no thread for the tunnel");
}

static void tls_tunnel_close(struct tunnel *base)
{
    struct tls_tunnel *tunnel = (struct tls_tunnel *)base;
    (void)!write(tunnel->leave_fd, &(uint64_t){1}, sizeof(uint64_t));
    tunnel_unref(base);
}

static void tls_tunnel_free(struct tunnel *base)
{
    io_close(&((struct tls_tunnel *)base)->leave_fd);
}

const struct tunnel_kind tunnel_over_tls = {.start = tls_tunnel_start,
                                            .close = tls_tunnel_close,
                                            .free = tls_tunnel_free,
                                            .size = sizeof(struct tls_tunnel)};
