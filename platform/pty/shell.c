#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "process/environment.h"
#include "pty/pty.h"

static bool can_run(const char *shell)
{
    return shell && *shell == '/' && access(shell, X_OK) == 0;
}

static const char *shell_of_user;

static void look_up(void)
{
    struct passwd entry, *found = NULL;
    char *room = mem_array(1, PASSWD_ENTRY_BYTES_MAX);
    if (getpwuid_r(geteuid(), &entry, room, PASSWD_ENTRY_BYTES_MAX, &found) == 0 && found)
        shell_of_user = mem_string(found->pw_shell);
    mem_free(room);
}

const char *pty_shell(char *const *environment)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *own = environment_get(environment, "SHELL");
    if (can_run(own))
        return own;
    pthread_once(&once, look_up);
    const char *const candidates[] = {shell_of_user, "/bin/bash"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (can_run(candidates[i]))
            return candidates[i];
    return "/bin/sh";
}
