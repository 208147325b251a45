#include "cli/command.h"
#include "cli/say.h"
#include "cli/workplace.h"

static int disconnect(const struct workplace *place, const char *id_or_prefix)
{
    struct fail why;
    const struct connections_entry *entry =
        connections_find(&place->connections, id_or_prefix, &why);
    if (!entry || !connections_remove(&place->config, entry->name, &why)) {
        say_failure(&why);
        if (!entry)
            say_error("'opengeni-agent connections' lists the ids; nothing was removed");
        return EXIT_FAILED;
    }
    say("Removed %s%s%s.", entry->name, entry->connection ? "  " : "",
        entry->connection ? entry->connection->api_url : "");
    if (place->live.running)
        say("The running agent leaves it within two seconds.");
    if (entry->connection)
        say("The workspace goes on listing this machine until somebody removes it there.");
    return EXIT_OK;
}

static int run(const struct invocation *invocation)
{
    struct workplace place;
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    int status = disconnect(&place, invocation->arguments[0]);
    workplace_close(&place);
    return status;
}

const struct command command_disconnect = {
    .name = "disconnect",
    .arguments = "ID-OR-PREFIX",
    .summary = "Remove one connection from this machine",
    .details = "A prefix has at least four characters and fits one connection only.\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
