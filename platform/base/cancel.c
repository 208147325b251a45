#include "base/cancel.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

struct cancel {
    atomic_uint references;
    atomic_bool fired;
    int fd;
};

struct cancel *cancel_try_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return NULL;
    struct cancel *cancel = mem_new(struct cancel);
    atomic_init(&cancel->references, 1);
    cancel->fd = fd;
    return cancel;
}

struct cancel *cancel_new(void)
{
    struct cancel *cancel = cancel_try_new();
    if (!cancel)
        abort();
    return cancel;
}

struct cancel *cancel_ref(struct cancel *cancel)
{
    atomic_fetch_add(&cancel->references, 1);
    return cancel;
}

void cancel_unref(struct cancel *cancel)
{
    if (!cancel || atomic_fetch_sub(&cancel->references, 1) != 1)
        return;
    close(cancel->fd);
    mem_free(cancel);
}

void cancel_fire(struct cancel *cancel)
{
    if (!atomic_exchange(&cancel->fired, true))
        (void)!write(cancel->fd, &(uint64_t){1}, sizeof(uint64_t));
}

bool cancel_fired(const struct cancel *cancel)
{
    return atomic_load(&cancel->fired);
}

int cancel_fd(const struct cancel *cancel)
{
    return cancel->fd;
}

bool cancel_wait(const struct cancel *moment, const struct cancel *stop, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    struct pollfd fds[] = {{.fd = moment->fd, .events = POLLIN},
                           {.fd = stop ? stop->fd : -1, .events = POLLIN}};
    for (;;) {
        int64_t left = until - clock_mono_ms();
        int n = poll(fds, 2, left > 0 ? (int)left : 0);
        if (n < 0 && errno == EINTR)
            continue;
        return n > 0 && fds[0].revents != 0;
    }
}
