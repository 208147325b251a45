#include "config/secure_file.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"

enum { READ_STEP = 16384 }; // what io_read_to_end asks for at once

static bool fail_file(struct fail *why, int error, const char *what, const struct secure_dir *dir,
                      const char *name)
{
    char *path = secure_dir_file(dir, name);
    if (error)
        fail_errno(why, error, what, path);
    else
        fail_on_path(why, FAIL_INVALID, what, path);
    mem_free(path);
    return false;
}

static bool check(const struct secure_dir *dir, int fd, const char *name, enum secure_kind kind,
                  size_t max, size_t *size, enum secure_mode *mode, struct fail *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_file(why, errno, "look at", dir, name);
    if (!S_ISREG(st.st_mode))
        return fail_file(why, 0, "not a regular file:", dir, name);
    if (!secure_dir_trusts(dir, st.st_uid))
        return fail_file(why, 0, "refusing a file that belongs to another user:", dir, name);
    if (st.st_size < 0 || (unsigned long long)st.st_size > max)
        return fail_file(why, 0, "too large for what it should be:", dir, name);
    if (kind == SECURE_TEXT && (st.st_mode & (S_IWGRP | S_IWOTH)))
        return fail_file(why, 0, "refusing a file that other users may write to:", dir, name);
    *mode = MODE_TIGHT;
    if (kind == SECURE_SECRET && (st.st_mode & (S_IRWXG | S_IRWXO)))
        *mode = fchmod(fd, 0600) == 0 ? MODE_TIGHTENED : MODE_LOOSE;
    *size = (size_t)st.st_size;
    return true;
}

bool secure_file_read(const struct secure_dir *dir, const char *name, enum secure_kind kind,
                      size_t max, struct buffer *out, enum secure_mode *mode, struct fail *why)
{
    enum secure_mode ignored;
    size_t size = 0;
    buffer_init(out, max);
    if (dir->fd < 0)
        return fail_file(why, ENOENT, "open", dir, name);
    // O_NONBLOCK: a FIFO in the place of the file must not hold us.
    int fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        return fail_file(why, 0, "refusing a symbolic link:", dir, name);
    if (fd < 0)
        return fail_file(why, errno, "open", dir, name);
    bool read = check(dir, fd, name, kind, max, &size, mode ? mode : &ignored, why);
    // All room at once: a buffer that grows leaves copies of a secret behind.
    size_t room = max - size < READ_STEP ? max : size + READ_STEP;
    if (read && (!buffer_reserve(out, room) || !io_read_to_end(fd, out)))
        read = fail_file(why, errno, "read", dir, name);
    if (read && out->size == 0)
        read = buffer_append(out, "", 0); // an empty text, with its NUL
    if (!read)
        secure_file_forget(out);
    close(fd);
    return read;
}

void secure_file_forget(struct buffer *data)
{
    if (data->data)
        explicit_bzero(data->data, data->room);
    buffer_fini(data);
}

// ".<name>.<pid>.<n>.tmp": the pid tells later whether its writer still lives.
static int open_temporary(const struct secure_dir *dir, const char *name, char **temporary)
{
    static atomic_uint counter;
    for (int turn = 0; turn < 16; turn++) {
        *temporary =
            mem_printf(".%s.%d.%u.tmp", name, (int)getpid(), atomic_fetch_add(&counter, 1));
        int fd =
            openat(dir->fd, *temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
            return fd;
        mem_free(*temporary);
        *temporary = NULL;
        if (errno != EEXIST) // left by an earlier process with our pid
            break;
    }
    return -1;
}

static bool move_into_place(const struct secure_dir *dir, const char *temporary, const char *name,
                            enum secure_write how)
{
    if (how == SECURE_REPLACE)
        return renameat(dir->fd, temporary, dir->fd, name) == 0;
    if (renameat2(dir->fd, temporary, dir->fd, name, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    // A file system without that flag.
    if (linkat(dir->fd, temporary, dir->fd, name, 0) != 0)
        return false;
    unlinkat(dir->fd, temporary, 0);
    return true;
}

static bool sync_dir(const struct secure_dir *dir)
{
    return fsync(dir->fd) == 0 || errno == EINVAL; // some file systems cannot and need not
}

bool secure_file_write(const struct secure_dir *dir, const char *name, enum secure_write how,
                       const void *data, size_t size, struct fail *why)
{
    assert(!strchr(name, '/'));
    if (dir->fd < 0)
        return fail_file(why, ENOENT, "write", dir, name);
    char *temporary;
    int fd = open_temporary(dir, name, &temporary);
    bool written = fd >= 0 && fchmod(fd, 0600) == 0 && secure_dir_give(dir, fd) &&
                   io_write_all(fd, data, size) && fsync(fd) == 0;
    int error = errno;
    io_close(&fd);
    if (written && !move_into_place(dir, temporary, name, how)) {
        written = false;
        error = errno;
    }
    if (!written && temporary)
        unlinkat(dir->fd, temporary, 0);
    mem_free(temporary);
    if (!written)
        return fail_file(why, error, "write", dir, name);
    return sync_dir(dir) || fail_file(why, errno, "write the directory of", dir, name);
}

bool secure_file_remove(const struct secure_dir *dir, const char *name, struct fail *why)
{
    if (dir->fd < 0)
        return true;
    if (unlinkat(dir->fd, name, 0) != 0)
        return errno == ENOENT || fail_file(why, errno, "remove", dir, name);
    return sync_dir(dir) || fail_file(why, errno, "write the directory of", dir, name);
}

// The number in front of *end, which moves before it and its dot; -1 when there is none.
static long number_before(const char *name, size_t *end)
{
    size_t at = *end;
    while (at > 0 && isdigit((unsigned char)name[at - 1]))
        at--;
    if (at < 2 || at == *end || *end - at > 10 || name[at - 1] != '.')
        return -1;
    *end = at - 1;
    return strtol(name + at, NULL, 10);
}

// The pid in the name of a temporary file, 0 for other names.
static pid_t writer_of(const char *name)
{
    static const char suffix[] = ".tmp";
    size_t end = strlen(name);
    if (name[0] != '.' || end <= sizeof suffix ||
        strcmp(name + end - (sizeof suffix - 1), suffix) != 0)
        return 0;
    end -= sizeof suffix - 1;
    if (number_before(name, &end) < 0)
        return 0;
    long pid = number_before(name, &end);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

void secure_file_sweep(const struct secure_dir *dir)
{
    struct secure_names names;
    if (!secure_dir_list(dir, &names, NULL))
        return; // the next start tries again
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        pid_t writer = writer_of(names.names[i]);
        if (writer > 0 && kill(writer, 0) != 0 && errno == ESRCH &&
            fstatat(dir->fd, names.names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) &&
            clock_wall_ms() - (int64_t)st.st_mtim.tv_sec * 1000 > CONFIG_STALE_MS)
            unlinkat(dir->fd, names.names[i], 0);
    }
    secure_names_fini(&names);
}
