#include "relay/examination.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/io.h"

static void ready(struct watch *watch, unsigned events)
{
    (void)events;
    struct examination *examination = holder_of(watch, struct examination, watch);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    examination->done(examination->owner, error);
}

void examination_begin(struct examination *examination, const union address *address,
                       void (*done)(void *owner, int error), void *owner)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;
    if (fd < 0 || connect(fd, &address->any, address_size(address)) != 0)
        error = errno;
    if (fd < 0 || error != EINPROGRESS) {
        io_close(&fd);
        done(owner, error);
        return;
    }
    *examination =
        (struct examination){.watch = {.fd = fd, .ready = ready}, .done = done, .owner = owner};
    watch_start(&examination->watch, EPOLLOUT);
}

void examination_end(struct examination *examination)
{
    if (examination->watch.fd < 0)
        return;
    watch_stop(&examination->watch);
    io_close(&examination->watch.fd);
}
