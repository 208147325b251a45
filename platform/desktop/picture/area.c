#include "picture/area.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "picture/crew.h"
#include "picture/picture.h"
#include "picture/strips.h"

// Shares are fractions of 256 and those of one new pixel add up to exactly that, so sums of bytes
// times shares fit into 16 bits and white stays white.
enum { SHARE_BITS = 8, SHARE_HALF = 128, ROWS_AT_ONCE = 8, JOINED = 3 };
static const uint32_t EVEN_BYTES = 0x00ff00ff, SHARE_HALVES = SHARE_HALF << 16 | SHARE_HALF;

// Which old rows (or columns) a new one covers, and how much of each.
struct cover {
    unsigned first, count;
    uint16_t *shares;
};

struct shrink {
    const struct picture *from;
    unsigned width, height;
    uint32_t *out;
    const struct bands *only; // NULL: all rows
    struct cover *columns, *rows;
    bool joined; // no new column covers more than JOINED old ones
    uint16_t *shares;
    struct bench {
        uint32_t *scratch[JOINED];
        uint16_t *sums; // of each of the four bytes of a pixel
        uint32_t *row;  // as wide as before and JOINED more, of the height it will have
    } * benches;
};

// from old ones become to new ones. Old number i covers [i * to, (i + 1) * to), new number k covers
// [k * from, (k + 1) * from). Behind the shares of each come zeros, so that JOINED can be read.
// shares has room for shares_room(from, to). Returns how many were used.
static size_t shares_room(unsigned from, unsigned to)
{
    return (size_t)from + (size_t)to * (1 + JOINED);
}

static size_t divide(unsigned from, unsigned to, struct cover *covers, uint16_t *shares)
{
    size_t used = 0;
    for (unsigned k = 0; k < to; k++) {
        uint64_t at = (uint64_t)k * from, end = at + from, start = at;
        covers[k] = (struct cover){(unsigned)(at / to), 0, shares + used};
        while (at < end) {
            uint64_t next = (at / to + 1) * to;
            next = next < end ? next : end;
            uint64_t share =
                ((next - start) << SHARE_BITS) / from - ((at - start) << SHARE_BITS) / from;
            shares[used++] = (uint16_t)share;
            covers[k].count++;
            at = next;
        }
        for (unsigned i = covers[k].count; i < JOINED; i++)
            shares[used++] = 0;
    }
    return used;
}

static void add_row(uint16_t *restrict sums, const uint8_t *restrict row, size_t bytes,
                    uint16_t share)
{
    for (size_t i = 0; i < bytes; i++)
        sums[i] = (uint16_t)(sums[i] + row[i] * share);
}

// Three rows are what a new one covers at most down to half the size.
static void join_rows(const uint8_t *const rows[JOINED], const uint16_t shares[JOINED],
                      uint8_t *restrict out, size_t bytes)
{
    const uint8_t *restrict a = rows[0], *restrict b = rows[1], *restrict c = rows[2];
    uint16_t of_a = shares[0], of_b = shares[1], of_c = shares[2];
    for (size_t i = 0; i < bytes; i++) {
        uint16_t sum = (uint16_t)(a[i] * of_a + b[i] * of_b);
        sum = (uint16_t)(sum + c[i] * of_c + SHARE_HALF);
        out[i] = (uint8_t)(sum >> SHARE_BITS);
    }
}

static void round_row(const uint16_t *restrict sums, uint8_t *restrict row, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        row[i] = (uint8_t)((sums[i] + SHARE_HALF) >> SHARE_BITS);
}

// Two bytes at once, each with 16 bits for its sum.
struct pair_sums {
    uint32_t even, odd;
};

static inline void add_pixel(struct pair_sums *sums, uint32_t pixel, uint16_t share)
{
    sums->even += (pixel & EVEN_BYTES) * share;
    sums->odd += (pixel >> 8 & EVEN_BYTES) * share;
}

static void shrink_columns(const struct shrink *shrink, const struct bench *bench, unsigned y)
{
    uint32_t *out = shrink->out + (size_t)y * shrink->width;
    for (unsigned x = 0; x < shrink->width; x++) {
        const struct cover *columns = &shrink->columns[x];
        const uint32_t *pixel = bench->row + columns->first;
        struct pair_sums sums = {SHARE_HALVES, SHARE_HALVES};
        if (shrink->joined) // two or three by turns: counting them costs more than adding zeros
            for (unsigned i = 0; i < JOINED; i++)
                add_pixel(&sums, pixel[i], columns->shares[i]);
        else
            for (unsigned i = 0; i < columns->count; i++)
                add_pixel(&sums, pixel[i], columns->shares[i]);
        out[x] = (sums.even >> SHARE_BITS & EVEN_BYTES) | (sums.odd & ~EVEN_BYTES);
    }
}

static void shrink_row(struct shrink *shrink, struct bench *bench, unsigned y)
{
    const struct cover *rows = &shrink->rows[y];
    size_t bytes = (size_t)shrink->from->pixels.width * 4;
    if (rows->count <= JOINED) {
        const uint8_t *first =
            (const uint8_t *)picture_row(shrink->from, rows->first, bench->scratch[0]);
        const uint8_t *old[JOINED] = {first, first, first};
        for (unsigned i = 1; i < rows->count; i++)
            old[i] = (const uint8_t *)picture_row(shrink->from, rows->first + i, bench->scratch[i]);
        join_rows(old, rows->shares, (uint8_t *)bench->row, bytes);
        shrink_columns(shrink, bench, y);
        return;
    }
    memset(bench->sums, 0, bytes * sizeof *bench->sums);
    for (unsigned i = 0; i < rows->count; i++)
        add_row(bench->sums,
                (const uint8_t *)picture_row(shrink->from, rows->first + i, bench->scratch[0]),
                bytes, rows->shares[i]);
    round_row(bench->sums, (uint8_t *)bench->row, bytes);
    shrink_columns(shrink, bench, y);
}

static void shrink_rows(void *shrink_, unsigned hand, size_t i)
{
    struct shrink *shrink = shrink_;
    unsigned first = (unsigned)i * ROWS_AT_ONCE, count = ROWS_AT_ONCE;
    if (shrink->only) {
        first = bands_first(shrink->only, (unsigned)i);
        count = shrink->only->rows;
    }
    for (unsigned y = first; y < first + count && y < shrink->height; y++)
        shrink_row(shrink, &shrink->benches[hand], y);
}

void area_shrink(struct crew *crew, const struct picture *from, unsigned width, unsigned height,
                 uint32_t *out)
{
    area_shrink_bands(crew, from, width, height, NULL, out);
}

void area_shrink_bands(struct crew *crew, const struct picture *from, unsigned width,
                       unsigned height, const struct bands *only, uint32_t *out)
{
    unsigned old_width = from->pixels.width, old_height = from->pixels.height;
    assert(width > 0 && height > 0 && width <= old_width && height <= old_height);
    unsigned hands = crew_hands(crew);
    struct shrink shrink = {
        .from = from, .width = width, .height = height, .only = only, .out = out};
    shrink.columns = mem_array(width, sizeof *shrink.columns);
    shrink.rows = mem_array(height, sizeof *shrink.rows);
    shrink.joined = old_width <= (JOINED - 1) * width;
    shrink.shares = mem_array(shares_room(old_width, width) + shares_room(old_height, height),
                              sizeof *shrink.shares);
    size_t used = divide(old_width, width, shrink.columns, shrink.shares);
    divide(old_height, height, shrink.rows, shrink.shares + used);
    shrink.benches = mem_array(hands, sizeof *shrink.benches);
    for (unsigned i = 0; i < hands; i++) {
        for (unsigned k = 0; k < JOINED; k++)
            shrink.benches[i].scratch[k] = mem_array(old_width, 4);
        shrink.benches[i].sums = mem_array(old_width, 4 * sizeof *shrink.benches[i].sums);
        shrink.benches[i].row = mem_array(old_width + JOINED, 4);
    }

    size_t runs = only ? only->count : (height + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    crew_run(crew, runs, shrink_rows, &shrink);

    for (unsigned i = 0; i < hands; i++) {
        for (unsigned k = 0; k < JOINED; k++)
            mem_free(shrink.benches[i].scratch[k]);
        mem_free(shrink.benches[i].sums);
        mem_free(shrink.benches[i].row);
    }
    mem_free(shrink.benches);
    mem_free(shrink.shares);
    mem_free(shrink.rows);
    mem_free(shrink.columns);
}
