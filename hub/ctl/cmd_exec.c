#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

enum { OPTION_CWD = 'C', OPTION_ENV = 'e', OPTION_SHELL = 'c', OPTION_NO_STDIN = 'n' };

struct exec_options {
    Og__ExecRequest body;
    Og__ExecRequest__EnvEntry *entries; // as many as there are arguments
    Og__ExecRequest__EnvEntry **env;
    bool no_stdin;
};

static bool add_env(struct exec_options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return false;
    Og__ExecRequest__EnvEntry *entry = &options->entries[options->body.n_env];
    og__exec_request__env_entry__init(entry);
    entry->key = mem_printf("%.*s", (int)(equals - text), text);
    entry->value = (char *)equals + 1;
    options->env[options->body.n_env++] = entry;
    return true;
}

static bool parse(struct ctl *ctl, struct arguments *args, struct exec_options *options)
{
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;)
        switch (key) {
        case ARGUMENTS_BAD:
            return false;
        case OPTION_CWD:
            options->body.cwd = (char *)value;
            break;
        case OPTION_ENV:
            if (!add_env(options, value)) {
                ctl_misuse(ctl, "--env needs NAME=VALUE");
                return false;
            }
            break;
        case OPTION_SHELL:
            options->body.shell = true;
            break;
        default:
            options->no_stdin = true;
        }
    if (!ctl_operands(ctl, args, 2, args->argc))
        return false;
    char **command = args->operands + 1;
    int count = args->operand_count - 1;
    // "exec MACHINE -- CMD": options have ended at MACHINE, so the dashes are still there.
    if (strcmp(command[0], "--") == 0) {
        command++;
        count--;
    }
    if (count == 0 || (options->body.shell && count != 1)) {
        ctl_misuse(ctl, "%s",
                   count ? "--shell takes one argument: quote the whole command line"
                         : "the command is missing");
        return false;
    }
    options->body.command = command;
    options->body.n_command = (size_t)count;
    return true;
}

// Standard input goes along with the request, whole. Nothing is read from a terminal.
static bool read_input(struct ctl *ctl, struct buffer *input)
{
    if (isatty(STDIN_FILENO))
        return true;
    if (io_read_to_end(STDIN_FILENO, input))
        return true;
    struct fault fault;
    if (errno == EFBIG)
        fault_set(&fault, FAULT_LOCAL,
                  "standard input does not fit into one message of %zu bytes; use put, then exec",
                  rpc_max_payload(ctl->rpc));
    else
        fault_local(&fault, errno, "read", "standard input");
    ctl_fault(ctl, &fault);
    return false;
}

static void print_json(const Og__ExecResponse *answer)
{
    json_t *out = json_pack("{s:i, s:b, s:I}", "exit_code", (int)answer->exit_code, "timed_out",
                            (int)answer->timed_out, "duration_ms", (json_int_t)answer->duration_ms);
    output_json(out, "stdout", &answer->stdout);
    output_json(out, "stderr", &answer->stderr);
    ctl_json(out);
}

static int finish(struct ctl *ctl, const Og__ExecResponse *answer)
{
    if (ctl->json) {
        print_json(answer);
    } else if (!output_print(ctl, &answer->stdout, &answer->stderr)) {
        return ctl->status;
    }
    if (answer->timed_out) {
        // Its last line, without an end, says so: enough for a person.
        if (!ctl->json)
            fputc('\n', stderr);
        return STATUS_TIMED_OUT;
    }
    if (answer->exit_code >= 0)
        return answer->exit_code & 0xff;
    fprintf(stderr, "opengeni-ctl: %s: the command was ended by a signal\n", ctl->machine.label);
    return STATUS_SIGNAL;
}

static int run_on(struct ctl *ctl, const char *machine, struct exec_options *options)
{
    if (!ctl_machine(ctl, machine))
        return ctl->status;
    struct buffer input;
    buffer_init(&input, rpc_max_payload(ctl->rpc));
    if (options->no_stdin || read_input(ctl, &input)) {
        options->body.stdin =
            (ProtobufCBinaryData){.data = (uint8_t *)input.data, .len = input.size};
        options->body.timeout_ms = (uint32_t)ctl->timeout_ms;
        Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
        request.op_case = OG__CONTROL_REQUEST__OP_EXEC;
        request.exec = &options->body;
        struct reply reply;
        if (ctl_call(ctl, &request, &reply)) {
            ctl->status = finish(ctl, reply.message->exec);
            reply_fini(&reply);
        }
    }
    buffer_fini(&input);
    return ctl->status;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    struct exec_options options = {.body = OG__EXEC_REQUEST__INIT};
    size_t room = (size_t)args->argc + 1;
    options.entries = mem_array(room, sizeof *options.entries);
    options.env = mem_array(room, sizeof(Og__ExecRequest__EnvEntry *));
    options.body.env = options.env;
    int status =
        parse(ctl, args, &options) ? run_on(ctl, args->operands[0], &options) : ctl->status;
    for (size_t i = 0; i < options.body.n_env; i++)
        mem_free(options.env[i]->key);
    mem_free(options.env);
    mem_free(options.entries);
    return status;
}

static const struct argument arguments[] = {
    {OPTION_CWD, "cwd", "DIR", "directory to run in"},
    {OPTION_ENV, "env", "NAME=VALUE", "add to the environment"},
    {OPTION_SHELL, "shell", NULL, "CMD is one text for the machine's shell"},
    {OPTION_NO_STDIN, "no-stdin", NULL, "do not read standard input"},
    {0},
};

const struct command command_exec = {
    .name = "exec",
    .operands = "MACHINE [--] CMD [ARG]...",
    .summary = "Run a command and wait for it",
    .notes = "The arguments reach the program as they are: no shell looks at them, unless -c.\n"
             "Standard input goes along when it is no terminal; input and output fit into one\n"
             "message of the server (usually 1 MiB). --timeout ends the command after so many\n"
             "seconds (none). Interrupting opengeni-ctl does not end the command.\n",
    .arguments = arguments,
    .runs = true,
    .run = run,
};
