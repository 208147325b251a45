#include "files/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fail.h"
#include "base/limits.h"
#include "files/resolve.h"
#include "files/walk.h"

struct removal {
    char top[PATH_MAX]; // without trailing slashes, which would follow a link
    const struct remove_options *options;
    struct fail *why;
    struct walk walk;
    unsigned passes; // over the top directory
};

static bool failed(struct removal *removal, int error)
{
    return fail_errno(removal->why, error, "remove", removal->top);
}

static bool refused(struct removal *removal)
{
    return fail_on_path(removal->why, FAIL_INVALID, "refused to remove all of", removal->top);
}

static bool same_directory(const struct level *level, const char *path)
{
    struct stat facts;
    return path && stat(path, &facts) == 0 && facts.st_dev == level->device &&
           facts.st_ino == level->inode;
}

// On the way down a deep tree only the way itself is remembered: the other names of a directory can
// be read again.
static void forget_names(struct level *level)
{
    names_keep_only(&level->names, level->next);
    level->next = 0;
}

// Goes into a directory that is about to be emptied. A tree may hold the root directory again, as
// a bind mount.
static bool enter(struct removal *removal, int fd)
{
    if (removal->walk.depth >= FS_WALK_DESCRIPTORS)
        forget_names(walk_top(&removal->walk));
    if (!walk_enter(&removal->walk, fd))
        return failed(removal, errno);
    const struct level *level = walk_top(&removal->walk);
    bool top = removal->walk.depth == 1;
    if (same_directory(level, "/") || (top && same_directory(level, removal->options->keep)))
        return refused(removal);
    return true;
}

static struct name *current(struct level *level)
{
    return &level->names.items[level->next];
}

static void advance(struct level *level)
{
    level->next++;
    level->passes = 0;
}

// Others may change what the name stands for, or fill the directory again, but not for ever.
static bool again(struct removal *removal, struct level *level, int error)
{
    return ++level->passes < FS_REMOVE_PASSES || failed(removal, error);
}

// A directory: down into it, to come back when it is empty.
static bool descend(struct removal *removal, struct level *level, const char *name)
{
    int fd = openat(level->fd, name, WALK_OPEN);
    if (fd >= 0)
        return enter(removal, fd);
    int error = errno;
    if (error == ENOTDIR || error == ELOOP) {
        current(level)->type = DT_UNKNOWN;
        return again(removal, level, error);
    }
    // One that may not be read can still go, if it is empty.
    if (error != ENOENT && unlinkat(level->fd, name, AT_REMOVEDIR) < 0)
        return failed(removal, error);
    advance(level);
    return true;
}

static bool remove_entry(struct removal *removal, struct level *level)
{
    const char *name = names_text(&level->names, current(level));
    if (current(level)->type == DT_DIR)
        return descend(removal, level, name);
    if (unlinkat(level->fd, name, 0) == 0 || errno == ENOENT) {
        advance(level);
        return true;
    }
    if (errno != EISDIR)
        return failed(removal, errno);
    current(level)->type = DT_DIR;
    return again(removal, level, EISDIR);
}

static bool open_top(struct removal *removal)
{
    int fd = open(removal->top, WALK_OPEN);
    if (fd >= 0)
        return enter(removal, fd);
    int error = errno;
    return rmdir(removal->top) == 0 || failed(removal, error);
}

// The directory was empty a moment ago: up, and remove it.
static bool ascend(struct removal *removal)
{
    if (!walk_leave(&removal->walk))
        return failed(removal, errno);
    struct level *parent = walk_top(&removal->walk);
    int dir = parent ? parent->fd : AT_FDCWD;
    const char *name = parent ? names_text(&parent->names, current(parent)) : removal->top;
    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        if (parent)
            advance(parent);
        return true;
    }
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return failed(removal, errno);
    if (parent)
        return again(removal, parent, errno);
    return ++removal->passes < FS_REMOVE_PASSES ? open_top(removal) : failed(removal, errno);
}

// One step at the deepest directory. Names come in portions; those that are left after one are
// read from the start, as what was there is gone.
static bool step(struct removal *removal)
{
    struct level *level = walk_top(&removal->walk);
    if (level->next < level->names.count)
        return remove_entry(removal, level);
    if (level->names.complete)
        return ascend(removal);
    level->next = 0;
    if (lseek(level->fd, 0, SEEK_SET) < 0 ||
        !names_read(&level->names, level->fd, SIZE_MAX - 1, FS_WALK_NAMES_BYTES))
        return failed(removal, errno);
    return true;
}

static bool remove_tree(struct removal *removal)
{
    const char *name;
    unsigned long size;
    path_name(removal->top, &name, &size);
    if (size == 0 || name[size] != '\0')
        return refused(removal);
    if (!open_top(removal))
        return false;
    while (walk_top(&removal->walk)) {
        if (removal->options->cancel && cancel_fired(removal->options->cancel))
            return fail_on_path(removal->why, FAIL_CANCELLED, "remove", removal->top);
        if (!step(removal))
            return false;
    }
    return true;
}

static bool strip(struct removal *removal, const char *path)
{
    size_t size = strnlen(path, sizeof removal->top);
    if (size == sizeof removal->top)
        return fail_errno(removal->why, ENAMETOOLONG, "remove", path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    memcpy(removal->top, path, size);
    removal->top[size] = '\0';
    return true;
}

bool file_remove(const char *path, const struct remove_options *options, struct fail *why)
{
    struct stat facts;
    if (lstat(path, &facts) < 0)
        return fail_errno(why, errno, "remove", path);
    bool directory = S_ISDIR(facts.st_mode);
    if (!directory || !options->recursive) {
        int done = directory ? rmdir(path) : unlink(path);
        return done == 0 || fail_errno(why, errno, "remove", path);
    }
    struct removal removal = {.options = options, .why = why};
    bool removed = strip(&removal, path) && remove_tree(&removal);
    walk_fini(&removal.walk);
    return removed;
}
