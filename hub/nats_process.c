#include "hub/nats_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "hub/nats_server.h"
#include "process/spawn.h"

enum { ARGUMENTS_MAX = 8 };

bool nats_process_start(struct nats_process *process, const char *program,
                        const char *const *arguments, struct fail *why)
{
    char *argv[ARGUMENTS_MAX + 2] = {(char *)program};
    for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
        argv[i + 1] = (char *)arguments[i];
    int pipe_fds[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
        fail_errno(why, errno, "pipe", NULL);
        io_close(&null);
        return false;
    }
    struct spawn spawn = {.program = program,
                          .argv = argv,
                          .envp = environ,
                          .stdio = {null, pipe_fds[1], pipe_fds[1]},
                          .keep = -1};
    bool started = spawn_start(&spawn, &process->pid, &process->pidfd, why);
    close(null);
    close(pipe_fds[1]);
    process->output = pipe_fds[0];
    if (started)
        fcntl(process->output, F_SETFL, O_NONBLOCK);
    else
        close(process->output);
    return started;
}

int nats_process_end(struct nats_process *process, int wait_ms)
{
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
    if (poll(&ended, 1, 0) == 0) {
        syscall(SYS_pidfd_send_signal, process->pidfd, SIGTERM, NULL, 0);
        if (poll(&ended, 1, wait_ms) == 0)
            syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
    }
    int status = 0;
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    io_close(&process->pidfd);
    io_close(&process->output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *find_in(const char *directories, const char *name)
{
    while (directories && *directories) {
        size_t size = strcspn(directories, ":");
        char *path = mem_printf("%.*s/%s", (int)size, directories, name);
        if (size > 0 && access(path, X_OK) == 0)
            return path;
        mem_free(path);
        directories += size + (directories[size] == ':');
    }
    return NULL;
}

char *nats_server_find(const char *given, struct fail *why)
{
    if (given) {
        if (access(given, X_OK) == 0)
            return mem_string(given);
        fail_errno(why, errno, "run", given);
        return NULL;
    }
    char *path = find_in(getenv("PATH"), "nats-server");
    if (!path)
        path = find_in("/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin", "nats-server");
    if (!path)
        fail_because(why, FAIL_UNSUPPORTED,
                     "nats-server is not installed: apt install nats-server, or get 2.10 or newer "
                     "from https://nats.io/download and name it with --nats-server PATH");
    return path;
}

bool nats_server_version(const char *program, struct nats_version *version, struct fail *why)
{
    struct nats_process process;
    static const char *const arguments[] = {"--version", NULL};
    if (!nats_process_start(&process, program, arguments, why))
        return false;
    struct pollfd ended = {.fd = process.pidfd, .events = POLLIN};
    poll(&ended, 1, HUB_NATS_STOP_MS);
    char text[128] = "";
    ssize_t n = read(process.output, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    nats_process_end(&process, 0);
    const char *digits = strpbrk(text, "0123456789"); // "nats-server: v2.10.29"
    if (strncmp(text, "nats-server", 11) != 0 || !digits ||
        sscanf(digits, "%5u.%5u.%5u", &version->major, &version->minor, &version->patch) != 3)
        return fail_because(why, FAIL_UNSUPPORTED, "%s is no nats-server", program);
    return true;
}
