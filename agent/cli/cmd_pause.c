// pause and resume: the owner's word, which no control plane can overrule. It is a file in the
// configuration directory, so that it outlives the agent and its restarts.
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/moment.h"
#include "cli/say.h"
#include "cli/workplace.h"
#include "config/config_dir.h"
#include "config/pause.h"

static bool kill_too;

static size_t list_running(const struct workplace *place)
{
    char span[MOMENT_BYTES];
    size_t running = 0;
    const struct status *status = &place->live.status;
    for (size_t i = 0; i < status->connection_count; i++)
        for (size_t k = 0; k < status->connections[i].operation_count; k++, running++) {
            const struct status_operation *operation = &status->connections[i].operations[k];
            say("  %s for %s", operation->op ? operation->op : "unknown",
                moment_span((status->updated_at_ms - operation->since_ms) / 1000, span));
        }
    if (status->terminals > 0)
        say("  %lld terminal%s", (long long)status->terminals, status->terminals == 1 ? "" : "s");
    return running + (size_t)status->terminals;
}

static int pause_agent(const struct invocation *invocation)
{
    struct workplace place;
    struct secure_dir config;
    struct fail why;
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    bool done = config_dir_create(&config, NULL, &why) && pause_set(&config, kill_too, &why);
    if (!done) {
        say_failure(&why);
        workplace_close(&place);
        return EXIT_FAILED;
    }
    say("Paused: nothing new is run, read, written or shown, until 'opengeni-agent resume'.");
    if (place.live.running && !kill_too) {
        workplace_refresh(&place);
        if (list_running(&place) > 0)
            say("These go on; 'opengeni-agent pause --kill' ends them.");
    }
    secure_dir_fini(&config);
    workplace_close(&place);
    return EXIT_OK;
}

static int resume_agent(const struct invocation *invocation)
{
    struct workplace place;
    struct fail why;
    if (!workplace_open(invocation, &place))
        return EXIT_FAILED;
    bool was = pause_read(&place.config) != PAUSE_NONE, good = pause_clear(&place.config, &why);
    if (!good)
        say_failure(&why);
    else
        say(was ? "Resumed." : "It was not paused.");
    workplace_close(&place);
    return good ? EXIT_OK : EXIT_FAILED;
}

const struct command command_pause = {
    .name = "pause",
    .arguments = "",
    .summary = "Refuse all remote work, until resume",
    .details = "Workspaces still see this machine, and get a clear refusal. A pause outlives\n"
               "restarts of the agent and of the machine; 'opengeni-agent resume' ends it.\n",
    .options =
        (const struct option_spec[]){
            {.name = "kill", .help = "also end what runs, and all terminals", .flag = &kill_too},
            {.name = NULL},
        },
    .run = pause_agent,
};

const struct command command_resume = {
    .name = "resume",
    .minor = true,
    .arguments = "",
    .summary = "Serve again after a pause",
    .run = resume_agent,
};
