#include <jansson.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/workplace.h"

static bool json;

static int run(const struct invocation *invocation)
{
    struct workplace place;
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    workplace_refresh(&place);
    if (json) {
        json_t *all = json_pack("{s:s, s:o}", "config_dir", place.config.path, "connections",
                                workplace_json(&place));
        json_dumpf(all, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(all);
    } else if (place.connections.count == 0) {
        say("No connections in %s.", place.config.path);
        workplace_explain_connecting();
    } else {
        workplace_list(&place);
    }
    bool all_valid =
        place.connections.valid == place.connections.count && !place.connections.legacy_problem;
    workplace_close(&place);
    return all_valid ? EXIT_OK : EXIT_FAILED;
}

const struct command command_connections = {
    .name = "connections",
    .arguments = "",
    .summary = "List the workspaces this machine is connected to",
    .details = "The exit status is 1 when a document is invalid.\n",
    .options =
        (const struct option_spec[]){
            {.name = "json", .help = "as JSON", .flag = &json},
            {.name = NULL},
        },
    .run = run,
};
