// Runs git with the machine's own configuration, credentials and askpass programs: they are what
// makes it useful here, so nothing of them is touched.
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "ops/git_status.h"
#include "ops/op.h"
#include "ops/run.h"
#include "process/command.h"
#include "process/environment.h"

// The words between git and the arguments; RAW and what we do not know have none.
static const char *const *words_of(Og__GitOp op)
{
    static const char *const words[][4] = {
        [OG__GIT_OP__GIT_OP_STATUS] = {"status", "--porcelain=v2", "--branch"},
        [OG__GIT_OP__GIT_OP_DIFF] = {"diff"},
        [OG__GIT_OP__GIT_OP_LOG] = {"log"},
        [OG__GIT_OP__GIT_OP_ADD] = {"add"},
        [OG__GIT_OP__GIT_OP_COMMIT] = {"commit"},
        [OG__GIT_OP__GIT_OP_BRANCH] = {"branch"},
        [OG__GIT_OP__GIT_OP_CHECKOUT] = {"checkout"},
        [OG__GIT_OP__GIT_OP_PULL] = {"pull"},
        [OG__GIT_OP__GIT_OP_PUSH] = {"push"},
    };
    size_t index = (size_t)op;
    return words[index < sizeof words / sizeof *words ? index : OG__GIT_OP__GIT_OP_UNSPECIFIED];
}

static bool set_arguments(const struct op *op, const Og__GitRequest *request,
                          struct command *command, struct fail *why)
{
    const char *const *words = words_of(request->op);
    const char **argv = arena_array(op->arena, 1 + 3 + request->n_args + 1, sizeof *argv);
    if (!argv)
        return fail_errno(why, ENOMEM, "git", NULL);
    size_t n = 0;
    argv[n++] = "git";
    while (*words)
        argv[n++] = *words++;
    for (size_t i = 0; i < request->n_args; i++)
        argv[n++] = request->args[i];
    command->setup.program = argv[0];
    command->setup.argv = (char *const *)argv;
    return true;
}

static bool set_environment(const struct op *op, const Og__GitRequest *request,
                            struct command *command, struct fail *why)
{
    char *const *base = op->host->environment;
    struct environment_entry added[2];
    size_t count = 0;
    // Nobody is there to be asked for a password.
    if (!environment_get(base, "GIT_TERMINAL_PROMPT"))
        added[count++] = (struct environment_entry){"GIT_TERMINAL_PROMPT", "0"};
    // Looking must not disturb a git that works in the same place.
    if (request->op == OG__GIT_OP__GIT_OP_STATUS && !environment_get(base, "GIT_OPTIONAL_LOCKS"))
        added[count++] = (struct environment_entry){"GIT_OPTIONAL_LOCKS", "0"};
    command->setup.search = environment_get(base, "PATH");
    return environment_overlay(op->arena, base, added, count, &command->setup.envp, why);
}

// With -z, which may hide among other letters, the output is not made of lines.
static bool has_status(const Og__GitRequest *request, const struct command_result *result)
{
    return request->op == OG__GIT_OP__GIT_OP_STATUS && result->exit_code == 0 &&
           (result->out.size == 0 || !memchr(result->out.data, '\0', result->out.size));
}

static bool reply(const struct op *op, const Og__GitRequest *request,
                  const struct command_result *result, Og__ControlResponse *response,
                  struct fail *why)
{
    Og__GitResponse *git = arena_alloc(op->arena, sizeof *git);
    if (!git)
        return fail_errno(why, ENOMEM, "reply", NULL);
    og__git_response__init(git);
    git->exit_code = result->exit_code;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_GIT;
    response->git = git;
    bool whole = result->output_size == result->out.size + result->err.size;
    if (whole && has_status(request, result)) {
        const char *text = result->out.size > 0 ? result->out.data : "";
        git->status = git_status_parse(op->arena, text, result->out.size);
        if (!git->status)
            return fail_errno(why, ENOMEM, "reply", NULL);
    }
    return run_reply(op, result, response, &git->stdout, &git->stderr, why);
}

bool op_git(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
            struct fail *why)
{
    const Og__GitRequest *git = request->git;
    struct command command = {.setup.script = -1};
    struct command_result result;
    if (!run_directory(op, "git", git->cwd, &command.setup.cwd, why) ||
        !run_policy(request->resource_policy, why) || !set_environment(op, git, &command, why) ||
        !set_arguments(op, git, &command, why) || !run_command(op, "git", &command, &result, why))
        return false;
    bool done = reply(op, git, &result, response, why);
    command_result_fini(&result);
    return done;
}
