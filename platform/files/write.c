#include "files/write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "files/mkdir.h"

static bool is_private(const struct write_options *options)
{
    return options->mode != 0 && (options->mode & 077) == 0;
}

static bool make_parents(const char *path, mode_t mode, struct fail *why)
{
    char parent[PATH_MAX];
    size_t size = strnlen(path, sizeof parent);
    if (size == sizeof parent)
        return fail_errno(why, ENAMETOOLONG, "mkdir -p", path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    if (size == 0)
        return true;
    memcpy(parent, path, size);
    parent[size] = '\0';
    return directory_make_path(parent, mode, why);
}

// A link that another user may have put in the place where a secret will be.
static bool is_own_link(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode) && facts.st_uid == geteuid();
}

static bool open_target(const char *path, const struct write_options *options, int *fd,
                        struct fail *why)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    flags |= options->append ? O_APPEND : O_TRUNC;
    mode_t mode = options->mode ? options->mode & 07777 : 0666;
    bool private = is_private(options);
    *fd = open(path, private ? flags | O_NOFOLLOW : flags, mode);
    int error = errno;
    if (*fd < 0 && private && error == ELOOP && is_own_link(path)) {
        *fd = open(path, flags, mode);
        error = errno;
    }
    return *fd >= 0 || fail_errno(why, error, "open", path);
}

// Only FIFOs and devices make one wait, and those not for ever.
static bool wait_for_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    int ready = poll(&room, 1, FS_DEVICE_WAIT_MS);
    if (ready == 0)
        errno = EAGAIN;
    return ready > 0 || (ready < 0 && errno == EINTR);
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EAGAIN && wait_for_room(fd))
            continue;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

bool file_write(const char *path, const void *content, size_t size,
                const struct write_options *options, struct fail *why)
{
    int fd;
    if (options->create_parents && !make_parents(path, is_private(options) ? 0700 : 0777, why))
        return false;
    if (!open_target(path, options, &fd, why))
        return false;
    if (!write_all(fd, content, size)) {
        fail_errno(why, errno, "write", path);
        close(fd);
        return false;
    }
    // A network filesystem may only now find that the disk is full.
    if (close(fd) < 0 && errno != EINTR)
        return fail_errno(why, errno, "flush", path);
    return true;
}
