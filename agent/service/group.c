#include "service/group.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"

char *service_group(pid_t pid)
{
    static const char subgroup[] = "/supervisor";
    char name[32] = "self";
    if (pid > 0)
        snprintf(name, sizeof name, "%d", (int)pid);
    char *file = mem_printf("/proc/%s/cgroup", name);
    struct buffer text;
    buffer_init(&text, LIVE_PROC_BYTES_MAX);
    char *path = NULL;
    if (io_read_file(AT_FDCWD, file, &text) && text.data) {
        const char *line = text.data;
        while (*line && strncmp(line, "0::", 3) != 0) {
            line += strcspn(line, "\n");
            line += *line == '\n';
        }
        if (*line)
            path = mem_printf("%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    }
    buffer_fini(&text);
    mem_free(file);
    size_t size = path ? strlen(path) : 0, tail = sizeof subgroup - 1;
    if (size > tail && strcmp(path + size - tail, subgroup) == 0)
        path[size - tail] = '\0';
    return path;
}
