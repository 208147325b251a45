#include "hub/relay/frame.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "proto/wire.h"

struct frame *frame_new(size_t room)
{
    struct frame *frame = mem_resize(NULL, sizeof *frame + FRAME_HEADROOM + room);
    *frame = (struct frame){.refs = 1, .room = room};
    frame->bytes = (unsigned char *)(frame + 1) + FRAME_HEADROOM;
    return frame;
}

struct frame *frame_ref(struct frame *frame)
{
    frame->refs++;
    return frame;
}

void frame_unref(struct frame *frame)
{
    if (frame && --frame->refs == 0)
        mem_free(frame);
}

struct frame *frame_append(struct frame *frame, const void *data, size_t size)
{
    assert(frame->refs == 1);
    if (frame->room - frame->size < size) {
        size_t room = 2 * frame->room > frame->size + size ? 2 * frame->room : frame->size + size;
        frame = mem_resize(frame, sizeof *frame + FRAME_HEADROOM + room);
        frame->room = room;
        frame->bytes = (unsigned char *)(frame + 1) + FRAME_HEADROOM;
    }
    memcpy(frame->bytes + frame->size, data, size);
    frame->size += size;
    return frame;
}

// The wire types of the fields 1 to 4 (proto/opengeni_agent.proto): StreamFrame has channel_id,
// seq, data, produced_at_ms; StreamClose channel_id, reason, message; DesktopInput channel_id and
// three kinds of events.
static const struct {
    unsigned known;
    enum wire_type types[5];
} layouts[] = {
    [FRAME_DATA] = {4, {0, WIRE_SPAN, WIRE_VARINT, WIRE_SPAN, WIRE_VARINT}},
    [FRAME_CLOSE] = {3, {0, WIRE_SPAN, WIRE_VARINT, WIRE_SPAN, 0}},
    [FRAME_INPUT] = {4, {0, WIRE_SPAN, WIRE_SPAN, WIRE_SPAN, WIRE_SPAN}},
};

static bool parse_field(struct frame *frame, enum frame_tag tag, struct wire_reader *in)
{
    struct wire_reader span;
    uint32_t number;
    enum wire_type type;
    if (!wire_tag(in, &number, &type) ||
        (number <= layouts[tag].known && type != layouts[tag].types[number]))
        return false;
    if (tag == FRAME_DATA && number == 2)
        return wire_varint(in, &frame->seq);
    if (tag != FRAME_DATA || number != 3)
        return wire_skip(in, number, type, REQUEST_DEPTH_MAX);
    if (!wire_span(in, &span))
        return false;
    frame->data_size = (size_t)(span.end - span.at);
    return true;
}

bool frame_parse(struct frame *frame, enum frame_tag *tag)
{
    if (frame->size == 0 || frame->bytes[0] < FRAME_OPEN || frame->bytes[0] > FRAME_INPUT)
        return false;
    *tag = (enum frame_tag)frame->bytes[0];
    frame->seq = 0;
    frame->data_size = 0;
    if (*tag == FRAME_OPEN || *tag == FRAME_ACK)
        return true; // not looked at here
    struct wire_reader in = {frame->bytes + 1, frame->bytes + frame->size};
    while (in.at < in.end)
        if (!parse_field(frame, *tag, &in))
            return false;
    return true;
}
