#include "ops/view.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "desktop_client/desktop.h"
#include "ops/desktop_event.h"
#include "proto/decode.h"
#include "relay/relay.h"

static void timer_fired(struct stream_timer *timer);
static void retry_fired(struct stream_timer *timer);
static void paid_fired(struct stream_timer *timer);
static const struct pump_events pump_events;

// --- its memory

// Shared with the other views of the link.
static struct view_budget *get_budget(const struct view *view)
{
    for (const struct view *at = view->all->newest; at; at = at->older)
        if (at != view && at->relay == view->relay) {
            at->budget->users++;
            return at->budget;
        }
    struct view_budget *budget = mem_new(struct view_budget);
    budget->users = 1;
    bucket_init(&budget->bucket, VIEW_RATE_BYTES, VIEW_BURST_BYTES, clock_mono_ms());
    return budget;
}

void view_ref(struct view *view)
{
    view->references++;
}

void view_unref(struct view *view)
{
    if (--view->references > 0)
        return;
    assert(view->mode == VIEW_ENDED && !view->channel);
    if (--view->budget->users == 0)
        mem_free(view->budget);
    cancel_unref(view->moment);
    relay_unref(view->relay);
    mem_free(view);
}

// --- the end

static void end(struct view *view)
{
    *view->link = view->older;
    if (view->older)
        view->older->link = view->link;
    view->mode = VIEW_ENDED;
    view->live = false;
    view_drop_pictures(view);
    timer_stop(&view->timer);
    int socket = view->pump.watch.fd;
    pump_fini(&view->pump);
    if (socket >= 0)
        close(socket);
    cancel_fire(view->moment);
    log_debug("live view ended", "channel", view->id, NULL);
    view_unref(view);
}

void view_end(struct view *view, const char *message)
{
    if (view->mode == VIEW_ENDED)
        return;
    if (!view->shown && !view->failed) {
        view->failed = true;
        fail_because(&view->why, FAIL_STREAM, "%s", message);
    }
    struct channel *channel = view->channel;
    view->channel = NULL;
    if (channel)
        channel_close(channel, STREAM_CLOSE_NORMAL, message);
    end(view);
}

// As view_end; whoever waits for the first picture gets the reason.
static void fail(struct view *view, const struct fail *why)
{
    if (view->mode == VIEW_ENDED)
        return;
    view->failed = true;
    view->why = *why;
    view_end(view, "desktop closed");
}

// --- RFB

static void rfb_shown(void *view)
{
    (void)view;
}

// Inside the pump's own work; what follows is put off.
static void rfb_turn(void *view)
{
    timer_set(&((struct view *)view)->timer, 0);
}

static const struct pump_events pump_events = {
    .shown = rfb_shown, .hung_up = rfb_turn, .finished = rfb_turn};

// The desktop process has ended the session, or could not start one: what it has said goes out.
static void wind_up(struct view *view)
{
    if (view->pump.finishing) { // and has gone, or the network takes nothing any more
        view_end(view, "desktop closed");
        return;
    }
    timer_set(&view->timer, PUMP_FINISH_MS);
    pump_finish(&view->pump);
}

void view_has_rfb(struct view *view, int socket)
{
    int flags = fcntl(socket, F_GETFL);
    fcntl(socket, F_SETFL, flags | O_NONBLOCK);
    pump_channel(&view->pump, view->channel);
    pump_start(&view->pump, socket);
    pump_live(&view->pump, view->live);
}

static void begin_rfb(struct view *view)
{
    log_info("a viewer of the desktop speaks RFB", "channel", view->id, NULL);
    view_drop_pictures(view);
    view->mode = VIEW_RFB;
    view_ask(view);
}

// --- events of the channel

static void channel_live(void *view_, bool live)
{
    struct view *view = view_;
    view->live = live;
    if (!live) {
        if (view->mode == VIEW_RFB) // what was on its way is lost, and RFB cannot do without
            view_end(view, "desktop closed");
        return;
    }
    if (!view->shown) {
        timer_set(&view->timer, VIEW_FIRST_MS);
        channel_want_send(view->channel);
    } else {
        view_refresh(view);
    }
}

static void channel_gone(void *view_, const struct fail *why)
{
    struct view *view = view_;
    view->channel = NULL;
    fail(view, why);
}

static void channel_frame(void *view_, const void *data, size_t size)
{
    struct view *view = view_;
    bool first = !view->heard;
    view->heard = true;
    if (first && view->mode == VIEW_PICTURES && desktop_speaks_rfb(data, size))
        begin_rfb(view);
    if (view->mode == VIEW_RFB && !pump_write(&view->pump, data, size))
        view_end(view, "too much input");
}

static bool take_event(const Og__DesktopInput *message, struct desktop_input *input,
                       const char **text)
{
    switch (message->event_case) {
    case OG__DESKTOP_INPUT__EVENT_POINTER:
        desktop_event_pointer(message->pointer, input);
        return true;
    case OG__DESKTOP_INPUT__EVENT_SCROLL:
        desktop_event_scroll(message->scroll, input);
        return true;
    case OG__DESKTOP_INPUT__EVENT_KEY:
        return desktop_event_key(message->key, input, text, NULL);
    default:
        return false;
    }
}

// Nobody is told when it is dropped: the protocol has no answer here.
static void channel_input(void *view_, const void *body, size_t size)
{
    struct view *view = view_;
    struct arena arena;
    struct fail why;
    if (!view->may_input || !relay_may_input(view->relay) || view->frames.fd < 0)
        return;
    arena_init(&arena, VIEW_EVENT_BYTES_MAX);
    const Og__DesktopInput *message =
        decode_message(&arena, &og__desktop_input__descriptor, body, size, &why);
    struct desktop_input input = {0};
    const char *text = "";
    if (message && take_event(message, &input, &text))
        (void)!frames_input(view->frames.fd, &input, text, strlen(text));
    arena_fini(&arena);
}

static size_t channel_produce(void *view_)
{
    struct view *view = view_;
    if (view->mode == VIEW_RFB)
        return pump_produce(&view->pump);
    size_t size = view_next_picture(view);
    if (size > 0 && !view->shown) {
        view->shown = true;
        timer_stop(&view->timer);
        cancel_fire(view->moment);
    }
    return size;
}

// --- time

static void timer_fired(struct stream_timer *timer)
{
    struct view *view = holder_of(timer, struct view, timer);
    struct fail why;
    if (view->mode == VIEW_RFB) {
        wind_up(view);
        return;
    }
    if (view->blind_since_ms) { // the reason why there is no picture is known
        why = view->blind_why;
        why.kind = FAIL_STREAM;
    } else {
        fail_because(&why, FAIL_TIMEOUT, "desktop stream pump did not become ready within 5s");
    }
    fail(view, &why);
}

static void retry_fired(struct stream_timer *timer)
{
    view_ask(holder_of(timer, struct view, retry));
}

static void paid_fired(struct stream_timer *timer)
{
    struct view *view = holder_of(timer, struct view, paid);
    if (view->live)
        channel_want_send(view->channel);
}

// --- the beginning

struct view *view_new(struct views *all, struct relay *relay, struct cancel *moment)
{
    static const struct channel_events events = {.live = channel_live,
                                                 .failed = channel_gone,
                                                 .ended = channel_gone,
                                                 .frame = channel_frame,
                                                 .input = channel_input,
                                                 .produce = channel_produce};
    static const struct channel_policy policy = {.kind = STREAM_DESKTOP,
                                                 .port = VIEW_PORT,
                                                 .ends_when_reaped = true,
                                                 .give_up_ms = VIEW_LOST_MS};
    struct view *view = mem_new(struct view);
    *view = (struct view){.all = all,
                          .older = all->newest,
                          .link = &all->newest,
                          .relay = relay_ref(relay),
                          .references = 1,
                          .may_input = relay_may_input(relay),
                          .timer.fired = timer_fired,
                          .moment = cancel_ref(moment),
                          .frames = {.fd = -1, .ready = view_frames_ready},
                          .retry.fired = retry_fired,
                          .paid.fired = paid_fired,
                          .png = -1};
    stream_id_make(view->id);
    if (view->older)
        view->older->link = &view->older;
    all->newest = view;
    view->budget = get_budget(view);
    pump_init(&view->pump, &pump_events, view, all->rfb_rate);
    view->channel = channel_new(relay, &policy, view->id, &events, view);
    view_ask(view);
    return view;
}
