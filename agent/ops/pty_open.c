#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "ops/desktop.h"
#include "ops/op.h"
#include "ops/run.h"
#include "ops/stream_channel.h"
#include "ops/terminals.h"
#include "process/environment.h"
#include "pty/pty.h"

enum { TERMINAL_COLS = 80, TERMINAL_ROWS = 24, TERMINAL_PORT = 7681 };

static bool out_of_memory(struct fail *why)
{
    return fail_errno(why, ENOMEM, "pty_open", NULL);
}

// The agent's variables, the request's over them, and TERM over all.
static bool make_environment(const struct op *op, const Og__PtyOpenRequest *request, char ***envp,
                             struct fail *why)
{
    enum { OWN = 2 + DESKTOP_LENT };
    const char *term = request->term && *request->term ? request->term : "xterm-256color";
    struct environment_entry *entries =
        arena_array(op->arena, request->n_env + OWN, sizeof *entries);
    size_t n = 0;
    if (!entries)
        return out_of_memory(why);
    if (!environment_get(op->host->environment, "COLORTERM"))
        entries[n++] = (struct environment_entry){"COLORTERM", "truecolor"};
    for (size_t i = 0; i < request->n_env; i++)
        entries[n++] = (struct environment_entry){request->env[i]->key, request->env[i]->value};
    entries[n++] = (struct environment_entry){"TERM", term};
    n = desktop_lend(op, entries, n);
    return environment_overlay(op->arena, op->host->environment, entries, n, envp, why);
}

// A command as it is, or the user's shell.
static bool make_argv(const struct op *op, const Og__PtyOpenRequest *request,
                      struct pty_setup *setup, struct fail *why)
{
    size_t count = request->n_command;
    char **argv = arena_array(op->arena, count + 2, sizeof *argv);
    if (!argv)
        return out_of_memory(why);
    if (count > 0)
        memcpy(argv, request->command, count * sizeof *argv);
    else if (!(argv[0] = arena_string(op->arena, pty_shell(op->host->environment))))
        return out_of_memory(why);
    setup->argv = argv;
    setup->program = argv[0];
    return true;
}

static unsigned short size_or(uint32_t wanted, unsigned short otherwise)
{
    return wanted > 0 && wanted <= UINT16_MAX ? (unsigned short)wanted : otherwise;
}

static bool prepare(const struct op *op, const Og__PtyOpenRequest *request, struct pty_setup *setup,
                    struct fail *why)
{
    *setup = (struct pty_setup){.cols = size_or(request->cols, TERMINAL_COLS),
                                .rows = size_or(request->rows, TERMINAL_ROWS)};
    if (!run_directory(op, "pty_open", request->cwd, &setup->cwd, why) ||
        !make_argv(op, request, setup, why) || !make_environment(op, request, &setup->envp, why))
        return false;
    setup->search = environment_get(setup->envp + 1, "PATH");
    return true;
}

static bool open_new(const struct op *op, const Og__PtyOpenRequest *request,
                     struct terminal *terminal, struct fail *why)
{
    struct pty_setup setup;
    // The relay first: when it is not there, nothing has been started that would have to end.
    if (!prepare(op, request, &setup, why) || !terminal_register(terminal, op->cancel, why)) {
        terminal_abandon(terminal, why);
        return false;
    }
    bool started = terminal_start(terminal, &setup, op->cancel, why);
    // A directory that is missing is "not found"; a program that is missing is not.
    if (!started && why->kind == FAIL_SYSTEM && strcmp(why->what, "spawn") == 0)
        why->kind = FAIL_INVALID;
    return started;
}

static bool reply(const struct op *op, const char *id, Og__ControlResponse *response,
                  struct fail *why)
{
    Og__PtyOpenResponse *pty = arena_alloc(op->arena, sizeof *pty);
    Og__StreamChannel *channel =
        stream_channel_of(op, id, OG__STREAM_KIND__STREAM_KIND_PTY, TERMINAL_PORT);
    if (!pty || !channel)
        return out_of_memory(why);
    og__pty_open_response__init(pty);
    pty->pty_id = channel->channel_id;
    pty->channel = channel;
    response->result_case = OG__CONTROL_RESPONSE__RESULT_PTY_OPEN;
    response->pty_open = pty;
    return true;
}

bool op_pty_open(struct op *op, const Og__ControlRequest *message, Og__ControlResponse *response,
                 struct fail *why)
{
    const Og__PtyOpenRequest *request = message->pty_open;
    char id[TERMINAL_ID_BYTES];
    struct terminal *terminal;
    bool existing;
    if (!op->relay || !op->host->terminals)
        return fail_because(why, FAIL_UNSUPPORTED, "pty_open: this connection has no terminals");
    if (!terminals_claim(op->host->terminals, op->relay, request->scope_id, op->cancel, &terminal,
                         &existing, id, why))
        return false;
    return (existing || open_new(op, request, terminal, why)) && reply(op, id, response, why);
}
