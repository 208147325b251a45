#include "cli/help.h"

#include <string.h>

#include "cli/command.h"

void help_usage(FILE *to, const struct command *command)
{
    bool narrow = command && strlen(command->arguments) > 40; // no room for more
    if (command)
        fprintf(to, "Usage: opengeni-agent %s%s%s%s\n", command->name,
                command->options && !narrow ? " [OPTION]..." : "", *command->arguments ? " " : "",
                command->arguments);
    else
        fputs("Usage: opengeni-agent [OPTION]... [COMMAND]\n", to);
}

void help_overview(FILE *to)
{
    help_usage(to, NULL);
    fputs("Lets the OpenGeni workspaces you choose work on this machine.\n\n", to);
    for (const struct command *const *command = commands; *command; command++)
        if ((*command)->summary && !(*command)->minor)
            fprintf(to, "  %-14s%s\n", (*command)->name, (*command)->summary);
    const char *before = "  And:";
    for (const struct command *const *command = commands; *command; command++)
        if ((*command)->summary && (*command)->minor) {
            fprintf(to, "%s %s", before, (*command)->name);
            before = ",";
        }
    fputs("\n\nOptions:\n", to);
    options_help(to, global_options);
    fputs("\nWithout a command: run, once this machine is connected. About one: help COMMAND\n",
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
