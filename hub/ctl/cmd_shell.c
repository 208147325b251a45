#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/escape.h"
#include "ctl/interrupt.h"
#include "ctl/session.h"
#include "ctl/tty.h"

enum {
    OPTION_CWD = 'C',
    OPTION_ENV = 'e',
    OPTION_ESCAPE = 'E',
    OPTION_ATTACH = 'a',
    OPTION_SCOPE = 'S',
    OPTION_KEEP = 'k',
    OPTION_NO_STDIN = 'n',
    OPTION_PATIENCE = COMMON_LAST,
    OPTION_RELAY_URL,
    OPTION_RELAY_TOKEN_FILE,
};

struct shell_options {
    struct session_options session;
    const char *attach; // NULL: a new one, or the scope's
    Og__PtyOpenRequest body;
    Og__PtyOpenRequest__EnvEntry *entries; // as many as there are arguments
    Og__PtyOpenRequest__EnvEntry **env;
    bool escape_given, patience_given;
};

static bool add_env(struct shell_options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return false;
    Og__PtyOpenRequest__EnvEntry *entry = &options->entries[options->body.n_env];
    og__pty_open_request__env_entry__init(entry);
    entry->key = mem_printf("%.*s", (int)(equals - text), text);
    entry->value = (char *)equals + 1;
    options->env[options->body.n_env++] = entry;
    return true;
}

// False, and said so, for a value that makes no sense.
static bool take_option(struct ctl *ctl, int key, const char *value, struct shell_options *options)
{
    struct grant_source *source = &options->session.source;
    switch (key) {
    case OPTION_CWD:
        options->body.cwd = (char *)value;
        return true;
    case OPTION_ENV:
        return add_env(options, value) || (ctl_misuse(ctl, "--env needs NAME=VALUE"), false);
    case OPTION_ESCAPE:
        options->escape_given = true;
        return escape_parse(value, &options->session.escape) ||
               (ctl_misuse(ctl, "--escape is a character, ^X for a control key, or none"), false);
    case OPTION_PATIENCE:
        options->patience_given = true;
        return arguments_seconds(value, &options->session.patience_ms) ||
               (ctl_misuse(ctl, "--patience needs a number of seconds"), false);
    case OPTION_ATTACH:
        options->attach = value;
        return true;
    case OPTION_SCOPE:
        options->body.scope_id = (char *)value;
        return true;
    case OPTION_KEEP:
        return options->session.keep = true;
    case OPTION_NO_STDIN:
        return options->session.no_stdin = true;
    case OPTION_RELAY_URL:
        source->relay_url = value;
        return true;
    case OPTION_RELAY_TOKEN_FILE:
        source->relay_token_file = value;
        return true;
    default:
        return false; // no other is in the table
    }
}

static bool check(struct ctl *ctl, struct arguments *args, struct shell_options *options)
{
    const struct grant_source *source = &options->session.source;
    if (args->operand_count < 1)
        return ctl_operands(ctl, args, 1, args->argc);
    char **command = args->operands + 1;
    int count = args->operand_count - 1;
    if (count > 0 && strcmp(command[0], "--") == 0) { // options have ended at MACHINE
        command++;
        count--;
    }
    options->body.command = command;
    options->body.n_command = (size_t)count;
    if (options->attach &&
        (count > 0 || *options->body.scope_id || *options->body.cwd || options->body.n_env > 0)) {
        ctl_misuse(ctl, "--attach goes without a command, --scope, --cwd and --env");
        return false;
    }
    if (!source->relay_url != !source->relay_token_file) {
        ctl_misuse(ctl, "--relay-url and --relay-token-file go together");
        return false;
    }
    return true;
}

static bool parse(struct ctl *ctl, struct arguments *args, struct shell_options *options)
{
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;)
        if (key == ARGUMENTS_BAD || !take_option(ctl, key, value, options))
            return false;
    options->session.source.hub_url = ctl->hub_source.url;
    options->session.source.hub_token_file = ctl->hub_source.token_file;
    options->session.source.ca_file = ctl->hub_source.ca_file;
    if (!check(ctl, args, options))
        return false;
    bool person = isatty(STDIN_FILENO);
    if (!options->escape_given)
        options->session.escape = person ? '~' : ESCAPE_OFF;
    if (!options->patience_given)
        options->session.patience_ms = person ? 0 : SHELL_PATIENCE_MS;
    return true;
}

static bool open_terminal(struct ctl *ctl, struct shell_options *options)
{
    const char *term = getenv("TERM");
    unsigned cols = 0, rows = 0;
    if (tty_size(&cols, &rows)) {
        options->body.cols = cols;
        options->body.rows = rows;
    }
    options->body.term = (char *)(term ? term : "");
    options->session.ours = !*options->body.scope_id;
    return terminal_open(ctl, &options->body, &options->session.terminal);
}

static int run(struct ctl *ctl, struct arguments *args)
{
    struct shell_options options = {.body = OG__PTY_OPEN_REQUEST__INIT};
    size_t room = (size_t)args->argc + 1;
    options.entries = mem_array(room, sizeof *options.entries);
    options.env = mem_array(room, sizeof *options.env);
    options.body.env = options.env;
    bool there = parse(ctl, args, &options) && ctl_machine(ctl, args->operands[0]) &&
                 (options.attach ? terminal_named(ctl, options.attach, &options.session.terminal)
                                 : open_terminal(ctl, &options));
    int status = there ? session_run(ctl, &options.session) : ctl->status;
    for (size_t i = 0; i < options.body.n_env; i++)
        mem_free(options.env[i]->key);
    mem_free(options.env);
    mem_free(options.entries);
    return status;
}

static const struct argument arguments[] = {
    {OPTION_CWD, "cwd", "DIR", "directory to start in"},
    {OPTION_ENV, "env", "NAME=VALUE", "add to the environment"},
    {OPTION_ATTACH, "attach", "PTY", "come back to a terminal that was left"},
    {OPTION_SCOPE, "scope", "NAME", "the terminal of that name, be it a new one"},
    {OPTION_KEEP, "keep", NULL, "leave it running when this program ends"},
    {OPTION_ESCAPE, "escape", "KEY", "a character, ^X, or none (~)"},
    {OPTION_NO_STDIN, "no-stdin", NULL, "do not read standard input"},
    {OPTION_PATIENCE, "patience", "S", "with who is away (for ever; 60 in scripts)"},
    {OPTION_RELAY_URL, "relay-url", "URL", "a relay, ws or wss, without asking a hub"},
    {OPTION_RELAY_TOKEN_FILE, "relay-token-file", "FILE", "holds a viewer's token for it"},
    {0},
};

const struct command command_shell = {
    .name = "shell",
    .operands = "MACHINE [--] [CMD [ARG]...]",
    .summary = "Open a terminal on a machine",
    .notes = "Runs CMD, or the user's shell, in a terminal of the machine. The program there\n"
             "outlives every loss of the connection. At the beginning of a line type\n"
             "  ~.  to end it    ~d  to leave it running; its id is told, for --attach\n"
             "  ~^Z to stop opengeni-ctl    ~~  for ~    ~?  for these\n"
             "A terminal that was opened here ends with opengeni-ctl, unless --keep is given;\n"
             "one that was attached to, or has a --scope, stays. A second viewer takes over.\n"
             "Exit status: the program's own where the machine tells it, else 0 after its\n"
             "end; 255 when the terminal was ended, taken over or lost; else as for exec.\n",
    .arguments = arguments,
    .runs = true,
    .run = run,
};
