// One live view: a channel at a relay, and where its pictures or its RFB bytes come from. For the
// stream thread alone.
//
// A picture is asked for only when the last one is with the network, and is then the newest: a
// viewer that is slow sees fewer, never old ones.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "desktop_client/frames.h"
#include "ops/views.h"
#include "relay/bucket.h"
#include "relay/channel.h"
#include "relay/pump.h"

struct views {
    struct desktop *desktop;
    int64_t rfb_rate;
    struct view *newest; // of the stream thread
    bool stopping;
};

// Of all views of one link.
struct view_budget {
    unsigned users;
    struct bucket bucket;
};

enum view_mode {
    VIEW_PICTURES,
    VIEW_RFB,
    VIEW_ENDED,
};

struct view {
    struct views *all;
    struct view *older, **link; // while it has not ended
    struct relay *relay;
    char id[STREAM_ID_BYTES];
    unsigned references;
    enum view_mode mode;
    bool may_input; // what it was opened with
    struct channel *channel;
    bool live;
    bool heard;                // a viewer has sent a frame
    struct stream_timer timer; // of the opening, and of the end of RFB

    // the opening
    struct cancel *moment; // fires when it is shown, or never will be
    bool shown, failed;
    struct fail why;

    // pictures
    bool asking;         // a thread asks for a source
    struct watch frames; // fd -1: there is no source now
    struct stream_timer retry, paid;
    int64_t blind_since_ms; // 0: pictures come
    struct fail blind_why;
    int png; // the picture to be sent next, -1 for none
    size_t png_bytes;
    bool untold; // one has gone out, and the source waits to hear of it
    struct view_budget *budget;

    struct pump pump; // of RFB
};

// Dials, and asks for pictures. *why is set when that is not possible.
struct view *view_new(struct views *all, struct relay *relay, struct cancel *moment);
void view_ref(struct view *view);
void view_unref(struct view *view);

// Says so to the viewer. Harmless for one that has ended.
void view_end(struct view *view, const char *message);

// view_source.c: what the desktop process gives. It is asked by a thread, because that may take
// seconds.
void view_ask(struct view *view); // for what the mode needs
void view_drop_pictures(struct view *view);
void view_frames_ready(struct watch *watch, unsigned events);
void view_refresh(struct view *view);        // the present picture is wanted, changed or not
size_t view_next_picture(struct view *view); // into channel_room()

// view.c: a source has come, or will not.
void view_has_rfb(struct view *view, int socket);
