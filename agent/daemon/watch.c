#include "daemon/watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "config/config_dir.h"

struct watch {
    int fd;
    char *dir, *connections;
};

static void add(struct watch *watch, const char *path)
{
    const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                            IN_DELETE_SELF | IN_ONLYDIR;
    // Adding what is watched already changes nothing; a directory that is not there yet is added
    // when its parent reports it.
    if (watch->fd >= 0 && inotify_add_watch(watch->fd, path, events) < 0 && errno != ENOENT)
        log_warn("a directory cannot be watched", "path", path, "errno", log_num(errno), NULL);
}

struct watch *watch_new(const char *config_dir)
{
    struct watch *watch = mem_new(struct watch);
    watch->dir = mem_string(config_dir);
    watch->connections = mem_printf("%s/%s", config_dir, CONFIG_CONNECTIONS);
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        log_warn("no inotify; changes are looked for by the clock", "errno", log_num(errno), NULL);
    add(watch, watch->dir);
    add(watch, watch->connections);
    return watch;
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

void watch_take(struct watch *watch)
{
    char events[4096] __attribute__((aligned(8)));
    while (read(watch->fd, events, sizeof events) > 0)
        ; // whatever it was, everything is read again
    add(watch, watch->dir);
    add(watch, watch->connections);
}
