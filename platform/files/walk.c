#include "files/walk.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/limits.h"

struct level *walk_top(struct walk *walk)
{
    return walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
}

static void pop(struct walk *walk)
{
    struct level *level = walk_top(walk);
    io_close(&level->fd);
    names_fini(&level->names);
    walk->depth--;
}

void walk_fini(struct walk *walk)
{
    while (walk->depth > 0)
        pop(walk);
    mem_free(walk->levels);
    *walk = (struct walk){0};
}

static bool refuse(int fd, int error)
{
    close(fd);
    errno = error;
    return false;
}

bool walk_enter(struct walk *walk, int fd)
{
    struct stat facts;
    if (fstat(fd, &facts) < 0)
        return refuse(fd, errno);
    if (walk->depth == FS_WALK_DEPTH_MAX)
        return refuse(fd, ELOOP);
    if (walk->depth == walk->room) {
        walk->room = walk->room ? walk->room * 2 : 8;
        walk->levels = mem_resize(walk->levels, walk->room * sizeof *walk->levels);
    }
    if (walk->depth >= FS_WALK_DESCRIPTORS)
        io_close(&walk->levels[walk->depth - FS_WALK_DESCRIPTORS].fd);
    struct level *level = &walk->levels[walk->depth++];
    *level = (struct level){.fd = fd, .device = facts.st_dev, .inode = facts.st_ino};
    names_init(&level->names);
    return true;
}

static bool reopen(struct level *parent, int child)
{
    struct stat facts;
    int fd = openat(child, "..", WALK_OPEN);
    if (fd < 0)
        return false;
    if (fstat(fd, &facts) < 0)
        return refuse(fd, errno);
    if (facts.st_dev != parent->device || facts.st_ino != parent->inode)
        return refuse(fd, ESTALE);
    parent->fd = fd;
    return true;
}

bool walk_leave(struct walk *walk)
{
    assert(walk->depth > 0);
    struct level *child = walk_top(walk), *parent = walk->depth > 1 ? child - 1 : NULL;
    bool back = !parent || parent->fd >= 0 || reopen(parent, child->fd);
    int error = errno;
    pop(walk);
    errno = error;
    return back;
}
