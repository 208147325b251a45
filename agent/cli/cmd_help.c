#include "cli/command.h"
#include "cli/help.h"
#include "cli/say.h"

static int run(const struct invocation *invocation)
{
    if (invocation->argument_count == 0) {
        help_overview(stdout);
        return EXIT_OK;
    }
    const struct command *command = command_find(invocation->arguments[0]);
    if (!command) {
        say_error("there is no command '%s'", invocation->arguments[0]);
        return EXIT_USAGE;
    }
    help_command(stdout, command);
    return EXIT_OK;
}

const struct command command_help = {
    .name = "help",
    .minor = true,
    .arguments = "[COMMAND]",
    .summary = "Explain the program or a command",
    .arguments_max = 1,
    .run = run,
};
