#include "ctl/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/random.h"
#include "ctl/fault.h"
#include "ctl/paths.h"

static char *place_of(const char *path, const char *remote)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return path_in(path, path_name(remote));
    return mem_string(path);
}

bool target_open(struct target *target, const char *path, const char *remote, uint32_t mode,
                 struct fault *fault)
{
    *target = (struct target){.fd = -1};
    if (strcmp(path, "-") == 0) {
        target->path = mem_string("output");
        target->fd = dup(STDOUT_FILENO);
        return target->fd >= 0 || fault_local(fault, errno, "open", "output");
    }
    target->path = place_of(path, remote);
    struct stat st;
    // A link, a device or a pipe is meant to be written to, not to be replaced.
    if (lstat(target->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        target->fd = open(target->path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
        return target->fd >= 0 || fault_local(fault, errno, "open", target->path);
    }
    target->temporary = path_temporary(target->path);
    target->fd = open(target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    if (target->fd >= 0)
        return true;
    fault_local(fault, errno, "create", target->temporary);
    mem_free(target->temporary); // there is nothing to take away
    target->temporary = NULL;
    return false;
}

bool target_write(struct target *target, const void *data, size_t size, struct fault *fault)
{
    return io_write_all(target->fd, data, size) || fault_local(fault, errno, "write", target->path);
}

bool target_commit(struct target *target, struct fault *fault)
{
    int fd = target->fd;
    target->fd = -1;
    if (close(fd) != 0)
        return fault_local(fault, errno, "write", target->path);
    if (!target->temporary)
        return true;
    if (rename(target->temporary, target->path) != 0)
        return fault_local(fault, errno, "rename to", target->path);
    mem_free(target->temporary);
    target->temporary = NULL;
    return true;
}

void target_fini(struct target *target)
{
    io_close(&target->fd);
    if (target->temporary)
        unlink(target->temporary);
    mem_free(target->temporary);
    mem_free(target->path);
    *target = (struct target){.fd = -1};
}
