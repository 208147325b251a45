// Messages become bytes: the same bytes as protobuf_c_message_pack makes, but written from the end
// to the front, so that each length is known when it is written and nothing is moved afterwards.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct buffer;

// Bytes that the message takes.
size_t encode_size(const ProtobufCMessage *message);

// False when a text of the message is not UTF-8: whoever gets it would refuse all of it. To be
// asked before texts from outside are encoded.
bool encode_is_valid(const ProtobufCMessage *message) __attribute__((warn_unused_result));

// Writes exactly encode_size() bytes to out. The message must not change in between.
void encode_message(const ProtobufCMessage *message, void *out, size_t size);

// A large bytes field of a message: size > 0 bytes at data, with room for REPLY_ROOM_BYTES before
// and behind it (arena_roomy), which are written over.
struct encode_place {
    void *data;
    size_t size;
};

// Writes the message of encode_size() = size bytes around that field, which stays where it is, and
// returns where it begins; ahead bytes before that may be written, too. NULL, with nothing written,
// when the room is not enough.
void *encode_around(const ProtobufCMessage *message, const struct encode_place *place, size_t size,
                    size_t ahead) __attribute__((warn_unused_result));

// Appends the message to a buffer; false when it would pass its maximum.
bool encode_append(const ProtobufCMessage *message, struct buffer *out)
    __attribute__((warn_unused_result));
