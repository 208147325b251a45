#include "process/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "process/inherit.h"

// Until it executes the program, the child shares the memory of a process that runs on in other
// threads. Sanitizers keep their records there, so they must not follow it; and it may call nothing
// but the kernel.
#if defined(__has_attribute) && __has_attribute(disable_sanitizer_instrumentation)
#define IN_CHILD __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define IN_CHILD                                                                            \
    __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined"), \
                   noinline))
#endif

#define SEARCH_WITHOUT_PATH "/usr/local/bin:/bin:/usr/bin"

// The thread sanitizer takes any clone() for the fork of a threaded program; it does not see this
// other name of the same function.
#ifdef __SANITIZE_THREAD__
extern int __clone(int (*run)(void *), void *stack, int flags, void *argument, ...);
#define START_CHILD __clone
#else
#define START_CHILD clone
#endif

enum { SIGSET_BYTES = 8 }; // the kernel's sigset_t

struct start {
    const struct spawn *spawn;
    const struct inherit *inherit;
    const char *search; // where the search goes on; NULL: program is a path
    pid_t agent;
    char path[PATH_MAX];

    // Set by the child when it fails:
    int error;
    bool in_cwd;
};

// Joins the first directory of a search with the name, "" when that gets too long. Returns the rest
// of the search, NULL after the last one.
IN_CHILD static const char *next_path(const char *search, const char *name, char path[PATH_MAX])
{
    size_t n = 0;
    for (; *search && *search != ':'; search++)
        if (n < PATH_MAX - 1)
            path[n++] = *search;
    if (n > 0 && n < PATH_MAX - 1) // an empty one is the current directory
        path[n++] = '/';
    for (; *name && n < PATH_MAX - 1; name++)
        path[n++] = *name;
    path[n < PATH_MAX - 1 ? n : 0] = '\0';
    return *search ? search + 1 : NULL;
}

// Errors that end a search in one directory but not in the next one, as execvp(3) has it.
IN_CHILD static bool search_goes_on(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE ||
           error == ENODEV || error == ETIMEDOUT;
}

// Returns only on failure, with its errno.
IN_CHILD static int execute(struct start *start)
{
    const struct spawn *spawn = start->spawn;
    if (!start->search) {
        syscall(SYS_execve, spawn->program, spawn->argv, spawn->envp);
        return errno;
    }
    int seen = ENOENT;
    for (const char *rest = start->search; rest;) {
        rest = next_path(rest, spawn->program, start->path);
        syscall(SYS_execve, start->path, spawn->argv, spawn->envp);
        if (!search_goes_on(errno))
            return errno;
        if (errno == EACCES)
            seen = EACCES;
    }
    return seen;
}

IN_CHILD static void set_oom_score(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    long fd =
        size ? syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0)
             : -1;
    if (fd >= 0) {
        syscall(SYS_write, fd, text, size);
        syscall(SYS_close, fd);
    }
}

// 0, or the errno of a step without which the program must not run.
IN_CHILD static int prepare(struct start *start)
{
    const struct spawn *spawn = start->spawn;
    const struct inherit *inherit = start->inherit;

    // The agent may have died before the signal was armed.
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return errno;
    if (syscall(SYS_getppid) != start->agent)
        return ESRCH;
    if (syscall(SYS_setsid) < 0)
        return errno;

    static const uint64_t by_default[4]; // a struct sigaction of the kernel: SIG_DFL, no flags
    for (uint64_t left = inherit->ignored; left; left &= left - 1)
        syscall(SYS_rt_sigaction, __builtin_ctzll(left) + 1, by_default, NULL, SIGSET_BYTES);
    set_oom_score(inherit->oom_score_adj);
    if (inherit->files_raised &&
        syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &inherit->files, NULL) != 0)
        return errno;

    for (int fd = 0; fd < 3; fd++)
        if (syscall(SYS_dup3, spawn->stdio[fd], fd, 0) < 0)
            return errno;
    int first_closed = 3;
    if (spawn->keep >= 0) {
        long kept = spawn->keep == 3 ? syscall(SYS_fcntl, 3, F_SETFD, 0)
                                     : syscall(SYS_dup3, spawn->keep, 3, 0);
        if (kept < 0)
            return errno;
        first_closed = 4;
    }
    // All are close-on-exec anyway; this is for descriptors of libraries that forgot to say so.
    syscall(SYS_close_range, first_closed, ~0u, 0);
    if (spawn->terminal && syscall(SYS_ioctl, 0, TIOCSCTTY, 0) != 0)
        return errno;

    if (spawn->cwd && syscall(SYS_chdir, spawn->cwd) != 0) {
        start->in_cwd = true;
        return errno;
    }
    static const uint64_t none;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGSET_BYTES);
    return 0;
}

IN_CHILD static int run_child(void *argument)
{
    struct start *start = argument;
    int error = prepare(start);
    start->error = error ? error : execute(start);
    syscall(SYS_exit_group, 127);
    return 0;
}

// Passes over directories that do not have the program, without a child. A relative one only the
// child can look into: its current directory is another.
static bool search_ahead(struct start *start)
{
    const char *name = start->spawn->program, *search = start->spawn->search;
    int error = ENOENT;
    for (search = search ? search : SEARCH_WITHOUT_PATH; search && *name;) {
        const char *rest = next_path(search, name, start->path);
        if (*search != '/' || access(start->path, X_OK) == 0) {
            start->search = search;
            return true;
        }
        if (errno == EACCES)
            error = EACCES;
        search = rest;
    }
    errno = error;
    return false;
}

static bool failed(const struct start *start, int error, struct fail *why)
{
    const struct spawn *spawn = start->spawn;
    if (start->in_cwd)
        return fail_errno(why, error, "working directory", spawn->cwd);
    char name[EXEC_NAME_BYTES_MAX + 1];
    size_t size = strnlen(spawn->program, sizeof name);
    size = size < sizeof name ? size : utf8_cut(spawn->program, sizeof name - 1);
    memcpy(name, spawn->program, size);
    name[size] = '\0';
    return fail_errno(why, error, "spawn", name);
}

bool spawn_start(const struct spawn *spawn, pid_t *pid, int *pidfd, struct fail *why)
{
    assert(spawn->stdio[0] > 2 && spawn->stdio[1] > 2 && spawn->stdio[2] > 2);
    _Alignas(16) char stack[SPAWN_STACK_BYTES];
    struct start start;
    start.spawn = spawn;
    start.inherit = inherit_get();
    start.search = NULL;
    start.agent = getpid();
    start.error = 0;
    start.in_cwd = false;
    if (!strchr(spawn->program, '/') && !search_ahead(&start))
        return failed(&start, errno, why);

    // A handler must not run in the child: it would see the agent's memory.
    const uint64_t all = ~0ull;
    uint64_t before;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, SIGSET_BYTES);
    *pid = START_CHILD(run_child, stack + sizeof stack,
                       CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &start, pidfd);
    int error = *pid < 0 ? errno : start.error;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGSET_BYTES);
    if (error == 0)
        return true;

    if (*pid >= 0) {
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED) != 0 && errno == EINTR)
            ;
        close(*pidfd);
    }
    return failed(&start, error, why);
}
