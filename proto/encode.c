#include "proto/encode.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "proto/wire.h"

// What has been written begins at at; start is as far as it may grow.
struct writer {
    uint8_t *start, *at;
    size_t written;
    const struct encode_place *place; // of the field that is not to be moved; NULL: there is none
};

static void put_fields(struct writer *out, const ProtobufCMessage *message);

static uint8_t *take(struct writer *out, size_t size)
{
    // Only a message that another thread changes meanwhile can get here: no way to go on.
    if (size > (size_t)(out->at - out->start))
        abort();
    out->written += size;
    return out->at -= size;
}

// The field that stays where it is: what comes behind it in the message is moved to it.
static void put_around(struct writer *out)
{
    const struct encode_place *place = out->place;
    uint8_t *data = place->data;
    assert(data); // where there is a place, there is memory
    memmove(data + place->size, out->at, out->written);
    *out = (struct writer){data - REPLY_ROOM_BYTES, data, place->size + out->written, NULL};
}

static void put_bytes(struct writer *out, const void *data, size_t size)
{
    if (out->place && data == out->place->data)
        put_around(out);
    else if (size > 0)
        memcpy(take(out, size), data, size);
}

static void put_varint(struct writer *out, uint64_t value)
{
    if (value < 0x80) // most tags, lengths and numbers
        *take(out, 1) = (uint8_t)value;
    else
        wire_put_varint(take(out, wire_varint_size(value)), value);
}

static void put_tag(struct writer *out, uint32_t number, enum wire_type type)
{
    put_varint(out, (uint64_t)number << 3 | type);
}

static void put_double(struct writer *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint8_t *at = take(out, sizeof bits);
    for (unsigned i = 0; i < sizeof bits; i++)
        at[i] = (uint8_t)(bits >> (8 * i));
    put_tag(out, number, WIRE_64BIT);
}

static void put_span(struct writer *out, uint32_t number, const void *data, size_t size)
{
    put_bytes(out, data, size);
    put_varint(out, size);
    put_tag(out, number, WIRE_SPAN);
}

static void put_message(struct writer *out, uint32_t number, const ProtobufCMessage *message)
{
    size_t behind = out->written;
    put_fields(out, message);
    put_varint(out, out->written - behind);
    put_tag(out, number, WIRE_SPAN);
}

static void put_number(struct writer *out, uint32_t number, uint64_t value)
{
    put_varint(out, value);
    put_tag(out, number, WIRE_VARINT);
}

// Defaults are left out, unless they have to show that the field is present.
static void put_value(struct writer *out, const ProtobufCFieldDescriptor *field, const void *slot,
                      bool defaults)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)slot;
        size_t size = text ? strlen(text) : 0;
        assert(size == 0 || utf8_valid(text, size)); // the other side drops the whole message
        if (size > 0 || defaults)
            put_span(out, field->id, text, size);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = slot;
        if (bytes->len > 0 || defaults)
            put_span(out, field->id, bytes->data, bytes->len);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)slot;
        if (message) // a oneof without its member is absent
            put_message(out, field->id, message);
        break;
    }
    case PROTOBUF_C_TYPE_BOOL:
        if (*(const protobuf_c_boolean *)slot || defaults)
            put_number(out, field->id, *(const protobuf_c_boolean *)slot != 0);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM: {
        int64_t value = *(const int32_t *)slot; // a negative one is written with 64 bits
        if (value != 0 || defaults)
            put_number(out, field->id, (uint64_t)value);
        break;
    }
    case PROTOBUF_C_TYPE_UINT32:
        if (*(const uint32_t *)slot != 0 || defaults)
            put_number(out, field->id, *(const uint32_t *)slot);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        if (*(const uint64_t *)slot != 0 || defaults)
            put_number(out, field->id, *(const uint64_t *)slot);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        if (*(const double *)slot != 0 || defaults)
            put_double(out, field->id, *(const double *)slot);
        break;
    default: // nothing else occurs in this protocol
        abort();
    }
}

static void put_repeated(struct writer *out, const ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field)
{
    size_t element =
        field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
    const char *base = (const char *)message;
    size_t count = *(const size_t *)(base + field->quantifier_offset);
    const char *array = *(const char *const *)(base + field->offset);
    while (count > 0)
        put_value(out, field, array + --count * element, true);
}

static void put_fields(struct writer *out, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const char *base = (const char *)message;
    for (unsigned i = type->n_fields; i > 0; i--) {
        const ProtobufCFieldDescriptor *field = &type->fields[i - 1];
        bool member = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_repeated(out, message, field);
        else if (!member || *(const uint32_t *)(base + field->quantifier_offset) == field->id)
            put_value(out, field, base + field->offset, member);
    }
}

static bool is_valid_value(const ProtobufCFieldDescriptor *field, const void *slot)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)slot;
        return !text || utf8_valid(text, strlen(text));
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *message = *(const ProtobufCMessage *const *)slot;
        return !message || encode_is_valid(message);
    }
    return true;
}

static bool is_valid_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message, *at = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)(base + field->quantifier_offset);
        bool pointers = field->type != PROTOBUF_C_TYPE_BYTES;
        const char *const *array = *(const char *const *const *)at;
        for (size_t i = 0; pointers && i < count; i++)
            if (!is_valid_value(field, &array[i]))
                return false;
        return true;
    }
    bool absent = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
                  *(const uint32_t *)(base + field->quantifier_offset) != field->id;
    return absent || is_valid_value(field, at);
}

bool encode_is_valid(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++)
        if (!is_valid_field(message, &type->fields[i]))
            return false;
    return true;
}

size_t encode_size(const ProtobufCMessage *message)
{
    return protobuf_c_message_get_packed_size(message);
}

void encode_message(const ProtobufCMessage *message, void *out, size_t size)
{
    struct writer writer = {.start = out, .at = size > 0 ? (uint8_t *)out + size : out};
    put_fields(&writer, message);
    if (writer.at != writer.start)
        abort(); // see take()
}

void *encode_around(const ProtobufCMessage *message, const struct encode_place *place, size_t size,
                    size_t ahead)
{
    if (size < place->size || size - place->size + ahead > REPLY_ROOM_BYTES)
        return NULL;
    uint8_t *behind = (uint8_t *)place->data + place->size;
    struct writer writer = {.start = behind, .at = behind + REPLY_ROOM_BYTES, .place = place};
    put_fields(&writer, message);
    if (writer.place || writer.written != size)
        abort(); // see take()
    return writer.at;
}

bool encode_append(const ProtobufCMessage *message, struct buffer *out)
{
    size_t size = encode_size(message);
    char *room = buffer_reserve(out, size);
    if (!room)
        return false;
    encode_message(message, room, size);
    buffer_commit(out, size);
    return true;
}
