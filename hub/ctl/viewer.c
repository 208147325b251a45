#include "ctl/viewer.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/printable.h"
#include "relay/ring.h"
#include "relay/stream_thread.h"
#include "relay/url.h"
#include "relay/ws.h"

// One frame that was typed. It stays after it was sent, for a while.
struct typed {
    struct typed *next;
    uint64_t seq;
    int64_t produced_at_ms;
    int64_t sent_ms; // mono; 0: not yet
    size_t size;
    char data[];
};

struct viewer {
    char *channel_id, *workspace_id, *agent_id;
    struct stream_channel channel; // of these
    bool resends, from_start;
    bool awaits_rfb; // of the stream thread
    bool leaving;    // of the stream thread
    int ready;       // eventfd

    pthread_mutex_t lock; // of what follows
    enum viewer_state state;
    struct fail why;
    unsigned close_reason;
    uint64_t missed;
    struct ring output;
    bool paused;
    struct typed *oldest, *newest;
    struct typed *due; // the first that has to be sent on this connection
    size_t kept, unsent_bytes;
    uint64_t typed_seq;

    // of the stream thread
    struct ws *ws;
    struct stream_timer timer; // for the relay's answer
    char *token;
    bool open_sent;
    bool has_frames;      // printed_seq is known
    uint64_t printed_seq; // the next one that is wanted
    struct buffer message;
    bool skipping;
};

static void tell(struct viewer *viewer)
{
    (void)!write(viewer->ready, &(uint64_t){1}, sizeof(uint64_t));
}

static void set_state(struct viewer *viewer, enum viewer_state state, const struct fail *why)
{
    pthread_mutex_lock(&viewer->lock);
    viewer->state = state;
    viewer->due = NULL;
    if (why)
        viewer->why = *why;
    pthread_mutex_unlock(&viewer->lock);
    tell(viewer);
}

// The connection is over.
static void hang_up(struct viewer *viewer, enum viewer_state state, const struct fail *why)
{
    if (viewer->ws)
        ws_close(viewer->ws, WS_NORMAL);
    viewer->ws = NULL;
    timer_stop(&viewer->timer);
    mem_free_secret(viewer->token);
    viewer->token = NULL;
    buffer_fini(&viewer->message);
    set_state(viewer, state, why);
}

static void hang_up_because(struct viewer *viewer, enum viewer_state state, const char *text)
{
    struct fail why;
    fail_because(&why, FAIL_STREAM_DOWN, "%s", text);
    hang_up(viewer, state, &why);
}

// --- typed. All with the lock.

static void drop_oldest(struct viewer *viewer)
{
    struct typed *frame = viewer->oldest;
    viewer->oldest = frame->next;
    if (!viewer->oldest)
        viewer->newest = NULL;
    viewer->kept--;
    explicit_bzero(frame->data, frame->size); // perhaps a password
    mem_free(frame);
}

// Sent ones go when there are too many, or they are too old.
static void forget_sent(struct viewer *viewer)
{
    int64_t now = clock_mono_ms();
    while (viewer->oldest && viewer->oldest->sent_ms && viewer->oldest != viewer->due &&
           (!viewer->resends || viewer->kept > VIEWER_RESEND_FRAMES ||
            now - viewer->oldest->sent_ms > VIEWER_RESEND_MS))
        drop_oldest(viewer);
}

static void begin_sending(struct viewer *viewer)
{
    forget_sent(viewer);
    viewer->due = viewer->oldest;
}

// --- out

static void send_open(struct viewer *viewer)
{
    static const char nothing[WS_HEADROOM];
    struct buffer room;
    viewer->open_sent = true;
    buffer_init(&room, WS_HEADROOM + RELAY_QUERY_BYTES_MAX + RELAY_TOKEN_BYTES_MAX);
    bool fits = buffer_append(&room, nothing, sizeof nothing) &&
                datagram_put_open(&room, &viewer->channel, STREAM_CLIENT, viewer->token,
                                  viewer->printed_seq);
    assert(fits); // viewer_dial has looked at the token
    (void)fits;
    ws_send(viewer->ws, room.data + WS_HEADROOM, room.size - WS_HEADROOM);
    explicit_bzero(room.data, room.size);
    buffer_fini(&room);
}

static void send_goodbye(struct viewer *viewer)
{
    static const char nothing[WS_HEADROOM];
    struct buffer room;
    buffer_init(&room, WS_HEADROOM + RELAY_QUERY_BYTES_MAX);
    if (buffer_append(&room, nothing, sizeof nothing) &&
        datagram_put_close(&room, viewer->channel_id, STREAM_CLOSE_NORMAL, "viewer left"))
        ws_send(viewer->ws, room.data + WS_HEADROOM, room.size - WS_HEADROOM);
    buffer_fini(&room);
    hang_up_because(viewer, VIEWER_CLOSED, "left");
}

static void send_typed(struct viewer *viewer)
{
    char room[WS_HEADROOM + FRAME_HEAD_BYTES + VIEWER_FRAME_BYTES + FRAME_FOOT_BYTES];
    char *data = room + WS_HEADROOM + FRAME_HEAD_BYTES;
    pthread_mutex_lock(&viewer->lock);
    struct typed *frame = viewer->due;
    if (!frame) {
        pthread_mutex_unlock(&viewer->lock);
        return;
    }
    size_t size = frame->size, total;
    uint64_t seq = frame->seq;
    int64_t produced = frame->produced_at_ms;
    memcpy(data, frame->data, size);
    if (!frame->sent_ms)
        viewer->unsent_bytes -= size;
    frame->sent_ms = clock_mono_ms();
    viewer->due = frame->next;
    bool more = viewer->due, all_gone = viewer->unsent_bytes == 0;
    forget_sent(viewer);
    pthread_mutex_unlock(&viewer->lock);
    char *message = datagram_wrap_frame(data, size, viewer->channel_id, seq, produced, &total);
    ws_send(viewer->ws, message, total);
    explicit_bzero(room, sizeof room);
    if (more)
        ws_want_write(viewer->ws);
    if (all_gone)
        tell(viewer); // there is room again
}

// --- in

static void take_answer(struct viewer *viewer, const struct datagram *answer)
{
    if (answer->tag != DATAGRAM_OPEN_ACK) {
        hang_up_because(viewer, VIEWER_REFUSED,
                        "the relay answered with something else than an answer");
    } else if (!answer->accepted) {
        struct fail why;
        datagram_refusal(answer, "the relay refuses", &why);
        hang_up(viewer, VIEWER_REFUSED, &why);
    } else {
        timer_stop(&viewer->timer);
        mem_free_secret(viewer->token);
        viewer->token = NULL;
        pthread_mutex_lock(&viewer->lock);
        viewer->state = VIEWER_LIVE;
        begin_sending(viewer);
        bool paused = viewer->paused;
        pthread_mutex_unlock(&viewer->lock);
        if (paused)
            ws_pause(viewer->ws, true);
        ws_want_write(viewer->ws);
        tell(viewer);
    }
}

static bool is_ours(const struct viewer *viewer, struct span id)
{
    return id.size == 0 || (id.size == strlen(viewer->channel_id) &&
                            memcmp(id.data, viewer->channel_id, id.size) == 0);
}

static void take_frame(struct viewer *viewer, const struct datagram *frame)
{
    if (frame->seq == UINT64_MAX || (viewer->has_frames && frame->seq < viewer->printed_seq))
        return; // sent again by the relay or the agent, in case we missed it
    if (viewer->awaits_rfb && (frame->data.size < 4 || memcmp(frame->data.data, "RFB ", 4) != 0)) {
        viewer->has_frames = true;
        viewer->printed_seq = frame->seq + 1;
        return;
    }
    bool begins = viewer->awaits_rfb || (!viewer->has_frames && !viewer->from_start);
    viewer->awaits_rfb = false;
    pthread_mutex_lock(&viewer->lock);
    bool fits = ring_add(&viewer->output, frame->data.data, frame->data.size);
    if (fits && !begins)
        viewer->missed += frame->seq - viewer->printed_seq;
    bool pause = fits && !viewer->paused && viewer->output.size > VIEWER_IN_HIGH_BYTES;
    viewer->paused |= pause;
    pthread_mutex_unlock(&viewer->lock);
    if (!fits) { // the relay has it still, or the agent
        hang_up_because(viewer, VIEWER_AWAY, "more came than can be held");
        return;
    }
    viewer->has_frames = true;
    viewer->printed_seq = frame->seq + 1;
    if (pause)
        ws_pause(viewer->ws, true);
    tell(viewer);
}

static void take_close(struct viewer *viewer, const struct datagram *close)
{
    struct fail why;
    char text[64];
    size_t n = close->message.size < sizeof text ? close->message.size : sizeof text - 1;
    if (n > 0)
        memcpy(text, close->message.data, n);
    text[n] = '\0';
    fail_because(&why, FAIL_STREAM_DOWN, "the other end closed the channel, reason %u%s%s",
                 close->reason, n > 0 ? ": " : "", printable_strip(text));
    if (close->reason == STREAM_CLOSE_TRANSPORT_ERROR ||
        close->reason == STREAM_CLOSE_RATE_LIMITED) {
        hang_up(viewer, VIEWER_AWAY, &why);
        return;
    }
    pthread_mutex_lock(&viewer->lock);
    viewer->close_reason = close->reason;
    pthread_mutex_unlock(&viewer->lock);
    hang_up(viewer, VIEWER_CLOSED, &why);
}

static void take_message(struct viewer *viewer, const void *data, size_t size)
{
    struct datagram datagram;
    bool good = datagram_decode(data, size, &datagram);
    if (viewer->token) { // no answer yet
        if (!good)
            datagram.tag = DATAGRAM_OPEN;
        take_answer(viewer, &datagram);
    } else if (good && is_ours(viewer, datagram.channel_id)) {
        if (datagram.tag == DATAGRAM_FRAME)
            take_frame(viewer, &datagram);
        else if (datagram.tag == DATAGRAM_CLOSE)
            take_close(viewer, &datagram);
    }
}

// --- events of the WebSocket

static void ws_opened(void *viewer_)
{
    struct viewer *viewer = viewer_;
    timer_set(&viewer->timer, VIEWER_DIAL_MS);
    ws_want_write(viewer->ws);
}

static void ws_received(void *viewer_, const struct ws_piece *piece)
{
    struct viewer *viewer = viewer_;
    if (piece->first)
        viewer->skipping = !piece->binary;
    if (viewer->skipping)
        return;
    if (piece->first && piece->last) {
        take_message(viewer, piece->data, piece->size);
    } else if (!buffer_append(&viewer->message, piece->data, piece->size)) {
        struct ws *ws = viewer->ws;
        viewer->ws = NULL;
        ws_close(ws, WS_TOO_LARGE);
        hang_up_because(viewer, VIEWER_AWAY, "the relay sent a message that is too large");
    } else if (piece->last) {
        struct buffer whole = viewer->message;
        buffer_init(&viewer->message, CHANNEL_MESSAGE_BYTES_MAX);
        take_message(viewer, whole.data, whole.size);
        buffer_fini(&whole);
    }
}

static void ws_writable(void *viewer_)
{
    struct viewer *viewer = viewer_;
    if (!viewer->open_sent)
        send_open(viewer);
    else if (!viewer->token && viewer->leaving)
        send_goodbye(viewer);
    else if (!viewer->token)
        send_typed(viewer);
}

static void ws_closed(void *viewer_, const struct fail *why)
{
    struct viewer *viewer = viewer_;
    viewer->ws = NULL;
    hang_up(viewer, VIEWER_AWAY, why);
}

static void timer_fired(struct stream_timer *timer)
{
    hang_up_because(holder_of(timer, struct viewer, timer), VIEWER_AWAY,
                    "the relay did not answer in time");
}

// --- dialling

struct dialling {
    struct viewer *viewer;
    struct relay_url url;
    char *token, *ca_file;
};

static void dial(void *dialling_)
{
    static const struct ws_events events = {
        .opened = ws_opened, .received = ws_received, .writable = ws_writable, .closed = ws_closed};
    struct dialling *dialling = dialling_;
    struct viewer *viewer = dialling->viewer;
    viewer->open_sent = viewer->skipping = false;
    viewer->token = dialling->token;
    char *path = relay_url_channel(&dialling->url, viewer->workspace_id, viewer->agent_id,
                                   viewer->channel.port, viewer->channel_id);
    struct ws_target target = {.tls = dialling->url.tls,
                               .host = dialling->url.host,
                               .port = dialling->url.port,
                               .path = path,
                               .ca_file = dialling->ca_file,
                               .bulk = true,
                               .timeout_ms = VIEWER_DIAL_MS,
                               .ping_ms = VIEWER_PING_MS,
                               .silence_ms = VIEWER_SILENCE_MS};
    viewer->ws = ws_dial(&target, &events, viewer);
    mem_free(path);
    mem_free(dialling->ca_file);
    mem_free(dialling);
}

bool viewer_dial(struct viewer *viewer, const char *relay_url, const char *token,
                 const char *ca_file, struct fail *why)
{
    struct relay_url url;
    if (!relay_url_parse(relay_url, &url, why))
        return false;
    if (strlen(token) > RELAY_TOKEN_BYTES_MAX)
        return fail_because(why, FAIL_INVALID, "the viewer's token is too long");
    struct dialling *dialling = mem_new(struct dialling);
    *dialling = (struct dialling){.viewer = viewer,
                                  .url = url,
                                  .token = mem_string(token),
                                  .ca_file = ca_file ? mem_string(ca_file) : NULL};
    pthread_mutex_lock(&viewer->lock);
    assert(viewer->state == VIEWER_AWAY || viewer->state == VIEWER_REFUSED);
    viewer->state = VIEWER_DIALLING;
    pthread_mutex_unlock(&viewer->lock);
    bool posted = stream_post(dial, dialling);
    assert(posted); // the thread ends with the program
    (void)posted;
    return true;
}

// --- calls of the owner

struct viewer *viewer_new(const struct viewer_options *options, struct fail *why)
{
    if (!stream_start(why))
        return NULL;
    int ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ready < 0) {
        fail_because(why, FAIL_SYSTEM, "no descriptor is left");
        return NULL;
    }
    struct viewer *viewer = mem_new(struct viewer);
    *viewer = (struct viewer){.channel_id = mem_string(options->channel.channel_id),
                              .workspace_id = mem_string(options->channel.workspace_id),
                              .agent_id = mem_string(options->channel.agent_id),
                              .resends = options->resends,
                              .from_start = options->from_start,
                              .awaits_rfb = options->rfb,
                              .ready = ready,
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .typed_seq = options->first_seq,
                              .timer.fired = timer_fired};
    viewer->channel = (struct stream_channel){.channel_id = viewer->channel_id,
                                              .workspace_id = viewer->workspace_id,
                                              .agent_id = viewer->agent_id,
                                              .kind = options->channel.kind,
                                              .port = options->channel.port};
    ring_init(&viewer->output, VIEWER_IN_BYTES_MAX);
    buffer_init(&viewer->message, CHANNEL_MESSAGE_BYTES_MAX);
    fail_because(&viewer->why, FAIL_STREAM_DOWN, "not connected yet");
    return viewer;
}

static void end(void *viewer)
{
    hang_up(viewer, VIEWER_AWAY, NULL);
}

void viewer_free(struct viewer *viewer)
{
    if (!viewer)
        return;
    (void)!stream_call(end, viewer); // after everything that was posted
    while (viewer->oldest)
        drop_oldest(viewer);
    ring_fini(&viewer->output);
    io_close(&viewer->ready);
    pthread_mutex_destroy(&viewer->lock);
    mem_free(viewer->channel_id);
    mem_free(viewer->workspace_id);
    mem_free(viewer->agent_id);
    mem_free(viewer);
}

static void leave(void *viewer_)
{
    struct viewer *viewer = viewer_;
    viewer->leaving = true;
    if (viewer->ws && !viewer->token)
        ws_want_write(viewer->ws);
    else
        hang_up(viewer, VIEWER_CLOSED, NULL);
}

void viewer_leave(struct viewer *viewer, int64_t ms)
{
    struct viewer_news news;
    struct pollfd fd = {.fd = viewer->ready, .events = POLLIN};
    viewer_look(viewer, &news);
    bool open = news.state == VIEWER_LIVE && stream_post(leave, viewer);
    for (int64_t until = clock_mono_ms() + ms, left;
         open && news.state == VIEWER_LIVE && (left = until - clock_mono_ms()) > 0;) {
        poll(&fd, 1, (int)left);
        viewer_look(viewer, &news);
    }
}

int viewer_ready(const struct viewer *viewer)
{
    return viewer->ready;
}

void viewer_look(struct viewer *viewer, struct viewer_news *news)
{
    uint64_t count;
    (void)!read(viewer->ready, &count, sizeof count);
    pthread_mutex_lock(&viewer->lock);
    *news = (struct viewer_news){.state = viewer->state,
                                 .why = viewer->why,
                                 .close_reason = viewer->close_reason,
                                 .missed = viewer->missed};
    viewer->missed = 0;
    pthread_mutex_unlock(&viewer->lock);
}

static void read_on(void *viewer_)
{
    struct viewer *viewer = viewer_;
    if (viewer->ws)
        ws_pause(viewer->ws, false);
}

size_t viewer_read(struct viewer *viewer, void *out, size_t room)
{
    size_t taken = 0, size;
    pthread_mutex_lock(&viewer->lock);
    for (const char *data;
         taken < room && (data = ring_peek(&viewer->output, &size)) && size > 0;) {
        if (size > room - taken)
            size = room - taken;
        memcpy((char *)out + taken, data, size);
        ring_drop(&viewer->output, size);
        taken += size;
    }
    bool resume = viewer->paused && viewer->output.size < VIEWER_IN_LOW_BYTES;
    if (resume)
        viewer->paused = false;
    pthread_mutex_unlock(&viewer->lock);
    if (resume)
        (void)!stream_post(read_on, viewer);
    return taken;
}

bool viewer_has_output(struct viewer *viewer)
{
    pthread_mutex_lock(&viewer->lock);
    bool has = viewer->output.size > 0;
    pthread_mutex_unlock(&viewer->lock);
    return has;
}

size_t viewer_room(struct viewer *viewer)
{
    pthread_mutex_lock(&viewer->lock);
    size_t room = VIEWER_TYPED_BYTES_MAX - viewer->unsent_bytes;
    pthread_mutex_unlock(&viewer->lock);
    return room;
}

static void write_on(void *viewer_)
{
    struct viewer *viewer = viewer_;
    if (viewer->ws && !viewer->token)
        ws_want_write(viewer->ws);
}

void viewer_type(struct viewer *viewer, const void *data, size_t size)
{
    pthread_mutex_lock(&viewer->lock);
    assert(size <= VIEWER_TYPED_BYTES_MAX - viewer->unsent_bytes);
    for (size_t done = 0; done < size;) {
        size_t part = size - done < VIEWER_FRAME_BYTES ? size - done : VIEWER_FRAME_BYTES;
        struct typed *frame = mem_array(1, sizeof *frame + part);
        frame->seq = viewer->typed_seq++;
        frame->produced_at_ms = clock_wall_ms();
        frame->size = part;
        memcpy(frame->data, (const char *)data + done, part);
        if (viewer->newest)
            viewer->newest->next = frame;
        else
            viewer->oldest = frame;
        viewer->newest = frame;
        viewer->kept++;
        viewer->unsent_bytes += part;
        if (!viewer->due && viewer->state == VIEWER_LIVE)
            viewer->due = frame;
        done += part;
    }
    bool live = viewer->state == VIEWER_LIVE;
    pthread_mutex_unlock(&viewer->lock);
    if (live)
        (void)!stream_post(write_on, viewer);
}

bool viewer_is_typed(struct viewer *viewer)
{
    pthread_mutex_lock(&viewer->lock);
    bool typed = viewer->unsent_bytes == 0;
    pthread_mutex_unlock(&viewer->lock);
    return typed;
}
