#include "picture/picture.h"

#include "check_main.h"
#include "picture/area.h"
#include "picture/crew.h"
#include "picture/strips.h"
#include "pictures.h"

static struct pixels pixels_with(struct pixel_format format, const void *data)
{
    return (struct pixels){format, 1, 1, 4, data};
}

static uint32_t one(struct pixel_format format, const void *data)
{
    uint32_t scratch;
    struct pixels pixels = pixels_with(format, data);
    ck_assert(pixel_format_check(&format, NULL));
    return *pixels_row(&pixels, 0, &scratch) & 0xffffff;
}

START_TEST(every_depth_and_byte_order_becomes_rgb)
{
    struct pixel_format rgb565 = {16, false, 0xf800, 0x07e0, 0x001f};
    ck_assert_uint_eq(one(rgb565, "\xff\xff"), 0xffffff);
    ck_assert_uint_eq(one(rgb565, "\x00\xf8"), 0xff0000);
    ck_assert_uint_eq(one(rgb565, "\xe0\x07"), 0x00ff00);
    rgb565.big_endian = true;
    ck_assert_uint_eq(one(rgb565, "\x00\x1f"), 0x0000ff);
    struct pixel_format rgb555 = {16, false, 0x7c00, 0x03e0, 0x001f};
    ck_assert_uint_eq(one(rgb555, "\x00\x40"), 0x840000); // 16 of 31
    struct pixel_format bgr24 = {24, false, 0xff0000, 0xff00, 0xff};
    ck_assert_uint_eq(one(bgr24, "\x56\x34\x12"), 0x123456);
    bgr24.big_endian = true;
    ck_assert_uint_eq(one(bgr24, "\x12\x34\x56"), 0x123456);
    struct pixel_format deep = {32, false, 0x3ff00000, 0x000ffc00, 0x000003ff};
    ck_assert_uint_eq(one(deep, "\xff\x03\x00\x00"), 0x0000ff);
    ck_assert_uint_eq(one(deep, "\x00\x00\xf0\x3f"), 0xff0000);
    ck_assert_uint_eq(one(deep, "\x00\x00\x08\x00"), 0x008000); // 512 of 1023
    struct pixel_format rgbx = {32, true, 0xff000000, 0x00ff0000, 0x0000ff00};
    ck_assert_uint_eq(one(rgbx, "\x12\x34\x56\x99"), 0x123456);
    struct pixel_format swapped = {32, false, 0xff, 0xff00, 0xff0000};
    ck_assert_uint_eq(one(swapped, "\x12\x34\x56\x99"), 0x123456);
}
END_TEST

START_TEST(formats_that_cannot_be_read_are_named)
{
    struct fail why;
    struct pixel_format grey = {8, false, 0, 0, 0}, holes = {32, false, 0xff00ff, 0xff00, 0xff},
                        none = {32, false, 0xff0000, 0, 0xff};
    ck_assert(!pixel_format_check(&grey, &why));
    ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(why.what, "8 bits"));
    ck_assert(!pixel_format_check(&holes, &why));
    ck_assert(!pixel_format_check(&none, &why));
}
END_TEST

START_TEST(the_cursor_is_drawn_over_the_pixels_and_cut_at_the_edges)
{
    struct canvas canvas;
    canvas_init(&canvas, 10, 10);
    for (int i = 0; i < 100; i++)
        canvas.data[i] = 0x204060;
    const uint32_t argb[4] = {0xffffffff, 0x00000000, 0x80400000, 0xff0000ff};
    struct cursor_image cursor = {
        .x = 3, .y = 4, .width = 2, .height = 2, .argb = argb, .serial = 1};
    uint64_t without = *canvas_hashes(&canvas);
    canvas.picture.cursor = &cursor;
    ck_assert_uint_ne(*canvas_hashes(&canvas), without);
    uint32_t scratch[10];
    const uint32_t *row = picture_row(&canvas.picture, 4, scratch);
    ck_assert_uint_eq(row[2], 0x204060);
    ck_assert_uint_eq(row[3], 0xffffff);
    ck_assert_uint_eq(row[4], 0x204060);
    row = picture_row(&canvas.picture, 5, scratch);
    ck_assert_uint_eq(row[3], 0x502030); // half of the background and 0x40 red
    ck_assert_uint_eq(row[4], 0x0000ff);
    ck_assert_uint_eq(canvas.data[43], 0x204060);
    static const int corners[][2] = {{-1, -1}, {9, 9}, {-5, 3}, {3, -2}, {20, 3}, {3, 10}, {-1, 9}};
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
        cursor.x = corners[i][0];
        cursor.y = corners[i][1];
        for (unsigned y = 0; y < 10; y++)
            picture_row(&canvas.picture, y, scratch);
    }
    canvas_fini(&canvas);
}
END_TEST

START_TEST(any_single_pixel_changes_the_checksum_of_its_strip_only)
{
    struct canvas canvas;
    canvas_init(&canvas, 50, 3 * STRIP_ROWS);
    canvas_colours(&canvas, 5);
    uint64_t before[3];
    memcpy(before, canvas_hashes(&canvas), sizeof before);
    for (unsigned i = 0; i < 50 * 3 * STRIP_ROWS; i += 7) {
        canvas.data[i] ^= 1u << noise() % 24;
        canvas_hashes(&canvas);
        for (unsigned k = 0; k < 3; k++)
            ck_assert_int_eq(canvas.hashes[k] != before[k], k == i / 50 / STRIP_ROWS);
        memcpy(before, canvas.hashes, sizeof before);
    }
    canvas_fini(&canvas);
}
END_TEST

START_TEST(shrinking_keeps_flat_colours_and_the_mean)
{
    static const unsigned sizes[][4] = {
        {10, 10, 3, 7}, {960, 540, 427, 240},  {5, 5, 5, 5},        {1, 100, 1, 1},
        {33, 1, 2, 1},  {1279, 799, 320, 200}, {640, 480, 639, 479}};
    struct crew *crew = crew_new(2);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const unsigned *size = sizes[i];
        struct canvas canvas;
        canvas_init(&canvas, size[0], size[1]);
        uint32_t *out = malloc(size[2] * size[3] * sizeof *out);
        static const uint32_t flats[] = {0x000000, 0xffffff, 0x123456, 0xff00fe01};
        for (size_t k = 0; k < 4; k++) {
            for (unsigned p = 0; p < size[0] * size[1]; p++)
                canvas.data[p] = flats[k];
            area_shrink(crew, &canvas.picture, size[2], size[3], out);
            for (unsigned p = 0; p < size[2] * size[3]; p++)
                ck_assert_uint_eq(out[p] & 0xffffff, flats[k] & 0xffffff);
        }
        double mean = 0, small_mean = 0;
        for (unsigned p = 0; p < size[0] * size[1]; p++)
            mean += canvas.data[p] = noise() & 0xff;
        area_shrink(crew, &canvas.picture, size[2], size[3], out);
        for (unsigned p = 0; p < size[2] * size[3]; p++)
            small_mean += out[p] & 0xff;
        // The bands alone are what they are in the whole.
        struct bands bands = bands_of(size[3]);
        uint32_t *some = calloc(size[2] * size[3], sizeof *some);
        area_shrink_bands(crew, &canvas.picture, size[2], size[3], &bands, some);
        for (unsigned k = 0; k < bands.count; k++) {
            size_t at = (size_t)bands_first(&bands, k) * size[2];
            ck_assert_uint_le(bands_first(&bands, k) + bands.rows, size[3]);
            ck_assert_mem_eq(some + at, out + at, (size_t)bands.rows * size[2] * sizeof *out);
        }
        free(some);
        mean /= (double)size[0] * size[1];
        small_mean /= (double)size[2] * size[3];
        ck_assert_double_eq_tol(mean, small_mean, 1.0);
        if (size[0] == size[2] && size[1] == size[3])
            ck_assert_mem_eq(out, canvas.data, size[0] * size[1] * sizeof *out);
        free(out);
        canvas_fini(&canvas);
    }
    crew_free(crew);
}
END_TEST

START_TEST(an_exact_half_is_the_average_of_four)
{
    struct crew *crew = crew_new(1);
    struct canvas canvas;
    canvas_init(&canvas, 4, 2);
    static const uint32_t pixels[8] = {0x00, 0x40, 0xff, 0xff, 0x80, 0xc0, 0xff, 0xff};
    memcpy(canvas.data, pixels, sizeof pixels);
    uint32_t out[2];
    area_shrink(crew, &canvas.picture, 2, 1, out);
    ck_assert_uint_eq(out[0] & 0xffffff, 0x60);
    ck_assert_uint_eq(out[1] & 0xffffff, 0xff);
    canvas_fini(&canvas);
    crew_free(crew);
}
END_TEST

struct tally {
    unsigned char done[1000];
    unsigned hands_seen[4];
};

static void count_one(void *tally_, unsigned hand, size_t i)
{
    struct tally *tally = tally_;
    __atomic_add_fetch(&tally->done[i], 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&tally->hands_seen[hand], 1, __ATOMIC_RELAXED);
}

START_TEST(a_crew_does_each_piece_once_in_every_round)
{
    struct crew *crew = crew_new(4);
    for (unsigned round = 0; round < 500; round++) {
        struct tally tally = {0};
        size_t count = round % 7 == 0 ? 1 : noise() % 50 + 1;
        crew_run(crew, count, count_one, &tally);
        for (size_t i = 0; i < 1000; i++)
            ck_assert_uint_eq(tally.done[i], i < count);
    }
    crew_free(crew);
    crew_free(NULL);
}
END_TEST

CHECK_MAIN("picture", 300, every_depth_and_byte_order_becomes_rgb,
           formats_that_cannot_be_read_are_named,
           the_cursor_is_drawn_over_the_pixels_and_cut_at_the_edges,
           any_single_pixel_changes_the_checksum_of_its_strip_only,
           shrinking_keeps_flat_colours_and_the_mean, an_exact_half_is_the_average_of_four,
           a_crew_does_each_piece_once_in_every_round)
