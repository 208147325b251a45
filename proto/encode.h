// Messages become bytes: the same bytes as protobuf_c_message_pack makes, but written from the end
// to the front, so that each length is known when it is written and nothing is moved afterwards.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct buffer;

// Bytes that the message takes.
size_t encode_size(const ProtobufCMessage *message);

// Writes exactly encode_size() bytes to out. The message must not change in between.
void encode_message(const ProtobufCMessage *message, void *out, size_t size);

// Appends the message to a buffer; false when it would pass its maximum.
bool encode_append(const ProtobufCMessage *message, struct buffer *out)
    __attribute__((warn_unused_result));
