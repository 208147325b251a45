#include "ctl/help.h"

#include <string.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"

void help_all(FILE *out)
{
    fputs("Usage: opengeni-ctl COMMAND [OPTION]... [MACHINE ...]\n"
          "Works on machines that run opengeni-agent, through a hub or their NATS server.\n\n"
          "  machines ping metrics bench          which machines there are, how they do\n"
          "  exec shell pty                       run commands, open terminals\n"
          "  ls stat cat get put mkdir mv rm git  work with files\n"
          "  screenshot view                      see the desktop\n"
          "  click move drag scroll type key      use its mouse and keyboard\n\n"
          "  help commands                        tell in a line what each command does\n"
          "  help options                         list the options that all commands take\n"
          "  help COMMAND                         explain a command\n\n"
          "MACHINE is an agent id, its beginning, a machine's name, or WORKSPACE/ID. The\n"
          "hub of this user is found by itself, another one by --hub and --hub-token-file.\n"
          "Without a hub machines are listened for: ids are heard within 5 s, a name only\n"
          "when the machine connects and every 5 min after that: --wait 310 finds any.\n\n"
          "Exit status: 0 done; 1 the machine could not or would not; 2 wrong usage;\n"
          "3 machine unknown or offline; 4 server out of reach; 124 no answer in time.\n"
          "exec and git pass the command's own on: 124 timed out, 125 not started,\n"
          "126 cannot be run, 127 not found.\n",
          out);
}

static void help_commands(void)
{
    for (const struct command *const *c = commands; *c; c++)
        printf("  %-12s%s\n", (*c)->name, (*c)->summary);
}

static void help_options(void)
{
    arguments_help(common_arguments, stdout);
    arguments_help(program_arguments, stdout);
}

void help_command(const struct command *command, FILE *out)
{
    if (!command) {
        help_all(out);
        return;
    }
    fprintf(out, "Usage: opengeni-ctl %s [OPTION]... %s\n%s.\n\n", command->name, command->operands,
            command->summary);
    if (command->notes)
        fprintf(out, "%s\n", command->notes);
    arguments_help(command->arguments, out);
    fputs("'opengeni-ctl help options' lists those of all commands.\n", out);
}

static int run_help(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 0, 1))
        return ctl->status;
    static const struct {
        const char *name;
        void (*print)(void);
    } topics[] = {{"commands", help_commands}, {"options", help_options}};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (args->operand_count && strcmp(args->operands[0], topics[i].name) == 0) {
            topics[i].print();
            return STATUS_OK;
        }
    const struct command *command = args->operand_count ? command_find(args->operands[0]) : NULL;
    if (args->operand_count && !command)
        return ctl_misuse(ctl, "there is no command \"%s\"", args->operands[0]);
    help_command(command, stdout);
    return STATUS_OK;
}

const struct command command_help = {.name = "help",
                                     .operands = "[COMMAND|commands|options]",
                                     .summary = "Explain a command",
                                     .run = run_help};
