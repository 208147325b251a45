// To find where the final block begins and where it ends, the stream has to be walked: only code
// lengths are looked at and nothing is put out, so this costs a fraction of decompression.
#include "picture/seam.h"

#include <endian.h>
#include <string.h>

enum {
    CODE_BITS_MAX = 15,
    FAST_BITS = 10,          // codes up to this length are found with one look into a table
    RUNS_PAY_BITS = 1 << 17, // with this much to come, a table of literal runs pays
    LITLEN_CODES = 288,
    DISTANCE_CODES = 32,
    PRECODE_CODES = 19,
    END_OF_BLOCK = 256,
    NO_SYMBOL = 255,
};

const uint8_t seam_end[5] = {0x01, 0x00, 0x00, 0xff, 0xff};

struct bits {
    const uint8_t *data;
    size_t at, end; // in bits
};

// The next 57 bits at least; zeros behind the end. The caller left SEAM_ROOM behind the data.
static uint64_t peek(const struct bits *in)
{
    uint64_t word = 0;
    memcpy(&word, in->data + in->at / 8, sizeof word);
    return le64toh(word) >> in->at % 8;
}

static unsigned take(struct bits *in, unsigned count)
{
    unsigned value = (unsigned)(peek(in) & ((1u << count) - 1));
    in->at += count;
    return value;
}

// A canonical prefix code: RFC 1951 3.2.2.
struct code {
    uint16_t fast[1 << FAST_BITS]; // symbol << 4 | length; 0: a longer code, or none
    uint16_t first[CODE_BITS_MAX + 1], count[CODE_BITS_MAX + 1], start[CODE_BITS_MAX + 1];
    uint16_t symbols[LITLEN_CODES]; // by length, then by value
};

static unsigned reversed(unsigned value, unsigned bits)
{
    unsigned out = 0;
    for (unsigned i = 0; i < bits; i++)
        out |= (value >> i & 1) << (bits - 1 - i);
    return out;
}

// False when the lengths ask for more codes than there are.
static bool code_make(struct code *code, const uint8_t *lengths, unsigned symbols)
{
    memset(code, 0, sizeof *code);
    for (unsigned i = 0; i < symbols; i++)
        code->count[lengths[i]]++;
    code->count[0] = 0;
    unsigned next = 0, place = 0, next_of[CODE_BITS_MAX + 1] = {0},
             place_of[CODE_BITS_MAX + 1] = {0};
    for (unsigned length = 1; length <= CODE_BITS_MAX; length++) {
        next <<= 1;
        code->first[length] = (uint16_t)next;
        code->start[length] = (uint16_t)place;
        next_of[length] = next;
        place_of[length] = place;
        next += code->count[length];
        place += code->count[length];
        if (next > 1u << length)
            return false;
    }
    for (unsigned i = 0; i < symbols; i++) {
        unsigned length = lengths[i];
        if (length == 0)
            continue;
        code->symbols[place_of[length]++] = (uint16_t)i;
        unsigned value = next_of[length]++;
        if (length > FAST_BITS)
            continue;
        for (unsigned k = reversed(value, length); k < 1 << FAST_BITS; k += 1u << length)
            code->fast[k] = (uint16_t)(i << 4 | length);
    }
    return true;
}

// The symbol that the word begins with, -1 when that is no code; and how many bits it takes.
static inline int decode(const struct code *code, uint64_t word, unsigned *bits)
{
    unsigned entry = code->fast[word & ((1 << FAST_BITS) - 1)];
    if (entry) {
        *bits = entry & 15;
        return (int)(entry >> 4);
    }
    unsigned value = 0;
    for (unsigned length = 1; length <= CODE_BITS_MAX; length++) {
        value = value << 1 | (unsigned)(word & 1);
        word >>= 1;
        if (value >= code->first[length] && value - code->first[length] < code->count[length]) {
            *bits = length;
            return code->symbols[code->start[length] + value - code->first[length]];
        }
    }
    return -1;
}

// Extra bits behind a length or distance symbol, RFC 1951 3.2.5.
static const uint8_t length_extra[LITLEN_CODES - END_OF_BLOCK] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2,         2,
    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0, NO_SYMBOL, NO_SYMBOL};
static const uint8_t distance_extra[DISTANCE_CODES] = {
    0, 0, 0, 0, 1, 1, 2,  2,  3,  3,  4,  4,  5,  5,  6,         6,
    7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, NO_SYMBOL, NO_SYMBOL};

// Most of what does not compress well is literals. For each pattern of bits: how many of them are
// whole literal codes, one after another; 0 when it does not begin with one.
static void literal_runs(const struct code *code, uint8_t runs[1 << FAST_BITS])
{
    for (unsigned bits = 0; bits < 1 << FAST_BITS; bits++) {
        unsigned used = 0;
        for (;;) {
            unsigned entry = code->fast[bits >> used];
            if ((entry & 15) == 0 || entry >> 4 >= END_OF_BLOCK || used + (entry & 15) > FAST_BITS)
                break;
            used += entry & 15;
        }
        runs[bits] = (uint8_t)used;
    }
}

static bool walk_symbols(struct bits *in, const struct code *litlen, const struct code *distance)
{
    uint8_t runs[1 << FAST_BITS];
    bool much = in->end - in->at >= RUNS_PAY_BITS;
    if (much)
        literal_runs(litlen, runs);
    while (in->at < in->end) {
        uint64_t word = peek(in); // 57 bits are enough for five looks
        for (unsigned look = 0; much && look < 5; look++) {
            unsigned run = runs[word & ((1 << FAST_BITS) - 1)];
            word >>= run;
            in->at += run;
        }
        // And for the longest symbol of all: 15 and 5 bits of length, 15 and 13 of distance.
        word = peek(in);
        unsigned used;
        int symbol = decode(litlen, word, &used);
        if (symbol < 0)
            return false;
        if (symbol >= END_OF_BLOCK) {
            unsigned extra = length_extra[symbol - END_OF_BLOCK], distance_used;
            if (symbol == END_OF_BLOCK) {
                in->at += used;
                return in->at <= in->end;
            }
            used += extra;
            int back = extra == NO_SYMBOL ? -1 : decode(distance, word >> used, &distance_used);
            if (back < 0 || distance_extra[back] == NO_SYMBOL)
                return false;
            used += distance_used + distance_extra[back];
        }
        in->at += used;
    }
    return false;
}

// The code lengths of a dynamic block, themselves compressed: RFC 1951 3.2.7.
static bool read_codes(struct bits *in, struct code *litlen, struct code *distance)
{
    static const uint8_t order[PRECODE_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                 11, 4,  12, 3, 13, 2, 14, 1, 15};
    unsigned litlens = take(in, 5) + 257, distances = take(in, 5) + 1, precodes = take(in, 4) + 4;
    uint8_t lengths[LITLEN_CODES + DISTANCE_CODES] = {0};
    for (unsigned i = 0; i < precodes; i++)
        lengths[order[i]] = (uint8_t)take(in, 3);
    if (litlens > LITLEN_CODES || !code_make(litlen, lengths, PRECODE_CODES))
        return false;

    memset(lengths, 0, sizeof lengths);
    for (unsigned i = 0; i < litlens + distances;) {
        if (in->at > in->end)
            return false;
        unsigned used;
        int symbol = decode(litlen, peek(in), &used);
        if (symbol < 0)
            return false;
        in->at += used;
        if (symbol < 16) {
            lengths[i++] = (uint8_t)symbol;
            continue;
        }
        uint8_t value = symbol == 16 && i > 0 ? lengths[i - 1] : 0;
        unsigned times = symbol == 16   ? 3 + take(in, 2)
                         : symbol == 17 ? 3 + take(in, 3)
                                        : 11 + take(in, 7);
        if ((symbol == 16 && i == 0) || times > litlens + distances - i)
            return false;
        memset(lengths + i, value, times);
        i += times;
    }
    return code_make(litlen, lengths, litlens) && code_make(distance, lengths + litlens, distances);
}

static bool fixed_codes(struct code *litlen, struct code *distance)
{
    uint8_t lengths[LITLEN_CODES]; // RFC 1951 3.2.6
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    if (!code_make(litlen, lengths, LITLEN_CODES))
        return false;
    memset(lengths, 5, DISTANCE_CODES);
    return code_make(distance, lengths, DISTANCE_CODES);
}

static bool walk_stored(struct bits *in)
{
    in->at = (in->at + 7) / 8 * 8;
    if (in->end - in->at < 32 || in->at > in->end)
        return false;
    unsigned size = take(in, 16), inverted = take(in, 16);
    in->at += (size_t)size * 8;
    return size == (inverted ^ 0xffff) && in->at <= in->end;
}

static bool walk_block(struct bits *in, unsigned type)
{
    struct code litlen, distance;
    switch (type) {
    case 0:
        return walk_stored(in);
    case 1:
        return fixed_codes(&litlen, &distance) && walk_symbols(in, &litlen, &distance);
    case 2:
        return read_codes(in, &litlen, &distance) && walk_symbols(in, &litlen, &distance);
    default:
        return false;
    }
}

bool seam_open(uint8_t *stream, size_t *size)
{
    struct bits in = {stream, 0, *size * 8};
    size_t final_at;
    memset(stream + *size, 0, SEAM_ROOM);
    for (unsigned final = 0; !final;) {
        if (in.at + 3 > in.end)
            return false;
        final_at = in.at;
        final = take(&in, 1);
        if (!walk_block(&in, take(&in, 2)))
            return false;
    }
    if ((in.at + 7) / 8 != *size)
        return false;

    // An empty stored block is three zero bits, zeros up to a byte, 0000, ffff. The first of its
    // bits go into what is left of the last byte.
    stream[final_at / 8] &= (uint8_t) ~(1u << final_at % 8);
    size_t used = in.at % 8;
    if (used)
        stream[*size - 1] &= (uint8_t)((1u << used) - 1);
    if (used == 0 || used > 5)
        stream[(*size)++] = 0;
    memcpy(stream + *size, seam_end + 1, 4);
    *size += 4;
    return true;
}

enum { STORED_MAX = 65535 };

size_t seam_stored_bound(size_t size)
{
    return size + 5 * (size / STORED_MAX + 1);
}

size_t seam_store(const uint8_t *data, size_t size, uint8_t *out)
{
    size_t n = 0;
    while (size > 0) {
        size_t here = size < STORED_MAX ? size : STORED_MAX;
        out[n++] = 0;
        out[n++] = (uint8_t)here;
        out[n++] = (uint8_t)(here >> 8);
        out[n++] = (uint8_t)~here;
        out[n++] = (uint8_t)(~here >> 8);
        memcpy(out + n, data, here);
        n += here;
        data += here;
        size -= here;
    }
    return n;
}
