// uninstall takes the service away and, when asked, what connections have left on this machine. The
// programs belong to the package manager or to install.sh, which remove them.
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/workplace.h"
#include "config/config_dir.h"
#include "files/remove.h"
#include "service/install.h"
#include "service/unit_file.h"

static bool purge, force;

// A unit that a person wrote or changed is theirs. Looked at before anything is removed.
static bool may_remove(enum service_scope scope)
{
    struct service_place place;
    bool may = !service_place_init(&place, scope, NULL) || force || !unit_file_is_foreign(&place);
    if (!may)
        say_error("%s was written or changed by hand, so nothing is removed; --force removes it, "
                  "too, and keeps it as %s.bak",
                  place.file, place.file);
    service_place_fini(&place);
    return may;
}

static bool remove_service(enum service_scope scope)
{
    struct fail why;
    struct service_place place;
    int status;
    if (!service_place_init(&place, scope, &why)) {
        say_failure(&why);
        return false;
    }
    bool was = access(place.file, F_OK) == 0, foreign = unit_file_is_foreign(&place), good = true;
    service_find_manager();
    if (service_manager_present() && service_installed(&place))
        service_disable(&place);
    if (!unit_file_remove(&place, &why)) {
        say_failure(&why);
        good = false;
    } else if (was) {
        if (foreign)
            say("Removed %s; it is kept as %s.bak.", place.file, place.file);
        else
            say("Removed %s.", place.file);
        if (service_manager_present())
            (void)!service_systemctl(scope, "daemon-reload", NULL, NULL, &status, &why);
    } else if (place.packaged) {
        say("The service is off. Its unit %s belongs to a package.", place.packaged);
    } else if (scope == SERVICE_USER) {
        say("There was no service.");
    }
    service_place_fini(&place);
    return good;
}

// Ours by name, whatever the directory has been chosen to be; nothing else in it is touched.
static const char *const files[] = {CONFIG_LEGACY, CONFIG_IDENTITY,         CONFIG_HOST,
                                    CONFIG_LOCK,   CONFIG_STATUS,           CONFIG_SETTINGS,
                                    CONFIG_PAUSE,  "completed-update.json", "update.lock",
                                    CONFIG_SCREEN};
static const char *const trees[] = {"spool", "browserd", "interaction-runtime"};

static bool is_directory(const struct secure_dir *dir, const char *name)
{
    struct stat there;
    return fstatat(dir->fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(there.st_mode);
}

static bool ends_in(const char *name, const char *end)
{
    size_t size = strlen(name), tail = strlen(end);
    return size > tail && strcmp(name + size - tail, end) == 0;
}

static bool remove_documents(const struct secure_dir *config, struct fail *why)
{
    struct secure_dir dir;
    struct secure_names names;
    if (!is_directory(config, CONFIG_CONNECTIONS))
        return true;
    if (!secure_dir_open_below(config, CONFIG_CONNECTIONS, false, &dir, why))
        return false;
    bool good = secure_dir_list(&dir, &names, why);
    for (size_t i = 0; good && i < names.count; i++) {
        const char *name = names.names[i];
        if (ends_in(name, ".json") || (*name == '.' && ends_in(name, ".tmp")))
            good = secure_file_remove(&dir, name, why);
    }
    if (good)
        secure_names_fini(&names);
    secure_dir_fini(&dir);
    (void)!unlinkat(config->fd, CONFIG_CONNECTIONS, AT_REMOVEDIR); // unless it holds more
    return good;
}

static bool remove_state(const struct secure_dir *config, struct fail *why)
{
    if (!remove_documents(config, why))
        return false;
    secure_file_sweep(config);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!is_directory(config, files[i]) && !secure_file_remove(config, files[i], why))
            return false;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        if (!is_directory(config, trees[i]))
            continue; // also a link, which leads to what is not ours
        char *path = secure_dir_file(config, trees[i]);
        bool good = file_remove(path, &(struct remove_options){.recursive = true}, why);
        mem_free(path);
        if (!good)
            return false;
    }
    // Unless they hold more.
    static const char usual[] = "/opengeni/agent";
    if (rmdir(config->path) == 0 && ends_in(config->path, usual)) {
        char *parent =
            mem_printf("%.*s", (int)(strlen(config->path) - strlen("/agent")), config->path);
        (void)!rmdir(parent);
        mem_free(parent);
    }
    return true;
}

static void tell_what_stays_elsewhere(const struct connections *connections)
{
    bool any = false;
    for (size_t i = 0; i < connections->count; i++) {
        const struct connection *one = connections->entries[i].connection;
        if (!one)
            continue;
        if (!any)
            say("These workspaces go on listing this machine, as offline, until somebody removes "
                "it there:");
        any = true;
        say("  %s  workspace %s  machine %s", one->api_url, one->workspace_id, one->agent_id);
    }
}

static bool forget(const struct workplace *place)
{
    struct fail why;
    if (place->config.fd < 0) {
        say("There is nothing to forget.");
        return true;
    }
    if (!remove_state(&place->config, &why)) {
        say_failure(&why);
        return false;
    }
    if (access(place->config.path, F_OK) == 0)
        say("Removed the connections and what belongs to them; %s holds other files and stays.",
            place->config.path);
    else
        say("Removed %s.", place->config.path);
    tell_what_stays_elsewhere(&place->connections);
    return true;
}

static int run(const struct invocation *invocation)
{
    struct workplace place;
    if (!may_remove(SERVICE_USER) || (geteuid() == 0 && !may_remove(SERVICE_SYSTEM)))
        return EXIT_FAILED;
    bool good = remove_service(SERVICE_USER);
    if (geteuid() == 0)
        good &= remove_service(SERVICE_SYSTEM);
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    if (place.live.running)
        say_warning("an agent still runs%s; it goes on until it is ended",
                    purge ? ", without connections" : "");
    if (purge)
        good &= forget(&place);
    else if (place.connections.count > 0)
        say("The connections stay; 'opengeni-agent uninstall --purge' forgets them.");
    workplace_close(&place);
    return good ? EXIT_OK : EXIT_FAILED;
}

const struct command command_uninstall = {
    .name = "uninstall",
    .arguments = "",
    .summary = "Remove the service and, if asked, all connections",
    .details = "The programs themselves are removed by what brought them: the package manager,\n"
               "or install.sh --uninstall. Workspaces are not told; remove the machine there,\n"
               "too.\n",
    .options =
        (const struct option_spec[]){
            {.name = "purge",
             .help = "also connections, identity, settings and state",
             .flag = &purge},
            {.name = "force", .help = "also a unit that was changed by hand", .flag = &force},
            {.name = NULL},
        },
    .run = run,
};
