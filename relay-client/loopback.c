#include "relay/loopback.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

bool loopback_listen(int *listener, uint16_t *port, struct fail *why)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, size) != 0 || listen(fd, 4) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &size) != 0) {
        fail_errno(why, errno, "listen on 127.0.0.1", NULL);
        io_close(&fd);
        return false;
    }
    *listener = fd;
    *port = ntohs(here.sin_port);
    return true;
}

static bool same_address(const struct sockaddr_in *one, const struct sockaddr_in *other)
{
    return one->sin_family == AF_INET && other->sin_family == AF_INET &&
           one->sin_port == other->sin_port && one->sin_addr.s_addr == other->sin_addr.s_addr;
}

// True when the descriptor is a socket that is connected from `from` to `to`.
static bool connects(int fd, const struct sockaddr_in *from, const struct sockaddr_in *to)
{
    struct sockaddr_in end = {.sin_family = AF_UNSPEC};
    socklen_t size = sizeof end;
    if (getsockname(fd, (struct sockaddr *)&end, &size) != 0 || !same_address(&end, from))
        return false;
    size = sizeof end;
    return getpeername(fd, (struct sockaddr *)&end, &size) == 0 && same_address(&end, to);
}

// Only this process can hold the other end under one of its own descriptors.
static bool ours(int connection)
{
    struct sockaddr_in peer, self;
    socklen_t peer_size = sizeof peer, self_size = sizeof self;
    if (getpeername(connection, (struct sockaddr *)&peer, &peer_size) != 0 ||
        getsockname(connection, (struct sockaddr *)&self, &self_size) != 0)
        return false;
    DIR *descriptors = opendir("/proc/self/fd");
    if (!descriptors)
        return false;
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(descriptors));) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (!*end && fd != connection)
            found = connects((int)fd, &peer, &self);
    }
    closedir(descriptors);
    return found;
}

int loopback_accept(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return -1;
        if (ours(fd)) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
            return fd;
        }
        log_info("a connection to the loopback port was not ours, or has ended already", NULL);
        close(fd);
    }
}
