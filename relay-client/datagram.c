#include "relay/datagram.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/printable.h"
#include "proto/wire.h"

// Field numbers of the .proto.
enum {
    CHANNEL_ID = 1,
    CHANNEL_WORKSPACE = 2,
    CHANNEL_AGENT = 3,
    CHANNEL_KIND = 4,
    CHANNEL_PORT = 5,
    OPEN_CHANNEL = 1,
    OPEN_TOKEN = 2,
    OPEN_ROLE = 3,
    OPEN_RESUME = 4,
    ACK_ACCEPTED = 1,
    ACK_ERROR = 2,
    ACK_RESUME = 3,
    ERROR_MESSAGE = 2,
    FRAME_SEQ = 2,
    FRAME_DATA = 3,
    FRAME_PRODUCED = 4,
    CLOSE_REASON = 2,
    CLOSE_MESSAGE = 3,
};

enum { GROUPS_DEPTH_MAX = 8 };

// --- decoding

static struct span span_of(struct wire_reader reader)
{
    return (struct span){reader.at, (size_t)(reader.end - reader.at)};
}

// One field of a body. span is set for lengths, number for varints; a known field of another wire
// type is passed over, as every decoder of protobuf does.
struct field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;
    struct wire_reader span;
};

static bool next_field(struct wire_reader *in, struct field *field)
{
    if (!wire_tag(in, &field->number, &field->type))
        return false;
    if (field->type == WIRE_VARINT)
        return wire_varint(in, &field->value);
    if (field->type == WIRE_SPAN)
        return wire_span(in, &field->span);
    return wire_skip(in, field->number, field->type, GROUPS_DEPTH_MAX);
}

static bool is_varint(const struct field *field, uint32_t number)
{
    return field->number == number && field->type == WIRE_VARINT;
}

static bool is_span(const struct field *field, uint32_t number)
{
    return field->number == number && field->type == WIRE_SPAN;
}

// Hands every field of a body to take; false when the body or one of them cannot be decoded.
static bool each_field(struct wire_reader in, struct datagram *out,
                       bool (*take)(const struct field *field, struct datagram *out))
{
    struct field field;
    while (in.at < in.end)
        if (!next_field(&in, &field) || !take(&field, out))
            return false;
    return true;
}

static bool take_of_error(const struct field *field, struct datagram *out)
{
    if (is_span(field, ERROR_MESSAGE))
        out->message = span_of(field->span);
    return true;
}

static bool take_of_ack(const struct field *field, struct datagram *out)
{
    if (is_varint(field, ACK_ACCEPTED))
        out->accepted = field->value != 0;
    else if (is_varint(field, ACK_RESUME))
        out->seq = field->value;
    return !is_span(field, ACK_ERROR) || each_field(field->span, out, take_of_error);
}

static bool take_of_frame(const struct field *field, struct datagram *out)
{
    if (is_span(field, CHANNEL_ID))
        out->channel_id = span_of(field->span);
    else if (is_varint(field, FRAME_SEQ))
        out->seq = field->value;
    else if (is_span(field, FRAME_DATA))
        out->data = span_of(field->span);
    else if (is_varint(field, FRAME_PRODUCED))
        out->produced_at_ms = (int64_t)field->value;
    return true;
}

static bool take_of_close(const struct field *field, struct datagram *out)
{
    if (is_span(field, CHANNEL_ID))
        out->channel_id = span_of(field->span);
    else if (is_varint(field, CLOSE_REASON))
        out->reason = (unsigned)field->value;
    else if (is_span(field, CLOSE_MESSAGE))
        out->message = span_of(field->span);
    return true;
}

static bool take_of_input(const struct field *field, struct datagram *out)
{
    if (is_span(field, CHANNEL_ID))
        out->channel_id = span_of(field->span);
    return true;
}

bool datagram_decode(const void *message, size_t size, struct datagram *out)
{
    *out = (struct datagram){0};
    if (size == 0)
        return false;
    const uint8_t *at = message;
    struct wire_reader body = {at + 1, at + size};
    out->tag = (enum datagram_tag)at[0];
    out->body = span_of(body);
    switch (at[0]) {
    case DATAGRAM_OPEN:
        return true;
    case DATAGRAM_OPEN_ACK:
        return each_field(body, out, take_of_ack);
    case DATAGRAM_FRAME:
        return each_field(body, out, take_of_frame);
    case DATAGRAM_CLOSE:
        return each_field(body, out, take_of_close);
    case DATAGRAM_DESKTOP_INPUT:
        return each_field(body, out, take_of_input);
    default:
        return false;
    }
}

void datagram_refusal(const struct datagram *answer, const char *what, struct fail *why)
{
    char text[FAIL_WHAT_BYTES / 2];
    size_t n = answer->message.size < sizeof text ? answer->message.size : sizeof text - 1;
    if (n > 0)
        memcpy(text, answer->message.data, n);
    text[n] = '\0';
    fail_because(why, FAIL_STREAM, "%s: %s", what, printable_strip(text));
    log_redact(why->what);
}

// --- encoding. Default values are left out, as proto3 has it.

static uint8_t *put_tag(uint8_t *out, uint32_t number, enum wire_type type)
{
    return wire_put_varint(out, number << 3 | type);
}

static bool append_number(struct buffer *out, uint32_t number, uint64_t value)
{
    uint8_t bytes[20], *end = bytes;
    if (value == 0)
        return true;
    end = put_tag(end, number, WIRE_VARINT);
    end = wire_put_varint(end, value);
    return buffer_append(out, bytes, (size_t)(end - bytes));
}

static bool append_span(struct buffer *out, uint32_t number, const void *data, size_t size)
{
    uint8_t bytes[20], *end = bytes;
    if (size == 0)
        return true;
    end = put_tag(end, number, WIRE_SPAN);
    end = wire_put_varint(end, size);
    return buffer_append(out, bytes, (size_t)(end - bytes)) && buffer_append(out, data, size);
}

static bool append_text(struct buffer *out, uint32_t number, const char *text)
{
    return append_span(out, number, text, strlen(text));
}

static bool append_tag_byte(struct buffer *out, enum datagram_tag tag)
{
    return buffer_append(out, &(char){(char)tag}, 1);
}

bool datagram_put_open(struct buffer *out, const struct stream_channel *channel,
                       enum stream_role role, const char *token, uint64_t resume_from_seq)
{
    struct buffer inner;
    buffer_init(&inner, out->max);
    bool good = append_text(&inner, CHANNEL_ID, channel->channel_id) &&
                append_text(&inner, CHANNEL_WORKSPACE, channel->workspace_id) &&
                append_text(&inner, CHANNEL_AGENT, channel->agent_id) &&
                append_number(&inner, CHANNEL_KIND, channel->kind) &&
                append_number(&inner, CHANNEL_PORT, channel->port) &&
                append_tag_byte(out, DATAGRAM_OPEN) &&
                append_span(out, OPEN_CHANNEL, inner.data, inner.size) &&
                append_text(out, OPEN_TOKEN, token) && append_number(out, OPEN_ROLE, role) &&
                append_number(out, OPEN_RESUME, resume_from_seq);
    buffer_fini(&inner);
    return good;
}

bool datagram_put_close(struct buffer *out, const char *channel_id, enum stream_close reason,
                        const char *message)
{
    return append_tag_byte(out, DATAGRAM_CLOSE) && append_text(out, CHANNEL_ID, channel_id) &&
           append_number(out, CLOSE_REASON, reason) && append_text(out, CLOSE_MESSAGE, message);
}

char *datagram_wrap_frame(char *data, size_t size, const char *channel_id, uint64_t seq,
                          int64_t produced_at_ms, size_t *total)
{
    uint8_t head[FRAME_HEAD_BYTES], *end = head, *foot = (uint8_t *)data + size;
    size_t id_size = strlen(channel_id);
    assert(id_size <= CHANNEL_ID_BYTES_MAX);
    *end++ = DATAGRAM_FRAME;
    if (id_size > 0) {
        end = put_tag(end, CHANNEL_ID, WIRE_SPAN);
        end = wire_put_varint(end, id_size);
        end = (uint8_t *)mempcpy(end, channel_id, id_size);
    }
    if (seq != 0) {
        end = put_tag(end, FRAME_SEQ, WIRE_VARINT);
        end = wire_put_varint(end, seq);
    }
    if (size > 0) {
        end = put_tag(end, FRAME_DATA, WIRE_SPAN);
        end = wire_put_varint(end, size);
    }
    if (produced_at_ms != 0) {
        foot = put_tag(foot, FRAME_PRODUCED, WIRE_VARINT);
        foot = wire_put_varint(foot, (uint64_t)produced_at_ms);
    }
    size_t head_size = (size_t)(end - head);
    memcpy(data - head_size, head, head_size);
    *total = head_size + (size_t)((char *)foot - data);
    return data - head_size;
}
