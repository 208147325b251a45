#include "picture/press.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "picture/filter.h"
#include "picture/picture.h"
#include "picture/runs.h"
#include "picture/seam.h"

enum {
    SAMPLE_ROWS = 4,   // of a strip, to choose its filter
    NOISE_DIVISOR = 4, // filtered bytes that are, on average, a quarter from zero are noise
};

// libdeflate's levels: 1 to 4 differ little in cost; 8 costs several times what 7 does. Smooth
// shades repeat themselves in ever so many places, so a high level would look for a long time.
enum level { LEVEL_QUICK, LEVEL_SMOOTH, LEVEL_DENSE, RUNS };
static const int levels[PRESS_LEVELS] = {2, 1, 7};

static void drop_rows(struct press *press)
{
    mem_free(press->row);
    mem_free(press->above);
    mem_free(press->rgb);
    mem_free(press->rgb_above);
    mem_free(press->trial);
    mem_free(press->raw);
    mem_free(press->packed);
    press->row = press->above = NULL;
    press->rgb = press->rgb_above = press->trial = press->raw = press->packed = NULL;
    press->width = 0;
}

void press_fini(struct press *press)
{
    drop_rows(press);
    for (unsigned i = 0; i < PRESS_LEVELS; i++) {
        libdeflate_free_compressor(press->compressors[i]);
        press->compressors[i] = NULL;
    }
}

static void make_rows(struct press *press, unsigned width)
{
    if (press->width == width)
        return;
    drop_rows(press);
    size_t rgb = (size_t)width * 3, raw = (rgb + 1) * STRIP_ROWS;
    press->width = width;
    press->row = mem_array(width, sizeof *press->row);
    press->above = mem_array(width, sizeof *press->above);
    press->rgb = mem_array(1, rgb);
    press->rgb_above = mem_array(1, rgb);
    press->trial = mem_array(1, rgb + 1);
    press->raw = mem_array(1, raw);
    press->packed_room = runs_bound(raw); // more than libdeflate or stored blocks need
    press->packed = mem_array(1, press->packed_room + SEAM_ROOM);
}

static struct libdeflate_compressor *compressor(struct press *press, enum level level)
{
    struct libdeflate_compressor **one = &press->compressors[level];
    if (!*one)
        *one = libdeflate_alloc_compressor(levels[level]);
    if (!*one)
        abort(); // out of memory, as in base/alloc.h
    return *one;
}

static struct pressed compress(struct press *press, size_t raw, enum level level)
{
    struct pressed pressed = {.adler = libdeflate_adler32(1, press->raw, raw), .raw = raw};
    if (level == RUNS) {
        pressed.size = runs_compress(press->raw, raw, press->packed);
        return pressed;
    }
    pressed.size = libdeflate_deflate_compress(compressor(press, level), press->raw, raw,
                                               press->packed, press->packed_room);
    if (pressed.size == 0 || !seam_open(press->packed, &pressed.size))
        pressed.size = seam_store(press->raw, raw, press->packed);
    return pressed;
}

// How a strip is treated: one filter for all of it, chosen from a few of its rows.
struct plan {
    enum filter filter;
    enum level level;
};

static struct plan plan_drawing(enum png_effort effort)
{
    return (struct plan){FILTER_NONE, effort == PNG_DENSE ? LEVEL_DENSE : LEVEL_QUICK};
}

static struct plan make_plan(struct press *press, const struct picture *picture, unsigned first,
                             unsigned rows, enum png_effort effort)
{
    unsigned drawn = 0, step = rows / SAMPLE_ROWS ? rows / SAMPLE_ROWS : 1, samples = 0;
    for (unsigned y = first + 1; y < first + rows; y += step, samples++)
        drawn += filter_is_drawing(picture_row(picture, y, press->row),
                                   picture_row(picture, y - 1, press->above), press->width);
    if (drawn * 2 >= samples)
        return plan_drawing(effort);

    uint64_t costs[FILTERS] = {0};
    size_t size = (size_t)press->width * 3;
    for (unsigned y = first + 1; y < first + rows; y += step) {
        filter_expand(picture_row(picture, y - 1, press->above), press->width, press->rgb_above);
        filter_expand(picture_row(picture, y, press->row), press->width, press->rgb);
        for (enum filter filter = FILTER_SUB; filter < FILTERS; filter++) {
            filter_apply(filter, press->rgb, press->rgb_above, size, press->trial);
            costs[filter] += filter_cost(press->trial + 1, size);
        }
    }
    struct plan plan = {FILTER_SUB, RUNS};
    for (enum filter filter = FILTER_UP; filter < FILTERS; filter++)
        if (costs[filter] < costs[plan.filter])
            plan.filter = filter;
    if (costs[plan.filter] * NOISE_DIVISOR < samples * size)
        plan.level = LEVEL_SMOOTH;
    return plan;
}

struct pressed press_rgb(struct press *press, const struct picture *picture, unsigned first,
                         unsigned rows, enum png_effort effort)
{
    make_rows(press, picture->pixels.width);
    size_t size = (size_t)press->width * 3;
    struct plan plan = make_plan(press, picture, first, rows, effort);
    uint8_t *out = press->raw;
    for (unsigned y = first; y < first + rows; y++, out += size + 1) {
        filter_expand(picture_row(picture, y, press->row), press->width, press->rgb);
        // The first row may not look at the strip above, which may change without this one.
        enum filter here = y == first && plan.filter != FILTER_NONE ? FILTER_SUB : plan.filter;
        filter_apply(here, press->rgb, press->rgb_above, size, out);
        uint8_t *swap = press->rgb;
        press->rgb = press->rgb_above;
        press->rgb_above = swap;
    }
    struct pressed pressed = compress(press, (size_t)(out - press->raw), plan.level);
    pressed.effort = plan.filter == FILTER_NONE ? effort : PNG_DENSE;
    return pressed;
}

bool press_number(struct press *press, struct palette *palette, struct palette_index *index,
                  const struct picture *picture, unsigned strip, uint8_t *numbers)
{
    make_rows(press, picture->pixels.width);
    unsigned first = strip * STRIP_ROWS, rows = strip_rows(picture->pixels.height, strip);
    for (unsigned y = first; y < first + rows; y++, numbers += press->width)
        if (!palette_row(palette, index, picture_row(picture, y, press->row), press->width,
                         numbers))
            return false;
    return true;
}

static void pack(const uint8_t *numbers, unsigned width, unsigned bits, uint8_t *out)
{
    unsigned each = 8 / bits, whole = width / each * each;
    if (bits == 8) {
        memcpy(out, numbers, width);
        return;
    }
    for (unsigned x = 0; x < whole; x += each) {
        unsigned byte = 0;
        for (unsigned k = 0; k < each; k++)
            byte = byte << bits | numbers[x + k];
        *out++ = (uint8_t)byte;
    }
    if (whole < width) { // the last byte is filled from the top, the rest of it is unused
        unsigned byte = 0;
        for (unsigned k = 0; k < each; k++)
            byte = byte << bits | (whole + k < width ? numbers[whole + k] : 0);
        *out = (uint8_t)byte;
    }
}

struct pressed press_numbers(struct press *press, const uint8_t *numbers, unsigned width,
                             unsigned rows, unsigned bits, enum png_effort effort)
{
    make_rows(press, width);
    size_t bytes = ((size_t)width * bits + 7) / 8;
    uint8_t *out = press->raw;
    for (unsigned i = 0; i < rows; i++, out += bytes + 1, numbers += width) {
        out[0] = FILTER_NONE; // numbers of colours are no measure of anything
        pack(numbers, width, bits, out + 1);
    }
    struct pressed pressed =
        compress(press, (size_t)(out - press->raw), plan_drawing(effort).level);
    pressed.effort = effort;
    return pressed;
}
