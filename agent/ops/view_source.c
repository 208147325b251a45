#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "desktop_client/desktop.h"
#include "desktop_protocol/sealed.h"
#include "ops/view.h"
#include "relay/relay.h"

// One question to the desktop process, and the answer on its way back.
struct errand {
    struct view *view; // a reference
    struct desktop *desktop;
    enum view_mode mode;
    bool may_input;
    int fd; // -1 with why
    struct fail why;
};

// --- pictures

// There are none at the moment; perhaps the X server was restarted.
static void go_blind(struct view *view, const struct fail *why)
{
    int64_t now = clock_mono_ms();
    view->blind_why = *why;
    if (!view->blind_since_ms)
        view->blind_since_ms = now;
    if (view->shown && now - view->blind_since_ms >= VIEW_BLIND_MS)
        view_end(view, "desktop closed");
    else
        timer_set(&view->retry, VIEW_RETRY_MS);
}

void view_drop_pictures(struct view *view)
{
    if (view->frames.fd >= 0) {
        watch_stop(&view->frames);
        io_close(&view->frames.fd);
    }
    io_close(&view->png);
    timer_stop(&view->retry);
    timer_stop(&view->paid);
    view->untold = false;
}

void view_frames_ready(struct watch *watch, unsigned events)
{
    (void)events;
    struct view *view = holder_of(watch, struct view, frames);
    for (;;) {
        struct desktop_frame frame;
        int png;
        enum frames_result result = frames_read(watch->fd, &frame, &png);
        if (result == FRAMES_NONE)
            return;
        if (result == FRAMES_END) {
            struct fail why;
            fail_because(&why, FAIL_STREAM, "the desktop process ended");
            view_drop_pictures(view);
            go_blind(view, &why);
            return;
        }
        io_close(&view->png);
        view->png = png;
        view->png_bytes = (size_t)frame.bytes;
        view->blind_since_ms = 0;
        if (view->live)
            channel_want_send(view->channel);
    }
}

void view_refresh(struct view *view)
{
    if (view->frames.fd < 0)
        return;
    io_close(&view->png);
    view->untold = false;
    (void)!frames_fresh(view->frames.fd); // its end is told by the watch
}

size_t view_next_picture(struct view *view)
{
    struct fail why;
    if (view->untold) {
        view->untold = false;
        (void)!frames_taken(view->frames.fd);
    }
    if (view->png < 0)
        return 0;
    struct bucket *bucket = &view->budget->bucket;
    if (bucket_room(bucket, view->png_bytes, clock_mono_ms()) < view->png_bytes) {
        timer_set(&view->paid, bucket_wait_ms(bucket, view->png_bytes));
        return 0;
    }
    bool read = sealed_read(view->png, channel_room(view->png_bytes), view->png_bytes, &why);
    io_close(&view->png);
    if (!read) {
        log_warn("a picture could not be read", "why", log_why(&why), NULL);
        view_refresh(view);
        return 0;
    }
    bucket_take(bucket, view->png_bytes);
    view->untold = true;
    channel_want_send(view->channel); // when this one has left
    return view->png_bytes;
}

static void take_pictures(struct view *view, int socket)
{
    view->frames.fd = socket;
    watch_start(&view->frames, EPOLLIN);
}

// --- asking

static void errand_done(void *errand_)
{
    struct errand *errand = errand_;
    struct view *view = errand->view;
    view->asking = false;
    if (view->mode != errand->mode) { // it has ended, or speaks RFB by now
        io_close(&errand->fd);
        if (view->mode != VIEW_ENDED)
            view_ask(view);
    } else if (view->mode == VIEW_PICTURES) {
        if (errand->fd >= 0)
            take_pictures(view, errand->fd);
        else
            go_blind(view, &errand->why);
    } else if (errand->fd < 0) {
        char text[FAIL_WHAT_BYTES];
        fail_text(&errand->why, text, sizeof text);
        view_end(view, text);
    } else if (errand->may_input && !relay_may_input(view->relay)) {
        io_close(&errand->fd); // consent was withdrawn meanwhile
        view_end(view, "desktop closed");
    } else {
        view_has_rfb(view, errand->fd);
    }
    view_unref(view);
    mem_free(errand);
}

static void *run_errand(void *errand_)
{
    struct errand *errand = errand_;
    const struct desktop_view wish = {.frames_per_second = DESKTOP_RATE_DEFAULT,
                                      .frame_bytes = VIEW_FRAME_BYTES_MAX,
                                      .bytes_per_second = VIEW_RATE_BYTES,
                                      .may_input = errand->may_input};
    bool good = errand->mode == VIEW_RFB
                    ? desktop_rfb(errand->desktop, errand->may_input, &errand->fd, &errand->why)
                    : desktop_frames(errand->desktop, &wish, &errand->fd, &errand->why);
    if (!good)
        errand->fd = -1;
    (void)!stream_post(errand_done, errand); // false: the agent ends
    return NULL;
}

void view_ask(struct view *view)
{
    if (view->asking)
        return;
    struct errand *errand = mem_new(struct errand);
    *errand = (struct errand){.view = view,
                              .desktop = view->all->desktop,
                              .mode = view->mode,
                              .may_input = view->may_input,
                              .fd = -1};
    view->asking = true;
    view_ref(view);
    if (thread_start(run_errand, errand, NULL))
        return;
    view->asking = false;
    view_unref(view);
    mem_free(errand);
    timer_set(&view->retry, VIEW_RETRY_MS);
}
