#include "hub/clerk.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/thread.h"
#include "hub/hub.h"
#include "hub/nats_server.h"
#include "hub/roster.h"

struct clerk {
    struct hub *hub;
    struct cancel *stop;
    pthread_t thread;
};

static void save(struct hub *hub, bool *failing)
{
    struct fail why;
    bool saved = observed_save(&hub->observed, hub->roster, false, &why);
    if (!saved && !*failing) // once, not every ten seconds
        log_error("history cannot be saved", "reason", log_why(&why), NULL);
    if (saved && *failing)
        log_info("history is saved again", NULL);
    *failing = !saved;
}

// One that hangs is as bad as one that has ended, and does not end by itself.
static void look_after_nats(struct hub *hub, int64_t *down_ms)
{
    int64_t now_ms = clock_mono_ms();
    if (!hub->nats || hub_healthy(hub))
        *down_ms = 0;
    else if (!*down_ms)
        *down_ms = now_ms;
    else if (now_ms - *down_ms >= HUB_NATS_HUNG_MS && nats_server_kill(hub->nats, HUB_NATS_HUNG_MS))
        log_error("nats-server runs and does not answer: killed, to be started again", NULL);
}

static void *run(void *argument)
{
    struct clerk *clerk = argument;
    struct pollfd stop = {.fd = cancel_fd(clerk->stop), .events = POLLIN};
    bool failing = false;
    int64_t nats_down_ms = 0;
    int64_t saved_ms = clock_boot_ms(), renewed_ms = saved_ms;
    while (poll(&stop, 1, HUB_TICK_MS) <= 0) {
        struct moment now = moment_now();
        roster_tick(clerk->hub->roster, now);
        look_after_nats(clerk->hub, &nats_down_ms);
        if (now.mono_ms - saved_ms >= HUB_SAVE_MS) {
            saved_ms = now.mono_ms;
            save(clerk->hub, &failing);
        }
        if (now.mono_ms - renewed_ms >= HUB_RENEW_MS) {
            renewed_ms = now.mono_ms;
            hub_renew(clerk->hub);
        }
        if (notify_watchdog_ms() > 0)
            notify_manager("WATCHDOG=1");
    }
    return NULL;
}

struct clerk *clerk_start(struct hub *hub, struct fail *why)
{
    struct clerk *clerk = mem_new(struct clerk);
    clerk->hub = hub;
    clerk->stop = cancel_new();
    if (thread_start(run, clerk, &clerk->thread))
        return clerk;
    cancel_unref(clerk->stop);
    mem_free(clerk);
    fail_errno(why, EAGAIN, "start a thread", NULL);
    return NULL;
}

void clerk_stop(struct clerk *clerk)
{
    if (!clerk)
        return;
    cancel_fire(clerk->stop);
    pthread_join(clerk->thread, NULL);
    cancel_unref(clerk->stop);
    mem_free(clerk);
}
