// update replaces an installation that install.sh made by a newer release. What a package manager
// brought is the package manager's.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/printable.h"
#include "cli/command.h"
#include "cli/managed.h"
#include "cli/say.h"
#include "cli/workplace.h"
#include "config/config_dir.h"
#include "config/identity.h"
#include "update/install.h"
#include "update/origin.h"

static bool check_only, switched_off;
static const char *base_url, *channel_option, *managed, *operation;

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

// Whether this copy is to be updated by itself at all; says why not.
static bool may_update(void)
{
    if (switched_off) {
        say("Updates are switched off by OPENGENI_NO_UPDATE.");
        return false;
    }
    if (!*update_origin_key) {
        say("This copy (" OG_VERSION ") belongs to a package, which the package manager updates.");
        return false;
    }
    return true;
}

// The one that was given, else what all connections agree on. NULL after a message.
static const char *find_channel(const struct workplace *place)
{
    const char *found = channel_option;
    for (size_t i = 0; !channel_option && i < place->connections.count; i++) {
        const struct connection *one = place->connections.entries[i].connection;
        if (!one)
            continue;
        if (found && strcmp(found, one->update_channel) != 0) {
            say_error("the connections are of different channels; choose one with --channel");
            return NULL;
        }
        found = one->update_channel;
    }
    if (!found)
        found = "stable";
    if (strcmp(found, "stable") == 0 || strcmp(found, "beta") == 0)
        return found;
    say_error("the channel is stable or beta");
    return NULL;
}

static bool find_source(const struct invocation *invocation, const char *base, const char *channel,
                        struct release_source *source)
{
    struct fail why;
    bool given = base_url && *base_url;
    if (!*base) {
        say_error("this build knows no place of updates; give one with --base-url");
        return false;
    }
    *source = (struct release_source){.base = base,
                                      .channel = channel,
                                      .from = {.ca_file = invocation->ca_file,
                                               .plain = given && starts_with(base, "http://"),
                                               .files = given && starts_with(base, "file://")}};
    if (minisign_key_parse(update_origin_key, strlen(update_origin_key), &source->key, &why))
        return true;
    say_failure(&why);
    return false;
}

// What names this machine when some are to have a release before others.
static bool machine_id(const struct secure_dir *config, char id[IDENTITY_TEXT_BYTES])
{
    struct fail why;
    snprintf(id, IDENTITY_TEXT_BYTES, "unenrolled");
    if (config->fd < 0 || faccessat(config->fd, CONFIG_IDENTITY, F_OK, 0) != 0)
        return true;
    if (identity_public_key(config, id, &why))
        return true;
    say_failure(&why);
    return false;
}

static void say_newer(const struct manifest *manifest)
{
    say("Version %s is there; this is %s. 'opengeni-agent update' installs it.",
        manifest->version_text, OG_VERSION);
    char *notes = printable_copy(manifest->notes_url);
    say_field("notes", notes);
    mem_free(notes);
}

static bool open_layout(struct layout *layout)
{
    struct fail why;
    if (!layout_find(layout, &why)) {
        say_failure(&why);
        return false;
    }
    if (!layout_writable(layout))
        fail_because(&why, FAIL_CONSENT, "%.150s is not yours to change; try with sudo",
                     layout->root.path);
    else if (strcmp(layout->own, layout->current) != 0)
        fail_because(&why, FAIL_INVALID,
                     "another version has become the current one; 'opengeni-agent start --restart' "
                     "starts it");
    else if (layout_lock(layout, &why))
        return true;
    say_failure(&why);
    layout_fini(layout);
    return false;
}

static int apply(const struct release_source *source, const struct manifest *manifest)
{
    struct fail why;
    struct layout layout;
    const struct artifact *artifact = manifest_artifact(manifest, UPDATE_TARGET, &why);
    if (!artifact) {
        say_failure(&why);
        return EXIT_FAILED;
    }
    if (check_only) {
        say_newer(manifest);
        return EXIT_OK;
    }
    if (!open_layout(&layout))
        return EXIT_FAILED;
    enum update_end end = update_install(source, manifest, artifact, &layout, NULL, &why);
    if (end == UPDATE_DONE) {
        say("Updated from " OG_VERSION " to %s. What runs goes on with the old version until "
            "'opengeni-agent start --restart'.",
            manifest->version_text);
    } else {
        say_failure(&why);
        say_error(end == UPDATE_STUCK
                      ? "and the old version could not be put back: install it again"
                      : "nothing was changed: version " OG_VERSION " is still in place");
    }
    layout_fini(&layout);
    return end == UPDATE_DONE ? EXIT_OK : EXIT_FAILED;
}

static int look(const struct release_source *source, const char *id)
{
    struct fail why;
    struct version current;
    int status = EXIT_OK;
    struct manifest *manifest = release_look(source, &why);
    if (!manifest) {
        say_failure(&why);
        return EXIT_FAILED;
    }
    if (!version_parse(OG_VERSION, &current))
        current = (struct version){{0}, ""};
    switch (offer_judge(manifest, &current, id)) {
    case OFFER_OLD:
        say("Up to date: " OG_VERSION ".");
        break;
    case OFFER_LATER:
        say("Version %s is there, but this machine's turn comes later.", manifest->version_text);
        break;
    case OFFER_YES:
        status = apply(source, manifest);
        break;
    }
    manifest_free(manifest);
    return status;
}

// Without the slashes at its end.
static char *find_base(void)
{
    char *base = mem_string(base_url && *base_url ? base_url : update_origin_base);
    for (size_t size = strlen(base); size > 0 && base[size - 1] == '/';)
        base[--size] = '\0';
    return base;
}

static int run(const struct invocation *invocation)
{
    struct workplace place;
    struct release_source source;
    char id[IDENTITY_TEXT_BYTES];
    if (!may_update())
        return EXIT_OK;
    umask(022); // what is installed is for everybody to use, and for its owner alone to change
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    int status = EXIT_FAILED;
    char *base = find_base();
    const char *channel = find_channel(&place);
    if (channel && find_source(invocation, base, channel, &source) && machine_id(&place.config, id))
        status = managed
                     ? managed_update(&source, managed, operation ? operation : "", &place.config)
                     : look(&source, id);
    else if (!channel && channel_option)
        status = EXIT_USAGE;
    mem_free(base);
    workplace_close(&place);
    return status;
}

const struct command command_update = {
    .name = "update",
    .arguments = "",
    .summary = "Replace this installation by a newer release, if there is one",
    .details = "For what install.sh installed; packages are updated by their package manager. A\n"
               "release is signed, is tried out before it counts, and makes room for the version\n"
               "before it when it does not come up. What runs goes on until it is started anew.\n",
    .options =
        (const struct option_spec[]){
            {.name = "check", .help = "only look", .flag = &check_only},
            {.name = "base-url",
             .argument = "URL",
             .variable = "OPENGENI_INSTALL_BASE_URL",
             .help = "where releases are",
             .value = &base_url},
            {.name = "channel",
             .argument = "NAME",
             .help = "stable or beta, instead of the connections' own",
             .value = &channel_option},
            // For the daemon.
            {.name = "managed", .argument = "VERSION", .value = &managed},
            {.name = "operation", .argument = "ID", .value = &operation},
            {.name = "no-update", .variable = "OPENGENI_NO_UPDATE", .flag = &switched_off},
            {.name = NULL},
        },
    .run = run,
};
