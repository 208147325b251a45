#include "ops/views.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/limits.h"
#include "ops/view.h"
#include "relay/relay.h"
#include "relay/stream.h"

struct views *views_new(struct desktop *desktop, int64_t rfb_rate)
{
    struct views *views = mem_new(struct views);
    views->desktop = desktop;
    views->rfb_rate = rfb_rate;
    return views;
}

// --- opening

struct opening {
    struct views *views;
    struct relay *relay;
    struct cancel *moment;
    struct view *view; // a reference
    char *id;
    bool found;
    struct fail *why; // afterwards
    bool shown;
};

// A page that is left does not say so; many open a view anew every time they are looked at. RFB is
// only spoken by programs, which do.
static void make_room(const struct opening *opening)
{
    unsigned count = 0;
    struct view *oldest = NULL;
    for (struct view *at = opening->views->newest; at; at = at->older) {
        if (at->relay != opening->relay)
            continue;
        count++;
        if (at->mode == VIEW_PICTURES || !oldest || oldest->mode == VIEW_RFB)
            oldest = at;
    }
    if (count >= VIEWS_OF_LINK_MAX)
        view_end(oldest, "desktop superseded");
}

static void begin(void *opening_)
{
    struct opening *opening = opening_;
    if (opening->views->stopping)
        return;
    make_room(opening);
    opening->view = view_new(opening->views, opening->relay, opening->moment);
    view_ref(opening->view);
    memcpy(opening->id, opening->view->id, STREAM_ID_BYTES);
}

static void conclude(void *opening_)
{
    struct opening *opening = opening_;
    struct view *view = opening->view;
    opening->shown = view->shown && !view->failed;
    if (view->failed)
        *opening->why = view->why;
    else if (!opening->shown)
        view_end(view, "desktop not wanted");
    view_unref(view);
}

bool views_open(struct views *views, struct relay *relay, struct cancel *cancel,
                char id[STREAM_ID_BYTES], struct fail *why)
{
    struct opening opening = {.views = views, .relay = relay, .id = id, .why = why};
    if (!stream_start(why))
        return false;
    opening.moment = cancel_try_new();
    if (!opening.moment)
        return fail_errno(why, EMFILE, "desktop_ensure", NULL);
    if (!stream_call(begin, &opening) || !opening.view) {
        cancel_unref(opening.moment);
        return fail_because(why, FAIL_BUSY, "desktop_ensure: the agent is stopping");
    }
    // The channel and the view keep to their times themselves, and know better what went wrong.
    bool came = cancel_wait(opening.moment, cancel, CHANNEL_FIRST_MS + 2 * VIEW_FIRST_MS);
    fail_because(why,
                 came                             ? FAIL_BUSY
                 : cancel && cancel_fired(cancel) ? FAIL_CANCELLED
                                                  : FAIL_TIMEOUT,
                 "desktop_ensure");
    (void)!stream_call(conclude, &opening);
    cancel_unref(opening.moment);
    return opening.shown;
}

static void find(void *opening_)
{
    struct opening *opening = opening_;
    for (struct view *at = opening->views->newest; at; at = at->older) {
        bool fits = at->relay == opening->relay && at->mode == VIEW_PICTURES && at->shown &&
                    at->live && !at->heard && at->may_input == relay_may_input(at->relay);
        if (!fits)
            continue;
        view_refresh(at);
        memcpy(opening->id, at->id, STREAM_ID_BYTES);
        opening->found = true;
        return;
    }
}

bool views_find(struct views *views, struct relay *relay, char id[STREAM_ID_BYTES])
{
    struct opening opening = {.views = views, .relay = relay, .id = id};
    return stream_call(find, &opening) && opening.found;
}

// --- the end

struct ending {
    struct views *views;
    struct relay *relay; // NULL: all
    const char *message;
    bool only_input, stopping;
};

static void end_some(void *ending_)
{
    const struct ending *ending = ending_;
    ending->views->stopping |= ending->stopping;
    for (struct view *at = ending->views->newest, *older; at; at = older) {
        older = at->older;
        if ((!ending->relay || at->relay == ending->relay) &&
            (!ending->only_input || at->may_input))
            view_end(at, ending->message);
    }
}

void views_stop(struct views *views)
{
    struct ending ending = {.views = views, .message = "agent stopping", .stopping = true};
    (void)!stream_call(end_some, &ending);
}

void views_leave(struct views *views, struct relay *relay)
{
    struct ending ending = {.views = views, .relay = relay, .message = "agent stopping"};
    (void)!stream_call(end_some, &ending);
}

void views_revoke_input(struct views *views, struct relay *relay)
{
    struct ending ending = {
        .views = views, .relay = relay, .message = "desktop closed", .only_input = true};
    (void)!stream_call(end_some, &ending);
}
