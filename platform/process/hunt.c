#include "process/hunt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "process/mark.h"

// A session that a member was seen in. Only descendants of its leader can be in it, so whoever is
// found there later belongs to the tree, even when the leader is gone.
struct hunt_session {
    pid_t id;
    uint64_t number; // of the tree
    uint64_t seen;
};

bool hunt_init(struct hunt *hunt)
{
    *hunt = (struct hunt){0};
    return procs_init(&hunt->procs);
}

void hunt_fini(struct hunt *hunt)
{
    procs_fini(&hunt->procs);
    mem_free(hunt->sessions);
}

void hunt_set(struct hunt *hunt, const struct tree *trees, struct hunt_tally *tallies, size_t count)
{
    hunt->trees = trees;
    hunt->tallies = tallies;
    hunt->count = count;
}

// --- who belongs to which tree

static int tree_by_number(const struct hunt *hunt, uint64_t number)
{
    for (size_t i = 0; number != 0 && i < hunt->count; i++)
        if (hunt->trees[i].number == number)
            return (int)i;
    return -1;
}

// The leader's id belongs to a process that was started later: what now has the id as a group or
// session is not ours.
static bool is_reused(const struct hunt *hunt, const struct tree *tree)
{
    struct proc now;
    return !tree->held && procs_read_one(&hunt->procs, tree->leader, &now) &&
           now.started > tree->until;
}

static int tree_by_leader(const struct hunt *hunt, const struct proc *proc)
{
    for (size_t i = 0; i < hunt->count; i++) {
        const struct tree *tree = &hunt->trees[i];
        if (tree->leader && proc->started >= tree->since &&
            (proc->session == tree->leader || proc->group == tree->leader) &&
            !is_reused(hunt, tree))
            return (int)i;
    }
    return -1;
}

static int tree_by_session(const struct hunt *hunt, const struct proc *proc)
{
    for (size_t i = 0; i < hunt->session_count; i++) {
        const struct hunt_session *session = &hunt->sessions[i];
        if (session->id != proc->session)
            continue;
        const struct proc *leader = procs_find(&hunt->procs, session->id);
        bool reused = leader && leader->tree < 0 && leader->started > session->seen;
        return reused ? -1 : tree_by_number(hunt, session->number);
    }
    return -1;
}

static int tree_by_parent(const struct hunt *hunt, const struct proc *proc)
{
    const struct proc *parent = procs_find(&hunt->procs, proc->parent);
    // A parent is older; one that is not has the id of a parent that went between two looks.
    return parent && parent->started <= proc->started ? parent->tree : -1;
}

static void note_session(struct hunt *hunt, pid_t id, uint64_t number)
{
    for (size_t i = hunt->session_count; i > 0; i--)
        if (hunt->sessions[i - 1].id == id)
            return;
    if (hunt->session_count == hunt->session_room) {
        hunt->session_room = hunt->session_room ? hunt->session_room * 2 : 16;
        hunt->sessions = mem_resize(hunt->sessions, hunt->session_room * sizeof *hunt->sessions);
    }
    hunt->sessions[hunt->session_count++] =
        (struct hunt_session){.id = id, .number = number, .seen = procs_now()};
}

// --- signals

// The descriptor pins the process: what is read about it afterwards is read about the one that the
// signal goes to. Its group is hit first, and as a whole: the kernel lets no fork slip through.
static void signal_process(struct hunt *hunt, const struct proc *proc, int signal)
{
    struct hunt_tally *tally = &hunt->tallies[proc->tree];
    int pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
    if (pidfd < 0) {
        tally->beyond_reach += errno != ESRCH && errno != EINVAL;
        return;
    }
    struct proc now;
    if (procs_read_one(&hunt->procs, proc->pid, &now) && now.started == proc->started &&
        !now.dead) {
        if (now.group > 1 && now.group == proc->group)
            kill(-now.group, signal);
        if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
            tally->hit++;
        else
            tally->beyond_reach += errno != ESRCH;
    }
    close(pidfd);
}

// Stops it at once, not after the look: what forks and leaves quickly is hard enough to catch.
static bool join(struct hunt *hunt, struct proc *proc, int tree)
{
    proc->tree = tree;
    if (tree < 0)
        return false;
    note_session(hunt, proc->session, hunt->trees[tree].number);
    if (!proc->dead && !proc->stopped)
        signal_process(hunt, proc, SIGSTOP);
    return true;
}

static bool may_be_member(const struct proc *proc)
{
    return proc->tree < 0 && proc->pid > 1 && proc->session > 1;
}

static void look(void *hunt_, struct proc *proc)
{
    struct hunt *hunt = hunt_;
    if (proc->pid == hunt->self || proc->session == hunt->own_session)
        proc->session = 0; // never a member
    if (!may_be_member(proc))
        return;
    int tree = tree_by_leader(hunt, proc);
    if (tree < 0 && !proc->dead)
        tree = tree_by_number(hunt, mark_of(hunt->procs.dir, proc->pid));
    join(hunt, proc, tree);
}

static void clear_tallies(struct hunt *hunt)
{
    memset(hunt->tallies, 0, hunt->count * sizeof *hunt->tallies);
}

size_t hunt_stop(struct hunt *hunt)
{
    clear_tallies(hunt);
    hunt->self = getpid();
    hunt->own_session = getsid(0);
    uint64_t since = UINT64_MAX;
    for (size_t i = 0; i < hunt->count; i++)
        since = hunt->trees[i].since < since ? hunt->trees[i].since : since;
    procs_read(&hunt->procs, since, clock_mono_ms() + KILL_TREE_MS, look, hunt);

    // From the members known by themselves to all others.
    struct proc *all = hunt->procs.all, *end = all + hunt->procs.count;
    for (bool more = true; more;) {
        more = false;
        for (struct proc *proc = all; proc < end; proc++) {
            if (!may_be_member(proc))
                continue;
            int tree = tree_by_parent(hunt, proc);
            more |= join(hunt, proc, tree >= 0 ? tree : tree_by_session(hunt, proc));
        }
    }
    size_t hit = 0;
    for (size_t i = 0; i < hunt->count; i++)
        hit += hunt->tallies[i].hit;
    return hit;
}

void hunt_kill(struct hunt *hunt)
{
    clear_tallies(hunt);
    for (size_t i = 0; i < hunt->procs.count; i++) {
        const struct proc *proc = &hunt->procs.all[i];
        if (proc->tree >= 0 && !proc->dead)
            signal_process(hunt, proc, SIGKILL);
    }
}
