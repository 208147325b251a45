#include "config/secure_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/limits.h"

static bool check(struct secure_dir *dir, bool any_owner, uid_t parent_owner, struct fail *why)
{
    struct stat st;
    if (fstat(dir->fd, &st) != 0)
        return fail_errno(why, errno, "look at", dir->path);
    dir->owner = st.st_uid;
    if (!any_owner && st.st_uid != geteuid() && st.st_uid != 0 && st.st_uid != parent_owner)
        return fail_on_path(why, FAIL_INVALID,
                            geteuid() == 0 ? "refusing to use another user's directory as root "
                                             "(OPENGENI_CONFIG_DIR says it is meant):"
                                           : "refusing a directory that belongs to another user:",
                            dir->path);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return fail_on_path(why, FAIL_INVALID,
                            "refusing a directory that other users may write to (chmod 700 mends "
                            "it):",
                            dir->path);
    return true;
}

static bool finish_open(struct secure_dir *dir, bool any_owner, uid_t parent_owner,
                        struct fail *why)
{
    if (dir->fd >= 0 ? check(dir, any_owner, parent_owner, why) : errno == ENOENT)
        return true;
    if (dir->fd < 0)
        fail_errno(why, errno, "open", dir->path);
    secure_dir_fini(dir);
    return false;
}

bool secure_dir_open(struct secure_dir *dir, const char *path, bool any_owner, struct fail *why)
{
    *dir = (struct secure_dir){.path = mem_string(path), .owner = geteuid()};
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return finish_open(dir, any_owner && geteuid() == 0, geteuid(), why);
}

bool secure_dir_open_below(const struct secure_dir *parent, const char *name, bool create,
                           struct secure_dir *dir, struct fail *why)
{
    *dir = (struct secure_dir){
        .path = secure_dir_file(parent, name), .fd = -1, .owner = parent->owner};
    bool made = parent->fd >= 0 && create && mkdirat(parent->fd, name, 0700) == 0;
    errno = ENOENT;
    if (parent->fd >= 0)
        dir->fd = openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (create && (dir->fd < 0 || (made && !secure_dir_give(parent, dir->fd)))) {
        fail_errno(why, errno, "make the directory", dir->path);
        secure_dir_fini(dir);
        return false;
    }
    if (!finish_open(dir, false, parent->owner, why))
        return false;
    if (create && !secure_dir_tighten(dir, why)) {
        secure_dir_fini(dir);
        return false;
    }
    return true;
}

void secure_dir_fini(struct secure_dir *dir)
{
    mem_free(dir->path);
    dir->path = NULL;
    io_close(&dir->fd);
}

bool secure_dir_tighten(const struct secure_dir *dir, struct fail *why)
{
    struct stat st;
    if (fstat(dir->fd, &st) == 0 && (st.st_mode & 07777) == 0700)
        return true;
    if (fchmod(dir->fd, 0700) == 0 || dir->owner != geteuid())
        return true; // root's directory serves a user as it is
    return fail_errno(why, errno, "set the mode of", dir->path);
}

bool secure_dir_give(const struct secure_dir *dir, int fd)
{
    return geteuid() != 0 || dir->owner == 0 || fchown(fd, dir->owner, (gid_t)-1) == 0;
}

bool secure_dir_trusts(const struct secure_dir *dir, uid_t owner)
{
    return owner == geteuid() || owner == 0 || owner == dir->owner;
}

char *secure_dir_file(const struct secure_dir *dir, const char *name)
{
    return mem_printf("%s/%s", dir->path, name);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool secure_dir_list(const struct secure_dir *dir, struct secure_names *names, struct fail *why)
{
    *names = (struct secure_names){0};
    if (dir->fd < 0)
        return true;
    // A descriptor of its own, because the position in a directory belongs to the open file.
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int error = errno;
        io_close(&fd);
        return fail_errno(why, error, "open", dir->path);
    }
    size_t room = 0;
    struct dirent *entry;
    while ((errno = 0, entry = readdir(stream)) && names->count < CONFIG_NAMES_MAX) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names->count == room) {
            room = room ? 2 * room : 16;
            names->names = mem_resize(names->names, room * sizeof *names->names);
        }
        names->names[names->count++] = mem_string(entry->d_name);
    }
    int error = entry ? 0 : errno;
    closedir(stream);
    if (error) {
        secure_names_fini(names);
        return fail_errno(why, error, "read", dir->path);
    }
    if (names->count > 0)
        qsort(names->names, names->count, sizeof *names->names, by_bytes);
    return true;
}

void secure_names_fini(struct secure_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->names[i]);
    mem_free(names->names);
    *names = (struct secure_names){0};
}
