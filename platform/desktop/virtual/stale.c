#include "desktop_virtual/stale.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// The socket has a name in the file system and one without (unix(7)), which Xvfb tries first.
static bool answers(const struct sockaddr_un *address, size_t path_bytes)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; // it cannot be known: nothing is taken away
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes);
    // A full backlog (EAGAIN) is a server, too.
    bool there = connect(fd, (const struct sockaddr *)address, size) == 0 || errno == EAGAIN;
    close(fd);
    return there;
}

bool stale_clear(unsigned number)
{
    struct sockaddr_un file = {.sun_family = AF_UNIX}, name = {.sun_family = AF_UNIX};
    char lock[32];
    int n = snprintf(file.sun_path, sizeof file.sun_path, "/tmp/.X11-unix/X%u", number);
    memcpy(name.sun_path + 1, file.sun_path, (size_t)n);
    if (answers(&file, (size_t)n + 1) || answers(&name, (size_t)n + 1))
        return false;
    snprintf(lock, sizeof lock, "/tmp/.X%u-lock", number);
    // What belongs to another user stays: the directories are sticky.
    unlink(lock);
    unlink(file.sun_path);
    return access(lock, F_OK) != 0 && access(file.sun_path, F_OK) != 0;
}
