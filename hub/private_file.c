#include "hub/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/random.h"

bool private_file_read(int dir, const char *name, struct buffer *out, struct fail *why)
{
    bool done = false;
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(why, errno, "open", name);
    if (fstat(fd, &st) != 0)
        fail_errno(why, errno, "stat", name);
    else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        fail_on_path(why, FAIL_INVALID, "not a file of this user", name);
    else if (st.st_mode & 077)
        fail_because(why, FAIL_INVALID,
                     "others may read %s; chmod 600 it, or delete it to get a "
                     "new one",
                     name);
    else if (!io_read_to_end(fd, out))
        fail_errno(why, errno, "read", name);
    else
        done = true;
    close(fd);
    return done;
}

// A complete, synced file under a name that nobody else has.
static char *stage(int dir, const char *name, const void *data, size_t size, struct fail *why)
{
    char *temporary = mem_printf(".%s.%016llx.tmp", name, (unsigned long long)random_below(~0ull));
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = fd >= 0 && io_write_all(fd, data, size) && fsync(fd) == 0;
    int error = errno;
    io_close(&fd);
    if (written)
        return temporary;
    unlinkat(dir, temporary, 0);
    mem_free(temporary);
    fail_errno(why, error, "write", name);
    return NULL;
}

bool private_file_write(int dir, const char *name, const void *data, size_t size, struct fail *why)
{
    char *temporary = stage(dir, name, data, size, why);
    if (!temporary)
        return false;
    bool done = renameat(dir, temporary, dir, name) == 0;
    if (!done) {
        fail_errno(why, errno, "replace", name);
        unlinkat(dir, temporary, 0);
    }
    mem_free(temporary);
    if (done && fsync(dir) != 0)
        return fail_errno(why, errno, "sync", name);
    return done;
}

bool private_file_create(int dir, const char *name, const void *data, size_t size, bool *created,
                         struct fail *why)
{
    *created = false;
    char *temporary = stage(dir, name, data, size, why);
    if (!temporary)
        return false;
    // link(2) does not replace, so the first of several wins.
    int error = linkat(dir, temporary, dir, name, 0) == 0 ? 0 : errno;
    unlinkat(dir, temporary, 0);
    mem_free(temporary);
    if (error == EEXIST)
        return true;
    if (error || fsync(dir) != 0)
        return fail_errno(why, error ? error : errno, "create", name);
    *created = true;
    return true;
}
