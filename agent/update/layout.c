#include "update/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "files/remove.h"

static const char program[] = "/bin/opengeni-agent";

// Of the link in that directory; NULL when there is none. Freed with mem_free.
static char *read_link(int dir, const char *name)
{
    char target[PATH_MAX];
    ssize_t size = readlinkat(dir, name, target, sizeof target - 1);
    if (size <= 0)
        return NULL;
    target[size] = '\0';
    return mem_string(target);
}

static bool not_so_laid_out(struct fail *why)
{
    return fail_because(why, FAIL_UNSUPPORTED,
                        "this program was not installed by install.sh, so it is not its own to "
                        "replace");
}

// Splits ".../lib/opengeni-agent/1.0.0/bin/opengeni-agent" into root and directory.
static bool split(char *path, char **root, char **own)
{
    size_t size = strlen(path), tail = strlen(program);
    if (size <= tail || strcmp(path + size - tail, program) != 0)
        return false;
    path[size - tail] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return false;
    *slash = '\0';
    *root = path;
    *own = slash + 1;
    return true;
}

bool layout_find(struct layout *layout, struct fail *why)
{
    char *self = read_link(AT_FDCWD, "/proc/self/exe"), *root, *own;
    *layout = (struct layout){.root = {.fd = -1}};
    bool found = self && split(self, &root, &own);
    if (!found)
        not_so_laid_out(why);
    else
        found = secure_dir_open(&layout->root, root, false, why);
    if (found) {
        layout->own = mem_string(own);
        layout->current = layout->root.fd >= 0 ? read_link(layout->root.fd, "current") : NULL;
        found = (layout->current && !strchr(layout->current, '/')) || not_so_laid_out(why);
    }
    mem_free(self);
    if (!found)
        layout_fini(layout);
    return found;
}

void layout_fini(struct layout *layout)
{
    secure_dir_fini(&layout->root);
    mem_free(layout->own);
    mem_free(layout->current);
    *layout = (struct layout){.root = {.fd = -1}};
}

bool layout_writable(const struct layout *layout)
{
    return faccessat(layout->root.fd, ".", W_OK, AT_EACCESS) == 0;
}

bool layout_lock(const struct layout *layout, struct fail *why)
{
    if (flock(layout->root.fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return fail_because(why, FAIL_BUSY, "another update is at work");
    return fail_errno(why, errno, "lock", layout->root.path);
}

// Puts a link there in one step.
static bool put_link(const struct layout *layout, const char *name, const char *target,
                     struct fail *why)
{
    char *fresh = mem_printf(".%s.%d", name, (int)getpid());
    (void)!unlinkat(layout->root.fd, fresh, 0);
    bool done = symlinkat(target, layout->root.fd, fresh) == 0 &&
                renameat(layout->root.fd, fresh, layout->root.fd, name) == 0;
    if (!done)
        fail_errno(why, errno, "change the version in", layout->root.path);
    mem_free(fresh);
    return done;
}

static bool make_current(struct layout *layout, const char *name, struct fail *why)
{
    struct stat there;
    if (fstatat(layout->root.fd, name, &there, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(there.st_mode))
        return fail_errno(why, ENOTDIR, "change to version", name);
    if (!put_link(layout, "current", name, why))
        return false;
    mem_free(layout->current);
    layout->current = mem_string(name);
    return fsync(layout->root.fd) == 0 || fail_errno(why, errno, "sync", layout->root.path);
}

bool layout_switch(struct layout *layout, const char *name, struct fail *why)
{
    return put_link(layout, "previous", layout->current, why) && make_current(layout, name, why);
}

bool layout_switch_back(struct layout *layout, struct fail *why)
{
    char *previous = read_link(layout->root.fd, "previous");
    bool there = previous && !strchr(previous, '/') && strcmp(previous, layout->current) != 0;
    bool done = there ? make_current(layout, previous, why)
                      : fail_because(why, FAIL_MISSING, "there is no version before it");
    mem_free(previous);
    return done;
}

// A version to go back to or that runs, or what leads to one.
static bool kept(const struct layout *layout, const char *name, const char *previous)
{
    struct stat there;
    const char *trial = strncmp(name, "trial-", 6) == 0 ? name + 6 : NULL;
    if (trial)
        return strcmp(trial, layout->current) == 0;
    if (strcmp(name, layout->current) == 0 || strcmp(name, layout->own) == 0 ||
        (previous && strcmp(name, previous) == 0))
        return true;
    bool is_dir =
        fstatat(layout->root.fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(there.st_mode);
    return !is_dir && *name != '.';
}

void layout_sweep(const struct layout *layout)
{
    struct secure_names names;
    char *previous = read_link(layout->root.fd, "previous");
    if (!secure_dir_list(&layout->root, &names, NULL))
        names = (struct secure_names){NULL, 0};
    for (size_t i = 0; i < names.count; i++) {
        if (kept(layout, names.names[i], previous))
            continue;
        char *path = secure_dir_file(&layout->root, names.names[i]);
        (void)!file_remove(path, &(struct remove_options){.recursive = true}, NULL);
        mem_free(path);
    }
    secure_names_fini(&names);
    mem_free(previous);
}

char *layout_program(struct fail *why)
{
    char *self = read_link(AT_FDCWD, "/proc/self/exe"), *root, *own;
    if (!self) {
        fail_errno(why, errno, "find", "/proc/self/exe");
        return NULL;
    }
    char *copy = mem_string(self);
    if (split(copy, &root, &own)) {
        char *link = mem_printf("%s/current", root), *stable = mem_printf("%s%s", link, program);
        char *current = read_link(AT_FDCWD, link);
        mem_free(link);
        if (current && strcmp(current, own) == 0) {
            mem_free(self);
            self = stable;
            stable = NULL;
        }
        mem_free(current);
        mem_free(stable);
    }
    mem_free(copy);
    return self;
}
