#include "service/place.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

static const char *home(void)
{
    const char *variable = getenv("HOME");
    if (variable && *variable == '/')
        return variable;
    const struct passwd *entry = getpwuid(geteuid());
    return entry && entry->pw_dir && *entry->pw_dir == '/' ? entry->pw_dir : NULL;
}

static char *find_packaged(const char *kind)
{
    static const char *const roots[] = {"/etc/systemd", "/usr/local/lib/systemd",
                                        "/usr/lib/systemd", "/lib/systemd"};
    bool system = *kind == 's';
    for (size_t i = system ? 1 : 0; i < sizeof roots / sizeof *roots; i++) {
        char *path = mem_printf("%s/%s/" SERVICE_UNIT, roots[i], kind);
        if (access(path, R_OK) == 0)
            return path;
        mem_free(path);
    }
    return NULL;
}

bool service_place_init(struct service_place *place, enum service_scope scope, struct fail *why)
{
    *place = (struct service_place){.scope = scope};
    if (scope == SERVICE_SYSTEM) {
        place->dir = mem_string("/etc/systemd/system");
    } else {
        const char *where = home();
        if (!where)
            return fail_because(why, FAIL_INVALID,
                                "the home directory is not known; set HOME to its path");
        place->dir = mem_printf("%s/.config/systemd/user", where);
    }
    place->file = mem_printf("%s/" SERVICE_UNIT, place->dir);
    place->packaged = find_packaged(scope == SERVICE_SYSTEM ? "system" : "user");
    return true;
}

void service_place_fini(struct service_place *place)
{
    mem_free(place->dir);
    mem_free(place->file);
    mem_free(place->packaged);
    *place = (struct service_place){0};
}

bool service_installed(const struct service_place *place)
{
    return place->packaged || access(place->file, F_OK) == 0;
}

bool service_manager_present(void)
{
    return access("/run/systemd/system", F_OK) == 0;
}
