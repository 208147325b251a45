#include "proto/decode.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "proto/wire.h"

static bool decode_fields(struct decoder *decoder, ProtobufCMessage *message, struct wire_reader in,
                          unsigned depth);

static bool refuse(struct decoder *decoder, const char *problem)
{
    if (!decoder->problem)
        decoder->problem = problem;
    return false;
}

static bool out_of_memory(struct decoder *decoder)
{
    return refuse(decoder, "the message needs too much memory");
}

static void *member(ProtobufCMessage *message, unsigned offset)
{
    return (char *)message + offset;
}

// Numbers of fixed width but for doubles, floats, zigzag numbers and repeated numbers do not occur
// in this protocol (tests check the descriptors), so nothing here knows them.
static enum wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_SPAN;
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64BIT;
    default:
        return WIRE_VARINT;
    }
}

static bool decode_string(struct decoder *decoder, const ProtobufCFieldDescriptor *field,
                          struct wire_reader span, char **out)
{
    size_t size = (size_t)(span.end - span.at);
    if (!utf8_valid((const char *)span.at, size))
        return refuse(decoder, "a string is not UTF-8");
    if (field == decoder->raw_field) {
        decoder->raw = span.at;
        decoder->raw_size = size;
    } else if (memchr(span.at, '\0', size)) {
        decoder->has_nul = true;
    }
    if (size == 0) {
        *out = (char *)protobuf_c_empty_string;
        return true;
    }
    *out = arena_string_n(decoder->arena, (const char *)span.at, size);
    return *out ? true : out_of_memory(decoder);
}

// Into the message that is there already when the field occurred before.
static bool decode_submessage(struct decoder *decoder, const ProtobufCFieldDescriptor *field,
                              struct wire_reader span, unsigned depth, ProtobufCMessage **out)
{
    const ProtobufCMessageDescriptor *type = field->descriptor;
    if (!*out) {
        ProtobufCMessage *message = arena_alloc(decoder->arena, type->sizeof_message);
        if (!message)
            return out_of_memory(decoder);
        type->message_init(message);
        *out = message;
    }
    return decode_fields(decoder, *out, span, depth + 1);
}

static void store_varint(ProtobufCType type, uint64_t value, void *slot)
{
    if (type == PROTOBUF_C_TYPE_BOOL)
        *(protobuf_c_boolean *)slot = value != 0;
    else if (type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64)
        *(uint64_t *)slot = value;
    else // int32, uint32, enum: the low half counts
        *(uint32_t *)slot = (uint32_t)value;
}

static bool decode_value(struct decoder *decoder, const ProtobufCFieldDescriptor *field,
                         struct wire_reader *in, unsigned depth, void *slot)
{
    enum wire_type type = wire_type_of(field->type);
    if (type == WIRE_64BIT)
        return wire_fixed64(in, slot) ? true : refuse(decoder, "the message is cut off");
    if (type == WIRE_VARINT) {
        uint64_t value;
        if (!wire_varint(in, &value))
            return refuse(decoder, "a number is cut off or too long");
        store_varint(field->type, value, slot);
        return true;
    }
    struct wire_reader span;
    if (!wire_span(in, &span))
        return refuse(decoder, "a length passes the end of the message");
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return decode_string(decoder, field, span, slot);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return decode_submessage(decoder, field, span, depth, slot);
    ProtobufCBinaryData *bytes = slot;
    bytes->len = (size_t)(span.end - span.at);
    bytes->data = bytes->len > 0 ? (uint8_t *)span.at : NULL;
    return true;
}

// Arrays grow to 4, 8, 16, ... elements, so the count alone says whether one is full.
static void *next_element(struct decoder *decoder, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field)
{
    size_t element =
        field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
    size_t count = *(size_t *)member(message, field->quantifier_offset);
    char **array = member(message, field->offset);
    if (count == 0 || (count >= 4 && (count & (count - 1)) == 0)) {
        char *larger = arena_array(decoder->arena, count == 0 ? 4 : count * 2, element);
        if (!larger)
            return NULL;
        if (count > 0)
            memcpy(larger, *array, count * element);
        *array = larger;
    }
    return *array + count * element;
}

static bool decode_repeated(struct decoder *decoder, ProtobufCMessage *message,
                            const ProtobufCFieldDescriptor *field, struct wire_reader *in,
                            unsigned depth)
{
    assert(wire_type_of(field->type) == WIRE_SPAN);
    void *slot = next_element(decoder, message, field);
    if (!slot)
        return out_of_memory(decoder);
    if (!decode_value(decoder, field, in, depth, slot))
        return false;
    ++*(size_t *)member(message, field->quantifier_offset);
    return true;
}

static bool decode_field(struct decoder *decoder, ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field, struct wire_reader *in,
                         unsigned depth)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return decode_repeated(decoder, message, field, in, depth);

    void *slot = member(message, field->offset);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = member(message, field->quantifier_offset);
        if (*which != field->id && field->type == PROTOBUF_C_TYPE_MESSAGE)
            *(ProtobufCMessage **)slot = NULL; // another member's value was here
        *which = field->id;
    }
    return decode_value(decoder, field, in, depth, slot);
}

static bool decode_fields(struct decoder *decoder, ProtobufCMessage *message, struct wire_reader in,
                          unsigned depth)
{
    if (depth > REQUEST_DEPTH_MAX)
        return refuse(decoder, "messages are nested too deeply");
    const ProtobufCFieldDescriptor *field = NULL;
    while (in.at < in.end) {
        uint32_t number;
        enum wire_type type;
        if (!wire_tag(&in, &number, &type))
            return refuse(decoder, "a field has a bad tag");
        if (!field || field->id != number)
            field = protobuf_c_message_descriptor_get_field(message->descriptor, number);
        if (!field) {
            if (!wire_skip(&in, number, type, REQUEST_DEPTH_MAX - depth))
                return refuse(decoder, "an unknown field is malformed");
        } else if (type != wire_type_of(field->type)) {
            return refuse(decoder, "a field has the wrong wire type");
        } else if (!decode_field(decoder, message, field, &in, depth)) {
            return false;
        }
    }
    return true;
}

void *decoder_run(struct decoder *decoder, const ProtobufCMessageDescriptor *type, const void *data,
                  size_t size)
{
    decoder->raw = NULL;
    decoder->raw_size = 0;
    decoder->has_nul = false;
    decoder->problem = NULL;
    if (size > REQUEST_BYTES_MAX) {
        refuse(decoder, "the message is too large");
        return NULL;
    }
    ProtobufCMessage *message = arena_alloc(decoder->arena, type->sizeof_message);
    if (!message) {
        out_of_memory(decoder);
        return NULL;
    }
    type->message_init(message);
    struct wire_reader in = {data, size > 0 ? (const uint8_t *)data + size : data};
    return decode_fields(decoder, message, in, 1) ? message : NULL;
}

void *decode_message(struct arena *arena, const ProtobufCMessageDescriptor *type, const void *data,
                     size_t size, struct fail *why)
{
    struct decoder decoder = {.arena = arena};
    void *message = decoder_run(&decoder, type, data, size);
    if (message && decoder.has_nul) {
        decoder.problem = "a string holds a NUL";
        message = NULL;
    }
    if (!message)
        fail_because(why, FAIL_PROTOCOL, "%s", decoder.problem);
    return message;
}
