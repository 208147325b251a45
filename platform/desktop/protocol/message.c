#include "desktop_protocol/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Room for more descriptors than anyone should send: all that arrive have to be closed.
enum { FDS_ROOM = 8 };

union control {
    struct cmsghdr header; // aligns
    char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
};

bool message_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0;
}

bool message_send(int socket, const void *data, size_t size, int fd)
{
    struct iovec body = {(void *)data, size};
    struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};
    union control control = {0};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof fd);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

// Keeps the first descriptor, closes the others and returns how many came.
static size_t take_fds(struct msghdr *message, int *fd)
{
    size_t count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int came;
            memcpy(&came, CMSG_DATA(head) + i * sizeof came, sizeof came);
            if (count++ == 0)
                *fd = came;
            else
                close(came);
        }
    }
    return count;
}

ssize_t message_receive(int socket, void *data, size_t room, int *fd)
{
    struct iovec body = {data, room};
    union control control;
    struct msghdr message = {.msg_iov = &body,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    *fd = -1;
    ssize_t size;
    do
        size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return -1;
    size_t count = take_fds(&message, fd);
    if (count > 1 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
        errno = EMSGSIZE;
        return -1;
    }
    return size;
}
