#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/starts.h"
#include "process/guardian.h"
#include "process/inherit.h"
#include "process/mark.h"
#include "process/spawn.h"

// Leaders that a kill could not end, because they belong to another user or hang in the kernel.
// They are waited for when the next command ends.
struct straggler {
    struct straggler *next;
    int pidfd;
};

static struct straggler *stragglers;
static atomic_bool any_stragglers;
static pthread_mutex_t stragglers_lock = PTHREAD_MUTEX_INITIALIZER;

// 1: ended, *code is set; 0: still running; -1: there is no such child.
static int collect(int pidfd, int *code)
{
    siginfo_t info = {.si_pid = 0};
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0)
        if (errno != EINTR)
            return -1;
    *code = info.si_code == CLD_EXITED ? info.si_status : -1;
    return info.si_pid != 0;
}

static void collect_stragglers(void)
{
    int code;
    pthread_mutex_lock(&stragglers_lock);
    for (struct straggler **at = &stragglers, *straggler; (straggler = *at);) {
        if (collect(straggler->pidfd, &code) == 0) {
            at = &straggler->next;
            continue;
        }
        *at = straggler->next;
        close(straggler->pidfd);
        mem_free(straggler);
    }
    atomic_store(&any_stragglers, stragglers != NULL);
    pthread_mutex_unlock(&stragglers_lock);
}

static void leave_behind(int pidfd)
{
    struct straggler *straggler = mem_new(struct straggler);
    straggler->pidfd = pidfd;
    pthread_mutex_lock(&stragglers_lock);
    straggler->next = stragglers;
    stragglers = straggler;
    atomic_store(&any_stragglers, true);
    pthread_mutex_unlock(&stragglers_lock);
}

// --- start

struct pipes {
    int in[2], out[2], err[2]; // reading end, writing end
};

static bool make_pipes(struct pipes *pipes, bool feed, struct fail *why)
{
    if (pipe2(pipes->out, O_CLOEXEC) != 0 || pipe2(pipes->err, O_CLOEXEC) != 0)
        return fail_errno(why, errno, "pipe", NULL);
    // Only our end must not block: the flag belongs to one end of a pipe, not to both.
    if (feed && (pipe2(pipes->in, O_CLOEXEC) != 0 || fcntl(pipes->in[1], F_SETFL, O_NONBLOCK) != 0))
        return fail_errno(why, errno, "pipe", NULL);
    return true;
}

bool child_spawn(struct child *child, struct spawn *spawn, char **envp, struct fail *why)
{
    char mark[MARK_BYTES];
    pid_t pid;
    tree_begin(&child->tree);
    mark_make(child->tree.number, mark);
    envp[0] = mark;
    spawn->envp = envp;
    child->slot = guardian_claim(&child->tree);
    bool started = spawn_start(spawn, &pid, &child->pidfd, why);
    envp[0] = NULL;
    if (!started) {
        guardian_release(child->slot);
        return false;
    }
    tree_started(&child->tree, pid);
    guardian_started(child->slot, &child->tree);
    return true;
}

static bool start_with(struct child *child, const struct child_setup *setup,
                       const struct pipes *pipes, struct fail *why)
{
    struct spawn spawn = {
        .program = setup->program,
        .search = setup->search,
        .argv = setup->argv,
        .cwd = setup->cwd,
        .stdio = {setup->feed ? pipes->in[0] : inherit_get()->null_fd, pipes->out[1],
                  pipes->err[1]},
        .keep = setup->script,
    };
    starts_enter();
    bool started = child_spawn(child, &spawn, setup->envp, why);
    starts_leave();
    return started;
}

bool child_start(struct child *child, const struct child_setup *setup, struct fail *why)
{
    struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
    bool started = make_pipes(&pipes, setup->feed, why) && start_with(child, setup, &pipes, why);
    io_close(&pipes.in[0]);
    io_close(&pipes.out[1]);
    io_close(&pipes.err[1]);
    child->input = pipes.in[1];
    child->output = pipes.out[0];
    child->errors = pipes.err[0];
    if (!started) {
        io_close(&child->input);
        io_close(&child->output);
        io_close(&child->errors);
    }
    return started;
}

// --- end

void child_kill(struct child *child)
{
    int64_t end = clock_mono_ms() + KILL_TREE_MS;
    tree_kill(&child->tree, 1, KILL_TREE_MS);
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    int64_t left;
    while ((left = end - clock_mono_ms()) > 0 && poll(&ended, 1, (int)left) < 0 && errno == EINTR)
        ;
}

int child_end(struct child *child)
{
    int code = -1;
    io_close(&child->input);
    io_close(&child->output);
    io_close(&child->errors);
    guardian_release(child->slot);
    child->tree.held = false;
    if (collect(child->pidfd, &code) == 0)
        leave_behind(child->pidfd);
    else
        io_close(&child->pidfd);
    child->pidfd = -1;
    if (atomic_load(&any_stragglers))
        collect_stragglers();
    return code;
}
