#include "process/shell.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/log.h"
#include "base/utf8.h"

// Shells that do not read POSIX shell language, and programs that stand for "no login".
static const char *const others[] = {
    "fish", "csh", "tcsh", "nu", "xonsh", "elvish", "pwsh", "rc", "es", "nologin", "false", "true",
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *shell_usable(const char *value)
{
    if (!value)
        return "/bin/sh";
    const char *problem = NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(base_name(value), others[i]) == 0)
            problem = "no POSIX shell";
    if (!utf8_valid(value, strlen(value)))
        problem = "not UTF-8";
    else if (value[0] != '/')
        problem = "no absolute path";
    else if (access(value, X_OK) != 0)
        problem = strerrordesc_np(errno);
    if (!problem)
        return value;
    log_info("using /bin/sh for commands", "reason", problem, NULL);
    return "/bin/sh";
}

static const char *chosen;

static void choose(void)
{
    const char *value = getenv("SHELL");
    const char *usable = shell_usable(value);
    chosen = usable == value ? mem_string(usable) : usable;
}

const char *shell_choose(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return chosen;
}

// The script's first command closes the descriptor it came by: commands find the usual three. It
// shares the line with what follows, so that line numbers in messages stay right.
#define CLOSE_SCRIPT "exec 3<&-; "

bool shell_script(const char *text, int *fd)
{
    *fd = memfd_create("shell", MFD_CLOEXEC);
    if (*fd < 0)
        return false;
    if (io_write_all(*fd, CLOSE_SCRIPT, strlen(CLOSE_SCRIPT)) &&
        io_write_all(*fd, text, strlen(text)))
        return true;
    int error = errno;
    io_close(fd);
    errno = error;
    return false;
}

const char *shell_loader(const char *shell)
{
    // zsh sets $0 to the name of a file that it reads, and reads one itself for $(<file).
    if (strcmp(base_name(shell), "zsh") == 0)
        return "eval \"$(</proc/self/fd/3)\"";
    return ". /proc/self/fd/3";
}
