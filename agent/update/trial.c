#include "update/trial.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/limits.h"

static char *file_name(const char *version)
{
    return mem_printf("trial-%s", version);
}

char *trial_file(const struct layout *layout, const char *version)
{
    return mem_printf("%s/trial-%s", layout->root.path, version);
}

void trial_begin(const struct layout *layout, const char *version)
{
    char *name = file_name(version);
    int fd =
        openat(layout->root.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    io_close(&fd);
    mem_free(name);
}

void trial_end(const struct layout *layout, const char *version)
{
    char *name = file_name(version);
    (void)!unlinkat(layout->root.fd, name, 0);
    mem_free(name);
}

// The file has one byte for each start. How many there have been before this one; -1 when nothing
// is tried out.
static off_t count_start(const struct layout *layout)
{
    char *name = file_name(layout->own);
    int fd = openat(layout->root.fd, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    off_t before = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    if (fd >= 0 && !io_write_all(fd, ".", 1))
        before = -1;
    io_close(&fd);
    mem_free(name);
    return before;
}

enum trial trial_start(char **file)
{
    struct layout layout;
    enum trial trial = TRIAL_NONE;
    *file = NULL;
    if (!layout_find(&layout, NULL))
        return TRIAL_NONE;
    off_t before = strcmp(layout.own, layout.current) == 0 ? count_start(&layout) : -1;
    if (before >= UPDATE_TRIAL_STARTS && layout_switch_back(&layout, NULL)) {
        trial_end(&layout, layout.own);
        *file = mem_printf("%s/current/bin/opengeni-agent", layout.root.path);
        trial = TRIAL_LOST;
    } else if (before >= 0) {
        *file = trial_file(&layout, layout.own);
        trial = TRIAL_ON;
    }
    layout_fini(&layout);
    return trial;
}
