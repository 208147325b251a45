#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buffer.h"

bool io_write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

bool io_read_to_end(int fd, struct buffer *out)
{
    for (;;) {
        size_t left = out->max - out->size, want = left < 16384 ? left : 16384;
        char last;
        char *room = want ? buffer_reserve(out, want) : &last;
        if (!room) {
            errno = ENOMEM;
            return false;
        }
        ssize_t n = read(fd, room, want ? want : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (!want) {
            errno = EFBIG;
            return false;
        }
        buffer_commit(out, (size_t)n);
    }
}

bool io_read_file(int dir, const char *path, struct buffer *out)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    bool read = io_read_to_end(fd, out);
    int error = errno;
    close(fd);
    errno = error;
    return read;
}

void io_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
