#include "picture/area.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "picture/crew.h"
#include "picture/picture.h"

// Shares are fractions of 256 and those of one new pixel add up to exactly that, so sums of bytes
// times shares fit into 16 bits and white stays white.
enum { SHARE_BITS = 8, SHARE_HALF = 128, ROWS_AT_ONCE = 8 };

// Which old rows (or columns) a new one covers, and how much of each.
struct cover {
    unsigned first, count;
    uint16_t *shares;
};

struct shrink {
    const struct picture *from;
    unsigned width, height;
    uint32_t *out;
    struct cover *columns, *rows;
    uint16_t *shares;
    struct bench {
        uint32_t *scratch;
        uint16_t *sums; // of each of the four bytes of a pixel
        uint8_t *row;   // as wide as before, of the height it will have
    } * benches;
};

// from old ones become to new ones. Old number i covers [i * to, (i + 1) * to), new number k covers
// [k * from, (k + 1) * from). shares has room for from + to. Returns how many were used.
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
    }
    return used;
}

static void add_row(uint16_t *restrict sums, const uint8_t *restrict row, size_t bytes,
                    uint16_t share)
{
    for (size_t i = 0; i < bytes; i++)
        sums[i] = (uint16_t)(sums[i] + row[i] * share);
}

static void round_row(const uint16_t *restrict sums, uint8_t *restrict row, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        row[i] = (uint8_t)((sums[i] + SHARE_HALF) >> SHARE_BITS);
}

static void shrink_row(struct shrink *shrink, struct bench *bench, unsigned y)
{
    const struct cover *rows = &shrink->rows[y];
    size_t bytes = (size_t)shrink->from->pixels.width * 4;
    memset(bench->sums, 0, bytes * sizeof *bench->sums);
    for (unsigned i = 0; i < rows->count; i++)
        add_row(bench->sums,
                (const uint8_t *)picture_row(shrink->from, rows->first + i, bench->scratch), bytes,
                rows->shares[i]);
    round_row(bench->sums, bench->row, bytes);

    uint8_t *out = (uint8_t *)(shrink->out + (size_t)y * shrink->width);
    for (unsigned x = 0; x < shrink->width; x++, out += 4) {
        const struct cover *columns = &shrink->columns[x];
        const uint8_t *pixel = bench->row + (size_t)columns->first * 4;
        unsigned sums[4] = {SHARE_HALF, SHARE_HALF, SHARE_HALF, SHARE_HALF};
        for (unsigned i = 0; i < columns->count; i++, pixel += 4)
            for (unsigned k = 0; k < 4; k++)
                sums[k] += pixel[k] * columns->shares[i];
        for (unsigned k = 0; k < 4; k++)
            out[k] = (uint8_t)(sums[k] >> SHARE_BITS);
    }
}

static void shrink_rows(void *shrink_, unsigned hand, size_t i)
{
    struct shrink *shrink = shrink_;
    unsigned first = (unsigned)i * ROWS_AT_ONCE;
    for (unsigned y = first; y < first + ROWS_AT_ONCE && y < shrink->height; y++)
        shrink_row(shrink, &shrink->benches[hand], y);
}

void area_shrink(struct crew *crew, const struct picture *from, unsigned width, unsigned height,
                 uint32_t *out)
{
    unsigned old_width = from->pixels.width, old_height = from->pixels.height;
    assert(width > 0 && height > 0 && width <= old_width && height <= old_height);
    unsigned hands = crew_hands(crew);
    struct shrink shrink = {.from = from, .width = width, .height = height, .out = out};
    shrink.columns = mem_array(width, sizeof *shrink.columns);
    shrink.rows = mem_array(height, sizeof *shrink.rows);
    shrink.shares =
        mem_array((size_t)old_width + width + old_height + height, sizeof *shrink.shares);
    size_t used = divide(old_width, width, shrink.columns, shrink.shares);
    divide(old_height, height, shrink.rows, shrink.shares + used);
    shrink.benches = mem_array(hands, sizeof *shrink.benches);
    for (unsigned i = 0; i < hands; i++) {
        shrink.benches[i].scratch = mem_array(old_width, 4);
        shrink.benches[i].sums = mem_array(old_width, 4 * sizeof *shrink.benches[i].sums);
        shrink.benches[i].row = mem_array(old_width, 4);
    }

    crew_run(crew, (height + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, shrink_rows, &shrink);

    for (unsigned i = 0; i < hands; i++) {
        mem_free(shrink.benches[i].scratch);
        mem_free(shrink.benches[i].sums);
        mem_free(shrink.benches[i].row);
    }
    mem_free(shrink.benches);
    mem_free(shrink.shares);
    mem_free(shrink.rows);
    mem_free(shrink.columns);
}
