#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "relay/channel_private.h"
#include "relay/relay_private.h"
#include "relay/ws.h"

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
        channel_lost(channel, &why, 0);
        return;
    }
    struct stream_channel self = {.channel_id = channel->id,
                                  .workspace_id = relay_workspace_id(channel->relay),
                                  .agent_id = relay_agent_id(channel->relay),
                                  .kind = channel->policy.kind,
                                  .port = channel->policy.port};
    struct buffer room;
    datagram_room(&room);
    bool fits = datagram_put_open(&room, &self, STREAM_AGENT, now.token, channel->in_high);
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
    channel_die(channel);
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
    if (size == 0 || channel->state != CHANNEL_LIVE)
        return;
    channel->sent_ms = clock_mono_ms();
    struct tail_frame frame = {
        .seq = channel->out_seq++, .produced_at_ms = clock_wall_ms(), .size = size};
    if (channel->policy.keeps_tail)
        tail_add(&channel->tail, &frame, scratch + SCRATCH_HEAD);
    send_frame(channel, &frame);
}

// --- in

static void take_answer(struct channel *channel, const struct datagram *answer)
{
    if (answer->tag != DATAGRAM_OPEN_ACK) {
        channel_lost_because(channel, FAIL_STREAM,
                             "the relay answered with something else than an answer");
        return;
    }
    if (answer->accepted) {
        channel_go_live(channel);
        return;
    }
    struct fail why;
    datagram_refusal(answer, "the relay refuses the channel", &why);
    channel_refused(channel, &why);
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
        channel_lost(channel, &why, limited ? CHANNEL_RATE_LIMITED_MS : 0);
    else
        channel_end(channel, &why);
}

static void take_message(struct channel *channel, const void *data, size_t size)
{
    struct datagram datagram;
    bool good = datagram_decode(data, size, &datagram);
    if (channel->state == CHANNEL_REGISTERING) {
        if (!good)
            datagram.tag = DATAGRAM_OPEN; // not an answer
        take_answer(channel, &datagram);
        return;
    }
    if (channel->state != CHANNEL_LIVE)
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

void channel_received(void *channel_, const struct ws_piece *piece)
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
        channel_lost(channel, &why, 0);
    } else if (piece->last) {
        struct buffer whole = channel->message;
        buffer_init(&channel->message, CHANNEL_MESSAGE_BYTES_MAX);
        take_message(channel, whole.data, whole.size);
        buffer_fini(&whole);
    }
}

void channel_writable(void *channel_)
{
    struct channel *channel = channel_;
    if (channel->state == CHANNEL_CLOSING)
        send_farewell(channel);
    else if (!channel->open_sent)
        send_open(channel);
    else if (channel->state == CHANNEL_LIVE)
        send_next(channel);
}
