#include "process/tree.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "process/mark.h"
#include "process/procs.h"

void tree_begin(struct tree *tree)
{
    static atomic_uint_fast64_t last;
    *tree = (struct tree){
        .number = atomic_fetch_add(&last, 1) + 1,
        .since = procs_now() - 1, // the kernel rounds, too
    };
}

void tree_started(struct tree *tree, pid_t leader)
{
    assert(leader > 1);
    tree->leader = leader;
    tree->held = true;
    tree->until = procs_now() + 1;
}

// --- who belongs to it

// A session that a member was seen in. Only its leader's descendants can be in it, so whoever is
// found there later belongs to the tree, even when the leader is gone.
struct session {
    pid_t id;
    int tree;
    uint64_t seen;
};

struct hunt {
    const struct tree *trees;
    size_t count;
    uint64_t since;
    int64_t until_ms;
    pid_t self, own_session;
    struct procs procs;
    struct session *sessions;
    size_t session_count, session_room;
    size_t hit, beyond_reach; // of the latest look
};

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

static int tree_by_mark(const struct hunt *hunt, pid_t pid)
{
    uint64_t number = mark_of(hunt->procs.dir, pid);
    for (size_t i = 0; number != 0 && i < hunt->count; i++)
        if (hunt->trees[i].number == number)
            return (int)i;
    return -1;
}

static int tree_by_session(const struct hunt *hunt, const struct proc *proc)
{
    for (size_t i = 0; i < hunt->session_count; i++) {
        const struct session *session = &hunt->sessions[i];
        if (session->id != proc->session)
            continue;
        const struct proc *leader = procs_find(&hunt->procs, session->id);
        bool reused = leader && leader->tree < 0 && leader->started > session->seen;
        return reused ? -1 : session->tree;
    }
    return -1;
}

static int tree_by_parent(const struct hunt *hunt, const struct proc *proc)
{
    const struct proc *parent = procs_find(&hunt->procs, proc->parent);
    // A parent is older; one that is not has the id of a parent that went between two looks.
    return parent && parent->started <= proc->started ? parent->tree : -1;
}

static void note_session(struct hunt *hunt, pid_t id, int tree)
{
    for (size_t i = hunt->session_count; i > 0; i--)
        if (hunt->sessions[i - 1].id == id)
            return;
    if (hunt->session_count == hunt->session_room) {
        hunt->session_room = hunt->session_room ? hunt->session_room * 2 : 16;
        hunt->sessions = mem_resize(hunt->sessions, hunt->session_room * sizeof *hunt->sessions);
    }
    hunt->sessions[hunt->session_count++] =
        (struct session){.id = id, .tree = tree, .seen = procs_now()};
}

// --- the kill
//
// Killing a process makes its children orphans, and one that has no mark and a session of its own
// could not be recognised any more. So all members are stopped first, until a look finds nobody
// running, and then killed.

static void signal_groups(const struct hunt *hunt, int signal)
{
    for (size_t i = 0; i < hunt->count; i++)
        if (hunt->trees[i].held)
            kill(-hunt->trees[i].leader, signal);
}

// The descriptor pins the process: what is read about it afterwards is read about the one that the
// signal goes to. Its group is hit first, and as a whole: the kernel lets no fork slip through.
static void signal_process(struct hunt *hunt, const struct proc *proc, int signal)
{
    int pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
    if (pidfd < 0) {
        hunt->beyond_reach += errno != ESRCH && errno != EINVAL;
        return;
    }
    struct proc now;
    if (procs_read_one(&hunt->procs, proc->pid, &now) && now.started == proc->started &&
        !now.dead) {
        if (now.group > 1 && now.group == proc->group)
            kill(-now.group, signal);
        if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
            hunt->hit++;
        else
            hunt->beyond_reach += errno != ESRCH;
    }
    close(pidfd);
}

// Stops it at once, not after the look: what forks and leaves quickly is hard enough to catch.
static bool join(struct hunt *hunt, struct proc *proc, int tree)
{
    proc->tree = tree;
    if (tree < 0)
        return false;
    note_session(hunt, proc->session, tree);
    if (!proc->dead && !proc->stopped)
        signal_process(hunt, proc, SIGSTOP);
    return true;
}

static bool may_be_member(const struct hunt *hunt, const struct proc *proc)
{
    return proc->tree < 0 && proc->pid > 1 && proc->pid != hunt->self && proc->session > 1 &&
           proc->session != hunt->own_session;
}

static void look(void *hunt_, struct proc *proc)
{
    struct hunt *hunt = hunt_;
    if (!may_be_member(hunt, proc))
        return;
    int tree = tree_by_leader(hunt, proc);
    join(hunt, proc, tree >= 0 || proc->dead ? tree : tree_by_mark(hunt, proc->pid));
}

// One look at all processes. Returns how many members were found running.
static size_t stop_members(struct hunt *hunt)
{
    hunt->hit = hunt->beyond_reach = 0;
    // Whoever was stopped has to be killed, too: the last look may go beyond the time.
    procs_read(&hunt->procs, hunt->since, hunt->until_ms + KILL_TREE_MS, look, hunt);
    struct proc *all = hunt->procs.all, *end = all + hunt->procs.count;
    // From the members known by themselves to all others.
    for (bool more = true; more;) {
        more = false;
        for (struct proc *proc = all; proc < end; proc++) {
            if (!may_be_member(hunt, proc))
                continue;
            int tree = tree_by_parent(hunt, proc);
            more |= join(hunt, proc, tree >= 0 ? tree : tree_by_session(hunt, proc));
        }
    }
    return hunt->hit;
}

// Returns how many of the members of the latest look were alive.
static size_t kill_members(struct hunt *hunt)
{
    hunt->hit = hunt->beyond_reach = 0;
    signal_groups(hunt, SIGKILL);
    for (size_t i = 0; i < hunt->procs.count; i++)
        if (hunt->procs.all[i].tree >= 0 && !hunt->procs.all[i].dead)
            signal_process(hunt, &hunt->procs.all[i], SIGKILL);
    return hunt->hit;
}

static void hunt_down(struct hunt *hunt)
{
    signal_groups(hunt, SIGSTOP);
    // A look takes a while, and a process can move behind its back, or be in the middle of execve,
    // where it has no environment: only two looks that find nobody are believed.
    int64_t pause = 1;
    for (int empty = 0; empty < 2 && clock_mono_ms() < hunt->until_ms;) {
        for (int looks = 1;
             stop_members(hunt) > 0 && looks < TREE_LOOKS_MAX && clock_mono_ms() < hunt->until_ms;
             looks++)
            ;
        bool some = kill_members(hunt) > 0;
        empty = some ? 0 : empty + 1;
        if (empty < 2)
            clock_sleep_ms(pause);
        if (some && pause < KILL_PAUSE_MS_MAX)
            pause *= 2;
    }
    signal_groups(hunt, SIGKILL);
}

size_t tree_kill(const struct tree *trees, size_t count, int64_t patience_ms)
{
    struct hunt hunt = {.trees = trees,
                        .count = count,
                        .since = UINT64_MAX,
                        .until_ms = clock_mono_ms() + patience_ms,
                        .self = getpid(),
                        .own_session = getsid(0)};
    for (size_t i = 0; i < count; i++) {
        assert(!trees[i].held || trees[i].leader > 1);
        if (trees[i].since < hunt.since)
            hunt.since = trees[i].since;
    }
    if (!procs_init(&hunt.procs)) {
        log_warn("cannot look for processes that left their group", "error", strerrordesc_np(errno),
                 NULL);
        signal_groups(&hunt, SIGKILL);
        return 0;
    }
    hunt_down(&hunt);
    size_t left = hunt.hit + hunt.beyond_reach;
    if (left > 0)
        log_warn("processes outlive their operation", "count", log_num(left), NULL);
    procs_fini(&hunt.procs);
    mem_free(hunt.sessions);
    return left;
}
