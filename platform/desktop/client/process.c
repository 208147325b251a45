#include "desktop_client/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "desktop_protocol/message.h"
#include "desktop_protocol/protocol.h"

enum {
    CLEAR_OF_TARGETS = 16, // descriptors from here on are none that the child shall have
    GRACE_MS = 2000,
};

struct process {
    atomic_uint refs;
    pid_t pid;
    int pidfd, view, input;
};

// Numbers of the child's descriptors must not collide with those they are made from.
static bool lift(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, CLEAR_OF_TARGETS);
    if (high < 0)
        return false;
    close(*fd);
    *fd = high;
    return true;
}

static int spawn(struct process *process, const char *program, char *const *arguments,
                 const int fds[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < 3 && error == 0; i++)
        if (fds[i] >= 0)
            error = posix_spawn_file_actions_adddup2(&actions, fds[i], DESKTOP_VIEW_FD + i);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, DESKTOP_HELD_FD + 1);
    if (error == 0)
        error = posix_spawn(&process->pid, program, &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

struct process *process_start(const char *program, char *const *arguments, int held,
                              struct fail *why)
{
    struct process *process = mem_new(struct process);
    atomic_init(&process->refs, 1);
    int view[2] = {-1, -1}, input[2] = {-1, -1};
    if (!message_pair(view) || !message_pair(input) || !lift(&view[1]) || !lift(&input[1])) {
        fail_errno(why, errno, "socketpair", NULL);
        goto failed;
    }
    int high = held >= 0 ? fcntl(held, F_DUPFD_CLOEXEC, CLEAR_OF_TARGETS) : -1;
    int error = spawn(process, program, arguments, (const int[]){view[1], input[1], high});
    io_close(&high);
    if (error != 0) {
        fail_errno(why, error, "spawn", program);
        goto failed;
    }
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0); // close-on-exec by itself
    close(view[1]);
    close(input[1]);
    process->view = view[0];
    process->input = input[0];
    return process;
failed:
    for (int i = 0; i < 2; i++) {
        io_close(&view[i]);
        io_close(&input[i]);
    }
    mem_free(process);
    return NULL;
}

struct process *process_ref(struct process *process)
{
    atomic_fetch_add(&process->refs, 1);
    return process;
}

void process_unref(struct process *process)
{
    if (!process || atomic_fetch_sub(&process->refs, 1) > 1)
        return;
    io_close(&process->view);
    io_close(&process->input);
    struct pollfd end = {process->pidfd, POLLIN, 0};
    if (process->pidfd < 0 || poll(&end, 1, GRACE_MS) <= 0)
        process_kill(process);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    io_close(&process->pidfd);
    mem_free(process);
}

int process_view(const struct process *process)
{
    return process->view;
}

int process_input(const struct process *process)
{
    return process->input;
}

bool process_ended(const struct process *process)
{
    struct pollfd end = {process->pidfd, POLLIN, 0};
    return process->pidfd >= 0 && poll(&end, 1, 0) > 0;
}

void process_kill(struct process *process)
{
    if (process->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
    else
        kill(process->pid, SIGKILL); // not reaped yet, so the number is still its own
}
