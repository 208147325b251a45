// What goes over a relay channel: one binary WebSocket message is a tag byte and the body of one
// protobuf message (proto/opengeni_agent.proto, Stream...). Nothing is copied: what was decoded
// points into the message.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"

struct buffer;

enum datagram_tag {
    DATAGRAM_OPEN = 1,
    DATAGRAM_OPEN_ACK = 2,
    DATAGRAM_FRAME = 3,
    DATAGRAM_CLOSE = 4,
    DATAGRAM_DESKTOP_INPUT = 5,
};

struct span {
    const void *data;
    size_t size;
};

// The values of StreamKind, StreamRole and StreamCloseReason are those of the .proto.
enum stream_kind { STREAM_PTY = 1, STREAM_DESKTOP = 2 };
enum stream_role { STREAM_AGENT = 1, STREAM_CLIENT = 2 };
enum stream_close {
    STREAM_CLOSE_NORMAL = 1,
    STREAM_CLOSE_PROCESS_EXIT = 2,
    STREAM_CLOSE_FENCED = 3,
    STREAM_CLOSE_TRANSPORT_ERROR = 4,
    STREAM_CLOSE_RATE_LIMITED = 5,
};

// Who a channel belongs to.
struct stream_channel {
    const char *channel_id, *workspace_id, *agent_id;
    enum stream_kind kind;
    uint16_t port;
};

struct datagram {
    enum datagram_tag tag;
    struct span channel_id; // of a frame, a close and an input
    struct span body;       // without the tag
    uint64_t seq;           // of a frame; resume_from_seq of an answer
    struct span data;       // of a frame
    int64_t produced_at_ms; // of a frame
    unsigned reason;        // of a close, any number
    struct span message;    // of a close; of the error of an answer
    bool accepted;          // of an answer
};

// False for anything that is no datagram: no bytes, an unknown tag, a body that cannot be decoded.
// Of DATAGRAM_OPEN only the tag is looked at, of an input only the channel.
bool datagram_decode(const void *message, size_t size, struct datagram *out)
    __attribute__((warn_unused_result));

// Why an answer is none that accepts, as FAIL_STREAM: what, and the relay's own words, stripped of
// what could steer a terminal and of tokens.
void datagram_refusal(const struct datagram *answer, const char *what, struct fail *why);

// Appends; false when the buffer is too small.
bool datagram_put_open(struct buffer *out, const struct stream_channel *channel,
                       enum stream_role role, const char *token, uint64_t resume_from_seq)
    __attribute__((warn_unused_result));
bool datagram_put_close(struct buffer *out, const char *channel_id, enum stream_close reason,
                        const char *message) __attribute__((warn_unused_result));

// A frame is built around data that is already in its place: the head is written so that it ends at
// data, the rest after data + size. There is room for FRAME_HEAD_BYTES and FRAME_FOOT_BYTES.
// Returns where the message begins, *total is its size.
enum { FRAME_HEAD_BYTES = 1 + 2 + CHANNEL_ID_BYTES_MAX + 11 + 6, FRAME_FOOT_BYTES = 11 };
char *datagram_wrap_frame(char *data, size_t size, const char *channel_id, uint64_t seq,
                          int64_t produced_at_ms, size_t *total);
