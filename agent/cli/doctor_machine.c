#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "cli/daemon_program.h"
#include "cli/doctor.h"
#include "cli/moment.h"
#include "cli/workplace.h"
#include "config/config_dir.h"
#include "config/pause.h"
#include "enroll/display.h"
#include "service/install.h"
#include "service/place.h"
#include "service/state.h"
#include "service/tool.h"

// --- files

struct files {
    struct doctor *doctor;
    size_t seen, loose;
};

static void look_at_file(struct files *files, const struct secure_dir *dir, const char *name)
{
    struct stat st;
    if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    files->seen++;
    bool text = strcmp(name, CONFIG_SETTINGS) == 0; // no secret: others may read it
    mode_t others = st.st_mode & (text ? 0022 : 0077);
    bool foreign = !secure_dir_trusts(dir, st.st_uid), link = S_ISLNK(st.st_mode);
    if ((!foreign && !link && others == 0) || files->loose++ >= DOCTOR_FILES_MAX)
        return;
    char *path = secure_dir_file(dir, name);
    char *advice = link      ? mem_string("replace the link by what it points to")
                   : foreign ? mem_printf("chown %u %s", (unsigned)dir->owner, path)
                             : mem_printf("chmod go= %s", path);
    doctor_say(files->doctor, foreign || link ? CHECK_FAIL : CHECK_WARN, "files", advice, "%s %s",
               path,
               link      ? "is a symbolic link, which the agent does not follow"
               : foreign ? "belongs to another user"
                         : "can be used by others");
    mem_free(advice);
    mem_free(path);
}

static void look_at_dir(struct files *files, const struct secure_dir *dir)
{
    struct secure_names names;
    struct fail why;
    if (!secure_dir_list(dir, &names, &why))
        return;
    for (size_t i = 0; i < names.count; i++)
        look_at_file(files, dir, names.names[i]);
    secure_names_fini(&names);
}

void doctor_files(struct doctor *doctor)
{
    const struct secure_dir *config = &doctor->input.config;
    struct secure_dir below = {.fd = -1};
    struct files files = {.doctor = doctor};
    struct fail why;
    struct stat st;
    if (!config->path || config->fd < 0)
        return;
    if (fstat(config->fd, &st) == 0 && (st.st_mode & 0077) != 0) {
        char *advice = mem_printf("chmod 700 %s", config->path);
        files.loose++;
        doctor_say(doctor, CHECK_WARN, "files", advice, "others can look into %s", config->path);
        mem_free(advice);
    }
    look_at_dir(&files, config);
    if (secure_dir_open_below(config, CONFIG_CONNECTIONS, false, &below, &why)) {
        if (below.fd >= 0)
            look_at_dir(&files, &below);
        secure_dir_fini(&below);
    } else {
        char text[FAIL_TEXT_BYTES];
        files.loose++;
        doctor_say(doctor, CHECK_FAIL, "files", NULL, "%s", fail_text(&why, text, sizeof text));
    }
    if (files.loose == 0)
        doctor_say(doctor, CHECK_OK, "files", NULL, "%zu, for the owner's eyes alone", files.seen);
    if (files.loose > DOCTOR_FILES_MAX)
        doctor_say(doctor, CHECK_WARN, "files", NULL, "and %zu more like these",
                   files.loose - DOCTOR_FILES_MAX);
}

// --- versions

static void check_program(struct doctor *doctor)
{
    struct buffer out;
    struct fail why;
    int status = 0;
    static const char same[] = DAEMON_NAME " " OG_VERSION "\n";
    char *path = daemon_program();
    if (!path) {
        doctor_say(doctor, CHECK_FAIL, "program", "install the agent again", "%s is missing",
                   DAEMON_NAME);
        return;
    }
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    const char *words[] = {path, "--version", NULL};
    bool ran = tool_run(words, &out, &status, &why) && status == 0 && out.data;
    if (ran && strcmp(out.data, same) == 0)
        doctor_say(doctor, CHECK_OK, "program", NULL, "%s, version " OG_VERSION, path);
    else
        doctor_say(doctor, CHECK_FAIL, "program", "install the agent again, all of it",
                   "%s does not belong to this version (" OG_VERSION "): it says \"%.*s\"", path,
                   ran ? (int)strcspn(out.data, "\n") : 7,
                   ran ? (const char *)out.data : "nothing");
    buffer_fini(&out);
    mem_free(path);
}

static void check_agent(struct doctor *doctor)
{
    char span[MOMENT_BYTES];
    const struct live *live = &doctor->live;
    const char *version = live->status.version;
    if (!live->running)
        doctor_say(doctor, CHECK_WARN, "agent", workplace_starter(), "it does not run");
    else if (!live->reports)
        doctor_say(doctor, CHECK_WARN, "agent", "if it is an older one, restart it",
                   "it runs (pid %d) and does not tell how it is", (int)live->pid);
    else if (!version || strcmp(version, OG_VERSION) != 0)
        doctor_say(doctor, CHECK_WARN, "agent", "opengeni-agent restart",
                   "version %s runs (pid %d), version " OG_VERSION " is installed",
                   version ? version : "unknown", (int)live->pid);
    else
        doctor_say(doctor, CHECK_OK, "agent", NULL, "runs for %s, pid %d, version %s",
                   moment_span((clock_wall_ms() - live->status.started_at_ms) / 1000, span),
                   (int)live->pid, version);
}

// --- the service

static void check_linger(struct doctor *doctor)
{
    char *advice = mem_printf("loginctl enable-linger %s", service_user());
    if (service_lingers())
        doctor_say(doctor, CHECK_OK, "linger", NULL, "the service goes on after a logout");
    else
        doctor_say(doctor, CHECK_WARN, "linger", advice,
                   "the service ends when you log out, and does not start with the machine");
    mem_free(advice);
}

static void check_scope(struct doctor *doctor, enum service_scope scope, const char *name)
{
    struct fail why;
    char text[FAIL_TEXT_BYTES];
    struct service_state state;
    if (!service_state_read(scope, &state, &why))
        doctor_say(doctor, CHECK_WARN, name, "log in as the service's user, not by su or sudo",
                   "systemd does not tell: %s", fail_text(&why, text, sizeof text));
    else if (strcmp(state.active, "active") != 0)
        doctor_say(doctor, CHECK_WARN, name, "opengeni-agent start; opengeni-agent logs",
                   "installed, but %s (%s), last exit status %ld", state.active, state.sub,
                   state.exit_status);
    else if (strncmp(state.enabled, "enabled", 7) != 0)
        doctor_say(doctor, CHECK_WARN, name, "opengeni-agent start",
                   "active, but it does not start by itself (%s)", state.enabled);
    else
        doctor_say(doctor, CHECK_OK, name, NULL, "active, and starts by itself; %ld restarts",
                   state.restarts);
}

static bool installed(enum service_scope scope)
{
    struct service_place place;
    bool there = service_place_init(&place, scope, NULL) && service_installed(&place);
    service_place_fini(&place);
    return there;
}

static void check_service(struct doctor *doctor)
{
    bool user = installed(SERVICE_USER), system = installed(SERVICE_SYSTEM);
    if (!service_manager_present()) {
        doctor_say(doctor, CHECK_OK, "service", NULL,
                   "systemd does not run this machine; something else has to start the agent");
        return;
    }
    if (!user && !system)
        doctor_say(doctor, CHECK_WARN, "service", "opengeni-agent start",
                   "not installed: the agent does not start by itself");
    if (user) {
        check_scope(doctor, SERVICE_USER, "service");
        check_linger(doctor);
    }
    if (system)
        check_scope(doctor, SERVICE_SYSTEM, "system service");
}

// --- the display

static void check_display(struct doctor *doctor)
{
    const char *told = doctor->live.status.display;
    unsigned width, height;
    if (!told)
        doctor_say(doctor, CHECK_OK, "display", NULL, "%s",
                   display_is_there() ? "an X server answers here"
                                      : "none here: no screenshots, no mouse and keyboard");
    else if (strcmp(told, "none") == 0)
        doctor_say(doctor, CHECK_OK, "display", NULL,
                   "the agent sees none: no screenshots, no mouse and keyboard");
    else if (sscanf(told, "%5ux%5u", &width, &height) == 2)
        doctor_say(doctor, CHECK_OK, "display", NULL, "%s", told);
    else
        doctor_say(doctor, CHECK_WARN, "display",
                   "set 'display = :N' in agent.ini, or start the agent within the session", "%s",
                   told);
}

void doctor_machine(struct doctor *doctor)
{
    check_program(doctor);
    check_agent(doctor);
    if (doctor->input.config.path && pause_read(&doctor->input.config) != PAUSE_NONE)
        doctor_say(doctor, CHECK_WARN, "pause", "opengeni-agent resume",
                   "the agent is paused: it refuses all remote work");
    check_service(doctor);
    check_display(doctor);
}
