// The daemon: sets the stage, then waits for signals, changed documents and its clocks. Everything
// else happens in the links and on the workers.
#include <errno.h>
#include <malloc.h>
#include <nats/nats.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/workers.h"
#include "config/api_url.h"
#include "config/config_dir.h"
#include "config/connections.h"
#include "config/instance_lock.h"
#include "config/pause.h"
#include "config/settings.h"
#include "daemon/desktop_watch.h"
#include "daemon/housekeeping.h"
#include "daemon/links.h"
#include "daemon/options.h"
#include "daemon/status.h"
#include "daemon/watch.h"
#include "desktop_virtual/virtual.h"
#include "files/digest.h"
#include "files/places.h"
#include "host/capacity.h"
#include "host/machine.h"
#include "link/admission.h"
#include "ops/op.h"
#include "ops/terminals.h"
#include "ops/views.h"
#include "process/environment.h"
#include "process/guardian.h"
#include "process/inherit.h"
#include "process/shell.h"
#include "upgrade/receipt.h"
#include "upgrade/upgrade.h"

enum { EXIT_CONFIG = 78 }; // sysexits.h EX_CONFIG: the service manager does not try again

struct daemon {
    struct options options;
    bool managed; // started by systemd
    struct secure_dir config;
    char *api_url;
    int signals, lock;
    struct cancel *lock_wait;
    struct workers *workers;
    struct op_host host;
    struct link_shared shared;
    struct housekeeping *housekeeping;
    struct links *links;
    struct watch *watch;
    struct desktop_watch *desktop;
    struct virtual_desktop *screen; // of our own; NULL: none
    struct status_writer *status;
    struct upgrade *upgrade;
    int64_t reconcile_at, rescan_at, watchdog_at;
    int64_t trial_at; // this version has shown that it works; 0: nobody asks
    long watchdog_ms; // 0: nobody watches
    enum pause pause; // as it was last seen
};

static _Noreturn void give_up(const struct daemon *daemon, const struct fail *why)
{
    log_error("cannot start", "why", log_why(why), NULL);
    exit(daemon->managed ? EXIT_CONFIG : 1);
}

static void take_signals(struct daemon *daemon)
{
    sigset_t mask;
    sigemptyset(&mask);
    const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(&mask, taken[i]);
    sigprocmask(SIG_BLOCK, &mask, NULL); // every thread inherits this
    signal(SIGPIPE, SIG_IGN);
    daemon->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Twice as often as the service manager wants to hear from us; -1: it does not.
static int watchdog_period(const struct daemon *daemon)
{
    return daemon->watchdog_ms > 0 ? (int)(daemon->watchdog_ms / 2) : -1;
}

static void *cancel_on_signal(void *daemon_)
{
    struct daemon *daemon = daemon_;
    struct pollfd fds[] = {{.fd = daemon->signals, .events = POLLIN},
                           {.fd = cancel_fd(daemon->lock_wait), .events = POLLIN}};
    int ready;
    do {
        notify_manager("WATCHDOG=1");
        ready = poll(fds, 2, watchdog_period(daemon));
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    cancel_fire(daemon->lock_wait);
    return NULL;
}

// One process at a time serves a configuration directory, ours or another build's. Under a service
// manager the second one waits: a foreground agent that ends hands over to the service.
static void take_lock(struct daemon *daemon)
{
    struct fail why;
    pid_t holder;
    enum instance_lock lock = instance_lock_take(&daemon->config, &daemon->lock, &holder, &why);
    if (lock == LOCK_HELD && !daemon->options.wait) {
        char pid[24];
        snprintf(pid, sizeof pid, "%d", (int)holder);
        fprintf(stderr, "opengeni-agent is already running (pid %s)\n", holder ? pid : "unknown");
        exit(0);
    }
    if (lock == LOCK_HELD) {
        pthread_t watcher;
        daemon->lock_wait = cancel_new();
        // Waiting is all there is to do, and it may take for ever: the start is over.
        notify_manager("READY=1\nSTATUS=Waits for another agent to end");
        pthread_create(&watcher, NULL, cancel_on_signal, daemon);
        lock = instance_lock_wait(&daemon->config, daemon->lock_wait, &daemon->lock, &why);
        cancel_fire(daemon->lock_wait);
        pthread_join(watcher, NULL);
        cancel_unref(daemon->lock_wait);
        if (lock == LOCK_HELD)
            exit(0);
    }
    if (lock == LOCK_FAILED)
        log_warn("no instance lock; going on without", "why", log_why(&why), NULL);
}

static void set_up_host(struct daemon *daemon)
{
    extern char **environ;
    struct fail why;
    struct settings settings;
    if (!settings_load(&daemon->config, &settings, &why))
        give_up(daemon, &why);
    for (size_t i = 0; i < settings.warning_count; i++)
        log_warn("agent.ini", "line", settings.warnings[i], NULL);
    daemon->host = (struct op_host){
        .workspace_root = start_directory(),
        .home = home_directory(),
        .shell = shell_choose(),
        .environment = environment_base(environ),
        .kill_background_jobs = settings.kill_background_jobs,
        .terminals = terminals_new(settings.terminal_rate, 0),
        .scale_pointer = !settings.keep_pointer,
    };
    daemon->host.desktop = desktop_watch_open(&settings, daemon->host.home);
    const char *size = daemon->options.virtual_desktop ? daemon->options.virtual_desktop
                                                       : settings.virtual_desktop;
    if (size)
        daemon->screen =
            desktop_watch_virtual(daemon->host.desktop, size, daemon->options.virtual_display,
                                  &daemon->config, daemon->host.environment);
    if (daemon->host.desktop)
        daemon->host.views = views_new(daemon->host.desktop, settings.terminal_rate);
    settings_fini(&settings);
}

static bool is_idle(void *daemon_)
{
    struct daemon *daemon = daemon_;
    struct admission_counts counts = admission_counts(daemon->shared.admission);
    for (int i = 0; i < ADMISSION_CLASSES; i++)
        if (counts.running[i] + counts.queued[i] > 0)
            return false;
    return true;
}

static void update_changed(void *daemon_)
{
    status_writer_poke(((struct daemon *)daemon_)->status);
}

static void set_up_updates(struct daemon *daemon)
{
    static struct receipt receipt;
    struct fail why;
    if (!receipt_read(&daemon->config, &receipt, &why))
        log_warn("the receipt of the last update is of no use", "why", log_why(&why), NULL);
    const struct upgrade_setup setup = {.updater = daemon->options.updater,
                                        .version = OG_VERSION,
                                        .sha256 = daemon->shared.binary_sha256,
                                        .config_dir = daemon->config.path,
                                        .ca_file = daemon->options.ca_file,
                                        .idle = is_idle,
                                        .changed = update_changed,
                                        .trial = daemon->options.trial != NULL,
                                        .argument = daemon};
    daemon->upgrade = daemon->shared.upgrade = upgrade_new(&setup);
    daemon->shared.receipt = &receipt;
}

static void set_up_links(struct daemon *daemon)
{
    static char sha256[DIGEST_HEX_BYTES];
    static char name[NAME_BYTES_MAX];
    digest_self(sha256);
    machine_name(name, sizeof name);
    daemon->workers = workers_new(SIZE_MAX);
    char *spool = secure_dir_file(&daemon->config, "spool");
    daemon->housekeeping = housekeeping_new(daemon->workers, daemon->host.environment,
                                            daemon->host.workspace_root, spool);
    mem_free(spool);
    daemon->host.metrics = housekeeping_metrics(daemon->housekeeping);
    struct capacity_sample capacity;
    capacity_get(housekeeping_capacity(daemon->housekeeping), &capacity);
    daemon->shared = (struct link_shared){
        .host = &daemon->host,
        .admission = admission_new(daemon->workers,
                                   admission_limits_for(capacity.fd_headroom, capacity.pid_headroom,
                                                        capacity.mem_available_bytes)),
        .workers = daemon->workers,
        .capacity = housekeeping_capacity(daemon->housekeeping),
        .ca_file = daemon->options.ca_file,
        .machine_name = daemon->options.machine_name ? daemon->options.machine_name : name,
        .binary_sha256 = sha256,
        .started_ms = clock_mono_ms(),
    };
    random_uuid(daemon->shared.instance_id);
    daemon->status = status_writer_new(&daemon->config, &daemon->shared);
    set_up_updates(daemon);
    daemon->shared.changed = status_writer_poke;
    daemon->shared.changed_argument = daemon->status;
    daemon->desktop = desktop_watch_new(daemon->host.desktop, daemon->workers);
    daemon->links = links_new(&daemon->shared, &daemon->config, daemon->api_url);
}

static void open_nats(struct daemon *daemon)
{
    // One delivery thread for all links: what it does is short, and ping is answered on it.
    if (nats_Open(-1) != NATS_OK || nats_SetMessageDeliveryPoolSize(1) != NATS_OK) {
        struct fail why;
        fail_because(&why, FAIL_SYSTEM, "the NATS client cannot be started");
        give_up(daemon, &why);
    }
}

// The owner may have paused us, or ended that.
static void obey_pause(struct daemon *daemon)
{
    enum pause pause = pause_read(&daemon->config);
    bool before = atomic_exchange(&daemon->shared.paused, pause != PAUSE_NONE);
    if (before != (pause != PAUSE_NONE))
        log_info(before ? "resumed by the owner" : "paused by the owner", NULL);
    if (pause == PAUSE_KILL && daemon->pause != PAUSE_KILL)
        links_end_work(daemon->links);
    daemon->pause = pause;
}

static int64_t rescan_period(const struct daemon *daemon)
{
    return watch_fd(daemon->watch) < 0 ? CONFIG_POLL_MS : CONFIG_RESCAN_MS;
}

static void start(struct daemon *daemon, int argc, char **argv)
{
    inherit_get();
    log_init();
    // Few arenas: an agent is measured by what it keeps when it is idle.
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_BYTES_MAX);
    mallopt(M_MMAP_THRESHOLD, MEMORY_HEAP_BYTES_MAX);
    options_parse(argc, argv, &daemon->options);
    daemon->managed = getenv("INVOCATION_ID") != NULL;
    daemon->watchdog_ms = notify_watchdog_ms();
    daemon->options.wait |= daemon->managed;
    take_signals(daemon);
    struct fail why;
    if (!guardian_start(&why))
        log_warn("no guardian: commands would outlive a crash", "why", log_why(&why), NULL);
    if (!config_dir_create(&daemon->config, daemon->options.config_dir, &why))
        give_up(daemon, &why);
    const char *hint =
        daemon->options.api_url ? daemon->options.api_url : getenv("OPENGENI_API_URL");
    if (!api_url_normalise(hint && *hint ? hint : API_URL_DEFAULT, &daemon->api_url, &why))
        give_up(daemon, &why);
    take_lock(daemon);
    connections_sweep(&daemon->config);
    inherit_raise_files();
    set_up_host(daemon);
    open_nats(daemon);
    set_up_links(daemon);
    daemon->watch = watch_new(daemon->config.path);
    if (getuid() == 0)
        log_warn("running as root: remote commands have all rights on this machine", NULL);
    log_info("started", "version", OG_VERSION, "instance", daemon->shared.instance_id, "root",
             daemon->host.workspace_root, NULL);
    obey_pause(daemon);
    links_reconcile(daemon->links);
    daemon->rescan_at = clock_mono_ms() + rescan_period(daemon);
    notify_manager("READY=1");
    daemon->trial_at = daemon->options.trial ? clock_mono_ms() + UPDATE_TRIAL_UP_MS : 0;
    status_writer_poke(daemon->status);
}

// Returns the signal that ends the daemon, or 0.
static int handle_signals(struct daemon *daemon)
{
    struct signalfd_siginfo info;
    while (read(daemon->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGUSR1) {
            status_writer_log(daemon->status, daemon->links);
        } else if (number == SIGUSR2) {
            status_writer_ask(daemon->status);
        } else if (number == SIGHUP && !isatty(STDIN_FILENO)) {
            log_info("reading the connections again", NULL);
            daemon->reconcile_at = clock_mono_ms();
        } else {
            return number;
        }
    }
    return 0;
}

static int64_t earliest(int64_t a, int64_t b)
{
    return b && (!a || b < a) ? b : a;
}

static void feed_watchdog(struct daemon *daemon)
{
    int64_t now = clock_mono_ms();
    if (daemon->watchdog_ms <= 0 || now < daemon->watchdog_at)
        return;
    daemon->watchdog_at = now + watchdog_period(daemon);
    notify_manager("WATCHDOG=1");
}

// The version is good: it has been up for a while, or ends because it was asked to.
static void pass_trial(struct daemon *daemon)
{
    if (daemon->options.trial && unlink(daemon->options.trial) == 0)
        log_info("the new version stays", "version", OG_VERSION, NULL);
    daemon->options.trial = NULL;
    daemon->trial_at = 0;
    upgrade_trial_passed(daemon->upgrade);
}

// Returns the signal that ends it, or that it is to become another version.
enum { BECOME_NEW = -1 };

static int serve(struct daemon *daemon)
{
    for (;;) {
        feed_watchdog(daemon);
        int64_t next = earliest(daemon->reconcile_at, daemon->rescan_at);
        next = earliest(next, housekeeping_next(daemon->housekeeping));
        next = earliest(next, status_writer_next(daemon->status));
        next = earliest(next, daemon->watchdog_at);
        next = earliest(next, daemon->trial_at);
        next = earliest(next, desktop_watch_next(daemon->desktop));
        int64_t wait = next - clock_mono_ms();
        struct pollfd fds[] = {{.fd = daemon->signals, .events = POLLIN},
                               {.fd = watch_fd(daemon->watch), .events = POLLIN},
                               {.fd = status_writer_fd(daemon->status), .events = POLLIN},
                               {.fd = upgrade_fd(daemon->upgrade), .events = POLLIN}};
        poll(fds, sizeof fds / sizeof *fds, wait > 0 ? (int)wait : 0);
        int end = handle_signals(daemon);
        if (end)
            return end;
        if (fds[3].revents)
            return BECOME_NEW;
        int64_t now = clock_mono_ms();
        if (fds[1].revents) {
            watch_take(daemon->watch);
            daemon->reconcile_at = earliest(daemon->reconcile_at, now + CONFIG_DEBOUNCE_MS);
        }
        if (now >= daemon->rescan_at || links_reap(daemon->links))
            daemon->reconcile_at = now;
        if (daemon->reconcile_at && now >= daemon->reconcile_at) {
            daemon->reconcile_at = 0;
            daemon->rescan_at = now + rescan_period(daemon);
            obey_pause(daemon);
            links_reconcile(daemon->links);
        }
        if (daemon->trial_at && now >= daemon->trial_at)
            pass_trial(daemon);
        if (desktop_watch_run(daemon->desktop))
            links_describe(daemon->links);
        housekeeping_run(daemon->housekeeping, daemon->shared.admission);
        status_writer_run(daemon->status, daemon->links);
    }
}

static bool operations_running(struct daemon *daemon)
{
    struct admission_counts counts = admission_counts(daemon->shared.admission);
    return counts.running[ADMISSION_HEAVY] > 0;
}

// A second signal does not wait for the goodbye.
static void on_second_signal(int number)
{
    _exit(128 + number);
}

static void stop(struct daemon *daemon, int number)
{
    notify_manager(number == BECOME_NEW ? "STATUS=Becomes another version" : "STOPPING=1");
    upgrade_stop(daemon->upgrade);
    pass_trial(daemon);
    log_info("stopping", "signal",
             number == SIGINT       ? "INT"
             : number == SIGTERM    ? "TERM"
             : number == BECOME_NEW ? "none: updated"
                                    : "HUP",
             NULL);
    struct sigaction second = {.sa_handler = on_second_signal};
    sigaction(SIGTERM, &second, NULL);
    sigaction(SIGINT, &second, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    links_stop(daemon->links, number == BECOME_NEW ? LEAVE_UPDATE : LEAVE_USER_STOP);
    if (daemon->host.views)
        views_stop(daemon->host.views); // the terminals wait for the last words of all channels
    bool hung_up = terminals_shut_down(daemon->host.terminals, TERMINAL_HANGUP_MS + KILL_TREE_MS);
    virtual_desktop_stop(daemon->screen);
    status_writer_end(daemon->status);
    // What is cancelled needs a moment to be dead; what is still there then is the guardian's.
    int64_t until = clock_mono_ms() + KILL_TREE_MS;
    while (operations_running(daemon) && clock_mono_ms() < until)
        clock_sleep_ms(5);
    if (hung_up && !operations_running(daemon))
        guardian_stop();
    log_info("stopped", NULL);
}

// The same process goes on as the new version, with the same command line.
static void become_new(struct daemon *daemon, int argc, char **argv)
{
    const char *program = upgrade_program(daemon->upgrade);
    const char **words = mem_array((size_t)argc + 3, sizeof *words);
    size_t count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--trial") == 0)
            i++; // that of this version
        else
            words[count++] = argv[i];
    }
    words[count++] = "--trial";
    words[count] = upgrade_trial(daemon->upgrade);
    io_close(&daemon->lock);
    execv(program, (char *const *)words);
    log_error("cannot start the new version", "program", program, "why", strerrordesc_np(errno),
              NULL);
    _exit(1);
}

int main(int argc, char **argv)
{
    static struct daemon daemon;
    start(&daemon, argc, argv);
    int end = serve(&daemon);
    stop(&daemon, end);
    if (end == BECOME_NEW)
        become_new(&daemon, argc, argv);
    // Threads may still be dialing; there is nothing of theirs that has to be waited for.
    _exit(0);
}
