#include "desktop_virtual/virtual.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "desktop_client/desktop.h"
#include "desktop_virtual/authority.h"
#include "desktop_virtual/server.h"

struct virtual_desktop {
    struct desktop *desktop;
    struct virtual_options options;
    struct cancel *stop;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t turned;
    bool tried; // the first server is there, or has failed
};

static void tell_tried(struct virtual_desktop *screen)
{
    pthread_mutex_lock(&screen->lock);
    screen->tried = true;
    pthread_cond_broadcast(&screen->turned);
    pthread_mutex_unlock(&screen->lock);
}

static bool start(struct virtual_desktop *screen, struct server *server,
                  const struct server_setup *setup)
{
    struct fail why;
    char display[DESKTOP_NAME_BYTES_MAX], reason[DESKTOP_REASON_BYTES_MAX];
    if (!authority_write(setup->authority, &why) ||
        !server_start(server, setup, screen->stop, &why)) {
        if (cancel_fired(screen->stop))
            return false;
        log_warn("no virtual desktop", "why", log_why(&why), NULL);
        // The path of the cookie's file is nothing for a control plane.
        snprintf(reason, sizeof reason, "the virtual desktop cannot be started: %.120s",
                 why.kind == FAIL_UNSUPPORTED ? "Xvfb is not installed" : why.what);
        desktop_use_none(screen->desktop, reason);
        return false;
    }
    server_start_manager(server, setup);
    snprintf(display, sizeof display, ":%u", server->number);
    log_info("virtual desktop started", "display", display, "width", log_num(setup->geometry.width),
             "height", log_num(setup->geometry.height), NULL);
    desktop_use_virtual(screen->desktop, display, setup->authority);
    return true;
}

// True when the server has ended, false when it shall.
static bool wait_for_end(struct virtual_desktop *screen, struct server *server,
                         const struct server_setup *setup)
{
    unsigned managers = 1;
    for (;;) {
        struct pollfd fds[] = {{server->pidfd, POLLIN, 0},
                               {cancel_fd(screen->stop), POLLIN, 0},
                               {server->manager_pidfd, POLLIN, 0}};
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            return false;
        if (fds[1].revents)
            return false;
        if (fds[0].revents)
            return true;
        if (fds[2].revents) {
            server_reap_manager(server);
            if (managers++ < VIRTUAL_MANAGERS_MAX)
                server_start_manager(server, setup);
        }
    }
}

static bool pause_before(struct virtual_desktop *screen, unsigned failures)
{
    int64_t ms = VIRTUAL_BACKOFF_MS;
    for (unsigned i = 1; i < failures && ms < VIRTUAL_BACKOFF_MS_MAX; i++)
        ms *= 2;
    struct pollfd stop = {cancel_fd(screen->stop), POLLIN, 0};
    poll(&stop, 1, (int)(ms < VIRTUAL_BACKOFF_MS_MAX ? ms : VIRTUAL_BACKOFF_MS_MAX));
    return !cancel_fired(screen->stop);
}

static void *run(void *screen_)
{
    struct virtual_desktop *screen = screen_;
    struct server_setup setup = {.number = screen->options.number,
                                 .geometry = screen->options.geometry,
                                 .authority = screen->options.authority,
                                 .environment = screen->options.environment};
    unsigned failures = 0;
    do {
        struct server server;
        int64_t begun = clock_mono_ms();
        bool started = start(screen, &server, &setup);
        tell_tried(screen);
        bool ended = started && wait_for_end(screen, &server, &setup);
        if (started)
            server_stop(&server);
        if (ended) {
            log_warn("the virtual desktop's X server has ended; it is started again", NULL);
            desktop_use_none(screen->desktop, "the virtual desktop is being restarted");
        }
        // One that has run for a while is no failure.
        bool served = started && clock_mono_ms() - begun >= VIRTUAL_BACKOFF_MS_MAX;
        failures = served ? 1 : failures + 1;
    } while (!cancel_fired(screen->stop) && pause_before(screen, failures));
    unlink(setup.authority);
    return NULL;
}

static void wait_tried(struct virtual_desktop *screen)
{
    int64_t until = clock_mono_ms() + VIRTUAL_START_MS;
    const struct timespec deadline = {until / 1000, until % 1000 * 1000000};
    int error = 0;
    pthread_mutex_lock(&screen->lock);
    while (!screen->tried && error == 0)
        error = pthread_cond_timedwait(&screen->turned, &screen->lock, &deadline);
    pthread_mutex_unlock(&screen->lock);
}

struct virtual_desktop *virtual_desktop_start(struct desktop *desktop,
                                              const struct virtual_options *options)
{
    struct virtual_desktop *screen = mem_new(struct virtual_desktop);
    screen->desktop = desktop;
    screen->options = *options;
    screen->stop = cancel_new();
    pthread_mutex_init(&screen->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&screen->turned, &attributes);
    pthread_condattr_destroy(&attributes);
    desktop_use_none(desktop, "the virtual desktop is being started");
    if (pthread_create(&screen->thread, NULL, run, screen) != 0) {
        log_warn("no thread for a virtual desktop", NULL);
        cancel_unref(screen->stop);
        mem_free(screen);
        return NULL;
    }
    wait_tried(screen);
    return screen;
}

void virtual_desktop_stop(struct virtual_desktop *screen)
{
    if (!screen)
        return;
    cancel_fire(screen->stop);
    pthread_join(screen->thread, NULL);
    cancel_unref(screen->stop);
    pthread_cond_destroy(&screen->turned);
    pthread_mutex_destroy(&screen->lock);
    mem_free(screen);
}
