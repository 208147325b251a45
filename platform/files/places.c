#include "files/places.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"

static char *home_of_user(uid_t uid)
{
    char *home = NULL, *room = mem_array(1, PASSWD_ENTRY_BYTES_MAX);
    struct passwd entry, *found;
    if (getpwuid_r(uid, &entry, room, PASSWD_ENTRY_BYTES_MAX, &found) == 0 && found &&
        found->pw_dir && found->pw_dir[0] == '/')
        home = mem_string(found->pw_dir);
    mem_free(room);
    return home;
}

char *home_directory(void)
{
    const char *home = getenv("HOME");
    if (!home)
        home = getenv("USERPROFILE");
    return home && home[0] ? mem_string(home) : home_of_user(geteuid());
}

char *start_directory(void)
{
    char path[PATH_MAX];
    // The kernel reports a directory outside our root as "(unreachable)/...".
    const char *start = getcwd(path, sizeof path);
    return mem_string(start && start[0] == '/' ? start : "/");
}
