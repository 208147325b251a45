#include "service/unit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"

static bool make_dirs(const char *path, struct fail *why)
{
    char *copy = mem_string(path);
    bool good = true;
    for (char *slash = copy + 1; good && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        good = mkdir(copy, 0755) == 0 || errno == EEXIST || fail_errno(why, errno, "create", copy);
        *slash = '/';
    }
    good = good &&
           (mkdir(copy, 0755) == 0 || errno == EEXIST || fail_errno(why, errno, "create", copy));
    mem_free(copy);
    return good;
}

static bool write_new(const char *path, const char *text, struct fail *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail_errno(why, errno, "create", path);
    bool good = io_write_all(fd, text, strlen(text)) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    int error = errno;
    close(fd);
    return good || fail_errno(why, error, "write", path);
}

static void sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd); // what can be done about a failure has been done
    close(fd);
}

static bool replace(const struct service_place *place, const char *text, struct fail *why)
{
    char *fresh = mem_printf("%s.%d.tmp", place->file, (int)getpid());
    bool good = make_dirs(place->dir, why) && write_new(fresh, text, why);
    if (good && rename(fresh, place->file) != 0)
        good = fail_errno(why, errno, "replace", place->file);
    if (good)
        sync_dir(place->dir);
    else
        unlink(fresh);
    mem_free(fresh);
    return good;
}

// What was kept before is a person's work, too, and moves on to .bak.1 and so on.
static bool keep_old(const struct service_place *place, struct fail *why)
{
    char *kept = mem_printf("%s.bak", place->file), *older = NULL;
    for (int i = 1; i <= UNIT_KEPT_MAX && access(kept, F_OK) == 0; i++) {
        mem_free(older);
        older = mem_printf("%s.bak.%d", place->file, i);
        if (access(older, F_OK) != 0) {
            (void)!rename(kept, older);
            break;
        }
    }
    bool good = rename(place->file, kept) == 0 || fail_errno(why, errno, "rename", place->file);
    mem_free(older);
    mem_free(kept);
    return good;
}

// Reads what is there, up to the size that any unit of ours can have. False when there is none.
static bool read_old(const struct service_place *place, struct buffer *old)
{
    buffer_init(old, UNIT_BYTES_MAX);
    return io_read_file(AT_FDCWD, place->file, old) || errno != ENOENT;
}

static bool is_foreign(const struct buffer *old)
{
    return !old->data || unit_owner(old->data, old->size) == UNIT_FOREIGN;
}

bool unit_file_is_foreign(const struct service_place *place)
{
    struct buffer old;
    bool foreign = read_old(place, &old) && is_foreign(&old);
    buffer_fini(&old);
    return foreign;
}

enum unit_write unit_file_write(const struct service_place *place, const char *text, bool force,
                                struct fail *why)
{
    struct buffer old;
    bool there = read_old(place, &old), foreign = there && is_foreign(&old);
    bool same =
        there && old.data && old.size == strlen(text) && memcmp(old.data, text, old.size) == 0;
    buffer_fini(&old);
    if (same)
        return UNIT_UNCHANGED;
    if (foreign && !force)
        return UNIT_REFUSED;
    if (foreign && !keep_old(place, why))
        return UNIT_FAILED;
    return replace(place, text, why) ? UNIT_WRITTEN : UNIT_FAILED;
}

bool unit_file_remove(const struct service_place *place, struct fail *why)
{
    if (unit_file_is_foreign(place)) {
        if (!keep_old(place, why))
            return false;
    } else if (unlink(place->file) != 0 && errno != ENOENT) {
        return fail_errno(why, errno, "remove", place->file);
    }
    sync_dir(place->dir);
    return true;
}
