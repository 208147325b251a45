#include "service/install.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "service/tool.h"

void service_find_manager(void)
{
    if (getenv("XDG_RUNTIME_DIR"))
        return;
    char *path = mem_printf("/run/user/%u", (unsigned)geteuid());
    if (access(path, X_OK) == 0)
        setenv("XDG_RUNTIME_DIR", path, 1);
    mem_free(path);
}

bool service_systemctl(enum service_scope scope, const char *verb, const char *extra,
                       const char *unit, int *status, struct fail *why)
{
    const char *words[6] = {"systemctl"};
    size_t count = 1;
    if (scope == SERVICE_USER)
        words[count++] = "--user";
    words[count++] = verb;
    if (extra)
        words[count++] = extra;
    if (unit)
        words[count++] = unit;
    return tool_run(words, NULL, status, why);
}

static bool step(enum service_scope scope, const char *verb, const char *extra, const char *unit,
                 struct fail *why)
{
    int status = 0;
    if (!service_systemctl(scope, verb, extra, unit, &status, why))
        return false;
    return status == 0 || fail_because(why, FAIL_INVALID, "'systemctl %s%s' ended with status %d",
                                       scope == SERVICE_USER ? "--user " : "", verb, status);
}

bool service_show(enum service_scope scope, const char *properties, struct buffer *out,
                  struct fail *why)
{
    int status = 0;
    const char *user[] = {"systemctl", "--user", "show", "-p", properties, SERVICE_UNIT, NULL};
    const char *system[] = {user[0], user[2], user[3], user[4], user[5], NULL};
    service_find_manager();
    return tool_run(scope == SERVICE_USER ? user : system, out, &status, why) &&
           ((status == 0 && out->data) ||
            fail_because(why, FAIL_INVALID, "'systemctl show' ended with status %d", status));
}

bool service_reload(enum service_scope scope, struct fail *why)
{
    service_find_manager();
    return step(scope, "daemon-reload", NULL, NULL, why);
}

bool service_restart(enum service_scope scope, struct fail *why)
{
    return service_reload(scope, why) && step(scope, "restart", "--no-block", SERVICE_UNIT, why);
}

bool service_enable(const struct service_place *place, bool restart, struct fail *why)
{
    return step(place->scope, "daemon-reload", NULL, NULL, why) &&
           step(place->scope, "enable", "--now", SERVICE_UNIT, why) &&
           (!restart || step(place->scope, "restart", NULL, SERVICE_UNIT, why));
}

void service_disable(const struct service_place *place)
{
    int status;
    struct fail why;
    (void)!service_systemctl(place->scope, "disable", "--now", SERVICE_UNIT, &status, &why);
}

const char *service_user(void)
{
    const struct passwd *entry = getpwuid(geteuid());
    return entry && entry->pw_name ? entry->pw_name : "";
}

bool service_lingers(void)
{
    char *path = mem_printf("/var/lib/systemd/linger/%s", service_user());
    bool there = access(path, F_OK) == 0;
    mem_free(path);
    return there;
}

bool service_linger(struct fail *why)
{
    int status = 0;
    const char *words[] = {"loginctl", "enable-linger", service_user(), NULL};
    if (!tool_run(words, NULL, &status, why))
        return false;
    return status == 0 ||
           fail_because(why, FAIL_INVALID, "'loginctl enable-linger' ended with status %d", status);
}

int service_systemd_version(void)
{
    struct buffer out;
    int status = 0, version = 0;
    struct fail why;
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    const char *words[] = {"systemctl", "--version", NULL};
    if (tool_run(words, &out, &status, &why) && status == 0 && out.data)
        version = unit_systemd_version(out.data);
    buffer_fini(&out);
    return version;
}
