#include "cli/daemon_program.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

char *daemon_program(void)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    char *path = NULL;
    if (size > 0) {
        self[size] = '\0';
        *strrchr(self, '/') = '\0';
        path = mem_printf("%s/%s", self, DAEMON_NAME);
        if (access(path, X_OK) == 0)
            return path;
    }
    mem_free(path);
    path = mem_printf("%s/%s", OG_LIBEXEC_DIR, DAEMON_NAME);
    if (access(path, X_OK) == 0)
        return path;
    mem_free(path);
    return NULL;
}
