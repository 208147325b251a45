#include "desktop_client/desktop.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "desktop_client/call.h"
#include "desktop_client/desktop_private.h"
#include "desktop_protocol/sealed.h"

static char *copy(const char *text)
{
    return text && *text ? mem_string(text) : NULL;
}

struct desktop *desktop_new(const struct desktop_options *options)
{
    struct desktop *desktop = mem_new(struct desktop);
    desktop->program = mem_string(options->program);
    desktop->display = copy(options->display);
    desktop->xauthority = copy(options->xauthority);
    desktop->home = copy(options->home);
    desktop->primary_only = options->primary_only;
    desktop->idle_ms = options->idle_ms ? options->idle_ms : DESKTOP_IDLE_MS;
    lane_init(&desktop->view);
    lane_init(&desktop->input);
    pthread_mutex_init(&desktop->lock, NULL);
    desktop->held = memfd_create("opengeni-held", MFD_CLOEXEC);
    if (desktop->held >= 0 && ftruncate(desktop->held, DESKTOP_HELD_BYTES) != 0)
        io_close(&desktop->held);
    return desktop;
}

void desktop_free(struct desktop *desktop)
{
    if (!desktop)
        return;
    process_unref(desktop->process);
    io_close(&desktop->held);
    lane_fini(&desktop->view);
    lane_fini(&desktop->input);
    pthread_mutex_destroy(&desktop->lock);
    mem_free(desktop->program);
    mem_free(desktop->display);
    mem_free(desktop->xauthority);
    mem_free(desktop->home);
    mem_free(desktop->fixed_display);
    mem_free(desktop->fixed_xauthority);
    mem_free(desktop->none);
    mem_free(desktop);
}

struct process *desktop_process(struct desktop *desktop)
{
    pthread_mutex_lock(&desktop->lock);
    struct process *process = desktop->process ? process_ref(desktop->process) : NULL;
    pthread_mutex_unlock(&desktop->lock);
    return process;
}

void desktop_forget(struct desktop *desktop, struct process *process)
{
    pthread_mutex_lock(&desktop->lock);
    bool present = desktop->process == process;
    if (present) {
        desktop->process = NULL;
        desktop->state.available = false;
        desktop->state.reason[0] = '\0';
    }
    pthread_mutex_unlock(&desktop->lock);
    if (present)
        process_unref(process);
}

static void use(struct desktop *desktop, const char *display, const char *xauthority,
                bool is_virtual, const char *none)
{
    struct lane_waiter waiter;
    while (!lane_enter(&desktop->view, &waiter, clock_mono_ms() + DESKTOP_SHOT_MS))
        ;
    mem_free(desktop->fixed_display);
    mem_free(desktop->fixed_xauthority);
    desktop->fixed_display = copy(display);
    desktop->fixed_xauthority = copy(xauthority);
    desktop->fixed_virtual = is_virtual;
    mem_free(desktop->none);
    desktop->none = copy(none);
    struct process *process = desktop_process(desktop);
    if (process) {
        desktop_forget(desktop, process);
        process_unref(process);
    }
    pthread_mutex_lock(&desktop->lock);
    desktop->looked_ms = 0;
    // Known at once, so that nobody is told of a display that is no more. There need not have been
    // a process to forget it with.
    desktop->state.available = false;
    snprintf(desktop->state.reason, sizeof desktop->state.reason, "%s", none ? none : "");
    pthread_mutex_unlock(&desktop->lock);
    lane_leave(&desktop->view, &waiter);
}

bool desktop_left_marks(struct desktop *desktop)
{
    struct desktop_marks marks;
    pthread_mutex_lock(&desktop->lock);
    bool runs = desktop->process && !process_ended(desktop->process); // it looks after them itself
    pthread_mutex_unlock(&desktop->lock);
    return !runs && pread(desktop->held, &marks, sizeof marks, 0) == sizeof marks &&
           desktop_marks_any(&marks);
}

void desktop_forget_marks(struct desktop *desktop)
{
    static const struct desktop_marks none;
    if (pwrite(desktop->held, &none, sizeof none, 0) < 0)
        log_debug("held keys cannot be forgotten", NULL);
}

void desktop_sweep(struct desktop *desktop)
{
    struct process *ended = NULL;
    pthread_mutex_lock(&desktop->lock);
    if (desktop->process && process_ended(desktop->process)) {
        ended = desktop->process;
        desktop->process = NULL; // what is known of the display stays: it has not gone for that
    }
    pthread_mutex_unlock(&desktop->lock);
    process_unref(ended);
}

void desktop_use(struct desktop *desktop, const char *display, const char *xauthority)
{
    use(desktop, display, xauthority, false, NULL);
}

void desktop_use_virtual(struct desktop *desktop, const char *display, const char *xauthority)
{
    use(desktop, display, xauthority, true, NULL);
}

void desktop_use_none(struct desktop *desktop, const char *reason)
{
    use(desktop, NULL, NULL, false, reason);
}

void desktop_known(struct desktop *desktop, struct desktop_state *state)
{
    pthread_mutex_lock(&desktop->lock);
    *state = desktop->state;
    pthread_mutex_unlock(&desktop->lock);
}

static bool too_late(struct fail *why)
{
    return fail_because(why, FAIL_TIMEOUT, "the X server does not answer");
}

// Takes what a call came to, for a request that may be repeated when the process had ended before.
static bool call_failed(struct desktop *desktop, struct process *process, enum call_result result,
                        struct fail *why)
{
    switch (result) {
    case CALL_LATE:
        log_warn("the desktop process does not answer; it is killed", NULL);
        process_kill(process);
        desktop_forget(desktop, process);
        return too_late(why);
    case CALL_STOPPED:
        return fail_because(why, FAIL_TIMEOUT, "typing took too long and was stopped");
    case CALL_CANCELLED:
        return fail_because(why, FAIL_CANCELLED, "stopped on request");
    default:
        desktop_forget(desktop, process);
        return fail_because(why, FAIL_SYSTEM,
                            "the desktop process ended; the X server may have "
                            "closed the connection");
    }
}

// A question to the view side that changes nothing: asked again when the process ends meanwhile.
static bool ask_view(struct desktop *desktop, struct desktop_request *request,
                     struct cancel *cancel, struct desktop_answer *answer, int *fd,
                     struct fail *why)
{
    struct lane_waiter waiter;
    int64_t deadline = clock_mono_ms() + DESKTOP_SHOT_MS;
    if (!lane_enter(&desktop->view, &waiter, deadline))
        return too_late(why);
    bool done = false, again = true;
    for (unsigned try = 0; again && try < 2; try++) {
        struct process *process;
        again = false;
        if (!desktop_open(desktop, deadline, &process, why))
            break;
        enum call_result result = call_process(process, request, -1, deadline, cancel, answer, fd);
        done = result == CALL_ANSWERED && desktop_answer_ok(answer, why);
        if (result != CALL_ANSWERED) {
            again = result == CALL_NOT_HEARD || result == CALL_ENDED;
            call_failed(desktop, process, result, why);
        }
        process_unref(process);
    }
    lane_leave(&desktop->view, &waiter);
    return done;
}

bool desktop_screenshot(struct desktop *desktop, struct cancel *cancel,
                        const struct desktop_shot *shot, struct desktop_picture *out,
                        struct fail *why)
{
    struct desktop_request request = {.ask = DESKTOP_SCREENSHOT};
    struct desktop_answer answer = {0};
    request.screenshot.budget =
        shot->budget < DESKTOP_PNG_BYTES_MAX ? shot->budget : DESKTOP_PNG_BYTES_MAX;
    request.screenshot.keep_size = shot->keep_size;
    request.screenshot.settle = shot->settle;
    if (!ask_view(desktop, &request, cancel, &answer, &out->fd, why))
        return false;
    out->bytes = answer.screenshot.bytes;
    out->width = answer.screenshot.width;
    out->height = answer.screenshot.height;
    out->native_width = answer.screenshot.native_width;
    out->native_height = answer.screenshot.native_height;
    if (sealed_check(out->fd, out->bytes, why))
        return true;
    io_close(&out->fd);
    return false;
}

bool desktop_frames(struct desktop *desktop, const struct desktop_view *view, int *fd,
                    struct fail *why)
{
    struct desktop_request request = {.ask = DESKTOP_FRAMES};
    struct desktop_answer answer;
    request.frames.frames_per_second = view->frames_per_second;
    request.frames.frame_bytes = view->frame_bytes;
    request.frames.bytes_per_second = view->bytes_per_second;
    request.frames.may_input = view->may_input;
    return ask_view(desktop, &request, NULL, &answer, fd, why);
}

bool desktop_rfb(struct desktop *desktop, bool may_input, int *fd, struct fail *why)
{
    struct desktop_request request = {.ask = DESKTOP_RFB};
    struct desktop_answer answer;
    request.rfb.may_input = may_input;
    return ask_view(desktop, &request, NULL, &answer, fd, why);
}

bool desktop_speaks_rfb(const void *first, size_t size)
{
    const unsigned char *text = first; // "RFB 003.008\n"
    if (size < 12 || memcmp(text, "RFB ", 4) != 0 || text[7] != '.' || text[11] != '\n')
        return false;
    for (unsigned i = 4; i < 11; i++)
        if (i != 7 && !isdigit(text[i]))
            return false;
    return true;
}

// --- input

// The process with its display open; only when it has not, pictures are waited for.
static bool open_for_input(struct desktop *desktop, int64_t deadline, struct process **process,
                           struct fail *why)
{
    *process = desktop_process(desktop);
    if (*process)
        return true;
    struct lane_waiter waiter;
    if (!lane_enter(&desktop->view, &waiter, deadline))
        return too_late(why);
    bool open = desktop_open(desktop, deadline, process, why);
    lane_leave(&desktop->view, &waiter);
    return open;
}

// Input is never made twice: it is only asked for again where it was not heard.
static bool ask_input(struct desktop *desktop, struct desktop_request *request, int fd,
                      int64_t deadline, struct cancel *cancel, struct fail *why)
{
    struct lane_waiter waiter;
    struct desktop_answer answer;
    if (!lane_enter(&desktop->input, &waiter, deadline))
        return too_late(why);
    bool done = false, again = true;
    for (unsigned try = 0; again && try < 2; try++) {
        struct process *process;
        int none;
        again = false;
        if (!open_for_input(desktop, deadline, &process, why))
            break;
        enum call_result result =
            call_process(process, request, fd, deadline, cancel, &answer, &none);
        done = result == CALL_ANSWERED && desktop_answer_ok(&answer, why);
        if (result != CALL_ANSWERED) {
            again = result == CALL_NOT_HEARD;
            call_failed(desktop, process, result, why);
        }
        process_unref(process);
    }
    lane_leave(&desktop->input, &waiter);
    return done;
}

bool desktop_input(struct desktop *desktop, struct cancel *cancel, struct desktop_input *input,
                   const char *text, size_t text_bytes, struct fail *why)
{
    struct desktop_request request = {.ask = DESKTOP_INPUT};
    int64_t deadline = clock_mono_ms() + DESKTOP_INPUT_MS;
    int fd = -1;
    input->text_bytes = 0;
    if (input->kind == DESKTOP_TEXT) {
        if (text_bytes > DESKTOP_TEXT_BYTES_MAX)
            return fail_because(why, FAIL_UNSUPPORTED, "more than %d characters at once",
                                DESKTOP_TEXT_CHARS_MAX);
        input->text_bytes = (uint32_t)text_bytes;
        deadline = clock_mono_ms() + DESKTOP_TEXT_MS;
        fd = sealed_new("opengeni-text", &(struct iovec){(void *)text, text_bytes}, 1, why);
        if (fd < 0)
            return false;
    }
    request.input = *input;
    bool done = ask_input(desktop, &request, fd, deadline, cancel, why);
    io_close(&fd);
    return done;
}

void desktop_release(struct desktop *desktop)
{
    struct desktop_request request = {.ask = DESKTOP_RELEASE};
    struct fail why;
    struct process *process = desktop_process(desktop);
    process_unref(process);
    // Without a process nothing is held, or one that is started for it lets go of it.
    if ((process || desktop_left_marks(desktop)) &&
        !ask_input(desktop, &request, -1, clock_mono_ms() + DESKTOP_INPUT_MS, NULL, &why))
        log_warn("held keys could not be released", "why", log_why(&why), NULL);
}
