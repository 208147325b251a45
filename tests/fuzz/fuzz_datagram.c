// Any bytes as a message of a relay: what is decoded lies within the message, and what goes out
// again as a frame or a goodbye is read back as it was.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "relay/datagram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_span(struct span span, const uint8_t *data, size_t size)
{
    if (span.size == 0)
        return;
    const uint8_t *at = span.data;
    require(at >= data && at <= data + size && span.size <= (size_t)(data + size - at));
}

static void check_same(struct span a, struct span b)
{
    require(a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0));
}

static bool is_text(struct span span, size_t most)
{
    return span.size <= most && (span.size == 0 || !memchr(span.data, '\0', span.size));
}

static char *text_of(struct span span)
{
    char *text = mem_array(1, span.size + 1);
    if (span.size)
        memcpy(text, span.data, span.size);
    text[span.size] = '\0';
    return text;
}

static void check_frame(const struct datagram *in)
{
    char *id = text_of(in->channel_id);
    char *room = mem_array(1, FRAME_HEAD_BYTES + in->data.size + FRAME_FOOT_BYTES);
    if (in->data.size)
        memcpy(room + FRAME_HEAD_BYTES, in->data.data, in->data.size);
    size_t total;
    char *message = datagram_wrap_frame(room + FRAME_HEAD_BYTES, in->data.size, id, in->seq,
                                        in->produced_at_ms, &total);
    require(message >= room &&
            message + total <= room + FRAME_HEAD_BYTES + in->data.size + FRAME_FOOT_BYTES);
    struct datagram out;
    require(datagram_decode(message, total, &out) && out.tag == DATAGRAM_FRAME);
    check_same(in->channel_id, out.channel_id);
    check_same(in->data, out.data);
    require(in->seq == out.seq && in->produced_at_ms == out.produced_at_ms);
    mem_free(room);
    mem_free(id);
}

static void check_close(const struct datagram *in)
{
    char *id = text_of(in->channel_id), *message = text_of(in->message);
    struct buffer bytes;
    struct datagram out;
    buffer_init(&bytes, 1u << 20);
    require(datagram_put_close(&bytes, id, (enum stream_close)in->reason, message));
    require(datagram_decode(bytes.data, bytes.size, &out) && out.tag == DATAGRAM_CLOSE);
    check_same(in->channel_id, out.channel_id);
    check_same(in->message, out.message);
    require(in->reason == out.reason);
    buffer_fini(&bytes);
    mem_free(message);
    mem_free(id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct datagram in;
    bool good = datagram_decode(data, size, &in);
    require(good || size == 0 || data[0] != DATAGRAM_OPEN);
    if (!good)
        return 0;
    require((unsigned)in.tag == data[0] && in.body.size == size - 1);
    check_span(in.channel_id, data, size);
    check_span(in.data, data, size);
    check_span(in.message, data, size);
    if (in.tag == DATAGRAM_FRAME && is_text(in.channel_id, CHANNEL_ID_BYTES_MAX))
        check_frame(&in);
    else if (in.tag == DATAGRAM_CLOSE && is_text(in.channel_id, size) &&
             is_text(in.message, size) && size < 1u << 16)
        check_close(&in);
    return 0;
}
