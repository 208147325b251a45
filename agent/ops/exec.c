#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/io.h"
#include "ops/desktop.h"
#include "ops/op.h"
#include "ops/run.h"
#include "process/command.h"
#include "process/environment.h"
#include "process/shell.h"
#include "proto/encode.h"

// The words joined by single spaces; the shell splits them again.
static const char *join(struct arena *arena, char *const *words, size_t count, size_t *size)
{
    size_t total = count - 1;
    for (size_t i = 0; i < count; i++)
        total += strlen(words[i]);
    *size = total;
    if (count == 1)
        return words[0];
    char *text = arena_alloc(arena, total + 1), *at = text;
    for (size_t i = 0; text && i < count; i++) {
        if (i > 0)
            *at++ = ' ';
        at = stpcpy(at, words[i]);
    }
    return text;
}

static bool shell_command(const struct op *op, const Og__ExecRequest *request,
                          struct command *command, struct fail *why)
{
    size_t size;
    const char *shell = op->host->shell;
    const char *text = join(op->arena, request->command, request->n_command, &size);
    const char **argv = arena_array(op->arena, 4, sizeof *argv);
    if (!text || !argv)
        return fail_errno(why, ENOMEM, "exec", NULL);
    if (size > EXEC_ARG_BYTES_MAX) {
        if (!shell_script(text, &command->setup.script))
            return fail_errno(why, errno, "exec script", NULL);
        text = shell_loader(shell);
    }
    argv[0] = shell;
    argv[1] = "-c";
    argv[2] = text;
    command->setup.program = shell;
    command->setup.argv = (char *const *)argv;
    return true;
}

static bool direct_command(const struct op *op, const Og__ExecRequest *request,
                           struct command *command, struct fail *why)
{
    char **argv = arena_array(op->arena, request->n_command + 1, sizeof *argv);
    if (!argv)
        return fail_errno(why, ENOMEM, "exec", NULL);
    memcpy(argv, request->command, request->n_command * sizeof *argv);
    command->setup.program = argv[0];
    command->setup.argv = argv;
    return true;
}

static bool set_environment(const struct op *op, const Og__ExecRequest *request,
                            struct command *command, struct fail *why)
{
    struct environment_entry *entries =
        arena_array(op->arena, request->n_env + DESKTOP_LENT, sizeof *entries);
    if (!entries)
        return fail_errno(why, ENOMEM, "exec", NULL);
    for (size_t i = 0; i < request->n_env; i++)
        entries[i] = (struct environment_entry){request->env[i]->key, request->env[i]->value};
    size_t count = desktop_lend(op, entries, request->n_env);
    if (!environment_overlay(op->arena, op->host->environment, entries, count, &command->setup.envp,
                             why))
        return false;
    command->setup.search = environment_get(command->setup.envp + 1, "PATH");
    return true;
}

// Checks the request and fills command. Memory is the arena's; the script, if there is one, is the
// caller's to close.
static bool prepare(const struct op *op, const Og__ExecRequest *request,
                    const Og__OperationResourcePolicy *policy, struct command *command,
                    struct fail *why)
{
    *command = (struct command){
        .setup.script = -1,
        .input = request->stdin.data,
        .input_size = request->stdin.len,
        .timeout_ms = request->timeout_ms,
        .cancel_fd = -1,
    };
    if (request->n_command == 0)
        return fail_because(why, FAIL_INVALID, "exec: empty command");
    return run_directory(op, "exec", request->cwd, &command->setup.cwd, why) &&
           run_policy(policy, why) && set_environment(op, request, command, why) &&
           (request->shell ? shell_command(op, request, command, why)
                           : direct_command(op, request, command, why));
}

// --- the reply

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void cut(struct buffer *buffer, size_t size)
{
    if (size < buffer->size) {
        buffer->size = size;
        buffer->data[size] = '\0';
    }
}

// The last line of stderr of a command that ran out of time. The output so far comes along, as much
// of it as can be sent.
static bool say_timed_out(const struct op *op, struct command_result *result,
                          const Og__ControlResponse *response, struct fail *why)
{
    static const char line[] = "timed out";
    enum { LENGTHS = 3 * 10 }; // varints of stdout, stderr and the message around them
    size_t frame = op->id_size + encode_size(&response->base) + LENGTHS + sizeof line;
    size_t room = op->reply_max > frame ? op->reply_max - frame : 0;
    struct buffer *out = &result->out, *err = &result->err;
    size_t err_size = least(err->size, room);
    if (out->size + err_size > room)
        err_size = least(err_size, room - least(out->size, room / 2));
    size_t out_size = least(out->size, room - err_size);
    cut(out, out_size);
    cut(err, err_size);
    err->max = err_size + 1 + sizeof line;
    if ((err_size > 0 && err->data[err_size - 1] != '\n' && !buffer_append_string(err, "\n")) ||
        !buffer_append_string(err, line))
        return fail_errno(why, ENOMEM, "reply", NULL);
    result->output_size = out->size + err->size;
    return true;
}

static bool reply(const struct op *op, struct command_result *result, Og__ControlResponse *response,
                  struct fail *why)
{
    Og__ExecResponse *exec = arena_alloc(op->arena, sizeof *exec);
    if (!exec)
        return fail_errno(why, ENOMEM, "reply", NULL);
    og__exec_response__init(exec);
    exec->exit_code = result->exit_code;
    exec->timed_out = result->timed_out;
    exec->duration_ms = (uint64_t)result->duration_ms;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_EXEC;
    response->exec = exec;
    return (!result->timed_out || say_timed_out(op, result, response, why)) &&
           run_reply(op, result, response, &exec->stdout, &exec->stderr, why);
}

bool op_exec(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
             struct fail *why)
{
    struct command command;
    struct command_result result;
    bool done = prepare(op, request->exec, request->resource_policy, &command, why) &&
                run_command(op, "exec", &command, &result, why);
    io_close(&command.setup.script);
    if (!done)
        return false;
    done = reply(op, &result, response, why);
    command_result_fini(&result);
    return done;
}
