#include <string.h>

#include "cli/command.h"

const struct command *const commands[] = {
    &command_connect,     &command_enroll,     &command_start,     &command_stop,
    &command_restart,     &command_status,     &command_logs,      &command_run,
    &command_connections, &command_disconnect, &command_pause,     &command_resume,
    &command_reload,      &command_update,     &command_uninstall, &command_service,
    &command_doctor,      &command_self_check, &command_help,      NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *command = commands; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}
