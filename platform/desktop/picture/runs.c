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
    RUN_MIN = 8, // shorter ones cost more in longer codes for bytes than they save
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

// But for the longest, bases are 4 to 7 times a power of two above the first.
static unsigned length_symbol(size_t run)
{
    unsigned above = (unsigned)run - length_base[0];
    if (above < 4)
        return above;
    if (run == RUN_MAX)
        return LENGTHS - 1;
    unsigned extra = 29 - (unsigned)__builtin_clz(above);
    return 4 * extra + (above >> extra);
}

// --- literals and runs, found a word at a time

enum {
    BLOCK = 64,                 // bytes, one for each bit of a mask
    SURE = BLOCK - RUN_MIN + 1, // whose runs can be told from the block alone
};

// A bit for each of eight bytes that equals the one before it.
static inline uint64_t repeats_of_eight(const uint8_t *data)
{
    static const uint64_t low = 0x7f7f7f7f7f7f7f7f, gather = 0x0102040810204080;
    uint64_t here, before;
    memcpy(&here, data, sizeof here);
    memcpy(&before, data - 1, sizeof before);
    uint64_t differ = le64toh(here) ^ le64toh(before);
    uint64_t same = ~(((differ & low) + low) | differ | low); // the top bit of each equal byte
    return (same >> 7) * gather >> 56;
}

static inline uint64_t repeats(const uint8_t *data)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < BLOCK / 8; i++)
        mask |= repeats_of_eight(data + (size_t)i * 8) << (8 * i);
    return mask;
}

// What comes next: bytes as they are, then the last of them again, run times; run may be 0.
struct stretch {
    size_t literals, run;
};

// A photo hardly ever repeats a byte often enough, but each byte may well equal its neighbour: a
// branch on that would be guessed wrong half of the time. So runs are looked for in a mask.
struct scan {
    const uint8_t *data;
    size_t size, at;
    size_t block;  // where the one starts that was looked at last
    uint64_t same; // bytes of it that equal the one before
    uint64_t runs; // those where that goes on for long enough
};

static struct scan scan_of(const uint8_t *data, size_t size)
{
    return (struct scan){.data = data, .size = size, .block = SIZE_MAX};
}

static size_t run_length(const struct scan *scan, size_t at)
{
    uint64_t differ = ~(scan->same >> (at - scan->block));
    size_t n = at + (differ ? (size_t)__builtin_ctzll(differ) : BLOCK);
    if (n < scan->block + BLOCK)
        return n - at;
    size_t end = scan->size - at < RUN_MAX ? scan->size : at + RUN_MAX;
    while (n < end && scan->data[n] == scan->data[at])
        n++;
    return n - at;
}

// False at the end.
static inline bool next_stretch(struct scan *scan, struct stretch *out)
{
    size_t start = scan->at, at = start > 0 ? start : 1; // the first byte has none before it
    while (scan->size >= at + BLOCK) {
        if (at < scan->block || at >= scan->block + SURE) {
            scan->block = at;
            scan->same = repeats(scan->data + at);
            uint64_t pairs = scan->same & scan->same >> 1;
            uint64_t quads = pairs & pairs >> 2;
            scan->runs = quads & quads >> 4; // RUN_MIN
        }
        uint64_t runs = scan->runs >> (at - scan->block);
        if (runs) {
            at += (size_t)__builtin_ctzll(runs);
            *out = (struct stretch){at - start, run_length(scan, at)};
            scan->at = at + out->run;
            return true;
        }
        at = scan->block + SURE;
    }
    *out = (struct stretch){scan->size - start, 0}; // runs in the last few bytes do not matter
    scan->at = scan->size;
    return start < scan->size;
}

static void count(const uint8_t *data, size_t size, uint32_t counts[SYMBOLS])
{
    enum { BYTES = 256, LANES = 4 };
    // Neighbours are often equal, and a counter that was just written is slow to read.
    uint32_t lanes[LANES][BYTES] = {0};
    struct scan scan = scan_of(data, size);
    struct stretch stretch;
    memset(counts, 0, SYMBOLS * sizeof *counts);
    while (next_stretch(&scan, &stretch)) {
        const uint8_t *end = data + stretch.literals;
        for (; end - data >= LANES; data += LANES)
            for (unsigned k = 0; k < LANES; k++)
                lanes[k][data[k]]++;
        for (; data < end; data++)
            lanes[0][*data]++;
        if (stretch.run)
            counts[END_OF_BLOCK + 1 + length_symbol(stretch.run)]++;
        data += stretch.run;
    }
    for (unsigned i = 0; i < BYTES; i++)
        for (unsigned k = 0; k < LANES; k++)
            counts[i] += lanes[k][i];
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

// Codes side by side.
struct codes {
    uint64_t bits;
    unsigned count;
};

static inline struct codes literal(const uint32_t *literals, uint8_t byte)
{
    return (struct codes){literals[byte] & 0xffff, literals[byte] >> 16};
}

static inline struct codes join_codes(struct codes one, struct codes two)
{
    return (struct codes){one.bits | two.bits << one.count, one.count + two.count};
}

// literals: length << 16 | code.
static inline void put_literals(struct bits *out, const uint32_t *literals, const uint8_t *data,
                                size_t n)
{
    for (; n >= 4; n -= 4, data += 4) { // 48 bits, in pairs that need not wait for each other
        struct codes one = join_codes(literal(literals, data[0]), literal(literals, data[1]));
        struct codes two = join_codes(literal(literals, data[2]), literal(literals, data[3]));
        struct codes all = join_codes(one, two);
        put(out, all.bits, all.count);
        flush(out);
    }
    for (; n > 0; n--, data++) { // 36 bits
        struct codes one = literal(literals, *data);
        put(out, one.bits, one.count);
    }
}

size_t runs_compress(const uint8_t *data, size_t size, uint8_t *out)
{
    uint32_t counts[SYMBOLS], literals[END_OF_BLOCK];
    struct code code;
    struct bits bits = {.at = out};
    count(data, size, counts);
    make_code(counts, &code);
    put_head(&bits, &code);
    for (unsigned i = 0; i < END_OF_BLOCK; i++)
        literals[i] = (uint32_t)code.lengths[i] << 16 | code.bits[i];
    struct scan scan = scan_of(data, size);
    struct stretch stretch;
    for (const uint8_t *at = data; next_stretch(&scan, &stretch); at = data + scan.at) {
        put_literals(&bits, literals, at, stretch.literals);
        if (stretch.run)
            put_run(&bits, &code, stretch.run); // 18 bits
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
