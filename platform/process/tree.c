#include "process/tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "process/procs.h"

// --- the mark: a number that no other agent and no other operation has

#define MARK_NAME "OPENGENI_OPERATION="

enum { NAME_BYTES = sizeof MARK_NAME - 1, HALF_BYTES = 16 };

static uint64_t agent_number;

static void choose_agent_number(void)
{
    random_bytes(&agent_number, sizeof agent_number);
}

static uint64_t own_number(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_agent_number);
    return agent_number;
}

void tree_begin(struct tree *tree)
{
    static atomic_uint_fast64_t last;
    *tree = (struct tree){
        .number = atomic_fetch_add(&last, 1) + 1,
        .since = procs_now() - 1, // the kernel rounds, too
    };
    (void)own_number();
}

void tree_mark(const struct tree *tree, char mark[TREE_MARK_BYTES])
{
    snprintf(mark, TREE_MARK_BYTES, MARK_NAME "%016llx%016llx", (unsigned long long)own_number(),
             (unsigned long long)tree->number);
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
    pid_t self, own_session;
    struct procs procs;
    struct session *sessions;
    size_t session_count, session_room;
};

// The leader's id belongs to a process that was started later: what now has the id as a group or
// session is not ours.
static bool is_reused(const struct hunt *hunt, const struct tree *tree)
{
    if (tree->held)
        return false;
    const struct proc *now = procs_find(&hunt->procs, tree->leader);
    return now && now->started > tree->until;
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

static int tree_by_number(const struct hunt *hunt, uint64_t number)
{
    for (size_t i = 0; i < hunt->count; i++)
        if (hunt->trees[i].number == number)
            return (int)i;
    return -1;
}

// Looks for "\0OPENGENI_OPERATION=<ours><number>\0" in the environment that the process was started
// with, of which only so much is in memory at a time.
static int tree_by_mark(const struct hunt *hunt, pid_t pid)
{
    char name[NAME_BYTES + HALF_BYTES + 2];
    snprintf(name, sizeof name, "%c" MARK_NAME "%016llx", 0, (unsigned long long)own_number());
    enum { MARK_BYTES = 1 + NAME_BYTES + 2 * HALF_BYTES };

    char path[32], text[TREE_ENVIRON_CHUNK_BYTES + MARK_BYTES + 1];
    snprintf(path, sizeof path, "%d/environ", (int)pid);
    int fd = openat(hunt->procs.dir, path, O_RDONLY | O_CLOEXEC), found = -1;
    if (fd < 0)
        return -1;
    size_t kept = 1; // the first variable has no NUL before it
    text[0] = '\0';
    for (ssize_t n; found < 0 && (n = read(fd, text + kept, TREE_ENVIRON_CHUNK_BYTES)) > 0;) {
        size_t size = kept + (size_t)n;
        text[size] = '\0';
        for (const char *at = text, *end = text + size; found < 0; at++) {
            at = memmem(at, (size_t)(end - at), name, 1 + NAME_BYTES + HALF_BYTES);
            if (!at || end - at < MARK_BYTES)
                break;
            unsigned long long number;
            if (sscanf(at + 1 + NAME_BYTES + HALF_BYTES, "%16llx", &number) == 1)
                found = tree_by_number(hunt, number);
        }
        kept = size < MARK_BYTES ? size : MARK_BYTES;
        memmove(text, text + size - kept, kept);
    }
    close(fd);
    return found;
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

static bool is_agents_own(const struct hunt *hunt, const struct proc *proc)
{
    return proc->pid <= 1 || proc->pid == hunt->self || proc->session == hunt->own_session ||
           proc->session <= 1;
}

static bool join(struct hunt *hunt, struct proc *proc, int tree)
{
    proc->tree = tree;
    if (tree < 0)
        return false;
    note_session(hunt, proc->session, tree);
    return true;
}

static void find_members(struct hunt *hunt)
{
    procs_read(&hunt->procs, hunt->since);
    struct proc *all = hunt->procs.all, *end = all + hunt->procs.count;
    for (struct proc *proc = all; proc < end; proc++) {
        if (is_agents_own(hunt, proc))
            continue;
        int tree = tree_by_leader(hunt, proc);
        join(hunt, proc, tree >= 0 || proc->dead ? tree : tree_by_mark(hunt, proc->pid));
    }
    for (bool more = true; more;) {
        more = false;
        for (struct proc *proc = all; proc < end; proc++) {
            if (proc->tree >= 0 || is_agents_own(hunt, proc))
                continue;
            int tree = tree_by_parent(hunt, proc);
            more |= join(hunt, proc, tree >= 0 ? tree : tree_by_session(hunt, proc));
        }
    }
}

// --- the kill

enum outcome { GONE, HIT, BEYOND_REACH };

// The descriptor pins the process: what is read about it afterwards is read about the one that the
// signal goes to. Its group is hit first, and as a whole: the kernel lets no fork slip through.
static enum outcome kill_process(const struct hunt *hunt, const struct proc *proc)
{
    int pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
    if (pidfd < 0)
        return errno == ESRCH || errno == EINVAL ? GONE : BEYOND_REACH;
    struct proc now;
    enum outcome outcome = GONE;
    if (procs_read_one(&hunt->procs, proc->pid, &now) && now.started == proc->started &&
        now.session == proc->session && !now.dead) {
        if (now.group > 1 && now.group == proc->group)
            kill(-now.group, SIGKILL);
        int sent = (int)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        outcome = sent == 0 ? HIT : errno == ESRCH ? GONE : BEYOND_REACH;
    }
    close(pidfd);
    return outcome;
}

// Returns how many were hit; *beyond_reach is how many could not be.
static size_t kill_members(struct hunt *hunt, size_t *beyond_reach)
{
    for (size_t i = 0; i < hunt->count; i++)
        if (hunt->trees[i].held)
            kill(-hunt->trees[i].leader, SIGKILL);
    find_members(hunt);
    size_t hit = 0;
    *beyond_reach = 0;
    for (const struct proc *proc = hunt->procs.all, *end = proc + hunt->procs.count; proc < end;
         proc++) {
        if (proc->tree < 0 || proc->dead)
            continue;
        enum outcome outcome = kill_process(hunt, proc);
        hit += outcome == HIT;
        *beyond_reach += outcome == BEYOND_REACH;
    }
    return hit;
}

size_t tree_kill(const struct tree *trees, size_t count, int64_t patience_ms)
{
    int64_t end = clock_mono_ms() + patience_ms;
    struct hunt hunt = {.trees = trees,
                        .count = count,
                        .since = UINT64_MAX,
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
        for (size_t i = 0; i < count; i++)
            if (trees[i].held)
                kill(-trees[i].leader, SIGKILL);
        return 0;
    }
    // A look takes a while, and a process can move behind its back: only two in a row that find
    // nobody are believed.
    size_t hit, beyond_reach;
    int64_t pause = 1;
    for (int empty = 0;;) {
        hit = kill_members(&hunt, &beyond_reach);
        empty = hit ? 0 : empty + 1;
        if (empty == 2 || clock_mono_ms() >= end)
            break;
        if (hit) {
            clock_sleep_ms(pause);
            pause = pause < KILL_PAUSE_MS_MAX ? pause * 2 : pause;
        }
    }
    if (hit + beyond_reach)
        log_warn("processes outlive their operation", "count", log_num(hit + beyond_reach), NULL);
    procs_fini(&hunt.procs);
    mem_free(hunt.sessions);
    return hit + beyond_reach;
}
