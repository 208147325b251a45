#include "ctl/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl/fault.h"

static bool bind_port(struct listener *listener, uint16_t port, struct fault *fault)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int yes = 1;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fault_local(fault, errno, "socket", NULL);
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&at, &size) != 0)
        return fault_local(fault, errno, "listen on 127.0.0.1", NULL);
    listener->port = ntohs(at.sin_port);
    return true;
}

// Nobody answers there: what is left of a program that was killed.
static void remove_leftover(const struct sockaddr_un *at)
{
    struct stat st;
    // A program that lives and is slow to accept must not be waited for.
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool dead = fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
                st.st_uid == geteuid() &&
                connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
    if (dead)
        unlink(at->sun_path);
    io_close(&fd);
}

static bool bind_path(struct listener *listener, const char *path, struct fault *fault)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at.sun_path)
        return fault_local(fault, ENAMETOOLONG, "listen", path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    remove_leftover(&at);
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fault_local(fault, errno, "socket", NULL);
    mode_t before = umask(0177); // from its first moment
    bool bound = bind(listener->fd, (struct sockaddr *)&at, sizeof at) == 0;
    int error = errno;
    umask(before);
    if (!bound)
        return fault_local(fault, error, "listen", path);
    listener->path = path;
    return true;
}

bool listener_open(struct listener *listener, const char *path, uint16_t port, struct fault *fault)
{
    enum { BACKLOG = 4 };
    *listener = (struct listener){.fd = -1};
    bool bound = path ? bind_path(listener, path, fault) : bind_port(listener, port, fault);
    if (bound && listen(listener->fd, BACKLOG) == 0)
        return true;
    if (bound)
        fault_local(fault, errno, "listen", path ? path : "on 127.0.0.1");
    listener_close(listener);
    return false;
}

static bool may_connect(uid_t uid)
{
    return uid == geteuid() || uid == 0;
}

// Every user of a machine reaches its loopback ports. The kernel's list of sockets tells whose the
// other end is (proc_pid_net(5)): a line for each, local and remote address in hexadecimal, host
// order of the address as it lies in memory, then state, queues, timers, and the uid.
static bool is_ours(int fd)
{
    struct sockaddr_in peer = {0}, self = {0};
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || size != sizeof peer ||
        getsockname(fd, (struct sockaddr *)&self, &size) != 0)
        return false;
    char line[512], ends[64];
    snprintf(ends, sizeof ends, ": %08" PRIX32 ":%04X %08" PRIX32 ":%04X ", peer.sin_addr.s_addr,
             ntohs(peer.sin_port), self.sin_addr.s_addr, ntohs(self.sin_port));
    FILE *list = fopen("/proc/net/tcp", "re");
    bool ours = false;
    while (list && fgets(line, sizeof line, list)) {
        unsigned uid;
        const char *at = strstr(line, ends);
        if (at && sscanf(at + strlen(ends), "%*2x %*17s %*11s %*8x %9u", &uid) == 1)
            ours = may_connect(uid);
    }
    if (list)
        fclose(list);
    return ours;
}

static bool is_ours_local(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && may_connect(peer.uid);
}

int listener_accept(const struct listener *listener)
{
    int yes = 1;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -1;
    if (listener->port ? is_ours(fd) : is_ours_local(fd)) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // keys are small
        return fd;
    }
    close(fd);
    return -1;
}

void listener_close(struct listener *listener)
{
    io_close(&listener->fd);
    if (listener->path)
        unlink(listener->path);
    listener->path = NULL;
}
