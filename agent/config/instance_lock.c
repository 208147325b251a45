#include "config/instance_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/config_dir.h"

static enum instance_lock failed(const struct secure_dir *config, int error, const char *what,
                                 struct fail *why)
{
    char *path = secure_dir_file(config, CONFIG_LOCK);
    fail_errno(why, error, what, path);
    mem_free(path);
    return LOCK_FAILED;
}

static pid_t read_pid(int fd)
{
    char text[16], *end;
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    long pid = strtol(text, &end, 10);
    return (*end == '\0' || *end == '\n') && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

// Whoever only looks shares the lock for a moment: who can share it, too, has not met its holder.
static bool try_lock(int fd)
{
    for (int64_t end = clock_mono_ms() + CONFIG_LOCK_SETTLE_MS;;) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EINTR && (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) != 0))
            return false;
        flock(fd, LOCK_UN);
        errno = EWOULDBLOCK;
        if (clock_mono_ms() >= end)
            return false;
        clock_sleep_ms(1);
    }
}

static bool write_pid(int fd)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%d", (int)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)size, 0) == size;
}

enum instance_lock instance_lock_take(const struct secure_dir *config, int *fd, pid_t *holder,
                                      struct fail *why)
{
    *fd = -1;
    *holder = 0;
    // Never truncated here: until we hold the lock the pid in it is the holder's.
    int file = openat(config->fd, CONFIG_LOCK,
                      O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (file < 0)
        return failed(config, errno, "open", why);
    if (!try_lock(file)) {
        int error = errno;
        *holder = read_pid(file);
        close(file);
        return error == EWOULDBLOCK ? LOCK_HELD : failed(config, error, "lock", why);
    }
    if (!secure_dir_give(config, file) || !write_pid(file))
        log_warn("lock file not written", "error", strerrordesc_np(errno), NULL);
    *fd = file;
    return LOCK_TAKEN;
}

enum instance_lock instance_lock_wait(const struct secure_dir *config, struct cancel *cancel,
                                      int *fd, struct fail *why)
{
    int64_t reminded = 0;
    for (;;) {
        pid_t holder;
        enum instance_lock result = instance_lock_take(config, fd, &holder, why);
        if (result != LOCK_HELD)
            return result;
        if (reminded == 0 || clock_mono_ms() - reminded >= CONFIG_LOCK_REMIND_MS) {
            reminded = clock_mono_ms();
            log_info("waiting for another agent to end", "pid",
                     holder ? log_num(holder) : "unknown", NULL);
        }
        struct pollfd fired = {.fd = cancel_fd(cancel), .events = POLLIN};
        if (poll(&fired, 1, CONFIG_LOCK_POLL_MS) > 0)
            return LOCK_HELD;
    }
}

enum instance_lock instance_lock_probe(const struct secure_dir *config, pid_t *holder,
                                       struct fail *why)
{
    *holder = 0;
    if (config->fd < 0)
        return LOCK_FREE;
    int file =
        openat(config->fd, CONFIG_LOCK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return errno == ENOENT ? LOCK_FREE : failed(config, errno, "open", why);
    enum instance_lock result = LOCK_FREE;
    if (flock(file, LOCK_SH | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            result = LOCK_HELD;
            *holder = read_pid(file);
        } else {
            result = failed(config, errno, "lock", why);
        }
    }
    close(file);
    return result;
}
