#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl/bench_private.h"

extern char **environ;

char *const bench_shell_argv[] = {"/bin/sh", "-c", "echo hi", NULL};
char *const bench_program_argv[] = {"/bin/true", NULL};

static bool start(char *const *argv, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    bool ok =
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) == 0 &&
        posix_spawn(pid, argv[0], &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return ok;
}

bool spawn_once(char *const *argv, struct samples *samples)
{
    int64_t start_ns = rpc_now_ns();
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    bool ok = start(argv, ends[1], &pid);
    io_close(&ends[1]);
    if (ok) {
        char data[256];
        ssize_t n;
        do
            n = read(ends[0], data, sizeof data);
        while (n > 0 || (n < 0 && errno == EINTR));
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        if (samples)
            samples_add(samples, rpc_now_ns() - start_ns);
    }
    io_close(&ends[0]);
    return ok;
}
