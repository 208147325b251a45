#include "hub/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"

// Parents get the umask's mode, as with mkdir -p -m: only the last one is ours.
static bool make_dir(const char *path, struct fail *why)
{
    char *partial = mem_string(path);
    for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(partial, 0755) != 0 && errno != EEXIST) {
            fail_errno(why, errno, "create", partial);
            mem_free(partial);
            return false;
        }
        *slash = '/';
    }
    mem_free(partial);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail_errno(why, errno, "create", path);
    return true;
}

// capset(2): of root's rights this one is left.
static bool keep_searching(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = 1u << CAP_DAC_READ_SEARCH, .permitted = 1u << CAP_DAC_READ_SEARCH}};
    return syscall(SYS_capset, &header, data) == 0;
}

static bool become_owner(const struct stat *st, const char *path, bool search, struct fail *why)
{
    if (geteuid() != 0)
        return fail_because(why, FAIL_INVALID, "%s belongs to user %lu; run this as that user",
                            path, (unsigned long)st->st_uid);
    if (setgroups(0, NULL) != 0 || setresgid(st->st_gid, st->st_gid, st->st_gid) != 0 ||
        prctl(PR_SET_KEEPCAPS, search, 0, 0, 0) != 0 ||
        setresuid(st->st_uid, st->st_uid, st->st_uid) != 0 || (search && !keep_searching()))
        return fail_errno(why, errno, "become the owner of", path);
    return true;
}

static bool check(struct data_dir *dir, bool search, struct fail *why)
{
    struct stat st;
    if (fstat(dir->fd, &st) != 0)
        return fail_errno(why, errno, "stat", dir->path);
    if (st.st_uid != geteuid() && !become_owner(&st, dir->path, search, why))
        return false;
    if (st.st_mode & 022)
        return fail_because(why, FAIL_INVALID,
                            "others may write to %s; look who did, then: chmod 700 %s", dir->path,
                            dir->path);
    if (st.st_mode & 055) {
        log_warn("data directory was readable by others, closed it", "path", dir->path, NULL);
        if (fchmod(dir->fd, 0700) != 0)
            return fail_errno(why, errno, "chmod", dir->path);
    }
    return true;
}

bool data_dir_open(struct data_dir *dir, const char *path, bool create, struct fail *why)
{
    *dir = (struct data_dir){.fd = -1, .lock = -1};
    if (create && !make_dir(path, why))
        return false;
    char *real = realpath(path, NULL);
    if (!real)
        return fail_errno(why, errno, "open", path);
    dir->path = mem_string(real);
    free(real); // lint: allocator, realpath(3) made it
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        fail_errno(why, errno, "open", dir->path);
        data_dir_close(dir);
        return false;
    }
    if (!check(dir, !create, why)) {
        data_dir_close(dir);
        return false;
    }
    return true;
}

void data_dir_close(struct data_dir *dir)
{
    io_close(&dir->lock);
    io_close(&dir->fd);
    mem_free(dir->path);
    dir->path = NULL;
}

// Commands that decide something hold it for a moment.
static bool take_lock(int fd)
{
    enum { LOOK_MS = 20 };
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += LOOK_MS) {
        if (errno != EWOULDBLOCK || waited >= HUB_LOCK_MS)
            return false;
        clock_sleep_ms(LOOK_MS);
    }
    return true;
}

bool data_dir_lock(struct data_dir *dir, struct fail *why)
{
    dir->lock = openat(dir->fd, "hub.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (dir->lock < 0)
        return fail_errno(why, errno, "open", "hub.lock");
    if (!take_lock(dir->lock)) {
        if (errno != EWOULDBLOCK)
            return fail_errno(why, errno, "lock", "hub.lock");
        char pid[24] = "";
        ssize_t n = pread(dir->lock, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        io_close(&dir->lock);
        return fail_because(why, FAIL_BUSY, "a hub already serves from %s (process %s)", dir->path,
                            *pid ? pid : "unknown");
    }
    char pid[24];
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(dir->lock, 0) != 0 || !io_write_all(dir->lock, pid, (size_t)size))
        return fail_errno(why, errno, "write", "hub.lock");
    return true;
}

char *data_dir_default(void)
{
    const char *state = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (state && state[0] == '/')
        return mem_printf("%.*s", (int)strcspn(state, ":"), state);
    if (geteuid() == 0)
        return mem_string("/var/lib/opengeni-hub");
    if (xdg && xdg[0] == '/')
        return mem_printf("%s/opengeni-hub", xdg);
    return mem_printf("%s/.local/state/opengeni-hub", home && *home ? home : "");
}

char *data_dir_file(const struct data_dir *dir, const char *name)
{
    return mem_printf("%s/%s", dir->path, name);
}
