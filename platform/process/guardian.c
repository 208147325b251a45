#include "process/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "process/mark.h"
#include "process/tree.h"

enum { FREE, CLAIMED, MARKED, STARTED };

struct slot {
    atomic_int state;
    atomic_int leader;
    atomic_uint_fast64_t number, since, until;
};

static struct slot *slots; // GUARDIAN_TREES_MAX, shared with the guardian
static int goodbye = -1;   // writing end of a pipe
static pid_t guardian;

// --- in the guardian

static void let_go_of_everything(int *farewell, int *agent)
{
    setsid(); // the terminal's signals are for the agent
    for (int number = 1; number < NSIG; number++)
        signal(number, number == SIGCHLD ? SIG_DFL : SIG_IGN);
    prctl(PR_SET_NAME, "agent-guardian");
    if (chdir("/") != 0)
        _exit(1);

    int null_fd = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(null_fd, fd) < 0)
            _exit(1);
    // Through numbers that nothing else has, to 3 and 4.
    *farewell = fcntl(*farewell, F_DUPFD, 64);
    *agent = fcntl(*agent, F_DUPFD, 64);
    *farewell = dup2(*farewell, 3);
    *agent = dup2(*agent, 4);
    if (*farewell < 0 || *agent < 0)
        _exit(1);
    syscall(SYS_close_range, 5, ~0u, 0);
}

static void kill_all(void)
{
    static struct tree trees[GUARDIAN_TREES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < GUARDIAN_TREES_MAX; i++) {
        struct slot *slot = &slots[i];
        int state = atomic_load(&slot->state);
        if (state == MARKED || state == STARTED)
            trees[count++] = (struct tree){
                .leader = state == STARTED ? atomic_load(&slot->leader) : 0,
                .number = atomic_load(&slot->number),
                .since = atomic_load(&slot->since),
                .until = atomic_load(&slot->until),
            };
    }
    if (count > 0)
        tree_kill(trees, count, KILL_TREE_MS);
}

static void guard(int farewell, int agent)
{
    let_go_of_everything(&farewell, &agent);
    struct pollfd fds[] = {{.fd = farewell, .events = POLLIN}, {.fd = agent, .events = POLLIN}};
    do
        (void)poll(fds, 2, -1);
    while (!fds[0].revents && !fds[1].revents);
    char byte;
    if (read(farewell, &byte, 1) != 1) // the pipe's other end is closed, no byte came through
        kill_all();
    _exit(0);
}

// --- in the agent

bool guardian_start(struct fail *why)
{
    mark_begin(); // both sides have to know the agent's own number
    slots = mmap(NULL, GUARDIAN_TREES_MAX * sizeof *slots, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED) {
        slots = NULL;
        return fail_errno(why, errno, "guardian's memory", NULL);
    }
    int ends[2] = {-1, -1}, agent = (int)syscall(SYS_pidfd_open, getpid(), 0);
    bool ready = agent >= 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0;
    guardian = ready ? fork() : -1;
    if (guardian == 0)
        guard(ends[0], agent);
    int error = errno;
    io_close(&agent);
    io_close(&ends[0]);
    goodbye = ends[1];
    if (guardian > 0)
        return true;
    io_close(&goodbye);
    munmap(slots, GUARDIAN_TREES_MAX * sizeof *slots);
    slots = NULL;
    return fail_errno(why, error, "guardian", NULL);
}

void guardian_stop(void)
{
    if (!slots)
        return;
    (void)!write(goodbye, "", 1);
    io_close(&goodbye);
    while (waitpid(guardian, NULL, 0) < 0 && errno == EINTR)
        ;
    munmap(slots, GUARDIAN_TREES_MAX * sizeof *slots);
    slots = NULL;
}

int guardian_claim(const struct tree *tree)
{
    static atomic_uint next;
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (!slots)
        return -1;
    for (unsigned tries = 0; tries < GUARDIAN_TREES_MAX; tries++) {
        unsigned i = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % GUARDIAN_TREES_MAX;
        struct slot *slot = &slots[i];
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&slot->state, &expected, CLAIMED))
            continue;
        atomic_store(&slot->number, tree->number);
        atomic_store(&slot->since, tree->since);
        atomic_store(&slot->state, MARKED);
        return (int)i;
    }
    if (!atomic_flag_test_and_set(&told))
        log_warn("more commands than the guardian can watch", "limit", log_num(GUARDIAN_TREES_MAX),
                 NULL);
    return -1;
}

void guardian_started(int slot, const struct tree *tree)
{
    if (slot < 0)
        return;
    atomic_store(&slots[slot].leader, tree->leader);
    atomic_store(&slots[slot].until, tree->until);
    atomic_store(&slots[slot].state, STARTED);
}

void guardian_release(int slot)
{
    if (slot >= 0)
        atomic_store(&slots[slot].state, FREE);
}
