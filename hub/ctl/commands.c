#include "ctl/commands.h"

#include <string.h>

#include "ctl/ctl.h"

const struct argument common_arguments[] = {
    {COMMON_SERVER, "server", "URL", "a NATS server [$OPENGENI_SERVER] (the hub's)"},
    {COMMON_TOKEN_FILE, "token-file", "FILE", "holds its token [$OPENGENI_TOKEN_FILE]"},
    {COMMON_HUB, "hub", "URL", "a hub [$OPENGENI_HUB] (the one of this user)"},
    {COMMON_HUB_TOKEN_FILE, "hub-token-file", "FILE",
     "with its admin token [$OPENGENI_HUB_TOKEN_FILE]"},
    {COMMON_CA_FILE, "ca-file", "FILE", "trust these certificates beside the system's"},
    {COMMON_WAIT, "wait", "S", "listen so long for machines to speak (6)"},
    {COMMON_TIMEOUT, "timeout", "S", "wait so long for an answer (30)"},
    {COMMON_GENERATION, "generation", "G", "address machines as 0.2.0 or latest does"},
    {COMMON_JSON, "json", NULL, "output for programs"},
    {COMMON_VERBOSE, "verbose", NULL, "errors with their codes and details"},
    {COMMON_HELP, "help", NULL, "this text"},
    {0},
};

const struct argument program_arguments[] = {
    {COMMON_VERSION, "version", NULL, "print the version"},
    {0},
};

const struct command *const commands[] = {
    &command_machines, &command_ping,
    &command_exec,     &command_ls,
    &command_stat,     &command_cat,
    &command_get,      &command_put,
    &command_mkdir,    &command_mv,
    &command_rm,       &command_git,
    &command_metrics,  &command_screenshot,
    &command_click,    &command_move,
    &command_drag,     &command_scroll,
    &command_type,     &command_key,
    &command_view,     &command_bench,
    &command_shell,    &command_pty,
    &command_help,     NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    // For shells, not for people: in no list.
    return strcmp(command_complete.name, name) == 0 ? &command_complete : NULL;
}
