#include "relay/tunnel.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "relay/tunnel_private.h"

static const struct tunnel_kind *const kinds[] = {
    [TUNNEL_WS] = &tunnel_over_ws,
    [TUNNEL_WSS] = &tunnel_over_ws,
    [TUNNEL_TLS] = &tunnel_over_tls,
};

static struct tunnel *tunnel_new(const struct tunnel_target *target, int64_t deadline_ms)
{
    const struct tunnel_kind *kind = kinds[target->scheme];
    struct tunnel *tunnel = mem_array(1, kind->size);
    tunnel->kind = kind;
    atomic_init(&tunnel->references, 2);
    tunnel->scheme = target->scheme;
    tunnel->host = mem_string(target->host);
    tunnel->path = target->path ? mem_string(target->path) : NULL;
    tunnel->ca_file = target->ca_file ? mem_string(target->ca_file) : NULL;
    tunnel->deadline_ms = deadline_ms;
    tunnel->remote_port = target->port;
    tunnel->settled_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&tunnel->lock, NULL);
    return tunnel;
}

void tunnel_unref(struct tunnel *tunnel)
{
    if (atomic_fetch_sub(&tunnel->references, 1) != 1)
        return;
    if (tunnel->kind->free)
        tunnel->kind->free(tunnel);
    if (tunnel->settled_fd >= 0)
        close(tunnel->settled_fd);
    pthread_mutex_destroy(&tunnel->lock);
    mem_free(tunnel->host);
    mem_free(tunnel->path);
    mem_free(tunnel->ca_file);
    mem_free(tunnel);
}

void tunnel_established(struct tunnel *tunnel, uint16_t port)
{
    pthread_mutex_lock(&tunnel->lock);
    tunnel->port = port;
    tunnel->established = true;
    pthread_mutex_unlock(&tunnel->lock);
    (void)!write(tunnel->settled_fd, &(uint64_t){1}, sizeof(uint64_t));
}

void tunnel_ended(struct tunnel *tunnel, const struct fail *why)
{
    pthread_mutex_lock(&tunnel->lock);
    if (!tunnel->ended)
        tunnel->why = *why;
    tunnel->ended = true;
    pthread_mutex_unlock(&tunnel->lock);
    (void)!write(tunnel->settled_fd, &(uint64_t){1}, sizeof(uint64_t));
}

// Waits until the tunnel is established or has failed; the tunnel keeps to the deadline itself, so
// that its reason is the better one, but is not trusted with it.
static bool wait_until_settled(struct tunnel *tunnel, struct cancel *cancel, struct fail *why)
{
    enum { GRACE_MS = 500 };
    struct pollfd fds[] = {{.fd = tunnel->settled_fd, .events = POLLIN},
                           {.fd = cancel ? cancel_fd(cancel) : -1, .events = POLLIN}};
    for (;;) {
        int64_t left = tunnel->deadline_ms + GRACE_MS - clock_mono_ms();
        int n = poll(fds, 2, left > 0 ? (int)left : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (fds[1].revents)
            return fail_because(why, FAIL_CANCELLED, "the connection is no longer wanted");
        if (n <= 0)
            return fail_because(why, FAIL_TIMEOUT, "the tunnel was not established in time");
        break;
    }
    pthread_mutex_lock(&tunnel->lock);
    bool good = tunnel->established; // it may have ended since: its last words are still there
    if (!good && why)
        *why = tunnel->why;
    pthread_mutex_unlock(&tunnel->lock);
    return good;
}

bool tunnel_open(const struct tunnel_target *target, int64_t deadline_ms, struct cancel *cancel,
                 struct tunnel **out, struct fail *why)
{
    *out = NULL;
    if (cancel && cancel_fired(cancel))
        return fail_because(why, FAIL_CANCELLED, "the connection is no longer wanted");
    struct tunnel *tunnel = tunnel_new(target, deadline_ms);
    if (tunnel->settled_fd < 0 || !tunnel->kind->start(tunnel, why)) {
        if (tunnel->settled_fd < 0)
            fail_errno(why, errno, "eventfd", NULL);
        tunnel_unref(tunnel); // nobody moves bytes
        tunnel_unref(tunnel);
        return false;
    }
    if (!wait_until_settled(tunnel, cancel, why)) {
        tunnel_close(tunnel);
        return false;
    }
    *out = tunnel;
    return true;
}

uint16_t tunnel_port(const struct tunnel *tunnel)
{
    return tunnel->port;
}

bool tunnel_failure(struct tunnel *tunnel, struct fail *why)
{
    pthread_mutex_lock(&tunnel->lock);
    bool ended = tunnel->ended;
    if (ended && why)
        *why = tunnel->why;
    pthread_mutex_unlock(&tunnel->lock);
    return ended;
}

void tunnel_close(struct tunnel *tunnel)
{
    tunnel->kind->close(tunnel);
}
