// The table of commands and the options that all of them have.
#pragma once

#include <stddef.h>

#include "ctl/arguments.h"

struct command;

enum common_option {
    COMMON_HELP = 'h',
    COMMON_VERBOSE = 'v',
    COMMON_SERVER = 's',
    COMMON_JSON = ARGUMENTS_LONG_ONLY,
    COMMON_TOKEN_FILE,
    COMMON_GENERATION,
    COMMON_WAIT,
    COMMON_TIMEOUT,
    COMMON_HUB,
    COMMON_HUB_TOKEN_FILE,
    COMMON_CA_FILE,
    COMMON_VERSION,
    COMMON_LAST, // keys of a command's own long options come after it
};

extern const struct argument common_arguments[];
extern const struct argument program_arguments[]; // before the command only
extern const struct command *const commands[];    // closed by NULL

const struct command *command_find(const char *name); // NULL: none

extern const struct command command_machines, command_ping, command_exec, command_ls, command_stat,
    command_cat, command_get, command_put, command_mkdir, command_mv, command_rm, command_git,
    command_metrics, command_screenshot, command_click, command_move, command_drag, command_scroll,
    command_type, command_key, command_view, command_bench, command_shell, command_pty,
    command_help, command_complete;
