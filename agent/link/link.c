#include "link/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/workers.h"
#include "config/bearer.h"
#include "link/backoff.h"
#include "link/link_private.h"
#include "link/outbox.h"
#include "link/reply_memory.h"
#include "link/settled.h"
#include "ops/op.h"
#include "ops/terminals.h"
#include "ops/views.h"
#include "relay/relay.h"

void link_hold(struct link *link)
{
    atomic_fetch_add(&link->references, 1);
}

void link_drop(void *link_)
{
    struct link *link = link_;
    if (atomic_fetch_sub(&link->references, 1) != 1)
        return;
    connection_free(link->connection);
    connection_free(link->next_connection);
    cancel_unref(link->lost);
    cancel_unref(link->leaving);
    outbox_free(link->outbox);
    outbox_free(link->posted);
    reply_memory_free(link->replies);
    settled_free(link->settled);
    running_fini(&link->running);
    relay_unref(link->relay);
    desktop_seat_fini(&link->seat);
    lane_fini(&link->typing);
    pthread_cond_destroy(&link->wake);
    pthread_mutex_destroy(&link->lock);
    mem_free(link);
}

void link_wake(void *link_)
{
    struct link *link = link_;
    pthread_mutex_lock(&link->lock);
    link->woken = true;
    pthread_cond_broadcast(&link->wake);
    pthread_mutex_unlock(&link->lock);
}

struct session *link_session(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    struct session *session = link->session ? session_ref(link->session) : NULL;
    pthread_mutex_unlock(&link->lock);
    return session;
}

struct relay *link_relay(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    struct relay *relay = relay_ref(link->relay);
    pthread_mutex_unlock(&link->lock);
    return relay;
}

const char *link_ca_file(const struct link *link, const struct connection *connection)
{
    return link->shared->ca_file ? link->shared->ca_file : connection->ca_file;
}

static struct relay_settings relay_values(const struct link *link,
                                          const struct connection *connection)
{
    return (struct relay_settings){.workspace_id = connection->workspace_id,
                                   .agent_id = connection->agent_id,
                                   .url = connection->relay_url,
                                   .token = connection->relay_token,
                                   .ca_file = link_ca_file(link, connection),
                                   .may_input = connection->consented_screen_control};
}

static bool is_relay_of(const struct relay *relay, const struct connection *connection)
{
    return strcmp(relay_workspace_id(relay), connection->workspace_id) == 0 &&
           strcmp(relay_agent_id(relay), connection->agent_id) == 0;
}

// What is shown there ends; nobody could address it any more.
static void leave_relay(struct link *link, struct relay *relay)
{
    if (link->shared->host->views)
        views_leave(link->shared->host->views, relay);
    if (link->shared->host->terminals)
        terminals_leave(link->shared->host->terminals, relay);
    relay_unref(relay);
}

bool link_leave_asked(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    bool asked = link->leave_asked;
    pthread_mutex_unlock(&link->lock);
    return asked;
}

void link_set_state(struct link *link, enum link_state state)
{
    if (link->status.state != state)
        link->status.since_ms = clock_wall_ms();
    link->status.state = state;
    link->status.attempt = link->attempt;
    link->status.next_retry_ms = 0;
    if (link->shared->changed)
        link->shared->changed(link->shared->changed_argument);
}

static void set_state(struct link *link, enum link_state state)
{
    pthread_mutex_lock(&link->lock);
    link_set_state(link, state);
    pthread_mutex_unlock(&link->lock);
}

// Credentials of a new identity wait to be used.
static bool has_new_connection(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    bool has = link->next_connection != NULL;
    pthread_mutex_unlock(&link->lock);
    return has;
}

static void forget_denial(struct link *link)
{
    link->denied_since_ms = 0;
    relay_disown(link->relay, false);
}

static bool take_new_connection(struct link *link)
{
    struct relay *left = NULL;
    pthread_mutex_lock(&link->lock);
    struct connection *next = link->next_connection;
    link->next_connection = NULL;
    if (next) {
        connection_free(link->connection);
        link->connection = next;
        atomic_store(&link->held_epoch, next->last_known_epoch);
        // link_update has seen that the ids are good.
        (void)subjects_init(&link->subjects, next->workspace_id, next->agent_id,
                            link->shared->instance_id);
        if (!is_relay_of(link->relay, next)) {
            const struct relay_settings values = relay_values(link, next);
            left = link->relay;
            link->relay = relay_new(&values);
        }
    }
    pthread_mutex_unlock(&link->lock);
    if (!next)
        return false;
    if (left)
        leave_relay(link, left);
    link->attempt = 0;
    forget_denial(link);
    link->fenced_only_until_ms = 0;
    link->session_life_ms = 0;
    return true;
}

// A value for a command line that a person may paste: never one that a shell would act on.
static const char *pasteable(const char *value, const char *placeholder)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._-";
    return *value && value[strspn(value, plain)] == '\0' ? value : placeholder;
}

// A refusal right after a start is usually the lease of the process before us, which ends within
// 20 s; only one that lasts is worth a person's time.
static void report_denial(struct link *link, const struct fail *why)
{
    int64_t now = clock_mono_ms();
    bool none = !*link->connection->nats_bearer;
    if (!link->denied_since_ms) {
        link->denied_since_ms = now;
        link->advised_ms = 0;
        if (!none)
            log_info("the server refuses the credentials for now; another instance may still hold "
                     "this machine's lease",
                     "connection", link->id, "why", log_why(why), NULL);
    }
    if ((now - link->denied_since_ms < LINK_DENIED_ADVICE_MS && !none) ||
        (link->advised_ms && now - link->advised_ms < LINK_DENIED_REPEAT_MS))
        return;
    link->advised_ms = now;
    const char *url =
        *link->connection->api_url ? link->connection->api_url : "https://app.opengeni.ai";
    char command[512];
    snprintf(
        command, sizeof command, "opengeni-agent connect --force --api-url %s --workspace-id %s",
        pasteable(url, "<api-url>"), pasteable(link->connection->workspace_id, "<workspace-id>"));
    log_error(none ? "the connection holds no credential; to enrol again"
                   : "the server refuses this machine's credentials: they may be revoked, "
                     "replaced or expired, or a second agent runs with them; to enrol again",
              "connection", link->id, "run", command, NULL);
}

// A refusal that lasts, of a bearer that has not expired: the machine is revoked or replaced. Of
// one that has, whoever looks after the machine may just be about to enrol it again.
static bool is_disowned(const struct link *link, bool denied)
{
    int64_t expires_s;
    return denied && clock_mono_ms() - link->denied_since_ms >= LINK_DENIED_ADVICE_MS &&
           bearer_read(link->connection->nats_bearer, clock_wall_ms() / 1000, &expires_s) !=
               BEARER_EXPIRED;
}

// Sleeps between two attempts. A stop or new credentials end it at once.
static void back_off(struct link *link, bool denied)
{
    int64_t denied_ms = link->denied_since_ms ? clock_mono_ms() - link->denied_since_ms : 0;
    int64_t delay = backoff_delay(link->attempt++, denied_ms);
    int64_t until = clock_mono_ms() + delay;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_mutex_lock(&link->lock);
    relay_disown(link->relay, is_disowned(link, denied));
    link_set_state(link, denied ? LINK_DENIED : LINK_BACKOFF);
    link->status.next_retry_ms = clock_wall_ms() + delay;
    while (!link->leave_asked && !link->next_connection)
        if (pthread_cond_timedwait(&link->wake, &link->lock, &at) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&link->lock);
}

static void note_error(struct link *link, const struct fail *why)
{
    pthread_mutex_lock(&link->lock);
    fail_text(why, link->status.last_error, sizeof link->status.last_error);
    log_redact(link->status.last_error);
    link->status.last_error_ms = clock_wall_ms();
    pthread_mutex_unlock(&link->lock);
}

// Fires and forgets; whoever waits for it holds a reference.
static void fire(struct cancel **cancel)
{
    if (*cancel)
        cancel_fire(*cancel);
    cancel_unref(*cancel);
    *cancel = NULL;
}

// All work of the link is to stop. When the link itself goes on, it gets a new cancel for what
// comes; without a descriptor for that the old work is left to end by itself.
static void stop_work(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    fire(&link->lost);
    struct cancel *next = link->leave_asked ? NULL : cancel_try_new();
    if (next) {
        fire(&link->leaving);
        link->leaving = next;
    }
    pthread_mutex_unlock(&link->lock);
}

void link_end_work(struct link *link)
{
    stop_work(link);
    struct relay *relay = link_relay(link);
    if (link->shared->host->terminals)
        terminals_leave(link->shared->host->terminals, relay);
    relay_unref(relay);
}

static void let_go(void *link_)
{
    struct link *link = link_;
    desktop_seat_let_go(&link->seat, link->shared->host);
    link_drop(link);
}

// Keys and buttons that this link has pressed do not stay down without it.
static void release_input(struct link *link)
{
    if (!atomic_load(&link->seat.pressed))
        return;
    link_hold(link);
    if (!workers_submit(link->shared->workers, let_go, link))
        let_go(link);
}

// The session is no longer for replies. Work that has to die with it is told so: the newer control
// plane counts a command as lost together with the session, the older one waits for its reply.
static struct session *detach(struct link *link, bool fire_lost)
{
    pthread_mutex_lock(&link->lock);
    struct session *session = link->session;
    link->session = NULL;
    link->session_ended_ms = clock_mono_ms();
    if (fire_lost)
        fire(&link->lost);
    pthread_mutex_unlock(&link->lock);
    if (fire_lost)
        release_input(link);
    return session;
}

static void close_session(void *session)
{
    session_close(session);
}

// Closing may have to wait for a write that is stuck on a dead socket; the next dial must not.
static void close_elsewhere(struct link *link, struct session *session)
{
    if (!workers_submit(link->shared->workers, close_session, session))
        session_close(session);
}

static void say_goodbye(struct link *link, enum link_leave reason)
{
    set_state(link, LINK_STOPPING);
    stop_work(link);
    int64_t until = clock_mono_ms() + LINK_STOP_WORK_MS;
    while (atomic_load(&link->calls) > 0 && clock_mono_ms() < until)
        clock_sleep_ms(5);
    struct session *session = detach(link, true);
    link_send_goodbye(link, session, reason);
    if (!session_barrier(session, LINK_FLUSH_MS))
        log_debug("the goodbye was not acknowledged", "connection", link->id, NULL);
    session_close(session);
}

static void lose(struct link *link, enum session_loss loss)
{
    struct fail why;
    const char *text = session_loss_text(link->session);
    fail_because(&why, FAIL_SYSTEM, "session ended: %.200s", *text ? text : "no answer");
    note_error(link, &why);
    log_info("offline", "connection", link->id, "why", log_why(&why), NULL);
    struct session *session = detach(link, loss != SESSION_EXPIRED);
    if (loss == SESSION_DENIED)
        report_denial(link, &why);
    close_elsewhere(link, session);
}

// One round: dial, serve, and whatever has to happen before the next one.
static void run_once(struct link *link)
{
    set_state(link, LINK_CONNECTING);
    struct dialed dialed;
    bool try_legacy = clock_mono_ms() >= link->fenced_only_until_ms;
    link_dial(link, link->connection, try_legacy, &dialed);
    if (!dialed.session) {
        note_error(link, &dialed.why);
        bool denied = dialed.loss == SESSION_DENIED;
        if (denied)
            report_denial(link, &dialed.why);
        else
            forget_denial(link);
        back_off(link, denied);
        return;
    }
    forget_denial(link);
    enum session_loss loss = link_serve(link, dialed.session, dialed.legacy);
    if (loss == SESSION_ALIVE) {
        say_goodbye(link, link_leave_asked(link) ? link->leave_reason : LEAVE_USER_STOP);
        return;
    }
    lose(link, loss);
    if (loss != SESSION_EXPIRED)
        back_off(link, loss == SESSION_DENIED);
}

static void *link_main(void *link_)
{
    struct link *link = link_;
    while (!link_leave_asked(link)) {
        if (has_new_connection(link))
            take_new_connection(link);
        run_once(link);
    }
    pthread_mutex_lock(&link->lock);
    cancel_fire(link->leaving);
    fire(&link->lost);
    link->ended = true;
    link_set_state(link, LINK_GONE);
    pthread_cond_broadcast(&link->wake);
    pthread_mutex_unlock(&link->lock);
    leave_relay(link, link_relay(link));
    log_info("link ended", "connection", link->id, NULL);
    link_drop(link);
    return NULL;
}

struct link *link_new(const struct link_shared *shared, const struct connection *connection,
                      struct fail *why)
{
    static atomic_uint_fast64_t links;
    struct subjects subjects;
    if (!subjects_init(&subjects, connection->workspace_id, connection->agent_id,
                       shared->instance_id)) {
        fail_because(why, FAIL_INVALID, "its ids cannot be part of a NATS subject");
        return NULL;
    }
    struct cancel *leaving = cancel_try_new();
    if (!leaving) {
        fail_errno(why, errno, "eventfd", NULL);
        return NULL;
    }
    struct link *link = mem_new(struct link);
    link->shared = shared;
    link->connection = connection_copy(connection);
    link->subjects = subjects;
    snprintf(link->id, sizeof link->id, "%s", connection->id);
    link->origin = atomic_fetch_add(&links, 1) + 1;
    atomic_init(&link->references, 2); // the caller's and the thread's
    link->outbox = outbox_new();
    link->posted = outbox_new();
    link->replies = reply_memory_new();
    link->settled = settled_new();
    running_init(&link->running);
    desktop_seat_init(&link->seat);
    lane_init(&link->typing);
    link->leaving = leaving;
    const struct relay_settings values = relay_values(link, connection);
    link->relay = relay_new(&values);
    atomic_init(&link->held_epoch, connection->last_known_epoch);
    link->session_ended_ms = clock_mono_ms();
    link->status.since_ms = clock_wall_ms();
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&link->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (thread_start(link_main, link, NULL))
        return link;
    fail_because(why, FAIL_SYSTEM, "no thread can be made for it");
    link_drop(link);
    link_drop(link);
    return NULL;
}

void link_leave(struct link *link, enum link_leave reason)
{
    pthread_mutex_lock(&link->lock);
    if (!link->leave_asked)
        link->leave_reason = reason;
    link->leave_asked = true;
    pthread_cond_broadcast(&link->wake);
    cancel_fire(link->leaving);
    pthread_mutex_unlock(&link->lock);
}

bool link_wait(struct link *link, int64_t until_ms, bool only_announcing)
{
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    pthread_mutex_lock(&link->lock);
    while (!link->ended && !(only_announcing && link->status.state != LINK_ONLINE &&
                             link->status.state != LINK_STOPPING))
        if (pthread_cond_timedwait(&link->wake, &link->lock, &at) == ETIMEDOUT)
            break;
    bool ended = link->ended;
    pthread_mutex_unlock(&link->lock);
    return ended;
}

void link_release(struct link *link)
{
    link_drop(link);
}

void link_update(struct link *link, const struct connection *connection)
{
    struct subjects subjects;
    if (!subjects_init(&subjects, connection->workspace_id, connection->agent_id,
                       link->shared->instance_id)) {
        log_error("the new credentials' ids cannot be part of a subject; the old ones stay",
                  "connection", link->id, NULL);
        return;
    }
    pthread_mutex_lock(&link->lock);
    connection_free(link->next_connection);
    link->next_connection = connection_copy(connection);
    struct relay *relay = relay_ref(link->relay);
    pthread_cond_broadcast(&link->wake);
    pthread_mutex_unlock(&link->lock);
    // At once, whatever step the link is in: the next dial of a terminal uses them.
    const struct relay_settings values = relay_values(link, connection);
    if (is_relay_of(relay, connection)) {
        relay_change(relay, &values);
        if (link->shared->host->views && !values.may_input)
            views_revoke_input(link->shared->host->views, relay);
    }
    relay_unref(relay);
}

void link_describe(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    link->describe = true;
    pthread_cond_broadcast(&link->wake);
    pthread_mutex_unlock(&link->lock);
}

void link_status(struct link *link, struct link_status *status)
{
    pthread_mutex_lock(&link->lock);
    *status = link->status;
    pthread_mutex_unlock(&link->lock);
    status->operations_running = atomic_load(&link->calls);
    status->running_count = running_list(&link->running, status->running, LINK_RUNNING_SHOWN);
}
