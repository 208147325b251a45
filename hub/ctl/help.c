#include "ctl/help.h"

#include "ctl/commands.h"
#include "ctl/ctl.h"

void help_all(FILE *out)
{
    fputs("Usage: opengeni-ctl COMMAND [OPTION]... [MACHINE ...]\n"
          "Works on machines that run opengeni-agent, through a hub or their NATS server.\n\n",
          out);
    for (const struct command *const *c = commands; *c; c++)
        fprintf(out, "  %-12s%s\n", (*c)->name, (*c)->summary);
    fputs("\nMACHINE is an agent id, its beginning, a machine's name, or WORKSPACE/ID. The hub of\n"
          "this user is found by itself, another one by --hub and --hub-token-file. Without a hub\n"
          "machines are listened for: ids are heard within 5 s, a name only when the machine\n"
          "connects and every 5 min after that: --wait 310 finds any.\n\n",
          out);
    arguments_help(common_arguments, out);
    arguments_help(program_arguments, out);
    fputs(
        "\nExit status: 0 done; 1 the machine could not or would not; 2 wrong usage; 3 machine\n"
        "unknown or offline; 4 server out of reach; 124 no answer in time. exec and git pass the\n"
        "command's own on: 124 timed out, 125 not started, 126 cannot be run, 127 not found.\n",
        out);
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
    arguments_help(common_arguments, out);
}

static int run_help(struct ctl *ctl, struct arguments *args)
{
    const char *value;
    if (ctl_option(ctl, args, &value) != ARGUMENTS_END || !ctl_operands(ctl, args, 0, 1))
        return ctl->status;
    const struct command *command = args->operand_count ? command_find(args->operands[0]) : NULL;
    if (args->operand_count && !command)
        return ctl_misuse(ctl, "there is no command \"%s\"", args->operands[0]);
    help_command(command, stdout);
    return STATUS_OK;
}

const struct command command_help = {
    .name = "help", .operands = "[COMMAND]", .summary = "Explain a command", .run = run_help};
