#include "picture/strips.h"

#include "check_main.h"
#include "picture/crew.h"
#include "pictures.h"

static struct crew *crew;
static struct press *presses;
static struct strips *png;
static size_t png_bytes;

static void setup(void)
{
    crew = crew_new(2);
    presses = calloc(crew_hands(crew), sizeof *presses);
    png = strips_new(crew, presses);
}

static void teardown(void)
{
    strips_free(png);
    for (unsigned i = 0; i < crew_hands(crew); i++)
        press_fini(&presses[i]);
    free(presses);
    crew_free(crew);
}

static struct decoded update(struct canvas *canvas, enum png_effort effort)
{
    strips_update(png, &canvas->picture, canvas_hashes(canvas), effort);
    size_t count;
    const struct iovec *pieces = strips_png(png, &count, &png_bytes);
    struct decoded decoded = png_decode(pieces, count);
    decoded_equals(&decoded, &canvas->picture);
    free(decoded.rgb);
    decoded.rgb = NULL;
    return decoded;
}

static const unsigned sides[][2] = {{1, 1},     {1, 2},     {2, 1},   {3, 31},   {5, 32},
                                    {7, 33},    {8, 64},    {9, 65},  {1, 1080}, {1920, 1},
                                    {351, 199}, {1366, 77}, {17, 17}, {200, 150}};
static const unsigned colour_counts[] = {1, 2, 3, 4, 5, 16, 17, 200, 256, 257, 100000};

START_TEST(every_size_and_number_of_colours_decodes_pixel_by_pixel)
{
    for (unsigned i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct canvas canvas;
        canvas_init(&canvas, sides[i][0], sides[i][1]);
        canvas_colours(&canvas, colour_counts[_i]);
        update(&canvas, PNG_QUICK);
        canvas_fini(&canvas);
    }
}
END_TEST

START_TEST(photos_decode_at_every_size_and_effort)
{
    for (unsigned i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct canvas canvas;
        canvas_init(&canvas, sides[i][0], sides[i][1]);
        canvas_photo(&canvas);
        update(&canvas, PNG_QUICK);
        update(&canvas, PNG_DENSE);
        canvas_fini(&canvas);
    }
}
END_TEST

START_TEST(the_palette_is_no_wider_than_the_colours_need)
{
    static const unsigned expected[][2] = {{1, 1},  {2, 1},  {3, 2},   {4, 2},  {5, 4},
                                           {16, 4}, {17, 8}, {256, 8}, {257, 0}};
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct canvas canvas;
        canvas_init(&canvas, 300, 100);
        for (unsigned p = 0; p < 300 * 100; p++)
            canvas.data[p] = (p % expected[i][0]) * 40503u;
        struct decoded decoded = update(&canvas, PNG_QUICK);
        ck_assert_int_eq(decoded.palette, expected[i][1] != 0);
        if (decoded.palette)
            ck_assert_uint_eq(decoded.depth, expected[i][1]);
        canvas_fini(&canvas);
    }
}
END_TEST

START_TEST(only_strips_that_changed_are_compressed_again)
{
    struct canvas canvas;
    canvas_init(&canvas, 200, 10 * STRIP_ROWS);
    canvas_colours(&canvas, _i ? 1000 : 7);
    update(&canvas, PNG_QUICK);
    ck_assert_uint_eq(strips_compressed(png), 10);
    update(&canvas, PNG_QUICK);
    ck_assert_uint_eq(strips_compressed(png), 0);

    canvas_colours(&canvas, 1); // all of it changes, to one colour
    update(&canvas, PNG_QUICK);
    ck_assert_uint_eq(strips_compressed(png), 10);
    canvas.data[200 * (3 * STRIP_ROWS + 5)] = 0xffffff;
    update(&canvas, PNG_QUICK);
    ck_assert_uint_eq(strips_compressed(png), 1);
    canvas_fini(&canvas);
}
END_TEST

START_TEST(the_palette_grows_with_the_picture_and_gives_way_to_full_colours)
{
    struct canvas canvas;
    canvas_init(&canvas, 64, 2 * STRIP_ROWS);
    bool full = false;
    for (unsigned colour = 0; colour < 300; colour++) {
        canvas.data[colour * 13] = 0x010000 + colour * 977;
        struct decoded decoded = update(&canvas, PNG_QUICK);
        ck_assert_int_eq(decoded.palette, colour + 2 <= 256);
        full = !decoded.palette;
    }
    ck_assert(full);
    canvas_colours(&canvas, 3);
    ck_assert(update(&canvas, PNG_QUICK).palette);
    canvas_fini(&canvas);
}
END_TEST

START_TEST(colours_that_are_gone_make_room_for_new_ones)
{
    struct canvas canvas;
    canvas_init(&canvas, 64, 2 * STRIP_ROWS);
    for (unsigned colour = 0; colour < 600; colour++) {
        canvas.data[0] = 0x010000 + colour * 977;
        ck_assert(update(&canvas, PNG_QUICK).palette);
    }
    canvas_fini(&canvas);
}
END_TEST

START_TEST(any_sequence_of_changes_leaves_the_right_picture)
{
    struct canvas canvas;
    canvas_init(&canvas, 97, 5 * STRIP_ROWS + 7);
    for (unsigned round = 0; round < 80; round++) {
        unsigned y = noise() % canvas.pixels.height, rows = noise() % 40 + 1;
        unsigned colours = noise() % 4 ? noise() % 20 + 1 : 400;
        for (; rows > 0 && y < canvas.pixels.height; y++, rows--)
            for (unsigned x = 0; x < canvas.pixels.width; x++)
                canvas.data[y * canvas.pixels.width + x] = (noise() % colours) * 40503u;
        update(&canvas, round % 7 == 0 ? PNG_DENSE : PNG_QUICK);
    }
    canvas_fini(&canvas);
}
END_TEST

START_TEST(another_size_starts_from_nothing)
{
    struct canvas big, small;
    canvas_init(&big, 300, 200);
    canvas_init(&small, 100, 50);
    canvas_colours(&big, 40);
    canvas_colours(&small, 40);
    update(&big, PNG_QUICK);
    update(&small, PNG_QUICK);
    update(&big, PNG_QUICK);
    strips_clear(png);
    update(&big, PNG_QUICK);
    canvas_fini(&big);
    canvas_fini(&small);
}
END_TEST

START_TEST(dense_is_no_larger_and_kept_for_quick)
{
    struct canvas canvas;
    canvas_init(&canvas, 640, 480);
    canvas_colours(&canvas, 5);
    update(&canvas, PNG_QUICK);
    size_t quick = png_bytes;
    update(&canvas, PNG_DENSE);
    ck_assert_uint_eq(strips_compressed(png), strip_count(480));
    ck_assert_uint_le(png_bytes, quick);
    update(&canvas, PNG_QUICK);
    ck_assert_uint_eq(strips_compressed(png), 0);
    canvas_fini(&canvas);
}
END_TEST

START_TEST(a_photo_is_not_compressed_twice_for_nothing)
{
    struct canvas canvas;
    canvas_init(&canvas, 640, 480);
    canvas_photo(&canvas);
    update(&canvas, PNG_QUICK);
    update(&canvas, PNG_DENSE);
    ck_assert_uint_eq(strips_compressed(png), 0);
    canvas_fini(&canvas);
}
END_TEST

START_TEST(an_estimate_is_near_the_truth)
{
    struct canvas canvas;
    canvas_init(&canvas, 1280, 800);
    canvas_photo(&canvas);
    bool final;
    size_t estimate = strips_estimate(png, &canvas.picture, PNG_QUICK, &final);
    update(&canvas, PNG_QUICK);
    ck_assert_uint_gt(estimate, png_bytes * 7 / 10);
    ck_assert_uint_lt(estimate, png_bytes * 13 / 10);
    canvas_fini(&canvas);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("png");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, every_size_and_number_of_colours_decodes_pixel_by_pixel, 0,
                        sizeof colour_counts / sizeof *colour_counts);
    tcase_add_test(tests, photos_decode_at_every_size_and_effort);
    tcase_add_test(tests, the_palette_is_no_wider_than_the_colours_need);
    tcase_add_loop_test(tests, only_strips_that_changed_are_compressed_again, 0, 2);
    tcase_add_test(tests, the_palette_grows_with_the_picture_and_gives_way_to_full_colours);
    tcase_add_test(tests, colours_that_are_gone_make_room_for_new_ones);
    tcase_add_test(tests, any_sequence_of_changes_leaves_the_right_picture);
    tcase_add_test(tests, another_size_starts_from_nothing);
    tcase_add_test(tests, dense_is_no_larger_and_kept_for_quick);
    tcase_add_test(tests, a_photo_is_not_compressed_twice_for_nothing);
    tcase_add_test(tests, an_estimate_is_near_the_truth);
    return check_run_case("png", tests);
}
