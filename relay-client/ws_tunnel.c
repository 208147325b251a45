// A tunnel over WebSocket. Lives on the stream thread.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "relay/info_rewrite.h"
#include "relay/loopback.h"
#include "relay/stream_thread.h"
#include "relay/tunnel_private.h"
#include "relay/ws.h"

struct ws_tunnel {
    struct tunnel base;
    struct ws *ws;                // NULL when the far side has ended
    struct watch listener, local; // fd -1: not there
    struct stream_timer timer;    // of the accept, and of the end
    struct buffer inbound;        // for the NATS client; the first `sent` bytes are done
    size_t sent;
    bool info_done;   // the first line has been seen and rewritten
    bool paused;      // nothing more is read from the far side for now
    bool local_ended; // the NATS client has closed, there may still be bytes of it
    bool leaving;     // the owner has gone: send what there is, and end
    bool over;
};

enum {
    INBOUND_ROOM = TUNNEL_QUEUE_BYTES_MAX + 4 * TUNNEL_FRAME_BYTES
}; // a pause takes effect late

static void stop_descriptor(struct watch *watch)
{
    if (watch->fd < 0)
        return;
    watch_stop(watch);
    io_close(&watch->fd);
}

static void finish(struct ws_tunnel *tunnel)
{
    stop_descriptor(&tunnel->listener);
    timer_stop(&tunnel->timer);
    tunnel_unref(&tunnel->base);
}

// Nothing is moved any more. Where a client is still to come, the door stays open for it: in the
// moment a listener closes, a connection can be made that nobody ever answers.
static void end(struct ws_tunnel *tunnel, const struct fail *why)
{
    if (tunnel->over)
        return;
    tunnel->over = true;
    if (tunnel->ws)
        ws_close(tunnel->ws, WS_NORMAL);
    tunnel->ws = NULL;
    stop_descriptor(&tunnel->local);
    buffer_fini(&tunnel->inbound);
    tunnel_ended(&tunnel->base, why);
    if (tunnel->listener.fd < 0)
        finish(tunnel);
}

static void end_because(struct ws_tunnel *tunnel, enum fail_kind kind, const char *text)
{
    struct fail why;
    fail_because(&why, kind, "%s", text);
    end(tunnel, &why);
}

// --- from the far side to the NATS client

static size_t queued(const struct ws_tunnel *tunnel)
{
    return tunnel->inbound.size - tunnel->sent;
}

static void pause_or_resume(struct ws_tunnel *tunnel)
{
    bool pause = tunnel->paused ? queued(tunnel) > TUNNEL_QUEUE_BYTES_MAX / 2
                                : queued(tunnel) > TUNNEL_QUEUE_BYTES_MAX;
    if (pause != tunnel->paused && tunnel->ws)
        ws_pause(tunnel->ws, pause);
    tunnel->paused = pause;
}

// Writes what the client takes at once. Returns how much.
static size_t offer(struct ws_tunnel *tunnel, const char *data, size_t size)
{
    size_t done = 0;
    while (tunnel->local.fd >= 0 && done < size) {
        ssize_t n = send(tunnel->local.fd, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return size; // it has gone; reading will tell
        if (n < 0)
            break;
        done += (size_t)n;
    }
    return done;
}

// The reason of the far side's end waits until the client has had the last bytes: they tell more
// ("-ERR 'Authorization Violation'").
static void end_if_delivered(struct ws_tunnel *tunnel)
{
    if (tunnel->ws || queued(tunnel) > 0 || tunnel->over)
        return;
    struct fail why;
    tunnel_failure(&tunnel->base, &why);
    end(tunnel, &why);
}

static void deliver_queue(struct ws_tunnel *tunnel)
{
    if (!tunnel->info_done || tunnel->local.fd < 0)
        return;
    tunnel->sent += offer(tunnel, tunnel->inbound.data + tunnel->sent, queued(tunnel));
    if (queued(tunnel) == 0) {
        buffer_fini(&tunnel->inbound);
        tunnel->sent = 0;
    } else if (tunnel->sent > tunnel->inbound.size / 2) {
        buffer_consume(&tunnel->inbound, tunnel->sent);
        tunnel->sent = 0;
    }
    pause_or_resume(tunnel);
    end_if_delivered(tunnel);
}

static bool enqueue(struct ws_tunnel *tunnel, const void *data, size_t size)
{
    if (buffer_append(&tunnel->inbound, data, size))
        return true;
    end_because(tunnel, FAIL_PROTOCOL, "the server sends more than the client takes");
    return false;
}

// Looks for the first line in what has come in so far, and puts another in its place.
static void rewrite_info(struct ws_tunnel *tunnel)
{
    struct buffer out;
    size_t used = 0;
    struct fail why;
    buffer_init(&out, INBOUND_ROOM);
    switch (info_rewrite(tunnel->inbound.data, tunnel->inbound.size, &out, &used, &why)) {
    case INFO_INCOMPLETE:
        break;
    case INFO_INVALID:
        end(tunnel, &why);
        break;
    case INFO_REWRITTEN:
        if (!buffer_append(&out, tunnel->inbound.data + used, tunnel->inbound.size - used))
            break; // cannot be: the room is the same, and INFO grows by a few bytes
        buffer_fini(&tunnel->inbound);
        tunnel->inbound = out;
        tunnel->info_done = true;
        deliver_queue(tunnel);
        return;
    }
    buffer_fini(&out);
}

static void far_data(void *tunnel_, const struct ws_piece *piece)
{
    struct ws_tunnel *tunnel = tunnel_;
    size_t done = 0;
    if (tunnel->leaving)
        return;
    if (tunnel->info_done && queued(tunnel) == 0)
        done = offer(tunnel, piece->data, piece->size);
    if (done < piece->size &&
        !enqueue(tunnel, (const char *)piece->data + done, piece->size - done))
        return;
    if (tunnel->info_done)
        pause_or_resume(tunnel);
    else
        rewrite_info(tunnel);
}

static void far_closed(void *tunnel_, const struct fail *why)
{
    struct ws_tunnel *tunnel = tunnel_;
    tunnel->ws = NULL;
    tunnel_ended(&tunnel->base, why);
    if (tunnel->leaving || !tunnel->info_done) {
        end(tunnel, why);
        return;
    }
    if (tunnel->local.fd >= 0)
        timer_set(&tunnel->timer, TUNNEL_DRAIN_MS);
    end_if_delivered(tunnel);
}

// --- from the NATS client to the far side

// The client's bytes are read when the WebSocket can take them: what waits, waits in the kernel.
static void far_writable(void *tunnel_)
{
    static char room[WS_HEADROOM + TUNNEL_FRAME_BYTES]; // the stream thread's own
    struct ws_tunnel *tunnel = tunnel_;
    if (tunnel->local.fd < 0)
        return;
    ssize_t n = recv(tunnel->local.fd, room + WS_HEADROOM, TUNNEL_FRAME_BYTES, MSG_DONTWAIT);
    if (n > 0) {
        ws_send(tunnel->ws, room + WS_HEADROOM, (size_t)n);
        // Less than asked for means that there is no more, until epoll says otherwise (epoll(7)).
        if (n == TUNNEL_FRAME_BYTES || tunnel->local_ended || tunnel->leaving)
            ws_want_write(tunnel->ws);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_because(tunnel, FAIL_CANCELLED, "the NATS client closed the connection");
    } else if (tunnel->leaving) {
        end_because(tunnel, FAIL_CANCELLED, "the tunnel was closed");
    } else if (errno == EINTR) {
        ws_want_write(tunnel->ws);
    }
}

static void local_ready(struct watch *watch, unsigned events)
{
    struct ws_tunnel *tunnel = holder_of(watch, struct ws_tunnel, local);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        tunnel->local_ended = true;
    if (tunnel->ws && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ws_want_write(tunnel->ws);
    if (!tunnel->ws && tunnel->local_ended)
        end_because(tunnel, FAIL_CANCELLED, "the NATS client closed the connection");
    else if (events & EPOLLOUT)
        deliver_queue(tunnel);
}

static void client_connects(struct watch *watch, unsigned events)
{
    (void)events;
    struct ws_tunnel *tunnel = holder_of(watch, struct ws_tunnel, listener);
    int fd = loopback_accept(watch->fd);
    if (fd < 0)
        return;
    if (tunnel->over) {
        io_close(&fd);
        finish(tunnel);
        return;
    }
    stop_descriptor(watch);
    timer_stop(&tunnel->timer);
    tunnel->local = (struct watch){.fd = fd, .ready = local_ready};
    watch_start(&tunnel->local, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    deliver_queue(tunnel);
}

// --- its life

static void timer_fired(struct stream_timer *timer)
{
    struct ws_tunnel *tunnel = holder_of(timer, struct ws_tunnel, timer);
    if (tunnel->over) {
        finish(tunnel);
        return;
    }
    stop_descriptor(&tunnel->listener);
    if (tunnel->leaving)
        end_because(tunnel, FAIL_CANCELLED, "the tunnel was closed");
    else
        end_because(tunnel, FAIL_TIMEOUT, "the NATS client did not take the connection in time");
}

static void far_opened(void *tunnel_)
{
    struct ws_tunnel *tunnel = tunnel_;
    int fd = ws_socket(tunnel->ws);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(unsigned){TUNNEL_USER_TIMEOUT_MS},
               sizeof(unsigned));
    uint16_t port = 0;
    struct fail why;
    if (!loopback_listen(&tunnel->listener.fd, &port, &why)) {
        end(tunnel, &why);
        return;
    }
    watch_start(&tunnel->listener, EPOLLIN);
    timer_set(&tunnel->timer, TUNNEL_ACCEPT_MS);
    tunnel_established(&tunnel->base, port);
}

static void dial(void *tunnel_)
{
    static const struct ws_events events = {
        .opened = far_opened, .received = far_data, .writable = far_writable, .closed = far_closed};
    struct ws_tunnel *tunnel = tunnel_;
    struct ws_target target = {.tls = tunnel->base.scheme == TUNNEL_WSS,
                               .host = tunnel->base.host,
                               .port = tunnel->base.remote_port,
                               .path = tunnel->base.path,
                               .ca_file = tunnel->base.ca_file,
                               .bulk = true,
                               .timeout_ms = tunnel->base.deadline_ms - clock_mono_ms()};
    tunnel->ws = ws_dial(&target, &events, tunnel);
}

static bool ws_tunnel_start(struct tunnel *base, struct fail *why)
{
    struct ws_tunnel *tunnel = (struct ws_tunnel *)base;
    tunnel->listener = (struct watch){.fd = -1, .ready = client_connects};
    tunnel->local = (struct watch){.fd = -1, .ready = local_ready};
    tunnel->timer.fired = timer_fired;
    buffer_init(&tunnel->inbound, INBOUND_ROOM);
    if (!stream_start(why))
        return false;
    return stream_post(dial, tunnel) || fail_because(why, FAIL_CANCELLED, "the agent is stopping");
}

static void leave(void *tunnel_)
{
    struct ws_tunnel *tunnel = tunnel_;
    if (!tunnel->over && tunnel->ws && tunnel->local.fd >= 0) {
        tunnel->leaving = true;
        timer_set(&tunnel->timer, TUNNEL_DRAIN_MS);
        ws_want_write(tunnel->ws);
    } else if (!tunnel->over) {
        stop_descriptor(&tunnel->listener);
        end_because(tunnel, FAIL_CANCELLED, "the tunnel was closed");
    } else if (tunnel->listener.fd >= 0) {
        finish(tunnel);
    }
    tunnel_unref(&tunnel->base);
}

static void ws_tunnel_close(struct tunnel *base)
{
    if (!stream_post(leave, base))
        tunnel_unref(base); // with the stream thread went everything else
}

const struct tunnel_kind tunnel_over_ws = {
    .start = ws_tunnel_start, .close = ws_tunnel_close, .size = sizeof(struct ws_tunnel)};
