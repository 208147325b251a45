#include "host/cgroup_limits.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "host/procfs.h"

// The content of dir/name, "" when it cannot be read; to be freed.
static char *content(const char *dir, const char *name)
{
    struct buffer text;
    buffer_init(&text, CGROUP_PATH_BYTES_MAX);
    char *path = mem_printf("%s/%s", dir, name);
    bool read = io_read_file(AT_FDCWD, path, &text);
    char *copy = mem_string(read && text.data ? text.data : "");
    mem_free(path);
    buffer_fini(&text);
    return copy;
}

char *cgroup_own(const char *proc, const char *mount)
{
    char *text = content(proc, "self/cgroup"), *group = NULL, *rest = text;
    for (char *line; !group && (line = strsep(&rest, "\n"));)
        if (strncmp(line, "0::/", 4) == 0)
            group = mem_printf("%s%s", mount, line + 3);
    mem_free(text);
    return group;
}

bool cgroup_pids_max(const char *group, uint64_t *pids)
{
    char *text = content(group, "pids.max");
    const char *at = text;
    bool limited = procfs_number(&at, pids); // else "max"
    mem_free(text);
    return limited;
}

// cpu.max is "QUOTA PERIOD", both in microseconds, or "max PERIOD".
static uint64_t quota(const char *group)
{
    char *text = content(group, "cpu.max");
    const char *at = text;
    uint64_t time, period, cpus = UINT64_MAX;
    if (procfs_number(&at, &time) && procfs_number(&at, &period) && period > 0)
        cpus = time / period > 0 ? time / period : 1;
    mem_free(text);
    return cpus;
}

uint64_t cgroup_cpus_max(const char *group, const char *mount)
{
    char *dir = mem_string(group);
    size_t top = strlen(mount);
    uint64_t cpus = quota(dir);
    for (char *slash; (slash = strrchr(dir, '/')) && slash >= dir + top;) {
        *slash = '\0';
        uint64_t above = quota(dir);
        cpus = above < cpus ? above : cpus;
    }
    mem_free(dir);
    return cpus;
}
