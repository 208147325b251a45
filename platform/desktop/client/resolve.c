// Finds the display: which of the candidates works is for the desktop process to say.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "desktop_client/call.h"
#include "desktop_client/desktop_private.h"
#include "desktop_protocol/display_name.h"

enum { VIRTUAL_FROM = 99 }; // display numbers from here on are taken for virtual ones

static const char wayland_reason[] = "this is a Wayland session; log in with an X11 (Xorg) session "
                                     "or use --virtual-desktop";

struct resolve {
    struct desktop *desktop;
    struct process *process;
    int64_t deadline_ms;
    struct candidates candidates;
    struct desktop_state state;
    int weight; // of the reason found so far
};

// Which reason tells most when several displays cannot be used.
static int weight_of(enum desktop_opened opened)
{
    switch (opened) {
    case DESKTOP_REFUSED:
        return 6;
    case DESKTOP_SILENT:
        return 5;
    case DESKTOP_NO_XTEST:
        return 4;
    case DESKTOP_FORMAT:
        return 3;
    case DESKTOP_XWAYLAND:
        return 2;
    case DESKTOP_REMOTE:
        return 1;
    default:
        return 0; // no server: as if the name were not there
    }
}

static void note_reason(struct resolve *resolve, enum desktop_opened opened, const char *text)
{
    if (weight_of(opened) <= resolve->weight)
        return;
    resolve->weight = weight_of(opened);
    snprintf(resolve->state.reason, sizeof resolve->state.reason, "%.*s",
             DESKTOP_REASON_BYTES_MAX - 1, text);
}

static bool start(struct resolve *resolve, struct fail *why)
{
    struct desktop *desktop = resolve->desktop;
    char idle[24];
    snprintf(idle, sizeof idle, "%" PRId64, desktop->idle_ms);
    char *const arguments[] = {desktop->program, (char[]){"--serve"}, idle, NULL};
    if (!resolve->process)
        resolve->process = process_start(desktop->program, arguments, desktop->held, why);
    return resolve->process != NULL;
}

static void stop(struct resolve *resolve)
{
    process_unref(resolve->process);
    resolve->process = NULL;
}

static enum desktop_opened open_one(struct resolve *resolve, const char *display, bool own,
                                    const char *xauthority)
{
    struct fail why;
    struct desktop_request request = {.ask = DESKTOP_OPEN};
    struct desktop_answer answer;
    int fd;
    if (!start(resolve, &why)) {
        char text[DESKTOP_REASON_BYTES_MAX];
        snprintf(text, sizeof text, "the program for the desktop cannot be started (%.80s)",
                 strerror(why.error));
        note_reason(resolve, DESKTOP_REFUSED, text);
        log_warn("the desktop process cannot be started", "why", log_why(&why), NULL);
        return DESKTOP_NO_SERVER;
    }
    snprintf(request.open.display, sizeof request.open.display, "%s", display);
    snprintf(request.open.xauthority, sizeof request.open.xauthority, "%s", xauthority);
    request.open.flags =
        (resolve->desktop->primary_only ? DESKTOP_OPEN_PRIMARY : 0) | (own ? DESKTOP_OPEN_OWN : 0);
    int64_t deadline = clock_mono_ms() + 2ll * DESKTOP_CONNECT_MS;
    deadline = deadline < resolve->deadline_ms ? deadline : resolve->deadline_ms;
    enum call_result result =
        call_process(resolve->process, &request, -1, deadline, NULL, &answer, &fd);
    if (result != CALL_ANSWERED) {
        char text[DESKTOP_REASON_BYTES_MAX];
        snprintf(text, sizeof text, "the X server of display %s does not answer", display);
        if (result == CALL_LATE) {
            process_kill(resolve->process);
            note_reason(resolve, DESKTOP_SILENT, text);
        }
        stop(resolve);
        return result == CALL_LATE ? DESKTOP_SILENT : DESKTOP_NO_SERVER;
    }
    if (!desktop_answer_ok(&answer, &why)) {
        note_reason(resolve, DESKTOP_SILENT, why.what);
        return DESKTOP_NO_SERVER;
    }
    if (answer.open.opened != DESKTOP_OPENED) {
        note_reason(resolve, answer.open.opened, answer.open.text);
        return answer.open.opened;
    }
    unsigned number;
    struct desktop_state *state = &resolve->state;
    state->available = true;
    state->reason[0] = '\0';
    state->width = answer.open.width;
    state->height = answer.open.height;
    state->is_virtual = resolve->desktop->fixed_virtual ||
                        (display_name_number(display, &number) && number >= VIRTUAL_FROM);
    memcpy(state->display, request.open.display, sizeof state->display);
    memcpy(state->xauthority, request.open.xauthority, sizeof state->xauthority);
    return DESKTOP_OPENED;
}

// Tries a display with every cookie, at last with none.
static bool open_display(struct resolve *resolve, const struct candidate *candidate)
{
    if (candidate->wayland) {
        note_reason(resolve, DESKTOP_XWAYLAND, wayland_reason);
        return false;
    }
    for (size_t i = 0; i <= resolve->candidates.cookie_count; i++) {
        const char *cookie =
            i < resolve->candidates.cookie_count ? resolve->candidates.cookies[i] : "";
        if (clock_mono_ms() >= resolve->deadline_ms)
            return false;
        enum desktop_opened opened =
            open_one(resolve, candidate->display, candidate->guessed, cookie);
        if (opened != DESKTOP_REFUSED)
            return opened == DESKTOP_OPENED;
    }
    return false;
}

static void find_display(struct resolve *resolve)
{
    struct desktop *desktop = resolve->desktop;
    struct candidate_places places = {"", desktop->display, desktop->xauthority, desktop->home,
                                      geteuid()};
    if (desktop->none) {
        snprintf(resolve->state.reason, sizeof resolve->state.reason, "%s", desktop->none);
        return;
    }
    if (desktop->fixed_display) {
        open_one(resolve, desktop->fixed_display, false,
                 desktop->fixed_xauthority ? desktop->fixed_xauthority : "");
        return;
    }
    candidates_find(&places, &resolve->candidates);
    if (resolve->candidates.wayland)
        note_reason(resolve, DESKTOP_XWAYLAND, wayland_reason);
    for (size_t i = 0; i < resolve->candidates.count; i++)
        if (open_display(resolve, &resolve->candidates.displays[i]))
            return;
}

static struct timespec sockets_changed(void)
{
    struct stat st;
    return stat("/tmp/.X11-unix", &st) == 0 ? st.st_mtim : (struct timespec){0, 0};
}

// Nothing was found a moment ago, and no X server has come or gone since.
static bool still_nothing(struct desktop *desktop)
{
    struct timespec changed = sockets_changed();
    pthread_mutex_lock(&desktop->lock);
    bool nothing = desktop->looked_ms &&
                   clock_mono_ms() < desktop->looked_ms + DESKTOP_NEGATIVE_MS &&
                   changed.tv_sec == desktop->sockets_changed.tv_sec &&
                   changed.tv_nsec == desktop->sockets_changed.tv_nsec;
    pthread_mutex_unlock(&desktop->lock);
    return nothing;
}

// The failure of an operation that needs a display.
static bool unavailable(const struct desktop_state *state, struct fail *why)
{
    return fail_because(why, FAIL_UNSUPPORTED,
                        "no desktop display available on this host (headless; enable "
                        "--virtual-desktop)%s%s",
                        state->reason[0] ? ": " : "", state->reason);
}

static void resolve_now(struct desktop *desktop, int64_t deadline_ms)
{
    struct resolve *resolve = mem_new(struct resolve);
    int64_t latest = clock_mono_ms() + DESKTOP_RESOLVE_MS;
    resolve->desktop = desktop;
    resolve->deadline_ms = deadline_ms < latest ? deadline_ms : latest;
    struct timespec changed = sockets_changed();
    find_display(resolve);
    if (!resolve->state.available)
        stop(resolve);
    if (!resolve->state.available && resolve->weight == 0)
        desktop_forget_marks(desktop);
    pthread_mutex_lock(&desktop->lock);
    desktop->process = resolve->process;
    desktop->state = resolve->state;
    desktop->looked_ms = resolve->state.available ? 0 : clock_mono_ms();
    desktop->sockets_changed = changed;
    pthread_mutex_unlock(&desktop->lock);
    if (resolve->state.available)
        log_info("display opened", "display", resolve->state.display, "width",
                 log_num(resolve->state.width), "height", log_num(resolve->state.height), NULL);
    mem_free(resolve);
}

bool desktop_open(struct desktop *desktop, int64_t deadline_ms, struct process **process,
                  struct fail *why)
{
    *process = desktop_process(desktop);
    if (*process)
        return true;
    if (!still_nothing(desktop))
        resolve_now(desktop, deadline_ms);
    *process = desktop_process(desktop);
    if (*process)
        return true;
    struct desktop_state state;
    desktop_known(desktop, &state);
    return unavailable(&state, why);
}

void desktop_look(struct desktop *desktop, struct desktop_state *state)
{
    struct lane_waiter waiter;
    struct process *process;
    struct fail why;
    int64_t deadline = clock_mono_ms() + DESKTOP_RESOLVE_MS;
    if (!lane_enter(&desktop->view, &waiter, deadline)) {
        desktop_known(desktop, state); // a screenshot takes its time: the display is as it was
        return;
    }
    for (unsigned try = 0; try < 2 && desktop_open(desktop, deadline, &process, &why); try++) {
        struct desktop_request request = {.ask = DESKTOP_OPEN};
        struct desktop_answer answer;
        int fd;
        pthread_mutex_lock(&desktop->lock);
        memcpy(request.open.display, desktop->state.display, sizeof request.open.display);
        pthread_mutex_unlock(&desktop->lock);
        enum call_result result = call_process(process, &request, -1, deadline, NULL, &answer, &fd);
        bool open = result == CALL_ANSWERED && desktop_answer_ok(&answer, &why) &&
                    answer.open.opened == DESKTOP_OPENED;
        pthread_mutex_lock(&desktop->lock);
        if (open) {
            desktop->state.width = answer.open.width;
            desktop->state.height = answer.open.height;
        }
        pthread_mutex_unlock(&desktop->lock);
        if (!open) {
            if (result == CALL_LATE)
                process_kill(process);
            desktop_forget(desktop, process);
        }
        process_unref(process);
        if (open)
            break;
    }
    desktop_known(desktop, state);
    lane_leave(&desktop->view, &waiter);
}
