#include "service/refresh.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "service/group.h"
#include "service/install.h"
#include "service/unit_file.h"

// systemd puts each service into a group of its name.
static bool in_the_services_group(void)
{
    char *group = service_group(0);
    const char *last = group ? strrchr(group, '/') : NULL;
    bool in = last && strcmp(last + 1, SERVICE_UNIT) == 0;
    mem_free(group);
    return in;
}

// A unit of ours that this version would write differently.
struct candidate {
    struct service_place place;
    char *before, *after; // its text; NULL: there is no such unit
};

static void look(struct candidate *candidate, enum service_scope scope, const char *program,
                 int systemd)
{
    struct buffer text;
    struct unit_values values = {0};
    *candidate = (struct candidate){0};
    if (!service_place_init(&candidate->place, scope, NULL))
        return;
    buffer_init(&text, UNIT_BYTES_MAX);
    if (io_read_file(AT_FDCWD, candidate->place.file, &text) && text.data &&
        unit_values_read(text.data, text.size, &values) &&
        strcmp(values.executable, program) == 0) {
        const struct unit_wish wish = {.scope = scope,
                                       .executable = program,
                                       .path = values.path,
                                       .config_dir = values.config_dir,
                                       .user = values.user,
                                       .systemd = systemd};
        candidate->after = unit_text(&wish, NULL);
        if (candidate->after && strcmp(candidate->after, text.data) != 0)
            candidate->before = mem_string(text.data);
    }
    unit_values_fini(&values);
    buffer_fini(&text);
}

static void candidate_fini(struct candidate *candidate)
{
    service_place_fini(&candidate->place);
    mem_free(candidate->before);
    mem_free(candidate->after);
}

// The value of a line NAME=VALUE. Freed with mem_free; NULL when there is no such line.
static char *value_of(const char *text, const char *name)
{
    size_t skip = strlen(name);
    for (const char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        if (size > skip && strncmp(line, name, skip) == 0 && line[skip] == '=')
            return mem_printf("%.*s", (int)(size - skip - 1), line + skip + 1);
        line += size + (line[size] == '\n');
    }
    return NULL;
}

// systemd shows ExecStart as "{ path=/a ; argv[]=/a run ; ... }", one such block a command.
static bool runs_only(const char *shown, const char *program)
{
    char *expected = mem_printf("{ path=%s ; argv[]=%s run ; ", program, program);
    bool only = strncmp(shown, expected, strlen(expected)) == 0 && !strstr(shown + 1, "{ path=");
    mem_free(expected);
    return only;
}

enum standing { NOT_OURS, OURS, OVERRIDDEN };

// Whether this process is the unit's main one, and the unit is that file and nothing else.
static enum standing ask(enum service_scope scope, const char *file, const char *program)
{
    struct buffer out;
    enum standing standing = NOT_OURS;
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    if (service_show(scope, "MainPID,FragmentPath,ExecStart", &out, NULL)) {
        char *pid = value_of(out.data, "MainPID"), *path = value_of(out.data, "FragmentPath"),
             *command = value_of(out.data, "ExecStart");
        if (pid && strtol(pid, NULL, 10) == (long)getpid())
            standing = path && command && strcmp(path, file) == 0 && runs_only(command, program)
                           ? OURS
                           : OVERRIDDEN;
        mem_free(pid);
        mem_free(path);
        mem_free(command);
    }
    buffer_fini(&out);
    return standing;
}

static bool put(const struct candidate *candidate, const char *text, struct fail *why)
{
    enum unit_write written = unit_file_write(&candidate->place, text, false, why);
    if (written == UNIT_REFUSED)
        fail_because(why, FAIL_INVALID, "somebody has just changed it");
    return written == UNIT_WRITTEN || written == UNIT_UNCHANGED;
}

static enum service_refresh replace(const struct candidate *candidate, struct fail *why)
{
    if (!put(candidate, candidate->after, why))
        return REFRESH_LEFT;
    if (service_restart(candidate->place.scope, why))
        return REFRESH_DONE;
    // The old one has worked so far. What becomes of this does not matter more.
    if (put(candidate, candidate->before, NULL))
        (void)!service_reload(candidate->place.scope, NULL);
    return REFRESH_LEFT;
}

enum service_refresh service_refresh(const char *program, struct fail *why)
{
    struct candidate candidates[2];
    enum service_refresh end = REFRESH_NONE;
    if (!in_the_services_group())
        return REFRESH_NONE;
    int systemd = service_systemd_version();
    if (systemd < SYSTEMD_WITH_SUBGROUP)
        return REFRESH_NONE;
    look(&candidates[0], SERVICE_USER, program, systemd);
    look(&candidates[1], SERVICE_SYSTEM, program, systemd);
    if (candidates[0].before || candidates[1].before) {
        enum standing user = ask(SERVICE_USER, candidates[0].place.file, program),
                      system = ask(SERVICE_SYSTEM, candidates[1].place.file, program);
        bool both = user != NOT_OURS && system != NOT_OURS;
        end = REFRESH_LEFT;
        if (both)
            fail_because(why, FAIL_INVALID, "two service managers claim this process");
        else if (user == OURS && candidates[0].before)
            end = replace(&candidates[0], why);
        else if (system == OURS && candidates[1].before)
            end = replace(&candidates[1], why);
        else if (user == OVERRIDDEN || system == OVERRIDDEN)
            fail_because(why, FAIL_INVALID, "another file decides how the service is started");
        else
            end = REFRESH_NONE; // it is not by this unit that we were started
    }
    candidate_fini(&candidates[0]);
    candidate_fini(&candidates[1]);
    return end;
}
