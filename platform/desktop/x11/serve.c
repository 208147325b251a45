#include "desktop_x11/serve.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "desktop_protocol/message.h"
#include "desktop_protocol/protocol.h"
#include "desktop_protocol/sealed.h"
#include "desktop_x11/display.h"
#include "desktop_x11/held.h"
#include "desktop_x11/input_queue.h"
#include "desktop_x11/rfb.h"
#include "desktop_x11/screen.h"
#include "desktop_x11/viewer.h"
#include "desktop_x11/xerror.h"

enum {
    COALESCE_MS = 4,  // after the first sign of a change, so that the rest of it is in the picture
    WHOLE_MS = 1000,  // between comparisons of the whole screen, while someone watches
    POINTER_MS = 100, // between looks at where the pointer is
    SETTLE_INPUT_MS = 400, // after input, a screenshot waits for the screen to be
    SETTLE_QUIET_MS = 80,  // quiet for this long
    TRIM_MS = 5000,        // without use, memory that only saves time is given back
    FDS = 3 + DESKTOP_VIEWERS_MAX,
};

struct server {
    int view, input, wake_fd;
    struct held_page *page;
    struct display display;
    bool open;
    struct screen *screen;
    struct input_queue *queue;
    struct viewer *viewers[DESKTOP_VIEWERS_MAX];
    struct seat {
        struct rfb *rfb;
        struct input_source *source;
    } seats[DESKTOP_RFB_MAX];

    bool shot_waits; // a screenshot has been asked for and the screen has to settle
    struct desktop_request shot_request;
    int64_t idle_ms; // without use, then it ends
    int64_t used_ms, trimmed_ms, refreshed_ms, whole_ms, pointer_ms;
    int64_t stale_since_ms; // 0: nothing has changed
    bool lost;              // the X server has gone
};

// Who only wants to know what display there is does not need us for longer than that.
static void glance(struct server *server)
{
    int64_t short_ms = server->idle_ms < DESKTOP_GLANCE_MS ? server->idle_ms : DESKTOP_GLANCE_MS;
    int64_t used = clock_mono_ms() - server->idle_ms + short_ms;
    if (server->used_ms < used)
        server->used_ms = used;
}

// --- answers

static bool reply(struct server *server, struct desktop_answer *answer, int fd)
{
    return message_send(server->view, answer, sizeof *answer, fd);
}

static struct desktop_answer answer_to(const struct desktop_request *request)
{
    return (struct desktop_answer){
        .version = DESKTOP_PROTOCOL_VERSION, .ask = request->ask, .serial = request->serial};
}

static bool reply_failure(struct server *server, const struct desktop_request *request,
                          const struct fail *why)
{
    struct desktop_answer answer = answer_to(request);
    desktop_answer_fail(&answer, why);
    return reply(server, &answer, -1);
}

// A refresh that fails because the X server has gone ends the process.
static bool refresh(struct server *server, enum refresh what, struct fail *why)
{
    int64_t now = clock_mono_ms();
    bool done = screen_refresh(server->screen, what, why);
    server->lost = xerror_lost(server->display.x);
    server->pointer_ms = now;
    if (what != REFRESH_POINTER) {
        server->refreshed_ms = now;
        server->stale_since_ms = 0;
    }
    if (what == REFRESH_ALL)
        server->whole_ms = now;
    return done;
}

// Of a server that has gone nothing is told: the daemon asks again, for there may be another one.
static bool refresh_failed(struct server *server, const struct desktop_request *request,
                           const struct fail *why)
{
    return !server->lost && reply_failure(server, request, why);
}

static void close_display(struct server *server)
{
    screen_free(server->screen);
    input_queue_free(server->queue);
    if (server->open)
        display_close(&server->display);
    server->screen = NULL;
    server->queue = NULL;
    server->open = false;
}

static bool start_parts(struct server *server, struct fail *why)
{
    server->screen = screen_new(&server->display);
    server->queue =
        input_queue_new(&server->display, server->input, server->page, server->wake_fd, why);
    return server->queue != NULL;
}

static bool on_open(struct server *server, const struct desktop_request *request)
{
    struct desktop_answer answer = answer_to(request);
    struct fail why;
    bool same = server->open && strcmp(server->display.name, request->open.display) == 0;
    if (server->open && !same)
        return false; // the daemon starts another process for another display
    answer.open.opened = DESKTOP_OPENED;
    if (!same) {
        answer.open.opened =
            display_open(&server->display, request->open.display, request->open.xauthority,
                         request->open.flags, answer.open.text);
        server->open = answer.open.opened == DESKTOP_OPENED;
        if (server->open && !start_parts(server, &why)) {
            close_display(server);
            return reply_failure(server, request, &why);
        }
    } else if (!display_update(&server->display, &why)) {
        server->lost = true;
        return reply_failure(server, request, &why);
    }
    answer.open.width = server->display.width;
    answer.open.height = server->display.height;
    return reply(server, &answer, -1);
}

// --- screenshots

// When the screen has settled after the last input, as far as is known now.
static int64_t settled_ms(const struct server *server)
{
    int64_t input = input_queue_last_ms(server->queue);
    if (!server->shot_request.screenshot.settle || input == 0)
        return 0;
    int64_t quiet = screen_stirred_ms(server->screen);
    quiet = (quiet > input ? quiet : input) + SETTLE_QUIET_MS;
    return quiet < input + SETTLE_INPUT_MS ? quiet : input + SETTLE_INPUT_MS;
}

static bool take_shot(struct server *server)
{
    const struct desktop_request *request = &server->shot_request;
    struct shot shot;
    struct fail why;
    server->shot_waits = false;
    if (!refresh(server, REFRESH_ALL, &why))
        return refresh_failed(server, request, &why);
    if (!screen_shot(server->screen, request->screenshot.budget,
                     request->screenshot.keep_size ? FIT_KEEP_SIZE : FIT_SCALE, &shot, &why))
        return reply_failure(server, request, &why);
    struct desktop_answer answer = answer_to(request);
    answer.screenshot.bytes = shot.bytes;
    answer.screenshot.width = shot.width;
    answer.screenshot.height = shot.height;
    answer.screenshot.native_width = shot.native_width;
    answer.screenshot.native_height = shot.native_height;
    return reply(server, &answer, shot.fd);
}

// --- viewers

static bool on_frames(struct server *server, const struct desktop_request *request)
{
    struct desktop_answer answer = answer_to(request);
    struct fail why;
    int pair[2];
    unsigned slot = 0;
    while (slot < DESKTOP_VIEWERS_MAX && server->viewers[slot])
        slot++;
    if (slot == DESKTOP_VIEWERS_MAX)
        fail_because(&why, FAIL_BUSY, "%d viewers watch already", DESKTOP_VIEWERS_MAX);
    else if (!message_pair(pair))
        fail_errno(&why, errno, "socketpair", NULL);
    else {
        server->viewers[slot] = viewer_new(pair[0], request);
        bool sent = reply(server, &answer, pair[1]);
        close(pair[1]);
        return sent;
    }
    return reply_failure(server, request, &why);
}

static void drop_viewer(struct server *server, unsigned slot)
{
    input_source_free(server->viewers[slot]->source);
    viewer_free(server->viewers[slot]);
    server->viewers[slot] = NULL;
}

static bool on_rfb(struct server *server, const struct desktop_request *request)
{
    struct desktop_answer answer = answer_to(request);
    struct fail why;
    int peer;
    struct seat *seat = server->seats;
    while (seat < server->seats + DESKTOP_RFB_MAX && seat->rfb)
        seat++;
    if (seat == server->seats + DESKTOP_RFB_MAX) {
        fail_because(&why, FAIL_BUSY, "%d viewers watch already", DESKTOP_RFB_MAX);
        return reply_failure(server, request, &why);
    }
    if (!refresh(server, REFRESH_ALL, &why))
        return refresh_failed(server, request, &why);
    seat->source = request->rfb.may_input ? input_source_new(server->queue) : NULL;
    seat->rfb = rfb_new(server->screen, seat->source, &peer, &why);
    if (!seat->rfb) {
        input_source_free(seat->source);
        seat->source = NULL;
        return reply_failure(server, request, &why);
    }
    bool sent = reply(server, &answer, peer);
    close(peer);
    return sent;
}

static void drop_seat(struct seat *seat)
{
    rfb_free(seat->rfb);
    input_source_free(seat->source);
    *seat = (struct seat){0};
}

static char *read_text(const struct desktop_input *input, int *fd)
{
    struct fail why;
    char *text = mem_array(1, (size_t)input->text_bytes + 1);
    bool read = *fd >= 0 && sealed_read(*fd, text, input->text_bytes, &why);
    io_close(fd);
    if (read)
        return text;
    mem_free(text);
    return NULL;
}

static void on_note(struct server *server, unsigned slot)
{
    struct viewer *viewer = server->viewers[slot];
    struct desktop_input input;
    int fd = -1;
    bool has_input;
    if (!viewer_read(viewer, &input, &fd, &has_input)) {
        drop_viewer(server, slot);
        return;
    }
    if (!has_input)
        return;
    char *text = input.kind == DESKTOP_TEXT ? read_text(&input, &fd) : NULL;
    if (!viewer->source)
        viewer->source = input_source_new(server->queue);
    if (input.kind != DESKTOP_TEXT || text)
        input_source_post(viewer->source, &input, text);
    mem_free(text);
}

static bool watched(const struct server *server)
{
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++)
        if (server->viewers[i])
            return true;
    for (unsigned i = 0; i < DESKTOP_RFB_MAX; i++)
        if (server->seats[i].rfb)
            return true;
    return false;
}

// --- the view socket

static bool on_request(struct server *server, const struct desktop_request *request)
{
    struct fail why;
    if (request->ask == DESKTOP_OPEN) {
        glance(server);
        return on_open(server, request);
    }
    server->used_ms = clock_mono_ms();
    if (request->ask == DESKTOP_CANCEL) {
        if (server->queue)
            input_queue_cancel(server->queue, request->serial);
        return true;
    }
    if (!server->open) {
        fail_because(&why, FAIL_UNSUPPORTED, "no display is open");
        return reply_failure(server, request, &why);
    }
    switch (request->ask) {
    case DESKTOP_SCREENSHOT:
        server->shot_request = *request;
        server->shot_waits = true;
        return true;
    case DESKTOP_FRAMES:
        return on_frames(server, request);
    case DESKTOP_RFB:
        return on_rfb(server, request);
    default:
        fail_because(&why, FAIL_PROTOCOL, "not a request for a view");
        return reply_failure(server, request, &why);
    }
}

// False when the daemon has gone or talks in another way than we do.
static bool read_request(struct server *server)
{
    struct desktop_request request;
    int fd;
    ssize_t size = message_receive(server->view, &request, sizeof request, &fd);
    if (size < 0 && errno == EAGAIN)
        return true;
    bool valid = size > 0 && desktop_request_valid(&request, (size_t)size, fd >= 0);
    io_close(&fd);
    if (size > 0 && !valid)
        log_error("a request is not understood", NULL);
    return valid && on_request(server, &request);
}

// --- time

static int64_t earlier(int64_t one, int64_t two)
{
    return one < two ? one : two;
}

static int64_t frame_interval_ms(const struct server *server)
{
    unsigned rate = 0;
    for (unsigned i = 0; i < DESKTOP_RFB_MAX; i++)
        if (server->seats[i].rfb)
            rate = DESKTOP_RATE_DEFAULT;
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++)
        if (server->viewers[i] && server->viewers[i]->frames_per_second > rate)
            rate = server->viewers[i]->frames_per_second;
    return 1000 / (rate ? rate : 1);
}

// When the picture has to be looked at again for those who watch, and how thoroughly.
static int64_t refresh_due_ms(const struct server *server, enum refresh *what)
{
    int64_t pointer = server->pointer_ms + POINTER_MS, whole = server->whole_ms + WHOLE_MS;
    int64_t due = earlier(pointer, whole), damage = INT64_MAX;
    if (server->stale_since_ms) {
        damage = server->stale_since_ms + COALESCE_MS;
        int64_t next = server->refreshed_ms + frame_interval_ms(server);
        damage = damage > next ? damage : next;
    }
    due = earlier(due, damage);
    *what = due == whole ? REFRESH_ALL : due == damage ? REFRESH_DAMAGE : REFRESH_POINTER;
    return due;
}

static int64_t next_ms(struct server *server, int64_t now)
{
    int64_t next = server->used_ms + server->idle_ms;
    if (server->trimmed_ms < server->used_ms)
        next = earlier(next, server->used_ms + TRIM_MS);
    if (!server->open)
        return next;
    if (server->shot_waits)
        next = earlier(next, settled_ms(server));
    if (!watched(server))
        return next;
    enum refresh what;
    next = earlier(next, refresh_due_ms(server, &what));
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++) {
        const struct viewer *viewer = server->viewers[i];
        if (!viewer)
            continue;
        next = earlier(next, viewer_due_ms(viewer, now));
        int64_t when;
        viewer_may(viewer, now, &when);
        if (viewer->shown != screen_version(server->screen))
            next = earlier(next, when);
    }
    return next;
}

static void serve_viewers(struct server *server, int64_t now)
{
    enum refresh what;
    struct fail why;
    bool due = now >= refresh_due_ms(server, &what);
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX && !due; i++)
        if (server->viewers[i] && server->viewers[i]->fresh && server->viewers[i]->ready) {
            due = true;
            what = REFRESH_ALL;
        }
    if (due && !refresh(server, what, &why)) {
        log_warn("the screen could not be read", "why", log_why(&why), NULL);
        return;
    }
    if (screen_version(server->screen) == 0)
        return;
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++)
        if (server->viewers[i] && !viewer_offer(server->viewers[i], server->screen))
            drop_viewer(server, i);
    for (struct seat *seat = server->seats; seat < server->seats + DESKTOP_RFB_MAX; seat++) {
        if (seat->rfb && rfb_ended(seat->rfb))
            drop_seat(seat);
        else if (seat->rfb && due)
            rfb_update(seat->rfb, server->screen);
    }
}

static bool do_due(struct server *server)
{
    int64_t now = clock_mono_ms();
    if (server->open && screen_stale(server->screen) && !server->stale_since_ms)
        server->stale_since_ms = now;
    if (server->shot_waits && now >= settled_ms(server) && !take_shot(server))
        return false;
    if (server->open && watched(server)) {
        server->used_ms = now;
        serve_viewers(server, now);
    }
    if (server->queue && input_queue_busy(server->queue))
        server->used_ms = now;
    if (server->trimmed_ms < server->used_ms && now >= server->used_ms + TRIM_MS) {
        if (server->screen)
            screen_trim(server->screen);
        malloc_trim(0);
        server->trimmed_ms = now;
    }
    return true;
}

// --- the loop

static void wait(struct server *server, struct pollfd *fds)
{
    int64_t now = clock_mono_ms(), next = next_ms(server, now);
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++) {
        fds[3 + i] = (struct pollfd){-1, POLLIN, 0};
        if (server->viewers[i])
            fds[3 + i].fd = server->viewers[i]->socket;
    }
    // One request at a time: the next one can wait while a screenshot does.
    fds[0] = (struct pollfd){server->shot_waits ? -1 : server->view, POLLIN, 0};
    fds[1] = (struct pollfd){server->wake_fd, POLLIN, 0};
    fds[2] = (struct pollfd){server->open ? ConnectionNumber(server->display.x) : -1, POLLIN, 0};
    if (poll(fds, FDS, next > now ? (int)earlier(next - now, 60000) : 0) < 0)
        memset(fds, 0, FDS * sizeof *fds);
}

static void on_wake(struct server *server)
{
    uint64_t count;
    if (read(server->wake_fd, &count, sizeof count) < 0)
        return;
    server->used_ms = clock_mono_ms();
    server->pointer_ms = 0; // input moves the pointer
}

static bool loop_once(struct server *server)
{
    struct pollfd fds[FDS];
    struct fail why;
    wait(server, fds);
    if (fds[1].revents)
        on_wake(server);
    if (fds[2].revents && !screen_events(server->screen, &why))
        server->lost = true;
    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++)
        if (fds[3 + i].revents && server->viewers[i])
            on_note(server, i);
    if (fds[0].revents && !read_request(server))
        return false;
    return do_due(server) && !server->lost && !(server->queue && input_queue_ended(server->queue));
}

// Nobody has needed us for a while. What the daemon sends from here on fails at its side, so that
// it knows to start another process; what it had sent before is still served.
static void take_leave(struct server *server)
{
    shutdown(server->view, SHUT_RD);
    shutdown(server->input, SHUT_RD);
    struct pollfd last = {server->view, POLLIN, 0};
    while (poll(&last, 1, 0) > 0 && read_request(server) && do_due(server))
        ;
}

int serve(int view, int input, int held, int64_t idle_ms)
{
    struct fail why;
    struct server server = {.view = view, .input = input, .idle_ms = idle_ms};
    server.page = held_page_open(held, &why);
    server.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server.wake_fd < 0)
        fail_errno(&why, errno, "eventfd", NULL);
    if (!server.page || server.wake_fd < 0) {
        log_error("the desktop process cannot start", "why", log_why(&why), NULL);
        return 1;
    }
    xerror_install();
    glance(&server);
    server.trimmed_ms = server.used_ms;
    bool idle = false;
    while (!idle && loop_once(&server))
        idle = clock_mono_ms() >= server.used_ms + idle_ms;
    if (idle)
        take_leave(&server);
    if (server.lost)
        log_info("the X server has gone", "display", server.display.name, NULL);

    for (unsigned i = 0; i < DESKTOP_VIEWERS_MAX; i++)
        if (server.viewers[i])
            drop_viewer(&server, i);
    for (unsigned i = 0; i < DESKTOP_RFB_MAX; i++)
        drop_seat(&server.seats[i]);
    close_display(&server);
    held_page_close(server.page);
    close(server.wake_fd);
    return 0;
}
