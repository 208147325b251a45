#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/moment.h"
#include "cli/say.h"
#include "cli/workplace.h"
#include "config/identity.h"
#include "config/pause.h"
#include "service/place.h"

static bool json;

// Both scopes are looked at: whoever asks wants to know whether it will come by itself.
static bool installed(enum service_scope scope)
{
    struct service_place place;
    bool there = service_place_init(&place, scope, NULL) && service_installed(&place);
    service_place_fini(&place);
    return there;
}

static bool any_installed(void)
{
    return installed(SERVICE_USER) || installed(SERVICE_SYSTEM);
}

static int not_running(void)
{
    return any_installed() ? EXIT_NOT_RUNNING : EXIT_NOT_INSTALLED;
}

// Nothing where nothing goes on.
static void print_update(const struct status *status)
{
    static const struct {
        const char *state, *words;
    } known[] = {{"trial", "this version is new, and is being tried out"},
                 {"accepted", "begins"},
                 {"waiting_for_idle", "waits until what runs has ended; new work is refused"},
                 {"downloading", "downloads"},
                 {"verifying", "is verified"},
                 {"applying", "is installed"},
                 {"restarting", "is in place; the agent restarts"},
                 {"failed", "failed"}};
    for (size_t i = 0; status->update_state && i < sizeof known / sizeof *known; i++) {
        if (strcmp(status->update_state, known[i].state) != 0)
            continue;
        char *text = mem_printf("%s%s%s%s%s", status->update_version ? status->update_version : "",
                                status->update_version ? " " : "", known[i].words,
                                status->update_error ? ": " : "",
                                status->update_error ? status->update_error : "");
        say_field("update", text);
        mem_free(text);
    }
}

static void print_instance(const struct live *live)
{
    char span[MOMENT_BYTES];
    const struct status *status = &live->status;
    if (!live->running) {
        say(any_installed() ? "Not running; the service is installed." : "Not running.");
    } else if (!live->reports) {
        if (live->pid)
            say("Running, pid %d. It does not report its state.", (int)live->pid);
        else
            say("Running. It does not report its state.");
    } else {
        say("Running for %s, pid %d, version %s.",
            moment_span((clock_wall_ms() - status->started_at_ms) / 1000, span), (int)live->pid,
            status->version ? status->version : "unknown");
        say_field("display", status->display);
        say_field("cgroup", status->cgroup);
        char count[32];
        snprintf(count, sizeof count, "%lld open", (long long)status->terminals);
        say_field("terminals", status->terminals > 0 ? count : NULL);
        print_update(status);
    }
}

static void print_text(const struct workplace *place)
{
    print_instance(&place->live);
    if (pause_read(&place->config) != PAUSE_NONE)
        say("Paused: all remote work is refused, until 'opengeni-agent resume'.");
    if (place->connections.count > 0) {
        say("%s", "");
        workplace_list(place);
    }
    if (place->connections.count == 0)
        workplace_explain_connecting();
    else if (!place->live.running)
        say("\nStart it with: %s", workplace_starter());
    const char *version = place->live.status.version;
    if (version && strcmp(version, OG_VERSION) != 0)
        say_warning("version %s is installed; it runs after a restart", OG_VERSION);
    if (identity_moved(&place->config))
        say_warning("this directory was made on another machine. Two machines with one identity "
                    "evict each other: remove %s/machine-identity.* and connect again",
                    place->config.path);
}

static void print_json(const struct workplace *place)
{
    const struct live *live = &place->live;
    const struct status *status = &live->status;
    json_t *all = json_pack(
        "{s:b, s:o, s:s?, s:s?, s:I, s:I, s:s?, s:s?, s:I, s:s, s:o}", "running", live->running,
        "pid", live->pid ? json_integer(live->pid) : json_null(), "version", status->version,
        "instance_id", status->instance_id, "started_at_ms", (json_int_t)status->started_at_ms,
        "updated_at_ms", (json_int_t)status->updated_at_ms, "display", status->display, "cgroup",
        status->cgroup, "terminals", (json_int_t)status->terminals, "config_dir",
        place->config.path, "connections", workplace_json(place));
    json_object_set_new(all, "paused", json_boolean(pause_read(&place->config) != PAUSE_NONE));
    json_object_set_new(all, "update",
                        json_pack("{s:s?, s:s?, s:s?}", "state", status->update_state, "version",
                                  status->update_version, "last_error", status->update_error));
    json_dumpf(all, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(all);
}

static int run(const struct invocation *invocation)
{
    struct workplace place;
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    workplace_refresh(&place);
    if (json)
        print_json(&place);
    else
        print_text(&place);
    int status = place.live.running ? EXIT_OK : not_running();
    workplace_close(&place);
    return status;
}

const struct command command_status = {
    .name = "status",
    .arguments = "",
    .summary = "Tell whether the agent runs, and how its connections are",
    .details = "The exit status is 0 when it runs, 3 when it is installed as a service but does\n"
               "not run, and 4 when it is not installed either.\n",
    .options =
        (const struct option_spec[]){
            {.name = "json", .help = "as JSON", .flag = &json},
            {.name = NULL},
        },
    .run = run,
};
