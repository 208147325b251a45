#include "config/config_dir.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool absolute(const char *path, char **out, struct fail *why)
{
    char *cwd = *path == '/' ? mem_string("") : realpath(".", NULL);
    if (!cwd)
        return fail_errno(why, errno, "find the current directory for", path);
    *out = mem_printf("%s%s%s", cwd, *path == '/' ? "" : "/", path);
    mem_free(cwd);
    for (size_t n = strlen(*out); n > 1 && (*out)[n - 1] == '/'; n--)
        (*out)[n - 1] = '\0';
    return true;
}

static char *home_of_passwd(void)
{
    struct passwd entry, *found = NULL;
    char room[16384];
    if (getpwuid_r(geteuid(), &entry, room, sizeof room, &found) != 0 || !found || !found->pw_dir ||
        *found->pw_dir != '/')
        return NULL;
    return mem_string(found->pw_dir);
}

bool config_dir_path(const char *option, char **path, bool *chosen, struct fail *why)
{
    const char *named = option && *option ? option : variable("OPENGENI_CONFIG_DIR");
    if (chosen)
        *chosen = named != NULL;
    if (named)
        return absolute(named, path, why);
    const char *base = variable("XDG_CONFIG_HOME");
    if (base && *base == '/') { // a relative one is to be ignored, says the XDG specification
        *path = mem_printf("%s/opengeni/agent", base);
        return true;
    }
    const char *variable_home = variable("HOME");
    char *home =
        variable_home && *variable_home == '/' ? mem_string(variable_home) : home_of_passwd();
    if (!home)
        return fail_because(why, FAIL_INVALID,
                            "no configuration directory: set OPENGENI_CONFIG_DIR or HOME");
    *path = mem_printf("%s/.config/opengeni/agent", home);
    mem_free(home);
    return true;
}

bool config_dir_open(struct secure_dir *dir, const char *option, struct fail *why)
{
    char *path = NULL;
    bool chosen = false;
    if (!config_dir_path(option, &path, &chosen, why))
        return false;
    bool opened = secure_dir_open(dir, path, chosen, why);
    mem_free(path);
    return opened;
}

// What root leaves in another user's directory would break that user's own agent.
static bool may_make(const char *path, struct fail *why)
{
    char *at = mem_string(path);
    struct stat st;
    while (stat(at, &st) != 0 && strrchr(at, '/') > at)
        *strrchr(at, '/') = '\0';
    bool may = geteuid() != 0 || stat(at, &st) != 0 || st.st_uid == 0;
    if (!may)
        fail_on_path(why, FAIL_INVALID,
                     "refusing to make a directory as root in that of another user "
                     "(OPENGENI_CONFIG_DIR says it is meant):",
                     path);
    mem_free(at);
    return may;
}

static bool make_path(char *path, struct fail *why)
{
    for (char *slash = path; slash; *slash = '/') {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return fail_errno(why, errno, "make the directory", path);
        if (!slash)
            break;
    }
    return true;
}

bool config_dir_create(struct secure_dir *dir, const char *option, struct fail *why)
{
    char *path = NULL;
    bool chosen = false;
    if (!config_dir_path(option, &path, &chosen, why))
        return false;
    bool opened = (chosen || may_make(path, why)) && make_path(path, why) &&
                  secure_dir_open(dir, path, chosen, why);
    mem_free(path);
    if (opened && (dir->fd < 0 || !secure_dir_tighten(dir, why))) {
        if (dir->fd < 0) // it went away again at once, or is a dangling link
            fail_errno(why, ENOENT, "open", dir->path);
        secure_dir_fini(dir);
        return false;
    }
    return opened;
}
