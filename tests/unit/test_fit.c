#include "picture/fit.h"

#include "check_main.h"
#include "picture/crew.h"
#include "picture/strips.h"
#include "pictures.h"

struct rig {
    struct crew *crew;
    struct press *presses;
    struct strips *png;
    struct fit *fit;
    struct canvas canvas;
};

static struct rig rig_new(unsigned width, unsigned height)
{
    struct rig rig = {.crew = crew_new(2)};
    rig.presses = calloc(2, sizeof *rig.presses);
    rig.png = strips_new(rig.crew, rig.presses);
    rig.fit = fit_new(rig.crew, rig.presses, rig.png);
    canvas_init(&rig.canvas, width, height);
    return rig;
}

static void rig_free(struct rig *rig)
{
    canvas_fini(&rig->canvas);
    fit_free(rig->fit);
    strips_free(rig->png);
    press_fini(&rig->presses[0]);
    press_fini(&rig->presses[1]);
    free(rig->presses);
    crew_free(rig->crew);
}

static bool make(struct rig *rig, size_t budget, enum fit_rule rule, struct fitted *out,
                 struct fail *why)
{
    return fit_make(rig->fit, &rig->canvas.picture, canvas_hashes(&rig->canvas), budget, rule, out,
                    why);
}

static void check_file(const struct fitted *fitted, size_t budget)
{
    uint8_t *file;
    ck_assert_uint_eq(pieces_join(fitted->pieces, fitted->count, &file), fitted->bytes);
    free(file);
    ck_assert_uint_le(fitted->bytes, budget);
    struct decoded decoded = png_decode(fitted->pieces, fitted->count);
    ck_assert_uint_eq(decoded.width, fitted->width);
    ck_assert_uint_eq(decoded.height, fitted->height);
    free(decoded.rgb);
}

START_TEST(what_fits_keeps_its_size_and_every_pixel)
{
    struct rig rig = rig_new(1280, 800);
    canvas_colours(&rig.canvas, 4);
    struct fitted fitted;
    struct fail why;
    ck_assert(make(&rig, 1 << 20, FIT_SCALE, &fitted, &why));
    ck_assert_uint_eq(fitted.width, 1280);
    struct decoded decoded = png_decode(fitted.pieces, fitted.count);
    decoded_equals(&decoded, &rig.canvas.picture);
    free(decoded.rgb);
    rig_free(&rig);
}
END_TEST

START_TEST(noise_is_scaled_until_it_fits_and_keeps_its_shape)
{
    static const size_t budgets[] = {(1 << 20) - 4096, 600000, 8388608, 900000};
    struct rig rig = rig_new(1920, 1080);
    for (size_t i = 0; i < 1920 * 1080; i++)
        rig.canvas.data[i] = noise();
    for (size_t i = 0; i < 4; i++) {
        struct fitted fitted;
        struct fail why;
        ck_assert(make(&rig, budgets[i], FIT_SCALE, &fitted, &why));
        check_file(&fitted, budgets[i]);
        if (budgets[i] < 6000000) {
            ck_assert_uint_lt(fitted.width, 1920);
            ck_assert_uint_gt(fitted.bytes, budgets[i] * 8 / 10);
        } else
            ck_assert_uint_eq(fitted.width, 1920);
        ck_assert_double_eq_tol(fitted.width * 1080.0 / 1920.0, fitted.height, 1.0);
    }
    rig_free(&rig);
}
END_TEST

START_TEST(a_photo_uses_most_of_the_budget)
{
    struct rig rig = rig_new(1920, 1080);
    canvas_photo(&rig.canvas);
    struct fitted fitted;
    struct fail why;
    ck_assert(make(&rig, (1 << 20) - 4096, FIT_SCALE, &fitted, &why));
    check_file(&fitted, (1 << 20) - 4096);
    ck_assert_uint_gt(fitted.bytes, 800000);
    rig_free(&rig);
}
END_TEST

START_TEST(what_can_never_fit_is_refused_with_both_sizes)
{
    struct rig rig = rig_new(1920, 1080);
    for (size_t i = 0; i < 1920 * 1080; i++)
        rig.canvas.data[i] = noise();
    struct fitted fitted;
    struct fail why;
    ck_assert(!make(&rig, 61440, FIT_SCALE, &fitted, &why));
    ck_assert_int_eq(why.kind, FAIL_TOO_LARGE);
    ck_assert_uint_eq(why.size_max, 61440);
    ck_assert_uint_gt(why.size, 61440);
    rig_free(&rig);
}
END_TEST

START_TEST(a_small_picture_is_not_scaled_up)
{
    struct rig rig = rig_new(100, 60);
    for (size_t i = 0; i < 6000; i++)
        rig.canvas.data[i] = noise();
    struct fitted fitted;
    struct fail why;
    ck_assert(make(&rig, 300000, FIT_SCALE, &fitted, &why));
    ck_assert_uint_eq(fitted.width, 100);
    ck_assert(!make(&rig, 1000, FIT_SCALE, &fitted, &why));
    ck_assert_int_eq(why.kind, FAIL_TOO_LARGE);
    rig_free(&rig);
}
END_TEST

START_TEST(colour_bits_go_before_the_size_when_asked)
{
    struct rig rig = rig_new(1280, 800);
    for (size_t i = 0; i < 1280 * 800; i++) // noise in the bits that go first
        rig.canvas.data[i] = 0x404040 * (i / 1000 % 3) + (noise() & 0x030303);
    struct fitted fitted;
    struct fail why;
    ck_assert(make(&rig, 300000, FIT_SCALE, &fitted, &why));
    ck_assert_uint_lt(fitted.width, 1280);
    ck_assert(make(&rig, 300000, FIT_KEEP_SIZE, &fitted, &why));
    ck_assert_uint_eq(fitted.width, 1280);
    check_file(&fitted, 300000);
    rig_free(&rig);
}
END_TEST

CHECK_MAIN("fit", 300, what_fits_keeps_its_size_and_every_pixel,
           noise_is_scaled_until_it_fits_and_keeps_its_shape, a_photo_uses_most_of_the_budget,
           what_can_never_fit_is_refused_with_both_sizes, a_small_picture_is_not_scaled_up,
           colour_bits_go_before_the_size_when_asked)
