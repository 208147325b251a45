#include "process/tree.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "process/hunt.h"

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

// --- the kill
//
// A look at all processes costs the same for one tree as for a hundred. Threads that want a tree
// dead hand it in and take turns: one looks for the trees of all, the others wait.

struct quarry {
    struct quarry *next;
    const struct tree *tree;
    int64_t until_ms;
    int quiet;   // looks in a row that found nobody
    size_t left; // members in the latest one
    bool done;
    const struct hunt_tally *tally; // of the turn that is on; NULL: not in it
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_over = PTHREAD_COND_INITIALIZER;
static struct quarry *quarries;
static bool hunting; // it is somebody's turn, and the hunt is theirs
static bool open;    // the hunt is
static struct hunt hunt;
static int64_t pause_ms; // before the next turn

// Killing a process makes its children orphans, and one that has no mark and a session of its own
// could not be recognised any more. So all members are stopped first, until a look finds nobody
// running, and then killed.
static void look_and_kill(int64_t until_ms)
{
    for (int looks = 0; looks < TREE_LOOKS_MAX; looks++)
        if (hunt_stop(&hunt) == 0 || clock_mono_ms() >= until_ms)
            break;
    hunt_kill(&hunt);
}

static void signal_group(const struct tree *tree, int signal)
{
    if (tree->held)
        kill(-tree->leader, signal);
}

// A look takes a while, and a process can move behind its back, or be in the middle of execve,
// where it has no environment: only two looks that find nobody are believed.
static void settle(struct quarry *quarry)
{
    const struct hunt_tally *tally = quarry->tally;
    quarry->tally = NULL;
    quarry->quiet = tally->hit > 0 ? 0 : quarry->quiet + 1;
    quarry->left = tally->hit + tally->beyond_reach;
    quarry->done = quarry->quiet == 2 || clock_mono_ms() >= quarry->until_ms;
    signal_group(quarry->tree, SIGKILL);
}

static void remove_done(void)
{
    for (struct quarry **at = &quarries; *at;)
        if ((*at)->done)
            *at = (*at)->next;
        else
            at = &(*at)->next;
}

// One turn: a round for all trees that have been handed in. Called with the lock held.
static void take_turn(void)
{
    size_t count = 0, i = 0;
    int64_t until_ms = 0;
    for (const struct quarry *quarry = quarries; quarry; quarry = quarry->next)
        count++;
    struct tree *trees = mem_array(count, sizeof *trees);
    struct hunt_tally *tallies = mem_array(count, sizeof *tallies);
    for (struct quarry *quarry = quarries; quarry; quarry = quarry->next) {
        trees[i] = *quarry->tree;
        quarry->tally = &tallies[i++];
        until_ms = quarry->until_ms > until_ms ? quarry->until_ms : until_ms;
    }
    int64_t pause = pause_ms;
    pause_ms = pause == 0 ? 1 : pause < KILL_PAUSE_MS_MAX ? pause * 2 : pause;
    hunting = true;
    pthread_mutex_unlock(&lock);

    clock_sleep_ms(pause);
    hunt_set(&hunt, trees, tallies, count);
    look_and_kill(until_ms);

    pthread_mutex_lock(&lock);
    hunting = false;
    for (struct quarry *quarry = quarries; quarry; quarry = quarry->next)
        if (quarry->tally) // else it came in between
            settle(quarry);
    remove_done();
    mem_free(trees);
    mem_free(tallies);
    pthread_cond_broadcast(&turn_over);
}

static bool all_done(const struct quarry *own, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!own[i].done)
            return false;
    return true;
}

static bool hand_in(struct quarry *own, size_t count)
{
    if (!open && !hunt_init(&hunt))
        return false;
    open = true;
    pause_ms = 0;
    for (size_t i = 0; i < count; i++) {
        own[i].next = quarries;
        quarries = &own[i];
    }
    return true;
}

static void wait_until_done(const struct quarry *own, size_t count)
{
    while (!all_done(own, count)) {
        if (hunting)
            pthread_cond_wait(&turn_over, &lock);
        else
            take_turn();
    }
    if (open && !quarries)
        hunt_fini(&hunt);
    open = quarries != NULL;
}

size_t tree_kill(const struct tree *trees, size_t count, int64_t patience_ms)
{
    struct quarry *own = mem_array(count, sizeof *own);
    for (size_t i = 0; i < count; i++) {
        assert(!trees[i].held || trees[i].leader > 1);
        own[i].tree = &trees[i];
        own[i].until_ms = clock_mono_ms() + patience_ms;
        signal_group(&trees[i], SIGSTOP);
    }
    pthread_mutex_lock(&lock);
    bool ready = hand_in(own, count);
    int error = errno;
    if (ready)
        wait_until_done(own, count);
    pthread_mutex_unlock(&lock);

    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        left += own[i].left;
        signal_group(&trees[i], SIGKILL);
    }
    if (!ready)
        log_warn("cannot look for processes that left their group", "error", strerrordesc_np(error),
                 NULL);
    if (left > 0)
        log_warn("processes outlive their operation", "count", log_num(left), NULL);
    mem_free(own);
    return left;
}
