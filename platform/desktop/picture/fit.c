#include "picture/fit.h"

#include <math.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "picture/area.h"
#include "picture/crew.h"
#include "picture/palette.h"
#include "picture/picture.h"
#include "picture/strips.h"

enum {
    SIDE_MIN = 320, // of the shorter side: below, nobody can read anything
    TRIES_MAX = 8,
    GUESSES_MAX = 3,  // of the scale
    COLOUR_ROWS = 16, // looked at to see whether a palette has a chance
};

static const double hopeless = 1.5;  // this much over the budget no effort helps
static const double doubtful = 1.05; // an estimate is a little off
static const double aim = 0.96;      // of the budget, for the same reason

struct fit {
    struct crew *crew;
    struct strips *native;
    struct strips *other; // smaller, or with fewer colours
    uint32_t *pixels;     // of the smaller picture
    size_t room;          // for how many
    struct {              // what was right last time: the next picture is often much the same
        unsigned width, height;
        size_t budget;
        double scale;
    } last;
};

struct fit *fit_new(struct crew *crew, struct press *presses, struct strips *native)
{
    struct fit *fit = mem_new(struct fit);
    fit->crew = crew;
    fit->native = native;
    fit->other = strips_new(crew, presses);
    return fit;
}

void fit_free(struct fit *fit)
{
    if (!fit)
        return;
    strips_free(fit->other);
    mem_free(fit->pixels);
    mem_free(fit);
}

void fit_trim(struct fit *fit)
{
    strips_clear(fit->other);
}

static bool done(struct strips *png, const struct picture *picture, size_t budget,
                 struct fitted *out)
{
    out->pieces = strips_png(png, &out->count, &out->bytes);
    out->width = picture->pixels.width;
    out->height = picture->pixels.height;
    return out->bytes <= budget;
}

static bool is_colourful(const struct picture *picture)
{
    unsigned width = picture->pixels.width, height = picture->pixels.height;
    struct palette *palette = mem_new(struct palette);
    struct palette_index *index = mem_new(struct palette_index);
    uint32_t *row = mem_array(width, sizeof *row);
    uint8_t *numbers = mem_array(width, 1);
    bool colourful = false;
    palette_init(palette);
    for (unsigned i = 0; i < COLOUR_ROWS && !colourful; i++)
        colourful = !palette_row(
            palette, index, picture_row(picture, height * i / COLOUR_ROWS, row), width, numbers);
    palette_fini(palette);
    mem_free(numbers);
    mem_free(row);
    mem_free(index);
    mem_free(palette);
    return colourful;
}

// Whether harder compression might help, judged by a part of the picture.
static bool may_fit(struct fit *fit, const struct picture *picture, size_t budget,
                    struct fitted *out)
{
    if (!is_colourful(picture))
        return true; // a palette costs little to try
    bool final = false;
    for (enum png_effort effort = PNG_QUICK; effort <= PNG_DENSE && !final; effort++) {
        out->bytes = strips_estimate(fit->native, picture, effort, &final);
        if ((double)out->bytes <= doubtful * (double)budget)
            return true;
        if ((double)out->bytes > hopeless * (double)budget)
            return false;
    }
    return false;
}

static bool native_size(struct fit *fit, const struct picture *picture, const uint64_t *hashes,
                        size_t budget, struct fitted *out)
{
    if (!may_fit(fit, picture, budget, out))
        return false;
    strips_update(fit->native, picture, hashes, PNG_QUICK);
    if (done(fit->native, picture, budget, out))
        return true;
    if ((double)out->bytes > hopeless * (double)budget)
        return false;
    strips_update(fit->native, picture, hashes, PNG_DENSE);
    return done(fit->native, picture, budget, out);
}

static void update_other(struct fit *fit, const struct picture *picture, enum png_effort effort)
{
    unsigned count = strip_count(picture->pixels.height);
    uint64_t *hashes = mem_array(count, sizeof *hashes);
    for (unsigned i = 0; i < count; i++)
        hashes[i] = picture_strip_hash(picture, i, pixels_strip_hash(&picture->pixels, i));
    strips_update(fit->other, picture, hashes, effort);
    mem_free(hashes);
}

static bool fewer_colours(struct fit *fit, const struct picture *picture, size_t budget,
                          struct fitted *out)
{
    static const uint32_t keeps[] = {0xfcfcfc, 0xf8f8f8};
    for (unsigned i = 0; i < sizeof keeps / sizeof *keeps; i++) {
        struct picture coarse = *picture;
        coarse.keep = keeps[i];
        bool final;
        if ((double)strips_estimate(fit->other, &coarse, PNG_QUICK, &final) >
            hopeless * (double)budget)
            continue;
        for (enum png_effort effort = PNG_QUICK; effort <= PNG_DENSE; effort++) {
            struct fitted fitted;
            update_other(fit, &coarse, effort);
            if (done(fit->other, &coarse, budget, &fitted)) {
                *out = fitted;
                return true;
            }
        }
    }
    return false;
}

// What the picture is at a scale, in fit->pixels, which shrink fills in. No side gets shorter than
// SIDE_MIN, both keep their relation.
static struct pixels at_scale(struct fit *fit, const struct picture *picture, double scale)
{
    const struct pixels *from = &picture->pixels;
    unsigned shorter = from->width < from->height ? from->width : from->height;
    scale = fmax(scale, (double)SIDE_MIN / shorter);
    scale = fmin(scale, 1.0);
    unsigned width = (unsigned)fmax(1, round(from->width * scale));
    unsigned height = (unsigned)fmax(1, round(from->height * scale));
    size_t count = (size_t)width * height;
    if (count > fit->room) {
        mem_free(fit->pixels);
        fit->pixels = mem_array(count, sizeof *fit->pixels);
        fit->room = count;
    }
    return (struct pixels){pixel_format_plain(), width, height, width * sizeof *fit->pixels,
                           (const unsigned char *)fit->pixels};
}

// The scale at which the picture should be just small enough, from a first guess. A look at a few
// rows costs little next to the real thing.
static double guess_scale(struct fit *fit, const struct picture *picture, size_t budget,
                          double scale)
{
    for (unsigned i = 0; i < GUESSES_MAX; i++) {
        struct pixels pixels = at_scale(fit, picture, scale);
        struct picture small = picture_of(&pixels);
        struct bands bands = bands_of(pixels.height);
        area_shrink_bands(fit->crew, picture, pixels.width, pixels.height, &bands, fit->pixels);
        bool final;
        size_t size = strips_estimate(fit->other, &small, PNG_QUICK, &final);
        double step = sqrt(aim * (double)budget / (double)size);
        if (step > 0.99 && (step < 1.02 || scale >= 1))
            break;
        scale = fmin(scale * step, 1);
    }
    return scale;
}

static bool smaller(struct fit *fit, const struct picture *picture, size_t budget,
                    struct fitted *out, struct fail *why)
{
    // Size goes with area, so the side goes with the root.
    double scale = fmin(sqrt(aim * (double)budget / (double)out->bytes), 0.97);
    unsigned width = picture->pixels.width, height = picture->pixels.height;
    if (fit->last.width == width && fit->last.height == height && fit->last.budget == budget)
        scale = fit->last.scale;
    scale = guess_scale(fit, picture, budget, scale);
    for (unsigned try = 0; try < TRIES_MAX; try++) {
        struct pixels pixels = at_scale(fit, picture, scale);
        struct picture small = picture_of(&pixels);
        area_shrink(fit->crew, picture, pixels.width, pixels.height, fit->pixels);
        update_other(fit, &small, PNG_QUICK);
        if (done(fit->other, &small, budget, out)) {
            fit->last.width = width;
            fit->last.height = height;
            fit->last.budget = budget;
            fit->last.scale = scale;
            return true;
        }
        if ((pixels.width < pixels.height ? pixels.width : pixels.height) <= SIDE_MIN)
            break;
        scale *= fmin(sqrt(aim * (double)budget / (double)out->bytes), 0.97);
    }
    return fail_too_large(why, out->bytes, budget);
}

bool fit_make(struct fit *fit, const struct picture *picture, const uint64_t *hashes, size_t budget,
              enum fit_rule rule, struct fitted *out, struct fail *why)
{
    strips_clear(fit->other);
    bool fits = native_size(fit, picture, hashes, budget, out) ||
                (rule == FIT_KEEP_SIZE && fewer_colours(fit, picture, budget, out)) ||
                smaller(fit, picture, budget, out, why);
    mem_free(fit->pixels);
    fit->pixels = NULL;
    fit->room = 0;
    return fits;
}
