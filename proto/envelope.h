// The two envelopes of the control plane: a payload becomes a request, a response becomes the
// payload of a reply.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/opengeni_agent.pb-c.h"

struct arena;
struct fail;
struct encode_place;

struct request {
    const Og__ControlRequest *message;
    const void *id; // request_id as it came, in the payload; may hold NULs
    size_t id_size;
    bool has_nul; // a string other than request_id holds a NUL; its C string ends there
    size_t payload_size;
};

// Decodes as decode.h says; what request points to lives in the arena and in the payload, both of
// which have to stay until the reply is encoded. False with FAIL_PROTOCOL. An empty payload is a
// request without an operation, and so is one with an operation that this agent does not know.
bool request_decode(struct arena *arena, const void *payload, size_t size, struct request *request,
                    struct fail *why) __attribute__((warn_unused_result));

// Bytes of the reply that carries response under a raw request_id of id_size bytes. The field
// response->request_id has to be left empty: as a C string it could not hold every id.
size_t envelope_size(size_t id_size, const Og__ControlResponse *response);

// The same bytes, written around the one large field of the response (encode.h) without moving it.
// NULL when its room is not enough.
void *envelope_encode_around(const void *id, size_t id_size, const Og__ControlResponse *response,
                             const struct encode_place *place, size_t size)
    __attribute__((warn_unused_result));

// Writes exactly that many bytes to out.
void envelope_encode(const void *id, size_t id_size, const Og__ControlResponse *response, void *out,
                     size_t size);
