// What people type: one cmd_*.c per subcommand, one entry in the table of commands.c.
#pragma once

#include <stdbool.h>

#include "options/options.h"

// The command line, as far as it is the same for all commands.
struct invocation {
    const struct command *command;
    bool bare;        // no command was given, and run is meant
    char **arguments; // what is no option; their number is within the command's bounds
    int argument_count;

    char *api_url;            // normalised; the usual one when none was given
    bool api_url_given;       // by option or environment
    const char *ca_file;      // NULL when none was given
    const char *enroll_token; // secret: $OPENGENI_ENROLL_TOKEN, which no child inherits; or NULL
};

struct command {
    const char *name;
    const char *arguments; // as the usage line shows them; "" for none
    const char *summary;   // one line for the list of commands; NULL hides it there
    bool minor;            // only its name is in that list
    const char *details;   // more lines for its own help; NULL for none
    int arguments_min, arguments_max;
    const struct option_spec *options;               // its own ones; NULL for none
    int (*run)(const struct invocation *invocation); // returns the exit status
};

// In the order of the list, closed by NULL.
extern const struct command *const commands[];

const struct command *command_find(const char *name); // NULL when there is none

extern const struct command command_connect, command_enroll, command_run, command_connections,
    command_disconnect, command_status, command_reload, command_self_check, command_help,
    command_service, command_start, command_stop, command_restart, command_logs, command_update,
    command_doctor, command_pause, command_resume, command_uninstall;

// Exit statuses. A service manager does not start a program again that ends with EXIT_CONFIG
// (sysexits.h: EX_CONFIG).
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_RUNNING = 3,
    EXIT_NOT_INSTALLED = 4,
    EXIT_CONFIG = 78
};
