#include "relay/channel.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/random.h"
#include "relay/redials.h"
#include "relay/relay_private.h"
#include "relay/seen.h"
#include "relay/stream_thread.h"
#include "relay/tail.h"
#include "relay/ws.h"

enum state {
    WAITING,     // for the next attempt, or for its turn
    REGISTERING, // from the dial to the relay's answer
    LIVE,
    PARKED,  // the relay can hold one channel of this port, and it holds a newer one
    CLOSING, // the owner has gone; the farewell is to be sent
    DEAD,
};

struct channel {
    struct channel *next, **link; // of the relay's
    struct relay *relay;
    struct channel_policy policy;
    char id[CHANNEL_ID_BYTES_MAX + 1];
    uint64_t number; // a later one is newer
    const struct channel_events *events;
    void *owner; // NULL when it has gone, or has been told of the end
    enum state state;
    struct stream_timer timer; // of the state
    struct ws *ws;
    struct redial redial;
    bool open_sent, paused;

    // registration
    bool was_live;     // ever
    unsigned attempts; // since it was live, or since the beginning
    int64_t created_ms, live_ms, lost_ms;
    int64_t refused_since_ms; // 0: the latest answer was no refusal
    struct channel *rival;    // PARKED: the one that has its place

    // frames out
    uint64_t out_seq;
    struct tail tail;
    bool resending;
    uint64_t resend_seq;
    int64_t sent_ms; // the latest frame

    // frames in
    uint64_t in_high; // one more than the highest sequence number that was delivered
    struct seen seen;
    struct buffer message; // pieces of one
    bool skipping;         // the rest of a message that is not for us
    int64_t complained_ms; // when nonsense from the relay was logged last

    enum stream_close farewell;
    char farewell_message[64];
};

static void dial(struct channel *channel);

// --- the end

static void free_channel(struct channel *channel)
{
    assert(!channel->ws && !channel->owner);
    *channel->link = channel->next;
    if (channel->next)
        channel->next->link = channel->link;
    redial_end(&channel->redial);
    timer_stop(&channel->timer);
    tail_fini(&channel->tail);
    seen_fini(&channel->seen);
    buffer_fini(&channel->message);
    relay_unref(channel->relay);
    mem_free(channel);
}

static unsigned farewells; // channels in CLOSING

unsigned channel_farewells(void)
{
    return farewells;
}

static void set_state(struct channel *channel, enum state state)
{
    farewells += (unsigned)(state == CLOSING) - (unsigned)(channel->state == CLOSING);
    channel->state = state;
    if (state != REGISTERING)
        redial_end(&channel->redial);
}

static void unpark_rivals(struct channel *of);

// Freed when the caller's caller is done with it.
static void die(struct channel *channel)
{
    if (channel->ws)
        ws_close(channel->ws, WS_NORMAL);
    channel->ws = NULL;
    channel->owner = NULL;
    set_state(channel, DEAD);
    unpark_rivals(channel);
    timer_set(&channel->timer, 0);
}

static void end(struct channel *channel, const struct fail *why)
{
    void *owner = channel->owner;
    const struct channel_events *events = channel->events;
    bool was_live = channel->was_live;
    die(channel);
    if (owner && was_live)
        events->ended(owner, why);
    else if (owner)
        events->failed(owner, why);
}

// --- waiting for the next attempt

// Full jitter, with a ceiling that doubles. Soon after the loss it stays low: a relay that was only
// restarted has everybody back within two seconds.
static int64_t backoff(const struct channel *channel)
{
    int64_t ceiling = CHANNEL_BACKOFF_MS;
    for (unsigned i = 1; i < channel->attempts && ceiling < CHANNEL_BACKOFF_MAX_MS; i++)
        ceiling *= 2;
    int64_t highest = clock_mono_ms() - channel->lost_ms < CHANNEL_EARLY_MS
                          ? CHANNEL_BACKOFF_EARLY_MS
                          : CHANNEL_BACKOFF_MAX_MS;
    if (channel->refused_since_ms)
        ceiling = highest = CHANNEL_BACKOFF_MAX_MS;
    return (int64_t)random_below((uint64_t)(ceiling < highest ? ceiling : highest) + 1);
}

static void wait_and_redial(struct channel *channel, int64_t at_least_ms)
{
    set_state(channel, WAITING);
    channel->attempts++;
    int64_t wait = backoff(channel);
    timer_set(&channel->timer, wait > at_least_ms ? wait : at_least_ms);
}

static void turn_has_come(struct redial *redial)
{
    dial(holder_of(redial, struct channel, redial));
}

// --- rivals: an old relay knows a channel by its port alone and drops the older one of two

static struct channel *newer_rival(const struct channel *channel)
{
    for (struct channel *other = channel->relay->channels; other; other = other->next)
        if (other->number > channel->number && other->policy.port == channel->policy.port &&
            other->state == LIVE && other->live_ms >= channel->lost_ms - CHANNEL_RIVAL_MS &&
            other->live_ms <= channel->lost_ms + CHANNEL_RIVAL_MS &&
            other->lost_ms < channel->live_ms) // else both were lost together
            return other;
    return NULL;
}

// True when the channel is parked now.
static bool park_if_rivalled(struct channel *channel)
{
    channel->rival = newer_rival(channel);
    if (!channel->rival)
        return false;
    set_state(channel, PARKED);
    timer_stop(&channel->timer);
    return true;
}

static void unpark_rivals(struct channel *of)
{
    for (struct channel *channel = of->relay->channels; channel; channel = channel->next)
        if (channel->state == PARKED && channel->rival == of) {
            channel->rival = NULL;
            wait_and_redial(channel, 0);
        }
}

// --- a connection is lost, or was never made

static void lost_before_live(struct channel *channel, const struct fail *why)
{
    int64_t left = channel->created_ms + CHANNEL_FIRST_MS - clock_mono_ms();
    if (why->kind == FAIL_STREAM || channel->attempts + 1 >= CHANNEL_FIRST_ATTEMPTS || left <= 0)
        end(channel, why);
    else
        wait_and_redial(channel, 0);
}

// A desktop's channel that nobody watches is dropped by the relay after a while; one that lost its
// connection together with others was not.
static bool was_reaped(const struct channel *channel, int64_t now)
{
    int64_t silent = now - channel->sent_ms;
    return channel->policy.ends_when_reaped && silent >= CHANNEL_REAPED_MIN_MS &&
           silent <= CHANNEL_REAPED_MAX_MS &&
           now - channel->relay->dropped_ms > CHANNEL_REAPED_ALONE_MS;
}

static bool has_waited_enough(const struct channel *channel, int64_t now)
{
    return (channel->policy.give_up_ms && now - channel->lost_ms >= channel->policy.give_up_ms) ||
           (channel->refused_since_ms && now - channel->refused_since_ms >= CHANNEL_REFUSED_MS);
}

static void lost_after_live(struct channel *channel, const struct fail *why, int64_t at_least_ms)
{
    int64_t now = clock_mono_ms();
    bool was_serving = channel->state == LIVE, reaped = was_serving && was_reaped(channel, now);
    if (was_serving) {
        log_debug("relay channel lost", "channel", channel->id, "why", log_why(why), NULL);
        if (now - channel->live_ms >= CHANNEL_STABLE_MS)
            channel->attempts = 0;
        channel->lost_ms = channel->relay->dropped_ms = now;
    }
    if (reaped || has_waited_enough(channel, now)) {
        end(channel, why);
        return;
    }
    if (!was_serving || !park_if_rivalled(channel))
        wait_and_redial(channel, at_least_ms);
    unpark_rivals(channel);
    if (was_serving && channel->owner)
        channel->events->live(channel->owner, false);
}

static void lost(struct channel *channel, const struct fail *why, int64_t at_least_ms)
{
    if (channel->ws)
        ws_close(channel->ws, WS_NORMAL);
    channel->ws = NULL;
    buffer_fini(&channel->message);
    channel->resending = false;
    if (channel->state == CLOSING)
        die(channel);
    else if (channel->was_live)
        lost_after_live(channel, why, at_least_ms);
    else
        lost_before_live(channel, why);
}

static void lost_because(struct channel *channel, enum fail_kind kind, const char *text)
{
    struct fail why;
    fail_because(&why, kind, "%s", text);
    lost(channel, &why, 0);
}

// --- out

static char *scratch; // the stream thread's: headroom, the head of a frame, data, its foot
static size_t scratch_room;
enum { SCRATCH_HEAD = WS_HEADROOM + FRAME_HEAD_BYTES };

char *channel_room(size_t size)
{
    size_t need = SCRATCH_HEAD + size + FRAME_FOOT_BYTES;
    if (need > scratch_room) {
        mem_free(scratch);
        scratch = mem_array(1, need);
        scratch_room = need;
    }
    return scratch + SCRATCH_HEAD;
}

static void send_frame(struct channel *channel, const struct tail_frame *frame)
{
    size_t total;
    char *message = datagram_wrap_frame(scratch + SCRATCH_HEAD, frame->size, channel->id,
                                        frame->seq, frame->produced_at_ms, &total);
    ws_send(channel->ws, message, total);
    if (scratch_room > SCRATCH_HEAD + 2 * PUMP_FRAME_BYTES) { // a desktop's was large
        mem_free(scratch);
        scratch = NULL;
        scratch_room = 0;
    }
}

static void send_datagram(struct channel *channel, struct buffer *room)
{
    ws_send(channel->ws, room->data + WS_HEADROOM, room->size - WS_HEADROOM);
    explicit_bzero(room->data, room->size); // a token may be in it
    buffer_fini(room);
}

static void datagram_room(struct buffer *room)
{
    static const char nothing[WS_HEADROOM];
    buffer_init(room, WS_HEADROOM + RELAY_QUERY_BYTES_MAX + RELAY_TOKEN_BYTES_MAX);
    (void)!buffer_append(room, nothing, sizeof nothing);
}

static void send_open(struct channel *channel)
{
    struct relay_dial now;
    struct fail why;
    if (!relay_dial_get(channel->relay, &now, &why)) {
        lost(channel, &why, 0);
        return;
    }
    struct stream_channel self = {.channel_id = channel->id,
                                  .workspace_id = relay_workspace_id(channel->relay),
                                  .agent_id = relay_agent_id(channel->relay),
                                  .kind = channel->policy.kind,
                                  .port = channel->policy.port};
    struct buffer room;
    datagram_room(&room);
    bool fits = datagram_put_open(&room, &self, now.token, channel->in_high);
    assert(fits);
    (void)fits;
    channel->open_sent = true;
    send_datagram(channel, &room);
    relay_dial_fini(&now);
}

static void send_farewell(struct channel *channel)
{
    struct buffer room;
    datagram_room(&room);
    if (datagram_put_close(&room, channel->id, channel->farewell, channel->farewell_message))
        send_datagram(channel, &room);
    die(channel);
}

static bool resend_next(struct channel *channel)
{
    struct tail_frame frame;
    if (!tail_find(&channel->tail, channel->resend_seq, &frame, channel_room(PUMP_FRAME_BYTES)))
        return false;
    channel->resend_seq = frame.seq + 1;
    send_frame(channel, &frame);
    ws_want_write(channel->ws);
    return true;
}

static void send_next(struct channel *channel)
{
    if (channel->resending && resend_next(channel))
        return;
    channel->resending = false;
    size_t size = channel->events->produce(channel->owner);
    if (size == 0 || channel->state != LIVE)
        return;
    channel->sent_ms = clock_mono_ms();
    struct tail_frame frame = {
        .seq = channel->out_seq++, .produced_at_ms = clock_wall_ms(), .size = size};
    if (channel->policy.keeps_tail)
        tail_add(&channel->tail, &frame, scratch + SCRATCH_HEAD);
    send_frame(channel, &frame);
}

// --- in

static void go_live(struct channel *channel)
{
    bool again = channel->was_live;
    set_state(channel, LIVE);
    channel->was_live = true;
    channel->live_ms = clock_mono_ms();
    channel->refused_since_ms = 0;
    channel->resending = again;
    channel->resend_seq = 0;
    timer_stop(&channel->timer);
    if (again)
        log_debug("relay channel back", "channel", channel->id, NULL);
    if (channel->paused)
        ws_pause(channel->ws, true);
    ws_want_write(channel->ws);
    channel->events->live(channel->owner, true);
}

static void take_answer(struct channel *channel, const struct datagram *answer)
{
    if (answer->tag != DATAGRAM_OPEN_ACK) {
        lost_because(channel, FAIL_STREAM, "the relay answered with something else than an answer");
        return;
    }
    if (answer->accepted) {
        go_live(channel);
        return;
    }
    char text[FAIL_WHAT_BYTES / 2];
    size_t n = answer->message.size < sizeof text ? answer->message.size : sizeof text - 1;
    if (n > 0)
        memcpy(text, answer->message.data, n);
    text[n] = '\0';
    struct fail why;
    fail_because(&why, FAIL_STREAM, "the relay refuses the channel: %s", printable_strip(text));
    log_redact(why.what);
    if (channel->was_live) {
        log_warn("a terminal's relay channel was refused", "why", why.what, NULL);
        if (!channel->refused_since_ms)
            channel->refused_since_ms = clock_mono_ms();
    }
    lost(channel, &why, 0);
}

static void complain(struct channel *channel, const char *what)
{
    int64_t now = clock_mono_ms();
    if (channel->complained_ms && now - channel->complained_ms < 60000)
        return;
    channel->complained_ms = now;
    log_info("the relay sent what is ignored", "channel", channel->id, "what", what, NULL);
}

// Frames of another channel come from a relay that confuses two; viewers may leave the id out.
static bool is_ours(struct channel *channel, const struct datagram *datagram)
{
    struct span id = datagram->channel_id;
    if (id.size == 0 ||
        (id.size == strlen(channel->id) && memcmp(id.data, channel->id, id.size) == 0))
        return true;
    complain(channel, "a message for another channel");
    return false;
}

static void take_frame(struct channel *channel, const struct datagram *frame)
{
    if (!is_ours(channel, frame) || !seen_is_new(&channel->seen, frame->seq, frame->produced_at_ms,
                                                 frame->data.data, frame->data.size))
        return;
    if (frame->seq >= channel->in_high && frame->seq < UINT64_MAX)
        channel->in_high = frame->seq + 1;
    channel->events->frame(channel->owner, frame->data.data, frame->data.size);
}

static void take_close(struct channel *channel, const struct datagram *close)
{
    struct fail why;
    bool limited = close->reason == STREAM_CLOSE_RATE_LIMITED;
    fail_because(&why, FAIL_STREAM_DOWN, "the other end closed the channel, reason %u",
                 close->reason);
    if (limited || close->reason == STREAM_CLOSE_TRANSPORT_ERROR)
        lost(channel, &why, limited ? CHANNEL_RATE_LIMITED_MS : 0);
    else
        end(channel, &why);
}

static void take_message(struct channel *channel, const void *data, size_t size)
{
    struct datagram datagram;
    bool good = datagram_decode(data, size, &datagram);
    if (channel->state == REGISTERING) {
        if (!good)
            datagram.tag = DATAGRAM_OPEN; // not an answer
        take_answer(channel, &datagram);
        return;
    }
    if (channel->state != LIVE)
        return;
    if (!good)
        complain(channel, "something that cannot be decoded");
    else if (datagram.tag == DATAGRAM_FRAME)
        take_frame(channel, &datagram);
    else if (datagram.tag == DATAGRAM_CLOSE)
        take_close(channel, &datagram);
    else if (datagram.tag == DATAGRAM_DESKTOP_INPUT && channel->events->input) {
        if (is_ours(channel, &datagram))
            channel->events->input(channel->owner, datagram.body.data, datagram.body.size);
    } else
        complain(channel, "a message that makes no sense here");
}

// --- events of the WebSocket

static void ws_opened(void *channel_)
{
    struct channel *channel = channel_;
    int64_t left = CHANNEL_ACK_MS;
    if (!channel->was_live)
        left = channel->created_ms + CHANNEL_FIRST_MS - clock_mono_ms();
    timer_set(&channel->timer, left < CHANNEL_ACK_MS ? left : CHANNEL_ACK_MS);
    ws_want_write(channel->ws);
}

static void ws_received(void *channel_, const struct ws_piece *piece)
{
    struct channel *channel = channel_;
    if (piece->first)
        channel->skipping = !piece->binary;
    if (channel->skipping)
        return;
    if (piece->first && piece->last) {
        take_message(channel, piece->data, piece->size);
        return;
    }
    if (!buffer_append(&channel->message, piece->data, piece->size)) {
        struct fail why;
        fail_because(&why, FAIL_STREAM_DOWN, "the relay sent a message of more than %u bytes",
                     CHANNEL_MESSAGE_BYTES_MAX);
        struct ws *ws = channel->ws;
        channel->ws = NULL;
        ws_close(ws, WS_TOO_LARGE);
        lost(channel, &why, 0);
    } else if (piece->last) {
        struct buffer whole = channel->message;
        buffer_init(&channel->message, CHANNEL_MESSAGE_BYTES_MAX);
        take_message(channel, whole.data, whole.size);
        buffer_fini(&whole);
    }
}

static void ws_writable(void *channel_)
{
    struct channel *channel = channel_;
    if (channel->state == CLOSING)
        send_farewell(channel);
    else if (!channel->open_sent)
        send_open(channel);
    else if (channel->state == LIVE)
        send_next(channel);
}

static void ws_closed(void *channel_, const struct fail *why)
{
    struct channel *channel = channel_;
    struct fail down = *why;
    channel->ws = NULL;
    down.kind = FAIL_STREAM_DOWN;
    lost(channel, &down, 0);
}

// --- dialling

static void dial(struct channel *channel)
{
    static const struct ws_events events = {
        .opened = ws_opened, .received = ws_received, .writable = ws_writable, .closed = ws_closed};
    struct relay_dial now;
    struct fail why;
    set_state(channel, REGISTERING);
    channel->open_sent = false;
    timer_stop(&channel->timer);
    if (!relay_dial_get(channel->relay, &now, &why)) {
        if (channel->was_live && !channel->refused_since_ms)
            channel->refused_since_ms = clock_mono_ms();
        lost(channel, &why, 0);
        return;
    }
    int64_t timeout = CHANNEL_DIAL_MS;
    if (!channel->was_live) {
        timeout = channel->created_ms + CHANNEL_FIRST_MS - clock_mono_ms();
        if (channel->attempts == 0)
            timeout = CHANNEL_FIRST_TRY_MS;
    }
    char *path =
        relay_url_channel(&now.url, relay_workspace_id(channel->relay),
                          relay_agent_id(channel->relay), channel->policy.port, channel->id);
    struct ws_target target = {.tls = now.url.tls,
                               .host = now.url.host,
                               .port = now.url.port,
                               .path = path,
                               .ca_file = now.ca_file,
                               .timeout_ms = timeout,
                               .ping_ms = CHANNEL_PING_MS,
                               .silence_ms = CHANNEL_SILENCE_MS};
    channel->ws = ws_dial(&target, &events, channel);
    mem_free(path);
    relay_dial_fini(&now);
}

static void timer_fired(struct stream_timer *timer)
{
    struct channel *channel = holder_of(timer, struct channel, timer);
    switch (channel->state) {
    case WAITING: // the relay may have dropped us before its answer to the rival was here
        if (channel->attempts == 1 && channel->was_live && park_if_rivalled(channel))
            break;
        if (channel->was_live)
            redial_begin(&channel->redial, turn_has_come);
        else
            dial(channel);
        break;
    case REGISTERING:
        lost_because(channel, FAIL_STREAM_DOWN, "the relay did not answer in time");
        break;
    case LIVE:
    case PARKED:
        break;
    case CLOSING:
        die(channel);
        break;
    case DEAD:
        free_channel(channel);
        break;
    }
}

// --- calls of the owner

struct channel *channel_new(struct relay *relay, const struct channel_policy *policy,
                            const char *channel_id, const struct channel_events *events,
                            void *owner)
{
    static uint64_t last;
    assert(stream_here() && owner && strlen(channel_id) <= CHANNEL_ID_BYTES_MAX);
    struct channel *channel = mem_new(struct channel);
    *channel = (struct channel){
        .next = relay->channels,
        .link = &relay->channels,
        .relay = relay_ref(relay),
        .policy = *policy,
        .number = ++last,
        .events = events,
        .owner = owner,
        .timer.fired = timer_fired,
        .created_ms = clock_mono_ms(),
    };
    snprintf(channel->id, sizeof channel->id, "%s", channel_id);
    if (relay->channels)
        relay->channels->link = &channel->next;
    relay->channels = channel;
    tail_init(&channel->tail);
    seen_init(&channel->seen);
    buffer_init(&channel->message, CHANNEL_MESSAGE_BYTES_MAX);
    set_state(channel, WAITING);
    timer_set(&channel->timer, 0); // no event before the caller has the channel
    return channel;
}

void channel_want_send(struct channel *channel)
{
    if (channel->state == LIVE)
        ws_want_write(channel->ws);
}

void channel_pause(struct channel *channel, bool paused)
{
    channel->paused = paused;
    if (channel->state == LIVE)
        ws_pause(channel->ws, paused);
}

void channel_redial(struct channel *channel)
{
    if (channel->was_live && (channel->state == WAITING || channel->state == PARKED)) {
        set_state(channel, WAITING);
        timer_set(&channel->timer, 0);
    }
}

void channel_close(struct channel *channel, enum stream_close reason, const char *message)
{
    assert(stream_here() && channel->owner);
    channel->owner = NULL;
    if (channel->state != LIVE) {
        die(channel);
        return;
    }
    set_state(channel, CLOSING);
    channel->farewell = reason;
    snprintf(channel->farewell_message, sizeof channel->farewell_message, "%s", message);
    ws_pause(channel->ws, false);
    ws_want_write(channel->ws);
    timer_set(&channel->timer, CHANNEL_FAREWELL_MS);
}

void channel_retry_refused(struct relay *relay)
{
    for (struct channel *channel = relay->channels; channel; channel = channel->next)
        if (channel->refused_since_ms)
            channel_redial(channel);
}
