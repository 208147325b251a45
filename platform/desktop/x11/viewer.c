#include "desktop_x11/viewer.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "desktop_protocol/message.h"
#include "desktop_x11/screen.h"

// After the last change the same picture is sent again, because a relay may have shed it.
static const int64_t repeat_after_ms[] = {1000, 5000, 15000};
enum { REPEATS = sizeof repeat_after_ms / sizeof *repeat_after_ms };

static const double burst_seconds = 1.5; // of bytes_per_second, at once

static double full_credit(const struct viewer *viewer)
{
    return burst_seconds * (double)viewer->bytes_per_second;
}

struct viewer *viewer_new(int socket, const struct desktop_request *request)
{
    struct viewer *viewer = mem_new(struct viewer);
    unsigned rate = request->frames.frames_per_second;
    uint64_t bytes = request->frames.frame_bytes;
    viewer->socket = socket;
    viewer->frames_per_second = rate < 1 ? 1 : rate > DESKTOP_RATE_MAX ? DESKTOP_RATE_MAX : rate;
    pace_init(&viewer->pace, bytes > DESKTOP_PNG_BYTES_MAX ? DESKTOP_PNG_BYTES_MAX : bytes);
    uint64_t speed = request->frames.bytes_per_second;
    viewer->bytes_per_second = speed ? speed : UINT32_MAX;
    viewer->may_input = request->frames.may_input != 0;
    viewer->ready = viewer->fresh = true;
    viewer->credit = full_credit(viewer);
    viewer->credit_ms = clock_mono_ms();
    return viewer;
}

void viewer_free(struct viewer *viewer)
{
    if (!viewer)
        return;
    close(viewer->socket);
    mem_free(viewer);
}

// The viewer may have seen a smaller picture than the screen.
static int32_t to_screen(int32_t at, uint32_t native, uint32_t shown)
{
    if (shown == 0 || native == shown)
        return at;
    double scaled = round((double)at * native / shown);
    return scaled > INT32_MAX ? INT32_MAX : scaled < INT32_MIN ? INT32_MIN : (int32_t)scaled;
}

bool viewer_read(struct viewer *viewer, struct desktop_input *input, int *text_fd, bool *has_input)
{
    struct desktop_note note;
    *has_input = false;
    ssize_t size = message_receive(viewer->socket, &note, sizeof note, text_fd);
    if (size < 0 && (errno == EAGAIN || errno == EMSGSIZE))
        return true;
    if (size <= 0)
        return false;
    if (!desktop_note_valid(&note, (size_t)size, *text_fd >= 0)) {
        io_close(text_fd);
        log_warn("a viewer's note is not understood", NULL);
        return false;
    }
    if (note.kind == DESKTOP_TAKEN)
        viewer->ready = true;
    else if (note.kind == DESKTOP_FRESH)
        viewer->fresh = viewer->ready = true;
    else if (viewer->may_input) {
        *input = note.input;
        input->x = to_screen(input->x, viewer->native_width, viewer->width);
        input->y = to_screen(input->y, viewer->native_height, viewer->height);
        *has_input = true;
        return true;
    }
    io_close(text_fd);
    return true;
}

static int64_t repeat_due_ms(const struct viewer *viewer)
{
    return viewer->shown && viewer->repeats < REPEATS
               ? viewer->changed_ms + repeat_after_ms[viewer->repeats]
               : INT64_MAX;
}

static double credit_at(const struct viewer *viewer, int64_t now_ms)
{
    return viewer->credit +
           (double)(now_ms - viewer->credit_ms) / 1000 * (double)viewer->bytes_per_second;
}

bool viewer_may(const struct viewer *viewer, int64_t now_ms, int64_t *when_ms)
{
    int64_t when = viewer->next_ms;
    double credit = credit_at(viewer, now_ms);
    if (credit < 0) {
        int64_t paid = now_ms + 1 + (int64_t)(-credit * 1000 / (double)viewer->bytes_per_second);
        when = paid > when ? paid : when;
    }
    *when_ms = viewer->ready ? when : INT64_MAX;
    return viewer->ready && now_ms >= when;
}

int64_t viewer_due_ms(const struct viewer *viewer, int64_t now_ms)
{
    int64_t when, due = viewer->fresh ? now_ms : repeat_due_ms(viewer);
    int64_t quiet = pace_quiet_ms(&viewer->pace);
    if (quiet && quiet < due)
        due = quiet;
    viewer_may(viewer, now_ms, &when);
    return due > when ? due : when;
}

// What the network, or the viewer, does not take fast enough gets smaller; once there is time for
// it, the picture is shown as it is.
static void keep_pace(struct viewer *viewer, bool newer, int64_t now_ms)
{
    int64_t quiet = pace_quiet_ms(&viewer->pace);
    if (newer && (!viewer->ready || credit_at(viewer, now_ms) < 0))
        pace_blocked(&viewer->pace, now_ms);
    if (quiet && now_ms >= quiet) {
        pace_relax(&viewer->pace);
        viewer->fresh |= viewer->width != viewer->native_width;
    }
}

static bool take_shot(struct viewer *viewer, struct screen *screen, struct shot *shot,
                      struct fail *why)
{
    do {
        if (screen_shot(screen, pace_bytes(&viewer->pace), FIT_SCALE, shot, why))
            return true;
    } while (why->kind == FAIL_TOO_LARGE && pace_refused(&viewer->pace));
    return false;
}

bool viewer_offer(struct viewer *viewer, struct screen *screen)
{
    int64_t now = clock_mono_ms(), when;
    keep_pace(viewer, viewer->shown != screen_version(screen), now);
    bool changed = viewer->fresh || viewer->shown != screen_version(screen);
    if ((!changed && now < repeat_due_ms(viewer)) || !viewer_may(viewer, now, &when))
        return true;

    struct shot shot;
    struct fail why;
    int64_t interval = 1000 / viewer->frames_per_second;
    if (!take_shot(viewer, screen, &shot, &why)) {
        log_warn("a frame was left out", "why", log_why(&why), NULL);
        viewer->next_ms = now + 1000;
        return true;
    }
    struct desktop_frame frame = {.version = DESKTOP_PROTOCOL_VERSION,
                                  .repeat = !changed,
                                  .bytes = shot.bytes,
                                  .width = shot.width,
                                  .height = shot.height,
                                  .native_width = shot.native_width,
                                  .native_height = shot.native_height};
    if (!message_send(viewer->socket, &frame, sizeof frame, shot.fd))
        return errno == EAGAIN; // it does not read; its next note will say when it does

    int64_t spent = clock_mono_ms() - now;
    viewer->next_ms = now + (2 * spent > interval ? 2 * spent : interval);
    viewer->credit = fmin(full_credit(viewer), credit_at(viewer, now)) - (double)shot.bytes;
    viewer->credit_ms = now;
    viewer->ready = viewer->fresh = false;
    viewer->width = shot.width;
    viewer->height = shot.height;
    viewer->native_width = shot.native_width;
    viewer->native_height = shot.native_height;
    viewer->repeats = changed ? 0 : viewer->repeats + 1;
    if (changed) {
        viewer->changed_ms = now;
        pace_sent(&viewer->pace, now, shot.bytes,
                  shot.width > shot.height ? shot.width : shot.height,
                  shot.width == shot.native_width);
    }
    viewer->shown = screen_version(screen);
    return true;
}
