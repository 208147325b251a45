#include "daemon/desktop_watch.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/workers.h"
#include "config/config_dir.h"
#include "config/secure_dir.h"
#include "config/settings.h"
#include "desktop_client/desktop.h"
#include "desktop_protocol/display_name.h"
#include "desktop_virtual/virtual.h"

struct desktop_watch {
    struct desktop *desktop;
    struct workers *workers;
    int64_t next_ms, told_ms;
    struct timespec sockets; // the directory of X sockets, when it was looked at last
    atomic_bool looking, changed;
    // of the worker while looking is set
    bool looked;
    struct desktop_state told;
};

static const char program[] = "opengeni-agent-desktop";

enum { VIRTUAL_NUMBER = 99 };

// Beside the daemon, wherever that is.
static char *find_program(void)
{
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        return mem_string(program);
    self[size] = '\0';
    char *slash = strrchr(self, '/');
    return mem_printf("%.*s/%s", (int)(slash - self), self, program);
}

struct desktop *desktop_watch_open(const struct settings *settings, const char *home)
{
    const char *display = settings->display;
    if (display && strcmp(display, "none") == 0)
        return NULL;
    char *path = find_program();
    const char *xauthority = getenv("XAUTHORITY");
    struct desktop *desktop =
        desktop_new(&(struct desktop_options){.program = path,
                                              .display = getenv("DISPLAY"),
                                              .xauthority = xauthority,
                                              .home = home,
                                              .primary_only = settings->primary_only,
                                              .idle_ms = settings->desktop_idle_ms});
    if (display)
        desktop_use(desktop, display, xauthority);
    mem_free(path);
    return desktop;
}

struct virtual_desktop *desktop_watch_virtual(struct desktop *desktop, const char *size,
                                              const char *display, const struct secure_dir *config,
                                              char *const *environment)
{
    struct virtual_options options = {.number = VIRTUAL_NUMBER, .environment = environment};
    if (!desktop) {
        log_warn("no virtual desktop: agent.ini has \"display = none\"", NULL);
        return NULL;
    }
    if (display && !display_name_number(display, &options.number))
        log_warn("this is no name of a display; the virtual desktop gets another one", "name",
                 display, NULL);
    if (!geometry_read(size, &options.geometry))
        log_warn("the size of the virtual desktop is not understood", "size", size, "width",
                 log_num(options.geometry.width), "height", log_num(options.geometry.height), NULL);
    options.authority = secure_dir_file(config, CONFIG_SCREEN); // kept until the end
    return virtual_desktop_start(desktop, &options);
}

struct desktop_watch *desktop_watch_new(struct desktop *desktop, struct workers *workers)
{
    struct desktop_watch *watch = mem_new(struct desktop_watch);
    watch->desktop = desktop;
    watch->workers = workers;
    watch->next_ms = desktop ? clock_mono_ms() : 0;
    return watch;
}

int64_t desktop_watch_next(const struct desktop_watch *watch)
{
    return watch->next_ms;
}

static bool same(const struct desktop_state *a, const struct desktop_state *b)
{
    return a->available == b->available && strcmp(a->display, b->display) == 0 &&
           strcmp(a->reason, b->reason) == 0;
}

static void look(void *watch_)
{
    struct desktop_watch *watch = watch_;
    struct desktop_state state;
    desktop_look(watch->desktop, &state);
    if (watch->looked && !same(&state, &watch->told))
        atomic_store(&watch->changed, true);
    watch->looked = true;
    watch->told = state;
    atomic_store(&watch->looking, false);
}

// Whether there is a reason to look: a socket has come or gone, an operation has found something
// else, a display is there that could not be used and may be by now, or keys on it are still down
// for a desktop process that is no more.
static bool reason_to_look(struct desktop_watch *watch)
{
    struct stat st;
    struct timespec sockets = {0, 0};
    struct desktop_state known;
    if (stat("/tmp/.X11-unix", &st) == 0)
        sockets = st.st_mtim;
    bool moved =
        sockets.tv_sec != watch->sockets.tv_sec || sockets.tv_nsec != watch->sockets.tv_nsec;
    watch->sockets = sockets;
    desktop_known(watch->desktop, &known);
    return moved || !watch->looked || !same(&known, &watch->told) ||
           (!known.available && known.reason[0]) || desktop_left_marks(watch->desktop);
}

bool desktop_watch_run(struct desktop_watch *watch)
{
    int64_t now = clock_mono_ms();
    if (!watch->next_ms || now < watch->next_ms)
        return false;
    watch->next_ms = now + DESKTOP_WATCH_MS;
    desktop_sweep(watch->desktop);
    if (atomic_load(&watch->looking))
        return false;
    if (reason_to_look(watch)) {
        atomic_store(&watch->looking, true);
        if (!workers_submit(watch->workers, look, watch))
            atomic_store(&watch->looking, false);
    }
    if ((watch->told_ms && now < watch->told_ms + DESKTOP_TOLD_MS) ||
        !atomic_exchange(&watch->changed, false))
        return false;
    watch->told_ms = now;
    return true;
}
