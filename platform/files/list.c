#include "files/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/fail.h"
#include "files/walk.h"

struct listing {
    const char *path;
    const struct list_options *options;
    list_emit emit;
    void *context;
    struct fail *why;

    struct walk walk;
    struct buffer prefix; // the way from the listed directory to the current one, "a/b/"
    size_t loaded;        // names so far, of all directories: each will take room in the answer
};

static bool failed(struct listing *listing, int error)
{
    return fail_errno(listing->why, error, "readdir", listing->path);
}

// A subdirectory may be gone or closed to us; to run out of something is our failure.
static bool is_ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

// Reads the names of the directory that was just entered.
static bool load(struct listing *listing)
{
    struct level *level = walk_top(&listing->walk);
    size_t left = listing->options->entries_max - listing->loaded;
    bool below = listing->walk.depth > 1;
    if (!names_read(&level->names, level->fd, left, SIZE_MAX)) {
        if (!below || is_ours(errno))
            return failed(listing, errno);
    }
    if (level->names.count > left)
        return fail_because(listing->why, FAIL_TOO_LARGE, "more than %zu entries",
                            listing->options->entries_max);
    listing->loaded += level->names.count;
    names_sort(&level->names);
    return true;
}

static bool enter(struct listing *listing, const char *name)
{
    int fd = openat(walk_top(&listing->walk)->fd, name, WALK_OPEN);
    if (fd < 0)
        return !is_ours(errno) || failed(listing, errno);
    if (!walk_enter(&listing->walk, fd))
        return failed(listing, errno);
    if (!buffer_printf(&listing->prefix, "%s/", name))
        return failed(listing, ENAMETOOLONG);
    return load(listing);
}

// Takes back the last part of the way.
static void cut(struct buffer *prefix, size_t size)
{
    prefix->size = size;
    prefix->data[size] = '\0';
}

static bool leave(struct listing *listing)
{
    struct buffer *prefix = &listing->prefix;
    size_t size = prefix->size;
    while (size > 0 && (size == prefix->size || prefix->data[size - 1] != '/'))
        size--;
    if (prefix->size > 0)
        cut(prefix, size);
    return walk_leave(&listing->walk) || failed(listing, errno);
}

// What the directory itself says of an entry that cannot be looked at: a dead network mount, or a
// directory that may be read but not searched.
static struct entry hearsay(unsigned char type)
{
    struct stat facts = {.st_mode = (mode_t)DTTOIF(type)};
    return entry_of(&facts);
}

static bool visit(struct listing *listing, const struct level *level, const struct name *item)
{
    const char *name = names_text(&level->names, item);
    struct stat facts;
    bool seen = fstatat(level->fd, name, &facts, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0;
    if (!seen && errno == ENOENT)
        return true;
    struct entry entry = seen ? entry_of(&facts) : hearsay(item->type);
    struct buffer *prefix = &listing->prefix;
    size_t name_at = prefix->size;
    if (!buffer_append_string(prefix, name))
        return failed(listing, ENAMETOOLONG);
    bool go_on = listing->emit(listing->context, prefix->data, name_at, &entry, listing->why);
    cut(prefix, name_at);
    if (go_on && listing->options->recursive && entry.kind == ENTRY_DIRECTORY)
        return enter(listing, name);
    return go_on;
}

static bool list(struct listing *listing)
{
    int fd = open(listing->path, WALK_OPEN & ~O_NOFOLLOW);
    if (fd < 0 || !walk_enter(&listing->walk, fd))
        return failed(listing, errno);
    if (!load(listing))
        return false;
    for (struct level *level; (level = walk_top(&listing->walk));) {
        if (listing->options->cancel && cancel_fired(listing->options->cancel))
            return fail_on_path(listing->why, FAIL_CANCELLED, "readdir", listing->path);
        bool done = level->next == level->names.count;
        if (done ? !leave(listing) : !visit(listing, level, &level->names.items[level->next++]))
            return false;
    }
    return true;
}

bool directory_list(const char *path, const struct list_options *options, list_emit emit,
                    void *context, struct fail *why)
{
    struct listing listing = {
        .path = path, .options = options, .emit = emit, .context = context, .why = why};
    buffer_init(&listing.prefix, FS_WALK_PATH_BYTES_MAX);
    bool listed = list(&listing);
    walk_fini(&listing.walk);
    buffer_fini(&listing.prefix);
    return listed;
}
