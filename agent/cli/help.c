#include "cli/help.h"

#include "cli/command.h"

void help_usage(FILE *to, const struct command *command)
{
    if (command)
        fprintf(to, "Usage: opengeni-agent %s%s%s%s\n", command->name,
                command->options ? " [OPTION]..." : "", *command->arguments ? " " : "",
                command->arguments);
    else
        fputs("Usage: opengeni-agent [OPTION]... [COMMAND]\n", to);
}

void help_overview(FILE *to)
{
    help_usage(to, NULL);
    fputs("Lets the OpenGeni workspaces you choose work on this machine.\n\nCommands:\n", to);
    for (const struct command *const *command = commands; *command; command++)
        if ((*command)->summary)
            fprintf(to, "  %-14s%s\n", (*command)->name, (*command)->summary);
    fputs("\nWithout a command: run, once this machine is connected.\n\nOptions:\n", to);
    options_help(to, global_options);
    fputs("\nConnections are kept in ~/.config/opengeni/agent, or in $OPENGENI_CONFIG_DIR.\n"
          "More about a command: opengeni-agent help COMMAND\n",
          to);
}

void help_command(FILE *to, const struct command *command)
{
    help_usage(to, command);
    if (command->summary)
        fprintf(to, "%s.\n", command->summary);
    if (command->details)
        fprintf(to, "\n%s", command->details);
    fputs("\nOptions:\n", to);
    if (command->options)
        options_help(to, command->options);
    options_help(to, global_options);
}
