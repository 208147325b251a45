#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nats/nats.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/thread.h"
#include "hub/clerk.h"
#include "hub/discover.h"
#include "hub/faults.h"
#include "hub/hub.h"
#include "hub/verbs.h"

static sigset_t handled;

// The first request to stop ends the hub cleanly, a second one at once.
static void *handle_signals(void *argument)
{
    struct hub *hub = argument;
    bool stopping = false;
    for (int number; sigwait(&handled, &number) == 0;) {
        if (number == SIGHUP) {
            hub_reload(hub);
        } else if (number == SIGUSR1) {
            return NULL; // the hub has ended
        } else if (stopping) {
            _exit(128 + number);
        } else {
            stopping = true;
            log_info("stopping", NULL);
            notify_manager("STOPPING=1");
            hub_end(hub);
        }
    }
    return NULL;
}

static bool raise_descriptors(struct fail *why)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail_errno(why, errno, "getrlimit", NULL);
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur >= HUB_DESCRIPTORS_MIN ||
           fail_because(why, FAIL_UNSUPPORTED, "%lu open files are too few: ulimit -n %d",
                        (unsigned long)limit.rlim_cur, HUB_DESCRIPTORS_MIN);
}

static bool serve(struct hub *hub, struct fail *why)
{
    pthread_t signals;
    struct clerk *clerk = clerk_start(hub, why);
    if (!clerk)
        return false;
    if (!thread_start(handle_signals, hub, &signals)) {
        clerk_stop(clerk);
        return fail_errno(why, EAGAIN, "start a thread", NULL);
    }
    const struct listen_at *http = &hub->settings->http;
    char port[8];
    snprintf(port, sizeof port, "%d", http->port);
    discover_announce(hub);
    if (hub->settings->faults)
        log_warn("this hub makes faults on purpose; it is for tests alone", NULL);
    log_info("serving", "data", hub->dir.path, "http", *http->address ? http->address : "*", "port",
             port, "tls", hub->certificate ? "yes" : "no", "nats", hub->nats_url, NULL);
    notify_manager("READY=1");
    hub_run(hub);
    pthread_kill(signals, SIGUSR1);
    pthread_join(signals, NULL);
    discover_withdraw(hub);
    clerk_stop(clerk);
    return true;
}

static bool start_and_serve(const struct settings *settings, struct fail *why)
{
    struct hub hub;
    bool served = hub_start(&hub, settings, why) && serve(&hub, why);
    hub_stop(&hub);
    return served;
}

int cmd_serve(int argc, char **argv)
{
    struct settings settings;
    struct fail why;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(settings_help, stdout);
            return 0;
        }
    if (!settings_parse(argc, argv, &settings, &why)) {
        verb_failed(&why);
        return verb_misused("See: opengeni-hub serve --help\n");
    }
    // Before any thread exists, so that all of them leave signals to the one that waits for them.
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGHUP);
    sigaddset(&handled, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &handled, NULL);
    signal(SIGPIPE, SIG_IGN);

    bool served = raise_descriptors(&why) && start_and_serve(&settings, &why);
    faults_free(settings.faults);
    nats_Close();
    return served ? 0 : verb_failed(&why);
}
