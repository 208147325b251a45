#include "desktop_virtual/server.h"

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

#include "base/arena.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "desktop_virtual/stale.h"
#include "process/environment.h"
#include "process/spawn.h"

enum { NUMBER_BYTES = 16, ENVIRONMENT_BYTES_MAX = 1 << 20, CLEAR_OF_STDIO = 16 };

static bool spawn_quietly(const char *program, char *const *argv, char *const *environment,
                          int keep, pid_t *pid, int *pidfd, struct fail *why)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high = null_fd >= 0 ? fcntl(null_fd, F_DUPFD_CLOEXEC, CLEAR_OF_STDIO) : -1;
    int error = errno;
    io_close(&null_fd);
    if (high < 0)
        return fail_errno(why, error, "open", "/dev/null");
    const struct spawn spawn = {.program = program,
                                .search = environment_get(environment, "PATH"),
                                .argv = argv,
                                .envp = environment,
                                .cwd = "/",
                                .stdio = {high, high, high},
                                .keep = keep};
    bool started = spawn_start(&spawn, pid, pidfd, why);
    io_close(&high);
    return started;
}

static void reap(pid_t *pid, int *pidfd)
{
    while (*pid > 0 && waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
    io_close(pidfd);
}

static void end(pid_t *pid, int *pidfd, int64_t until_ms)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM); // not reaped yet, so the number is still its own
    struct pollfd gone = {*pidfd, POLLIN, 0};
    int64_t left = until_ms - clock_mono_ms();
    if (*pidfd < 0 || poll(&gone, 1, left > 0 ? (int)left : 0) <= 0)
        kill(*pid, SIGKILL);
    reap(pid, pidfd);
}

// The server writes its number when it takes clients: a line in the pipe (Xserver(1), -displayfd).
static bool wait_ready(const struct server *server, int ready, struct cancel *cancel,
                       struct fail *why)
{
    char line[NUMBER_BYTES] = "";
    size_t size = 0;
    int64_t until = clock_mono_ms() + VIRTUAL_START_MS;
    while (!memchr(line, '\n', size)) {
        struct pollfd fds[] = {{ready, POLLIN, 0}, {cancel_fd(cancel), POLLIN, 0}};
        int64_t left = until - clock_mono_ms();
        int n = left > 0 ? poll(fds, 2, (int)left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (fds[1].revents)
            return fail_because(why, FAIL_CANCELLED, "stopped");
        if (n <= 0)
            return fail_because(why, FAIL_TIMEOUT, "Xvfb did not become ready within %d s",
                                VIRTUAL_START_MS / 1000);
        ssize_t got = read(ready, line + size, sizeof line - 1 - size);
        if (got <= 0)
            return fail_because(why, FAIL_SYSTEM, "Xvfb ended before it was ready");
        size += (size_t)got;
    }
    // The answer has to come from our child and no other server.
    struct pollfd gone = {server->pidfd, POLLIN, 0};
    if (strtoul(line, NULL, 10) != server->number || poll(&gone, 1, 0) != 0)
        return fail_because(why, FAIL_SYSTEM, "Xvfb took another display than :%u", server->number);
    return true;
}

static bool start_one(struct server *server, const struct server_setup *setup,
                      struct cancel *cancel, struct fail *why)
{
    char display[NUMBER_BYTES], screen[32];
    snprintf(display, sizeof display, ":%u", server->number);
    snprintf(screen, sizeof screen, "%ux%ux24", setup->geometry.width, setup->geometry.height);
    char *const argv[] = {"Xvfb",    display,    "-displayfd", "3",
                          "-screen", "0",        screen,       "-nolisten",
                          "tcp",     "-noreset", "-auth",      (char *)setup->authority,
                          NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(why, errno, "pipe", NULL);
    bool started = spawn_quietly(argv[0], argv, setup->environment, ends[1], &server->pid,
                                 &server->pidfd, why);
    close(ends[1]);
    bool ready = started && wait_ready(server, ends[0], cancel, why);
    close(ends[0]);
    if (started && !ready) {
        kill(server->pid, SIGKILL);
        reap(&server->pid, &server->pidfd);
    }
    return ready;
}

bool server_start(struct server *server, const struct server_setup *setup, struct cancel *cancel,
                  struct fail *why)
{
    fail_because(why, FAIL_SYSTEM, "no display number from :%u on is free", setup->number);
    for (unsigned i = 0; i < VIRTUAL_NUMBERS_MAX; i++) {
        *server = (struct server){.number = setup->number + i, .pidfd = -1, .manager_pidfd = -1};
        if (!stale_clear(server->number))
            continue;
        if (start_one(server, setup, cancel, why))
            return true;
        // Somebody else was faster with this number, or it is no question of numbers at all.
        bool taken = why->kind == FAIL_SYSTEM && why->error == 0 && !stale_clear(server->number);
        if (!taken) {
            if (why->error == ENOENT)
                fail_because(why, FAIL_UNSUPPORTED,
                             "Xvfb is not installed; install it to use --virtual-desktop");
            return false;
        }
    }
    return false;
}

void server_start_manager(struct server *server, const struct server_setup *setup)
{
    // Debian's name for whatever was chosen, then small ones.
    static const char *const known[] = {"x-window-manager",        "openbox", "xfwm4", "icewm",
                                        "matchbox-window-manager", "fluxbox", "twm"};
    char display[NUMBER_BYTES];
    struct arena arena;
    char **environment;
    struct fail why;
    snprintf(display, sizeof display, ":%u", server->number);
    const struct environment_entry entries[] = {{"DISPLAY", display},
                                                {"XAUTHORITY", setup->authority}};
    arena_init(&arena, ENVIRONMENT_BYTES_MAX);
    bool started = false;
    if (environment_overlay(&arena, setup->environment, entries, 2, &environment, &why))
        for (size_t i = 0; i < sizeof known / sizeof *known && !started; i++) {
            char *const argv[] = {(char *)known[i], NULL};
            started = spawn_quietly(known[i], argv, environment + 1, -1, &server->manager_pid,
                                    &server->manager_pidfd, &why);
            if (started)
                log_info("window manager started", "program", known[i], NULL);
        }
    arena_fini(&arena);
}

void server_reap_manager(struct server *server)
{
    reap(&server->manager_pid, &server->manager_pidfd);
}

void server_stop(struct server *server)
{
    int64_t until = clock_mono_ms() + VIRTUAL_GRACE_MS;
    end(&server->manager_pid, &server->manager_pidfd, until);
    end(&server->pid, &server->pidfd, until);
    stale_clear(server->number);
}
