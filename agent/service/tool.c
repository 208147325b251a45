#include "service/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"

extern char **environ;

static char *find_in(const char *dir, size_t size, const char *name)
{
    char *path = mem_printf("%.*s/%s", (int)size, dir, name);
    if (*path == '/' && access(path, X_OK) == 0)
        return path;
    mem_free(path);
    return NULL;
}

static char *find_in_list(const char *list, const char *name)
{
    char *path = NULL;
    while (*list && !path) {
        size_t size = strcspn(list, ":");
        path = find_in(list, size, name);
        list += size + (list[size] == ':');
    }
    return path;
}

char *tool_find(const char *name)
{
    if (*name == '/')
        return access(name, X_OK) == 0 ? mem_string(name) : NULL;
    const char *list = getenv("PATH");
    char *path = find_in_list("/run/current-system/sw/bin:/usr/bin:/bin", name);
    return path || !list ? path : find_in_list(list, name);
}

static bool spawn(const struct tool *tool, int out, pid_t *child, struct fail *why)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int error = posix_spawn(child, tool->path, &actions, NULL, (char *const *)tool->argv,
                            tool->environment ? tool->environment : environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 || fail_errno(why, error, "run", tool->path);
}

// Reads until the end of output or the time is over.
static bool collect(int fd, struct buffer *out, int64_t until)
{
    char block[4096];
    for (;;) {
        int64_t left = until - clock_mono_ms();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (left <= 0 || (poll(&ready, 1, (int)left) < 0 && errno != EINTR))
            return false;
        if (!ready.revents)
            continue;
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0)
            return true;
        if (n > 0 && !buffer_append(out, block, (size_t)n))
            return false;
    }
}

static bool reap(pid_t child, int64_t until, int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, child, 0), raw = 0;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int64_t left = until - clock_mono_ms();
    bool over = fd >= 0 && poll(&ended, 1, left > 0 ? (int)left : 0) == 1;
    if (!over)
        kill(child, SIGKILL);
    if (fd >= 0)
        close(fd);
    while (waitpid(child, &raw, 0) < 0 && errno == EINTR)
        ;
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return over;
}

bool tool_run_at(const struct tool *tool, struct buffer *out, int *status, struct fail *why)
{
    int ends[2] = {-1, -1};
    pid_t child;
    if (out && pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(why, errno, "pipe", "");
    fflush(stdout);
    bool good = spawn(tool, out ? ends[1] : STDERR_FILENO, &child, why);
    io_close(&ends[1]);
    if (good) {
        int64_t until = clock_mono_ms() + tool->timeout_ms;
        bool complete = !out || collect(ends[0], out, until);
        good = (reap(child, complete ? until : 0, status) && complete) ||
               fail_because(why, FAIL_TIMEOUT, "%.200s did not answer in time", tool->argv[0]);
    }
    io_close(&ends[0]);
    return good;
}

bool tool_run(const char *const argv[], struct buffer *out, int *status, struct fail *why)
{
    char *path = tool_find(argv[0]);
    if (!path)
        return fail_because(why, FAIL_MISSING, "%s is not installed", argv[0]);
    const struct tool tool = {.path = path, .argv = argv, .timeout_ms = SERVICE_TOOL_MS};
    bool good = tool_run_at(&tool, out, status, why);
    mem_free(path);
    return good;
}
