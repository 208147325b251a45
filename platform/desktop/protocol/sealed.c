#include "desktop_protocol/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

// Writes all pieces; a short write only happens when memory runs out in the middle of one.
static bool write_pieces(int fd, const struct iovec *pieces, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t here = count - i < IOV_MAX ? count - i : IOV_MAX, size = 0;
        for (size_t k = 0; k < here; k++)
            size += pieces[i + k].iov_len;
        ssize_t n = writev(fd, pieces + i, (int)here);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if ((size_t)n != size) {
            errno = ENOSPC;
            return false;
        }
        i += here;
    }
    return true;
}

int sealed_new(const char *name, const struct iovec *pieces, size_t count, struct fail *why)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        fail_errno(why, errno, "memfd_create", NULL);
        return -1;
    }
    if (!write_pieces(fd, pieces, count) || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        fail_errno(why, errno, "memory file", NULL);
        close(fd);
        return -1;
    }
    return fd;
}

bool sealed_check(int fd, size_t size, struct fail *why)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS)
        return fail_because(why, FAIL_PROTOCOL, "memory that is not sealed");
    if (fstat(fd, &st) != 0)
        return fail_errno(why, errno, "fstat", NULL);
    if (st.st_size < 0 || (size_t)st.st_size != size)
        return fail_because(why, FAIL_PROTOCOL, "memory of another size than announced");
    return true;
}

bool sealed_read(int fd, void *out, size_t size, struct fail *why)
{
    if (!sealed_check(fd, size, why))
        return false;
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)out + done, size - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_errno(why, n < 0 ? errno : EIO, "memory file", NULL);
        done += (size_t)n;
    }
    return true;
}
