#include "proto/wire.h"

#include <string.h>

#include "base/limits.h"

enum { FIELD_NUMBER_MAX = (1 << 29) - 1 };

bool wire_varint(struct wire_reader *in, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end)
            return false;
        uint8_t byte = *in->at++;
        if (shift == 63 && byte > 1)
            return false; // an eleventh byte, or a 65th bit
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    return false;
}

bool wire_tag(struct wire_reader *in, uint32_t *number, enum wire_type *type)
{
    uint64_t tag;
    if (!wire_varint(in, &tag))
        return false;
    *type = (enum wire_type)(tag & 7);
    if (*type > WIRE_32BIT || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    *number = (uint32_t)(tag >> 3);
    return true;
}

bool wire_span(struct wire_reader *in, struct wire_reader *span)
{
    uint64_t size;
    if (!wire_varint(in, &size) || size > (size_t)(in->end - in->at))
        return false;
    *span = (struct wire_reader){in->at, in->at + size};
    in->at += size;
    return true;
}

bool wire_fixed32(struct wire_reader *in, uint32_t *value)
{
    if (in->end - in->at < 4)
        return false;
    *value = (uint32_t)in->at[0] | (uint32_t)in->at[1] << 8 | (uint32_t)in->at[2] << 16 |
             (uint32_t)in->at[3] << 24;
    in->at += 4;
    return true;
}

bool wire_fixed64(struct wire_reader *in, uint64_t *value)
{
    uint32_t low, high;
    if (!wire_fixed32(in, &low) || !wire_fixed32(in, &high))
        return false;
    *value = (uint64_t)high << 32 | low;
    return true;
}

bool wire_skip(struct wire_reader *in, uint32_t number, enum wire_type type, unsigned depth_max)
{
    uint32_t open[REQUEST_DEPTH_MAX]; // numbers of the groups we are in
    unsigned depth = 0;
    if (depth_max > REQUEST_DEPTH_MAX)
        depth_max = REQUEST_DEPTH_MAX;
    for (;;) {
        uint64_t ignored;
        uint32_t ignored32;
        struct wire_reader span;
        bool ok = false;
        switch (type) {
        case WIRE_VARINT:
            ok = wire_varint(in, &ignored);
            break;
        case WIRE_64BIT:
            ok = wire_fixed64(in, &ignored);
            break;
        case WIRE_32BIT:
            ok = wire_fixed32(in, &ignored32);
            break;
        case WIRE_SPAN:
            ok = wire_span(in, &span);
            break;
        case WIRE_GROUP_START:
            ok = depth < depth_max;
            if (ok)
                open[depth++] = number;
            break;
        case WIRE_GROUP_END:
            ok = depth > 0 && open[depth - 1] == number;
            if (ok)
                depth--;
            break;
        }
        if (!ok)
            return false;
        if (depth == 0)
            return true;
        if (!wire_tag(in, &number, &type))
            return false;
    }
}

size_t wire_varint_size(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

uint8_t *wire_put_varint(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}
