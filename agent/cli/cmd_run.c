// "run" looks whether there is anything to do and then becomes the daemon: the process stays the
// same, so that a service manager or a terminal goes on watching it.
//
// The daemon's command line is made here and nowhere else. Its options, all optional:
//     --config-dir DIR  --api-url URL  --ca-file FILE  --machine-name NAME  --wait
//     --virtual-desktop SIZE  --virtual-display NAME  --trial FILE  --updater PROGRAM
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "cli/command.h"
#include "cli/connect.h"
#include "cli/daemon_program.h"
#include "cli/help.h"
#include "cli/say.h"
#include "cli/workplace.h"
#include "config/settings.h"
#include "service/refresh.h"
#include "update/layout.h"
#include "update/origin.h"
#include "update/trial.h"

static const char *machine_name, *virtual_size, *virtual_display, *channel, *workspace_id;
static bool wait_for_connection, virtual_desktop;

struct daemon_line {
    const char *words[24];
    size_t count;
};

static void add(struct daemon_line *line, const char *name, const char *value)
{
    if (!value)
        return;
    line->words[line->count++] = name;
    line->words[line->count++] = value;
}

static void add_flag(struct daemon_line *line, const char *name, bool set)
{
    if (set)
        line->words[line->count++] = name;
}

static bool under_service_manager(void)
{
    return getenv("INVOCATION_ID") != NULL; // systemd.exec(5)
}

static int hopeless(void)
{
    return under_service_manager() ? EXIT_CONFIG : EXIT_FAILED;
}

// A new version that did not come up the last times makes room for the one before it.
static void become_previous(const struct invocation *invocation, const char *program)
{
    say_warning("version " OG_VERSION " did not come up %d times; the version before it is back",
                UPDATE_TRIAL_STARTS);
    struct daemon_line line = {.words = {"opengeni-agent", "run"}, .count = 2};
    add(&line, "--api-url", invocation->api_url_given ? invocation->api_url : NULL);
    add(&line, "--ca-file", invocation->ca_file);
    add(&line, "--machine-name", machine_name);
    add_flag(&line, "--virtual-desktop", virtual_desktop);
    add(&line, "--virtual-geometry", virtual_size);
    add(&line, "--virtual-display", virtual_display);
    add_flag(&line, "--wait", wait_for_connection);
    fflush(stdout);
    execv(program, (char *const *)line.words);
    say_error("cannot start %s: %s", program, strerrordesc_np(errno));
}

// This very program, when it may replace this installation; NULL otherwise.
static char *find_updater(void)
{
    struct layout layout;
    const char *off = getenv("OPENGENI_NO_UPDATE");
    if (!*update_origin_key || (off && *off && strcmp(off, "0") != 0) ||
        !layout_find(&layout, NULL))
        return NULL;
    char *path = layout_writable(&layout) ? layout_program(NULL) : NULL;
    layout_fini(&layout);
    return path;
}

// After an update the unit may be one that an older version has made. Packages bring their own.
static bool unit_was_refreshed(void)
{
    struct fail why;
    char text[FAIL_TEXT_BYTES];
    char *self = under_service_manager() && *update_origin_key ? layout_program(NULL) : NULL;
    enum service_refresh refresh = self ? service_refresh(self, &why) : REFRESH_NONE;
    mem_free(self);
    if (refresh == REFRESH_LEFT)
        say_warning("the service's unit is of an older version and stays as it is: %s. "
                    "'opengeni-agent start' brings it up to date",
                    fail_text(&why, text, sizeof text));
    if (refresh == REFRESH_DONE)
        fputs("The service's unit is new; systemd starts the agent by it.\n", stderr);
    return refresh == REFRESH_DONE;
}

static int become_daemon(const struct invocation *invocation, const struct workplace *place)
{
    char *trial = NULL;
    // One that only finds another at work is no failed start of this version.
    if (!place->live.running && trial_start(&trial) == TRIAL_LOST) {
        become_previous(invocation, trial);
        mem_free(trial);
        trial = NULL;
    }
    char *path = daemon_program();
    if (!path) {
        say_error("%s is missing: it belongs beside this program", DAEMON_NAME);
        mem_free(trial);
        return hopeless();
    }
    struct daemon_line line = {.words = {DAEMON_NAME}, .count = 1};
    add(&line, "--config-dir", place->config.path);
    add(&line, "--api-url", invocation->api_url_given ? invocation->api_url : NULL);
    add(&line, "--ca-file", invocation->ca_file);
    add(&line, "--machine-name", machine_name);
    if (virtual_desktop || virtual_size)
        add(&line, "--virtual-desktop", virtual_size ? virtual_size : VIRTUAL_DESKTOP_USUAL);
    add(&line, "--virtual-display", virtual_display);
    add_flag(&line, "--wait", wait_for_connection);
    add(&line, "--trial", trial);
    add(&line, "--updater", find_updater());
    fflush(stdout);
    execv(path, (char *const *)line.words);
    say_error("cannot start %s: %s", path, strerrordesc_np(errno));
    mem_free(path);
    mem_free(trial);
    return hopeless();
}

static int explain_nothing_to_do(const struct invocation *invocation, const struct workplace *place)
{
    if (invocation->bare && place->connections.count == 0) {
        help_overview(stderr);
        fputc('\n', stderr);
        workplace_explain_connecting();
        return EXIT_OK;
    }
    if (place->connections.count == 0) {
        say_error("nothing to run for: there is no connection in %s", place->config.path);
        workplace_explain_connecting();
    } else {
        say_error("nothing to run for: none of the %zu connections in %s is valid; 'opengeni-agent "
                  "connections' says why",
                  place->connections.count, place->config.path);
    }
    return EXIT_FAILED;
}

// A stop that comes while the one program becomes the other is kept for the daemon, which takes
// these signals from a descriptor: sigprocmask(2), a blocked signal stays pending across execve(2).
static void keep_signals(bool keep)
{
    sigset_t kept;
    sigemptyset(&kept);
    sigaddset(&kept, SIGTERM);
    sigaddset(&kept, SIGINT);
    sigaddset(&kept, SIGHUP);
    sigprocmask(keep ? SIG_BLOCK : SIG_UNBLOCK, &kept, NULL);
}

// A machine that nobody has connected yet is connected by a token that was handed in, or by a code
// where a person is there to read it.
static bool can_connect(const struct invocation *invocation, const struct workplace *place)
{
    return !invocation->bare && place->connections.count == 0 &&
           (invocation->enroll_token || (workspace_id && isatty(STDOUT_FILENO)));
}

static int connect_now(const struct invocation *invocation, struct workplace *place)
{
    workplace_close(place);
    keep_signals(false);
    int status =
        connect_first(invocation, invocation->enroll_token, workspace_id, machine_name, channel);
    keep_signals(true);
    return status;
}

static int run(const struct invocation *invocation)
{
    struct workplace place;
    keep_signals(true);
    if (unit_was_refreshed())
        return EXIT_OK;
    if (!workplace_open(invocation, &place))
        return hopeless();
    if (can_connect(invocation, &place)) {
        int connected = connect_now(invocation, &place);
        if (connected != EXIT_OK)
            return connected;
        if (!workplace_open(invocation, &place))
            return hopeless();
    }
    bool may_wait = wait_for_connection || under_service_manager();
    int status = place.connections.valid > 0 || may_wait
                     ? become_daemon(invocation, &place)
                     : explain_nothing_to_do(invocation, &place);
    workplace_close(&place);
    return status;
}

const struct command command_run = {
    .name = "run",
    .arguments = "",
    .summary = "Serve all connections of this machine, in the foreground",
    .details = "Ends with Ctrl-C. Connections that come, change or go are noticed while it runs.\n"
               "Without any, it connects first: with OPENGENI_ENROLL_TOKEN, or with a code on a\n"
               "terminal.\n",
    .options =
        (const struct option_spec[]){
            {.name = "wait",
             .help = "stay up without a connection, and wait for one",
             .flag = &wait_for_connection},
            {.name = "machine-name",
             .argument = "NAME",
             .help = "instead of the host's name",
             .value = &machine_name},
            {.name = "virtual-desktop",
             .argument = "SIZE",
             .help = "make a screen with Xvfb, 1280x800 or as given",
             .flag = &virtual_desktop,
             .value = &virtual_size},
            {.name = "virtual-display",
             .argument = "NAME",
             .help = "the display it shall be (:99)",
             .value = &virtual_display},
            {.name = "virtual-geometry", .argument = "SIZE", .value = &virtual_size},
            {.name = "workspace-id",
             .argument = "ID",
             .variable = "OPENGENI_WORKSPACE_ID",
             .help = "connect to it first, if there is no connection yet",
             .value = &workspace_id},
            {.name = "channel", .argument = "NAME", .value = &channel},
            {.name = NULL},
        },
    .run = run,
};
