// Any bytes as a request, and as a reply: a message or a refusal. What was decoded is well-formed,
// and its encoding stands for the same message, also to protobuf-c.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static size_t walk(const ProtobufCMessage *message);

// Touches every byte of the value.
static size_t walk_value(const ProtobufCFieldDescriptor *field, const void *slot)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)slot;
        require(utf8_valid(text, strlen(text)));
        return strlen(text);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *inner = *(ProtobufCMessage *const *)slot;
        return inner ? walk(inner) : 0;
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *bytes = slot;
        size_t sum = 0;
        for (size_t i = 0; i < bytes->len; i++)
            sum += bytes->data[i];
        return sum;
    }
    return *(const uint32_t *)slot;
}

static size_t walk(const ProtobufCMessage *message)
{
    size_t sum = 0;
    const char *base = (const char *)message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(base + field->quantifier_offset);
            void *const *array = *(void **const *)(base + field->offset);
            for (size_t j = 0; j < count; j++)
                sum += walk_value(field, &array[j]);
        } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(const uint32_t *)(base + field->quantifier_offset) == field->id) {
            sum += walk_value(field, base + field->offset);
        }
    }
    return sum;
}

// Encoding the message, decoding that and encoding again must give the same bytes; protobuf-c must
// agree on all of them.
static void round_trip(const ProtobufCMessage *message)
{
    size_t size = encode_size(message);
    uint8_t *first = malloc(size + 1), *second = malloc(size + 1);
    require(first && second);
    encode_message(message, first, size);
    require(protobuf_c_message_pack(message, second) == size);
    require(memcmp(first, second, size) == 0);

    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    ProtobufCMessage *again = decode_message(&arena, message->descriptor, first, size, NULL);
    require(again && walk(again) == walk(message) && encode_size(again) == size);
    encode_message(again, second, size);
    require(memcmp(first, second, size) == 0);
    arena_fini(&arena);

    ProtobufCMessage *theirs = protobuf_c_message_unpack(message->descriptor, NULL, size, first);
    require(theirs && protobuf_c_message_pack(theirs, second) == size);
    require(memcmp(first, second, size) == 0);
    protobuf_c_message_free_unpacked(theirs, NULL);
    free(first);
    free(second);
}

static void as_request(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, REQUEST_ARENA_BASE + size * REQUEST_ARENA_FACTOR);
    struct request request;
    if (request_decode(&arena, data, size, &request, NULL)) {
        walk(&request.message->base);
        round_trip(&request.message->base);
        require(utf8_valid(request.id, request.id_size));

        Og__PingResponse pong = OG__PING_RESPONSE__INIT;
        Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
        response.result_case = OG__CONTROL_RESPONSE__RESULT_PING;
        response.ping = &pong;
        size_t reply_size = envelope_size(request.id_size, &response);
        uint8_t *reply = malloc(reply_size);
        require(reply != NULL);
        envelope_encode(request.id, request.id_size, &response, reply, reply_size);
        require(memcmp(reply + reply_size - 2, "\x52\x00", 2) == 0);
        free(reply);

        // With half of the memory there is nothing, and nothing breaks.
        struct arena half;
        arena_init(&half, arena.used / 2);
        require(!request_decode(&half, data, size, &request, NULL));
        arena_fini(&half);
    }
    arena_fini(&arena);
}

static void as_response(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, REQUEST_ARENA_BASE + size * REQUEST_ARENA_FACTOR);
    ProtobufCMessage *response =
        decode_message(&arena, &og__control_response__descriptor, data, size, NULL);
    if (response)
        round_trip(response);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_request(data, size);
    as_response(data, size);
    return 0;
}
