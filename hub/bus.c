#include "hub/bus.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <nats/nats.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "hub/cut.h"
#include "hub/nats_config.h"

enum { AGENTS, AUTH, SYSTEM, CONNECTIONS };
enum { SUBSCRIPTIONS_MAX = 8 };

static const char *const users[CONNECTIONS] = {NATS_AGENTS_USER, NATS_AUTH_USER, NATS_SYSTEM_USER};

struct bus {
    struct bus_setup setup;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop, up, lost, open_to_all;
    uint64_t connects;
    char error[FAIL_WHAT_BYTES];
    struct cuts cuts;

    size_t open; // connections whose end nats.c has not reported yet

    // Of the thread alone:
    natsConnection *connections[CONNECTIONS];
    natsSubscription *subscriptions[SUBSCRIPTIONS_MAX];
    size_t subscription_count;
};

static size_t connections_used(const struct bus *bus)
{
    return bus->setup.password ? CONNECTIONS : 1;
}

static void on_closed(natsConnection *connection, void *context)
{
    (void)connection;
    struct bus *bus = context;
    pthread_mutex_lock(&bus->lock);
    bus->lost = true;
    bus->open--;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->lock);
}

static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *context)
{
    (void)connection;
    (void)subscription;
    (void)context;
    log_warn("nats", "error", natsStatus_GetText(status), NULL);
}

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *context)
{
    (void)connection;
    (void)subscription;
    const struct bus *bus = context;
    bus->setup.on_message(bus->setup.context, natsMsg_GetSubject(message), natsMsg_GetData(message),
                          (size_t)natsMsg_GetDataLength(message));
    natsMsg_Destroy(message);
}

static void on_question(natsConnection *connection, natsSubscription *subscription,
                        natsMsg *message, void *context)
{
    (void)subscription;
    const struct bus *bus = context;
    char *answer = bus->setup.on_question(bus->setup.context, natsMsg_GetData(message),
                                          (size_t)natsMsg_GetDataLength(message));
    if (answer && natsMsg_GetReply(message))
        natsConnection_PublishString(connection, natsMsg_GetReply(message), answer);
    mem_free(answer);
    natsMsg_Destroy(message);
}

// What every connection of ours to that server is made with. *options is to be destroyed either
// way.
static natsStatus make_options(const struct bus *bus, natsOptions **options)
{
    *options = NULL;
    natsStatus status = natsOptions_Create(options);
    if (status == NATS_OK)
        status = natsOptions_SetURL(*options, bus->setup.url);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(*options, HUB_BUS_DIAL_MS);
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(*options, false); // the thread does that
    return status;
}

static natsStatus dial(struct bus *bus, size_t which)
{
    natsOptions *options;
    natsStatus status = make_options(bus, &options);
    if (status == NATS_OK && bus->setup.password)
        status = natsOptions_SetUserInfo(options, users[which], bus->setup.password);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, "opengeni-hub");
    if (status == NATS_OK)
        status = natsOptions_SetIgnoreDiscoveredServers(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetSendAsap(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(options, HUB_BUS_PING_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(options, HUB_BUS_PINGS);
    if (status == NATS_OK)
        status = natsOptions_SetClosedCB(options, on_closed, bus);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, on_error, bus);
    // Counted before: the end may be reported before the beginning.
    pthread_mutex_lock(&bus->lock);
    bus->open++;
    pthread_mutex_unlock(&bus->lock);
    if (status == NATS_OK)
        status = natsConnection_Connect(&bus->connections[which], options);
    if (status != NATS_OK) { // an end of what never began is not reported
        pthread_mutex_lock(&bus->lock);
        bus->open--;
        pthread_mutex_unlock(&bus->lock);
    }
    natsOptions_Destroy(options);
    return status;
}

static natsStatus subscribe(struct bus *bus, size_t which, const char *subject,
                            natsMsgHandler handler)
{
    natsSubscription **subscription = &bus->subscriptions[bus->subscription_count];
    assert(bus->subscription_count < SUBSCRIPTIONS_MAX);
    natsStatus status =
        natsConnection_Subscribe(subscription, bus->connections[which], subject, handler, bus);
    if (status == NATS_OK) {
        bus->subscription_count++;
        status = natsSubscription_SetPendingLimits(*subscription, HUB_BUS_PENDING_MESSAGES,
                                                   HUB_BUS_PENDING_BYTES);
    }
    return status;
}

// Whether the server lets in a client that presents nothing. The hub, if asked, refuses it.
static bool lets_strangers_in(struct bus *bus)
{
    natsOptions *options;
    natsConnection *connection = NULL;
    natsStatus status = make_options(bus, &options);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(options, on_error, NULL);
    if (status == NATS_OK)
        status = natsConnection_Connect(&connection, options);
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
    return status == NATS_OK;
}

// NATS_ILLEGAL_STATE: machines would not be told from anybody else there.
static natsStatus try_strangers(struct bus *bus)
{
    bool open = lets_strangers_in(bus);
    pthread_mutex_lock(&bus->lock);
    bus->open_to_all = open;
    pthread_mutex_unlock(&bus->lock);
    return open ? NATS_ILLEGAL_STATE : NATS_OK;
}

// Authorization comes first: machines that wait for it are the ones that make noise next.
static natsStatus open_all(struct bus *bus)
{
    if (bus->setup.ready && !bus->setup.ready(bus->setup.context))
        return NATS_NO_SERVER;
    natsStatus status = NATS_OK;
    for (size_t i = connections_used(bus); i-- > 0 && status == NATS_OK;) {
        status = dial(bus, i);
        if (status == NATS_OK && i == AUTH)
            status = subscribe(bus, AUTH, NATS_CALLOUT_SUBJECT, on_question);
        for (size_t s = 0; status == NATS_OK && i == AGENTS && bus->setup.subjects[s]; s++)
            status = subscribe(bus, AGENTS, bus->setup.subjects[s], on_message);
        if (status == NATS_OK)
            status = natsConnection_FlushTimeout(bus->connections[i], HUB_BUS_DIAL_MS);
        if (status == NATS_OK && i == AUTH && bus->setup.doubt)
            status = try_strangers(bus);
    }
    return status;
}

// Under the lock. Sleeps until something changes, ms at most (-1: for ever).
static void wait_change(struct bus *bus, int64_t ms)
{
    if (ms < 0) {
        pthread_cond_wait(&bus->changed, &bus->lock);
        return;
    }
    int64_t until = clock_mono_ms() + ms;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    pthread_cond_timedwait(&bus->changed, &bus->lock, &at);
}

// Connections first: a subscription must not be destroyed while messages arrive on it.
static void close_all(struct bus *bus)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        natsConnection_Close(bus->connections[i]);
    while (bus->subscription_count > 0) {
        natsSubscription_Destroy(bus->subscriptions[--bus->subscription_count]);
        bus->subscriptions[bus->subscription_count] = NULL;
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        natsConnection_Destroy(bus->connections[i]);
        bus->connections[i] = NULL;
    }
    // Until then nats.c may still call us.
    pthread_mutex_lock(&bus->lock);
    while (bus->open > 0)
        wait_change(bus, -1);
    pthread_mutex_unlock(&bus->lock);
}

// Under the lock: keeps the open connections until one is lost or the bus is to stop.
static void serve(struct bus *bus)
{
    while (!bus->stop && !bus->lost) {
        struct cut_order order;
        int64_t wait_ms = cuts_next(&bus->cuts, clock_mono_ms(), &order);
        if (wait_ms == 0 && connections_used(bus) == CONNECTIONS) {
            pthread_mutex_unlock(&bus->lock);
            cut_carry_out(bus->connections[SYSTEM], &order);
            pthread_mutex_lock(&bus->lock);
        } else if (wait_ms != 0) {
            wait_change(bus, wait_ms);
        }
    }
}

static void *run(void *argument)
{
    struct bus *bus = argument;
    int64_t backoff_ms = HUB_BUS_BACKOFF_MS;
    pthread_mutex_lock(&bus->lock);
    while (!bus->stop) {
        bus->lost = false;
        pthread_mutex_unlock(&bus->lock);
        natsStatus status = open_all(bus);
        pthread_mutex_lock(&bus->lock);
        if (status == NATS_OK) {
            backoff_ms = HUB_BUS_BACKOFF_MS;
            bus->up = true;
            bus->connects++;
            pthread_cond_broadcast(&bus->changed);
            log_info("connected to nats-server", "url", bus->setup.url, NULL);
            serve(bus);
            bus->up = false;
            if (!bus->stop)
                log_warn("lost nats-server", NULL);
        } else {
            snprintf(bus->error, sizeof bus->error, "%s",
                     bus->open_to_all ? "it lets everybody in" : natsStatus_GetText(status));
            log_debug("no connection to nats-server", "reason", bus->error, NULL);
        }
        pthread_mutex_unlock(&bus->lock);
        close_all(bus);
        pthread_mutex_lock(&bus->lock);
        if (!bus->stop && status != NATS_OK) {
            wait_change(bus, backoff_ms);
            backoff_ms =
                backoff_ms * 2 < HUB_BUS_BACKOFF_MAX_MS ? backoff_ms * 2 : HUB_BUS_BACKOFF_MAX_MS;
        }
    }
    pthread_mutex_unlock(&bus->lock);
    return NULL;
}

static void free_bus(struct bus *bus)
{
    cuts_fini(&bus->cuts);
    pthread_cond_destroy(&bus->changed);
    pthread_mutex_destroy(&bus->lock);
    mem_free((char *)bus->setup.url);
    mem_free_secret((char *)bus->setup.password);
    mem_free(bus);
}

struct bus *bus_start(const struct bus_setup *setup, struct fail *why)
{
    struct bus *bus = mem_new(struct bus);
    bus->setup = *setup;
    bus->setup.url = mem_string(setup->url);
    bus->setup.password = setup->password ? mem_string(setup->password) : NULL;
    pthread_mutex_init(&bus->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&bus->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (thread_start(run, bus, &bus->thread))
        return bus;
    free_bus(bus);
    fail_errno(why, EAGAIN, "start a thread", NULL);
    return NULL;
}

void bus_stop(struct bus *bus)
{
    if (!bus)
        return;
    pthread_mutex_lock(&bus->lock);
    bus->stop = true;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->lock);
    pthread_join(bus->thread, NULL);
    free_bus(bus);
}

bool bus_up(struct bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    bool up = bus->up;
    pthread_mutex_unlock(&bus->lock);
    return up;
}

bool bus_wait_up(struct bus *bus, int ms)
{
    int64_t until = clock_mono_ms() + ms;
    pthread_mutex_lock(&bus->lock);
    for (int64_t left = ms; !bus->up && left > 0; left = until - clock_mono_ms())
        wait_change(bus, left);
    bool up = bus->up;
    pthread_mutex_unlock(&bus->lock);
    return up;
}

uint64_t bus_connects(struct bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    uint64_t connects = bus->connects;
    pthread_mutex_unlock(&bus->lock);
    return connects;
}

bool bus_is_open_to_all(struct bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    bool open = bus->open_to_all;
    pthread_mutex_unlock(&bus->lock);
    return open;
}

void bus_last_error(struct bus *bus, char *text, size_t room)
{
    pthread_mutex_lock(&bus->lock);
    snprintf(text, room, "%s", bus->error);
    pthread_mutex_unlock(&bus->lock);
}

void bus_cut(struct bus *bus, const char *machine, int64_t before_ns)
{
    pthread_mutex_lock(&bus->lock);
    cuts_add(&bus->cuts, machine, before_ns, clock_mono_ms());
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->lock);
}
