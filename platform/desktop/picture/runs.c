#include "picture/runs.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "picture/seam.h"

enum {
    SYMBOLS = 286, // RFC 1951 3.2.5: bytes, end of block, 29 lengths
    END_OF_BLOCK = 256,
    LENGTHS = 29,
    RUN_MIN = 4, // shorter ones are as cheap as bytes
    RUN_MAX = 258,
    CODE_BITS_MAX = 12, // so that four fit into a word with what is left of a byte
    HEAD_BYTES = 160,
};

// RFC 1951 3.2.5
static const uint16_t length_base[LENGTHS] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                              15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                              67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[LENGTHS] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                              2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};

struct code {
    uint8_t lengths[SYMBOLS];
    uint16_t bits[SYMBOLS]; // reversed: deflate sends codes from their top bit on
};

static unsigned length_symbol(size_t run)
{
    unsigned i = LENGTHS - 1;
    while (length_base[i] > run)
        i--;
    return i;
}

// How often the byte before data[at] is repeated from there on, 0 when that is not worth a run.
static inline size_t run_at(const uint8_t *data, size_t size, size_t at)
{
    if (at == 0 || size - at < RUN_MIN)
        return 0;
    uint32_t here, before;
    memcpy(&here, data + at, sizeof here);
    memcpy(&before, data + at - 1, sizeof before);
    if (here != before)
        return 0;
    size_t end = size - at < RUN_MAX ? size : at + RUN_MAX, n = at + RUN_MIN;
    while (n < end && data[n] == data[at])
        n++;
    return n - at;
}

// A run of four that begins at one of the next four bytes goes over the last two of them: mostly a
// look at these is enough.
static inline bool four_literals(const uint8_t *data, size_t size, size_t at)
{
    return size - at >= RUN_MIN && data[at + 3] != data[at + 2];
}

static void count(const uint8_t *data, size_t size, uint32_t counts[SYMBOLS])
{
    enum { BYTES = 256 };
    // Neighbours are often equal, and a counter that was just written is slow to read.
    uint32_t more[3][BYTES] = {0};
    memset(counts, 0, SYMBOLS * sizeof *counts);
    for (size_t at = 0; at < size;) {
        if (four_literals(data, size, at)) {
            counts[data[at]]++;
            for (unsigned k = 0; k < 3; k++)
                more[k][data[at + 1 + k]]++;
            at += 4;
            continue;
        }
        size_t run = run_at(data, size, at);
        if (run) {
            counts[END_OF_BLOCK + 1 + length_symbol(run)]++;
            at += run;
        } else
            counts[data[at++]]++;
    }
    for (unsigned i = 0; i < BYTES; i++)
        counts[i] += more[0][i] + more[1][i] + more[2][i];
    counts[END_OF_BLOCK] = 1;
}

// --- a Huffman code

struct leaf {
    uint32_t count;
    uint16_t symbol;
};

static int by_count(const void *one, const void *two)
{
    const struct leaf *a = one, *b = two;
    return a->count != b->count ? (a->count > b->count) - (a->count < b->count)
                                : (a->symbol > b->symbol) - (a->symbol < b->symbol);
}

// Joins the two rarest again and again; leaves and joints are both in order, so the rarest is at
// the head of one of the two. Returns the longest code.
static unsigned join(const struct leaf *leaves, size_t n, uint8_t depths[SYMBOLS])
{
    uint32_t counts[2 * SYMBOLS] = {0};
    uint16_t parents[2 * SYMBOLS] = {0};
    uint8_t levels[2 * SYMBOLS] = {0};
    size_t leaf = 0, joint = n, nodes = n;
    for (size_t i = 0; i < n; i++)
        counts[i] = leaves[i].count;
    while (nodes < 2 * n - 1) {
        counts[nodes] = 0;
        for (unsigned k = 0; k < 2; k++) {
            bool take_leaf = leaf < n && (joint >= nodes || counts[leaf] <= counts[joint]);
            size_t taken = take_leaf ? leaf++ : joint++;
            counts[nodes] += counts[taken];
            parents[taken] = (uint16_t)nodes;
        }
        nodes++;
    }
    unsigned longest = 0;
    levels[nodes - 1] = 0;
    for (size_t i = nodes - 1; i-- > 0;) {
        levels[i] = (uint8_t)(levels[parents[i]] + 1);
        if (i < n) {
            depths[i] = levels[i];
            longest = depths[i] > longest ? depths[i] : longest;
        }
    }
    return longest;
}

static unsigned reversed(unsigned value, unsigned bits)
{
    unsigned out = 0;
    for (unsigned i = 0; i < bits; i++)
        out |= (value >> i & 1) << (bits - 1 - i);
    return out;
}

// RFC 1951 3.2.2: codes of one length follow each other, in the order of their symbols.
static void number(struct code *code)
{
    unsigned counts[CODE_BITS_MAX + 1] = {0}, next[CODE_BITS_MAX + 1] = {0};
    for (unsigned i = 0; i < SYMBOLS; i++) {
        assert(code->lengths[i] <= CODE_BITS_MAX);
        counts[code->lengths[i]]++;
    }
    counts[0] = 0;
    for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++)
        next[bits] = (next[bits - 1] + counts[bits - 1]) << 1;
    for (unsigned i = 0; i < SYMBOLS; i++)
        if (code->lengths[i])
            code->bits[i] = (uint16_t)reversed(next[code->lengths[i]]++, code->lengths[i]);
}

static void make_code(const uint32_t counts[SYMBOLS], struct code *code)
{
    struct leaf leaves[SYMBOLS];
    uint8_t depths[SYMBOLS];
    size_t n = 0;
    for (unsigned i = 0; i < SYMBOLS; i++)
        if (counts[i])
            leaves[n++] = (struct leaf){counts[i], (uint16_t)i};
    if (n == 1) // a code has at least two
        leaves[n++] = (struct leaf){1, leaves[0].symbol == 0};
    qsort(leaves, n, sizeof *leaves, by_count);
    while (join(leaves, n, depths) > CODE_BITS_MAX) // rare ones get a little too frequent
        for (size_t i = 0; i < n; i++)
            leaves[i].count = leaves[i].count / 2 + 1;
    memset(code, 0, sizeof *code);
    for (size_t i = 0; i < n; i++)
        code->lengths[leaves[i].symbol] = depths[i];
    number(code);
}

// --- bits

struct bits {
    uint64_t word;
    unsigned count;
    uint8_t *at;
};

static inline void put(struct bits *out, uint64_t value, unsigned count)
{
    out->word |= value << out->count;
    out->count += count;
}

// Writes whole bytes; up to seven bits stay. Eight bytes of room are always left behind.
static inline void flush(struct bits *out)
{
    uint64_t word = htole64(out->word);
    memcpy(out->at, &word, sizeof word);
    out->at += out->count / 8;
    out->word >>= out->count / 8 * 8;
    out->count %= 8;
}

// A dynamic block. The lengths of its codes are sent with four bits each: sixteen codes of one
// length are a code too, and this is nothing compared with what follows.
static void put_head(struct bits *out, const struct code *code)
{
    enum { PRECODES = 19, PLAIN_LENGTHS = 16 };
    put(out, 0 | 2 << 1, 3);    // not the last block; dynamic
    put(out, SYMBOLS - 257, 5); // 286 bytes, lengths and the end
    put(out, 1, 5);             // 2 distances
    put(out, PRECODES - 4, 4);
    flush(out);
    for (unsigned i = 0; i < PRECODES; i++) { // 16, 17 and 18, which come first, are not used
        put(out, i < 3 ? 0 : 4, 3);
        flush(out);
    }
    for (unsigned i = 0; i < SYMBOLS + 2; i++) {
        unsigned length = i < SYMBOLS ? code->lengths[i] : 1;
        put(out, reversed(length, 4), 4);
        flush(out);
    }
}

static void put_run(struct bits *out, const struct code *code, size_t run)
{
    unsigned i = length_symbol(run);
    put(out, code->bits[END_OF_BLOCK + 1 + i], code->lengths[END_OF_BLOCK + 1 + i]);
    put(out, run - length_base[i], length_extra[i]);
    put(out, 0, 1); // the distance 1, the first of two
}

size_t runs_bound(size_t size)
{
    size_t bound = size * CODE_BITS_MAX / 8 + HEAD_BYTES, stored = seam_stored_bound(size);
    return (bound > stored ? bound : stored) + 16;
}

size_t runs_compress(const uint8_t *data, size_t size, uint8_t *out)
{
    uint32_t counts[SYMBOLS], literals[END_OF_BLOCK]; // length << 16 | code
    struct code code;
    struct bits bits = {.at = out};
    count(data, size, counts);
    make_code(counts, &code);
    put_head(&bits, &code);
    for (unsigned i = 0; i < END_OF_BLOCK; i++)
        literals[i] = (uint32_t)code.lengths[i] << 16 | code.bits[i];
    for (size_t at = 0; at < size;) {
        if (four_literals(data, size, at)) { // 48 bits
            for (unsigned k = 0; k < 4; k++) {
                uint32_t literal = literals[data[at + k]];
                put(&bits, literal & 0xffff, literal >> 16);
            }
            at += 4;
            flush(&bits);
            continue;
        }
        for (unsigned k = 0; k < 4 && at < size; k++) {
            size_t run = run_at(data, size, at);
            if (run) { // 18 bits
                put_run(&bits, &code, run);
                at += run;
                break;
            }
            put(&bits, code.bits[data[at]], code.lengths[data[at]]);
            at++;
        }
        flush(&bits);
    }
    put(&bits, code.bits[END_OF_BLOCK], code.lengths[END_OF_BLOCK]);
    put(&bits, 0, 3); // an empty stored block, which begins at a whole byte
    bits.count = (bits.count + 7) / 8 * 8;
    flush(&bits);
    memcpy(bits.at, seam_end + 1, 4);
    size_t packed = (size_t)(bits.at - out) + 4;
    return packed <= seam_stored_bound(size) ? packed : seam_store(data, size, out);
}
