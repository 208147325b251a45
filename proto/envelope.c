#include "proto/envelope.h"

#include <assert.h>
#include <string.h>

#include "base/fail.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/wire.h"

enum { REQUEST_ID = 1, RESPONSE_ID = 1 }; // field numbers

bool request_decode(struct arena *arena, const void *payload, size_t size, struct request *request,
                    struct fail *why)
{
    const ProtobufCMessageDescriptor *type = &og__control_request__descriptor;
    struct decoder decoder = {
        .arena = arena,
        .raw_field = protobuf_c_message_descriptor_get_field(type, REQUEST_ID),
    };
    const Og__ControlRequest *message = decoder_run(&decoder, type, payload, size);
    if (!message)
        return fail_because(why, FAIL_PROTOCOL, "%s", decoder.problem);
    *request = (struct request){
        .message = message,
        .id = decoder.raw,
        .id_size = decoder.raw_size,
        .has_nul = decoder.has_nul,
        .payload_size = size,
    };
    return true;
}

static size_t id_field_size(size_t id_size)
{
    return id_size == 0 ? 0 : 1 + wire_varint_size(id_size) + id_size;
}

size_t envelope_size(size_t id_size, const Og__ControlResponse *response)
{
    assert(response->request_id[0] == '\0');
    return id_field_size(id_size) + encode_size(&response->base);
}

// The lowest field number comes first, as both known encoders have it.
static void put_id(const void *id, size_t id_size, uint8_t *at)
{
    if (id_size == 0)
        return;
    *at++ = RESPONSE_ID << 3 | WIRE_SPAN;
    at = wire_put_varint(at, id_size);
    memcpy(at, id, id_size);
}

void envelope_encode(const void *id, size_t id_size, const Og__ControlResponse *response, void *out,
                     size_t size)
{
    size_t id_field = id_field_size(id_size);
    assert(id_field <= size);
    put_id(id, id_size, out);
    encode_message(&response->base, (uint8_t *)out + id_field, size - id_field);
}

void *envelope_encode_around(const void *id, size_t id_size, const Og__ControlResponse *response,
                             const struct encode_place *place, size_t size)
{
    size_t id_field = id_field_size(id_size);
    assert(id_field <= size);
    uint8_t *at = encode_around(&response->base, place, size - id_field, id_field);
    if (!at)
        return NULL;
    put_id(id, id_size, at - id_field);
    return at - id_field;
}
