// One message of a relay channel, shared by everybody who still needs it: it is received into its
// place once, and sent from there.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_tag { FRAME_OPEN = 1, FRAME_ACK, FRAME_DATA, FRAME_CLOSE, FRAME_INPUT };

// Room before the bytes, where a WebSocket header can be put.
enum { FRAME_HEADROOM = 32 };

struct frame {
    unsigned refs;
    size_t size, room;
    unsigned char *bytes; // size of them: the tag, then the body
    // Of FRAME_DATA, after frame_parse:
    uint64_t seq;
    size_t data_size;
};

struct frame *frame_new(size_t room); // empty, one reference
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame); // NULL is accepted

// Appends what has been received; the frame may move as long as there is one reference.
struct frame *frame_append(struct frame *frame, const void *data, size_t size);

// Reads the tag, and of a data frame sequence number and size. False for bytes that are no message
// of the protocol. Openings and answers are not looked into.
bool frame_parse(struct frame *frame, enum frame_tag *tag) __attribute__((warn_unused_result));
