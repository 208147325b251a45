// From the hello to the end of the session: heartbeats, the watch for a silent server, and the
// change to a new session before the old one ends.
#include <errno.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/workers.h"
#include "link/link_private.h"
#include "link/outbox.h"
#include "link/settled.h"

// A dial that runs on a worker while the old session goes on serving.
struct rotation {
    struct link *link;
    struct connection *connection;
    bool try_legacy;
    struct dialed result;
    bool done, abandoned; // under the link's lock
};

struct serving {
    struct link *link;
    int64_t started_ms, heartbeat_at, hello_at;
    int64_t rotate_at;        // 0: no reason to
    int64_t unanswered_since; // a PING waits for its PONG; 0: none does
    uint64_t received;        // messages, when the last look was taken
    bool stable, lame_duck;
    struct rotation *rotation;
};

static void rotation_free(struct rotation *rotation)
{
    if (rotation->result.session)
        session_close(rotation->result.session);
    connection_free(rotation->connection);
    link_drop(rotation->link);
    mem_free(rotation);
}

static void rotation_run(void *rotation_)
{
    struct rotation *rotation = rotation_;
    struct link *link = rotation->link;
    link_dial(link, rotation->connection, rotation->try_legacy, &rotation->result);
    pthread_mutex_lock(&link->lock);
    rotation->done = true;
    bool abandoned = rotation->abandoned;
    pthread_cond_broadcast(&link->wake);
    pthread_mutex_unlock(&link->lock);
    if (abandoned)
        rotation_free(rotation);
}

static void rotation_start(struct serving *serving)
{
    struct link *link = serving->link;
    struct rotation *rotation = mem_new(struct rotation);
    rotation->link = link;
    rotation->connection = connection_copy(link->connection);
    rotation->try_legacy = clock_mono_ms() >= link->fenced_only_until_ms;
    link_hold(link);
    serving->rotate_at = 0;
    if (workers_submit(link->shared->workers, rotation_run, rotation))
        serving->rotation = rotation;
    else
        rotation_free(rotation);
}

static void rotation_abandon(struct serving *serving)
{
    struct rotation *rotation = serving->rotation;
    if (!rotation)
        return;
    pthread_mutex_lock(&serving->link->lock);
    bool done = rotation->done;
    rotation->abandoned = true;
    pthread_mutex_unlock(&serving->link->lock);
    if (done)
        rotation_free(rotation);
}

static bool send_late(void *session, const struct letter *letter)
{
    return session_publish(session, letter->subject, letter->data, letter->size);
}

// From here on replies, heartbeats and events use this session.
static void adopt(struct link *link, struct session *session, bool legacy)
{
    pthread_mutex_lock(&link->lock);
    link->session = session;
    link->legacy = legacy;
    link_set_state(link, LINK_ONLINE);
    pthread_mutex_unlock(&link->lock);
    if (!legacy && clock_mono_ms() >= link->fenced_only_until_ms)
        link->fenced_only_until_ms = clock_mono_ms() + LINK_FENCED_MEMORY_MS;
    outbox_empty(link->outbox, clock_mono_ms(), send_late, session);
}

// When to replace a session that began at started_ms: at 80 to 95 % of the life the server allows,
// at random, so that a fleet that came online together does not renew together. 0: never.
static int64_t rotation_time(const struct link *link, int64_t started_ms)
{
    if (link->session_life_ms == 0)
        return 0;
    int64_t spread = (int64_t)random_below((uint64_t)link->session_life_ms * 15 / 100 + 1);
    return started_ms + link->session_life_ms * 80 / 100 + spread;
}

// The new session is subscribed. Deliveries to the old one stop, what it had received is handled,
// and then it goes; a message that came over both is dropped by the reply memory.
static void switch_over(struct serving *serving)
{
    struct link *link = serving->link;
    struct rotation *rotation = serving->rotation;
    struct session *old = link->session, *new = rotation->result.session;
    serving->rotation = NULL;
    if (new &&session_loss(new) != SESSION_ALIVE)
        fail_because(&rotation->result.why, FAIL_SYSTEM, "session ended: %.200s",
                     session_loss_text(new));
    if (!new || session_loss(new) != SESSION_ALIVE) {
        log_warn("the next session could not be opened; the old one goes on", "connection",
                 link->id, "why", log_why(&rotation->result.why), NULL);
        serving->rotate_at = clock_mono_ms() + BACKOFF_FAST_MS;
        rotation_free(rotation);
        return;
    }
    session_drain(old, LINK_FLUSH_MS);
    adopt(link, new, rotation->result.legacy);
    rotation->result.session = NULL;
    rotation_free(rotation);
    if (!session_barrier(old, LINK_FLUSH_MS))
        log_debug("the old session closed unanswered", "connection", link->id, NULL);
    session_close(old);
    serving->started_ms = clock_mono_ms();
    serving->stable = serving->lame_duck = false;
    serving->unanswered_since = 0;
    if (!serving->rotate_at) // otherwise the credentials changed while this one was dialed
        serving->rotate_at = rotation_time(link, serving->started_ms);
    serving->hello_at = serving->started_ms;
    log_info("session renewed", "connection", link->id, NULL);
}

// The credentials on disk changed. True when the session can be replaced without a gap.
static bool take_new_connection(struct serving *serving)
{
    struct link *link = serving->link;
    pthread_mutex_lock(&link->lock);
    struct connection *next = link->next_connection;
    bool seamless = true;
    if (next) {
        enum connection_change change = connection_compare(link->connection, next);
        seamless = change != CONNECTION_IDENTITY;
        if (seamless) {
            link->next_connection = NULL;
            connection_free(link->connection);
            link->connection = next;
            atomic_store(&link->held_epoch, next->last_known_epoch);
            if (change == CONNECTION_TRANSPORT) {
                link->fenced_only_until_ms = 0;
                serving->rotate_at = clock_mono_ms();
            } else if (change == CONNECTION_METADATA) {
                serving->hello_at = 0;
            }
        }
    }
    pthread_mutex_unlock(&link->lock);
    return seamless;
}

static void heartbeat(struct serving *serving)
{
    struct link *link = serving->link;
    int64_t now = clock_mono_ms();
    int64_t wait = LINK_PING_MS;
    if (!serving->unanswered_since) {
        link_send_heartbeat(link);
        serving->received = session_received(link->session);
    } else if (now - serving->unanswered_since > wait) {
        wait = now - serving->unanswered_since;
    }
    // A server that is there answers within a round trip. While one does not, each turn waits for
    // longer, as the way may be, and no second heartbeat is queued behind the first.
    if (session_barrier(link->session, wait < LINK_PING_MAX_MS ? wait : LINK_PING_MAX_MS)) {
        serving->unanswered_since = 0;
        serving->heartbeat_at += LINK_HEARTBEAT_MS;
        if (serving->heartbeat_at < clock_mono_ms()) // missed ticks are skipped
            serving->heartbeat_at = clock_mono_ms() + LINK_HEARTBEAT_MS;
    } else if (session_received(link->session) != serving->received) {
        serving->received = session_received(link->session); // the PONG is behind other data
        serving->unanswered_since = clock_mono_ms();
    } else if (!serving->unanswered_since) {
        serving->unanswered_since = now;
    }
    settled_sweep(link->settled, now);
}

static void look_at_session(struct serving *serving)
{
    struct link *link = serving->link;
    if (link->legacy && session_refused(link->session, ADDRESS_LEGACY)) {
        pthread_mutex_lock(&link->lock);
        link->legacy = false;
        pthread_mutex_unlock(&link->lock);
        link->fenced_only_until_ms = clock_mono_ms() + LINK_FENCED_MEMORY_MS;
    }
    if (session_lame_duck(link->session) && !serving->lame_duck) {
        serving->lame_duck = true;
        log_info("the server is about to close the session", "connection", link->id, NULL);
        int64_t soon = clock_mono_ms() + (int64_t)random_below(LINK_LAME_DUCK_MS);
        if (!serving->rotation && (!serving->rotate_at || serving->rotate_at > soon))
            serving->rotate_at = soon;
    }
}

static void wait_for_work(struct serving *serving)
{
    struct link *link = serving->link;
    int64_t until = serving->heartbeat_at;
    if (serving->hello_at < until)
        until = serving->hello_at;
    if (serving->rotate_at && !serving->rotation && serving->rotate_at < until)
        until = serving->rotate_at;
    if (serving->unanswered_since)
        return; // the barrier is the wait
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_mutex_lock(&link->lock);
    while (!link->leave_asked && !link->next_connection && !link->describe && !link->woken &&
           !(serving->rotation && serving->rotation->done))
        if (pthread_cond_timedwait(&link->wake, &link->lock, &at) == ETIMEDOUT)
            break;
    link->woken = false;
    if (link->describe)
        serving->hello_at = 0;
    link->describe = false;
    pthread_mutex_unlock(&link->lock);
}

static bool rotation_done(struct serving *serving)
{
    pthread_mutex_lock(&serving->link->lock);
    bool done = serving->rotation && serving->rotation->done;
    pthread_mutex_unlock(&serving->link->lock);
    return done;
}

static enum session_loss serve(struct serving *serving)
{
    struct link *link = serving->link;
    for (;;) {
        wait_for_work(serving);
        if (link_leave_asked(link) || !take_new_connection(serving))
            return SESSION_ALIVE;
        if (rotation_done(serving))
            switch_over(serving);
        if (session_loss(link->session) != SESSION_ALIVE)
            return session_loss(link->session);
        if (session_refused(link->session, ADDRESS_FENCED)) {
            log_warn("the server withdrew this machine's subjects", "connection", link->id, NULL);
            return SESSION_LOST;
        }
        look_at_session(serving);
        int64_t now = clock_mono_ms();
        if (!serving->stable && now - serving->started_ms >= LINK_STABLE_MS) {
            serving->stable = true;
            link->attempt = 0;
        }
        if (serving->rotate_at && now >= serving->rotate_at && !serving->rotation)
            rotation_start(serving);
        if (now >= serving->hello_at) {
            link_send_hello(link);
            serving->hello_at = now + LINK_HELLO_REPEAT_MS;
        }
        if (now >= serving->heartbeat_at)
            heartbeat(serving);
        if (serving->unanswered_since &&
            clock_mono_ms() - serving->unanswered_since >= LINK_SILENCE_MS) {
            log_warn("the server is silent; giving the session up", "connection", link->id, NULL);
            return SESSION_LOST;
        }
    }
}

enum session_loss link_serve(struct link *link, struct session *session, bool legacy)
{
    int64_t now = clock_mono_ms();
    struct serving serving = {
        .link = link, .started_ms = now, .heartbeat_at = now, .hello_at = now};
    serving.rotate_at = rotation_time(link, now);
    adopt(link, session, legacy);
    log_info("online", "connection", link->id, "legacy", legacy ? "yes" : "no", NULL);
    enum session_loss loss = serve(&serving);
    rotation_abandon(&serving);
    if (loss == SESSION_EXPIRED) {
        if (serving.stable)
            link->session_life_ms = clock_mono_ms() - serving.started_ms;
        else
            loss = SESSION_LOST; // an expiry right after login must not make us dial in a loop
    }
    return loss;
}
