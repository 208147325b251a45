// service and its short forms start, stop, restart and logs: the agent as a unit of systemd.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/say.h"
#include "config/config_dir.h"
#include "service/install.h"
#include "service/state.h"
#include "service/tool.h"
#include "service/unit_file.h"
#include "update/layout.h"

static bool system_wide, print, restart_too, force, follow;
static const char *user;

static enum service_scope scope(void)
{
    return system_wide ? SERVICE_SYSTEM : SERVICE_USER;
}

static int failed(const struct fail *why)
{
    say_failure(why);
    return EXIT_FAILED;
}

static bool manager_is_there(void)
{
    if (service_manager_present())
        return true;
    say_error("systemd does not run this machine, so there is no service to speak of; start the "
              "agent with 'opengeni-agent run'");
    return false;
}

// What the next person needs to know about a directory somebody named.
static bool chosen_config_dir(char **path, struct fail *why)
{
    bool chosen = false;
    if (!config_dir_path(NULL, path, &chosen, why))
        return system_wide; // a system service has a directory of its own
    if (!chosen) {
        mem_free(*path);
        *path = NULL;
    }
    return true;
}

static char *make_unit(struct fail *why)
{
    char *config = NULL, *text = NULL;
    char *self = layout_program(why);
    if (!self)
        return NULL;
    if (chosen_config_dir(&config, why)) {
        const struct unit_wish wish = {.scope = scope(),
                                       .executable = self,
                                       .path = getenv("PATH"),
                                       .config_dir = config,
                                       .user = user,
                                       .systemd = service_systemd_version()};
        text = unit_text(&wish, why);
    }
    mem_free(config);
    mem_free(self);
    return text;
}

static bool write_unit(const struct service_place *place, const char *text)
{
    struct fail why;
    switch (unit_file_write(place, text, force, &why)) {
    case UNIT_WRITTEN:
        say("Wrote %s.", place->file);
        return true;
    case UNIT_UNCHANGED:
        return true;
    case UNIT_REFUSED:
        say_error("%s was changed by hand; --force replaces it and keeps it as %s.bak", place->file,
                  place->file);
        return false;
    case UNIT_FAILED:
        break;
    }
    say_failure(&why);
    return false;
}

static void linger(void)
{
    struct fail why;
    if (system_wide || service_lingers() || service_linger(&why))
        return;
    say_warning("the agent will end when you log out. To keep it running, root has to type: "
                "loginctl enable-linger %s",
                service_user());
}

static int enable(const struct service_place *place)
{
    struct fail why;
    service_find_manager();
    if (!manager_is_there())
        return EXIT_FAILED;
    linger();
    if (!service_enable(place, restart_too, &why))
        return failed(&why);
    say("The agent runs as a service. 'opengeni-agent status' tells how it is.");
    return EXIT_OK;
}

// A package's unit is as good as ours, and is kept up to date by the package manager.
static bool package_serves(const struct service_place *place)
{
    return place->packaged && access(place->file, F_OK) != 0 && !force;
}

static int install(const struct service_place *place)
{
    struct fail why;
    if (system_wide && geteuid() != 0 && !print) {
        say_error("only root can install a service for the whole system; try with sudo");
        return EXIT_FAILED;
    }
    if (package_serves(place) && !print)
        return enable(place);
    if (!print && !manager_is_there())
        return EXIT_FAILED;
    char *text = make_unit(&why);
    if (!text)
        return failed(&why);
    int status = EXIT_OK;
    if (print)
        fputs(text, stdout);
    else
        status = write_unit(place, text) ? enable(place) : EXIT_FAILED;
    mem_free(text);
    return status;
}

static int uninstall(const struct service_place *place)
{
    struct fail why;
    int status;
    bool was = access(place->file, F_OK) == 0, foreign = unit_file_is_foreign(place);
    if (foreign && !force) {
        say_error("%s was written or changed by hand; --force removes it and keeps it as %s.bak",
                  place->file, place->file);
        return EXIT_FAILED;
    }
    if (was && system_wide && geteuid() != 0) {
        say_error("only root can remove a service of the whole system; try with sudo");
        return EXIT_FAILED;
    }
    service_find_manager();
    if (service_manager_present())
        service_disable(place);
    if (!unit_file_remove(place, &why))
        return failed(&why);
    if (service_manager_present())
        (void)!service_systemctl(scope(), "daemon-reload", NULL, NULL, &status, &why);
    if (was && foreign)
        say("Removed %s; it is kept as %s.bak.", place->file, place->file);
    else if (was)
        say("Removed %s.", place->file);
    else if (place->packaged)
        say("The service is off. Its unit %s belongs to a package.", place->packaged);
    else
        say("There was no service.");
    return EXIT_OK;
}

static int pass_on(const struct service_place *place, const char *verb)
{
    struct fail why;
    int status = 0;
    if (!manager_is_there())
        return EXIT_FAILED;
    if (!service_installed(place)) {
        say_error("the service is not installed; 'opengeni-agent start' installs and starts it");
        return EXIT_FAILED;
    }
    service_find_manager();
    if (!service_systemctl(scope(), verb, NULL, SERVICE_UNIT, &status, &why))
        return failed(&why);
    if (status == 0)
        return EXIT_OK;
    say_error("'systemctl %s%s' ended with status %d", system_wide ? "" : "--user ", verb, status);
    return EXIT_FAILED;
}

static int tell_state(const struct service_place *place)
{
    struct fail why;
    struct service_state state;
    if (!service_installed(place)) {
        say("The service is not installed.");
        return EXIT_NOT_INSTALLED;
    }
    const char *file = access(place->file, F_OK) == 0 ? place->file : place->packaged;
    if (!service_state_read(scope(), &state, &why)) {
        say("The service is installed (%s), and systemd does not tell its state.", file);
        say_failure(&why);
        return EXIT_NOT_RUNNING;
    }
    bool active = strcmp(state.active, "active") == 0;
    say("The service is %s (%s).", state.active, state.sub);
    say_field("unit", file);
    say_field("at login", state.enabled);
    char number[32];
    snprintf(number, sizeof number, "%ld", state.pid);
    say_field("pid", state.pid ? number : NULL);
    snprintf(number, sizeof number, "%ld", state.restarts);
    say_field("restarts", state.restarts ? number : NULL);
    snprintf(number, sizeof number, "%ld", state.exit_status);
    say_field("exit status", !active && state.exit_status ? number : NULL);
    say_field("reports", state.text);
    if (!system_wide)
        say_field("on logout", service_lingers() ? "goes on" : "ends (loginctl enable-linger)");
    return active ? EXIT_OK : EXIT_NOT_RUNNING;
}

static int logs(void)
{
    if (!service_manager_present()) {
        say_error("systemd does not run this machine, so nobody keeps the agent's log: it is what "
                  "'opengeni-agent run' writes to its stderr");
        return EXIT_FAILED;
    }
    char *path = tool_find("journalctl");
    if (!path) {
        say_error("journalctl is not installed; the agent's log is what it writes to its stderr");
        return EXIT_FAILED;
    }
    const char *words[8] = {"journalctl", system_wide ? "--unit" : "--user-unit", SERVICE_UNIT};
    size_t count = 3;
    if (follow)
        words[count++] = "--follow";
    else
        words[count++] = "--lines=1000";
    execv(path, (char *const *)words);
    say_error("cannot start %s: %s", path, strerrordesc_np(errno));
    mem_free(path);
    return EXIT_FAILED;
}

static int with_place(int (*act)(const struct service_place *, const char *), const char *verb)
{
    struct fail why;
    struct service_place place;
    if (!service_place_init(&place, scope(), &why))
        return failed(&why);
    int status = act(&place, verb);
    service_place_fini(&place);
    return status;
}

static int act(const struct service_place *place, const char *verb)
{
    if (strcmp(verb, "install") == 0)
        return install(place);
    if (strcmp(verb, "uninstall") == 0)
        return uninstall(place);
    if (strcmp(verb, "status") == 0)
        return tell_state(place);
    if (strcmp(verb, "logs") == 0)
        return logs();
    return pass_on(place, verb);
}

static int run_service(const struct invocation *invocation)
{
    // What can be printed is what would be installed.
    const char *given = invocation->argument_count > 0 ? invocation->arguments[0]
                        : print                        ? "install"
                                                       : "";
    static const char *const verbs[] = {"install", "uninstall", "start", "stop",
                                        "restart", "status",    "logs"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(given, verbs[i]) == 0)
            return with_place(act, verbs[i]);
    say_error("a service can be installed, uninstalled, started, stopped, restarted, asked for its "
              "status or its logs; 'opengeni-agent help service' tells more");
    return EXIT_USAGE;
}

static int run_start(const struct invocation *invocation)
{
    (void)invocation;
    return with_place(act, "install");
}

static int run_other(const struct invocation *invocation)
{
    return with_place(act, invocation->command->name);
}

#define SYSTEM                                                                        \
    {                                                                                 \
        .name = "system", .help = "the one of the whole system", .flag = &system_wide \
    }
#define FOLLOW                                                                    \
    {                                                                             \
        .name = "follow", .letter = 'f', .help = "wait for more", .flag = &follow \
    }
#define RESTART                                                                            \
    {                                                                                      \
        .name = "restart", .help = "also start a running agent anew", .flag = &restart_too \
    }
#define FORCE                                                                         \
    {                                                                                 \
        .name = "force", .help = "replace or remove a unit that was changed by hand", \
        .flag = &force                                                                \
    }

const struct command command_service = {
    .name = "service",
    .arguments = "install|uninstall|start|stop|restart|status|logs",
    .summary = "Let systemd run the agent",
    .details = "The service is yours, runs with your rights, and starts with your login or, when\n"
               "you linger, with the machine. The exit status of 'service status' is 0 when it\n"
               "is active, 3 when it is not, and 4 when there is none.\n",
    .arguments_max = 1,
    .options =
        (const struct option_spec[]){
            SYSTEM,
            {.name = "user",
             .argument = "NAME",
             .help = "install: with --system, run as this user",
             .value = &user},
            {.name = "print", .help = "install: show the unit, change nothing", .flag = &print},
            RESTART,
            FORCE,
            FOLLOW,
            {.name = NULL},
        },
    .run = run_service,
};

const struct command command_start = {
    .name = "start",
    .arguments = "",
    .summary = "Install the service if need be, and start it",
    .options = (const struct option_spec[]){SYSTEM, RESTART, FORCE, {.name = NULL}},
    .run = run_start,
};

const struct command command_stop = {
    .name = "stop",
    .minor = true,
    .arguments = "",
    .summary = "Stop the service until it is started, or the next login",
    .options = (const struct option_spec[]){SYSTEM, {.name = NULL}},
    .run = run_other,
};

const struct command command_restart = {
    .name = "restart",
    .minor = true,
    .arguments = "",
    .summary = "Restart the service",
    .options = (const struct option_spec[]){SYSTEM, {.name = NULL}},
    .run = run_other,
};

const struct command command_logs = {
    .name = "logs",
    .minor = true,
    .arguments = "",
    .summary = "Show what the service has logged",
    .options = (const struct option_spec[]){SYSTEM, FOLLOW, {.name = NULL}},
    .run = run_other,
};
