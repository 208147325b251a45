// Test pictures, and PNGs decoded by libpng to compare with them.
#pragma once

#include <check.h>
#include <png.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "picture/picture.h"

// A deterministic generator (xorshift64), so that a failure can be repeated.
static uint64_t noise_state = 88172645463325252ull;
static inline uint32_t noise(void)
{
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 7;
    noise_state ^= noise_state << 17;
    return (uint32_t)(noise_state >> 16);
}

struct canvas {
    uint32_t *data;
    struct pixels pixels;
    struct picture picture;
    uint64_t *hashes;
};

static inline void canvas_init(struct canvas *canvas, unsigned width, unsigned height)
{
    canvas->data = calloc((size_t)width * height, sizeof *canvas->data);
    canvas->pixels = (struct pixels){pixel_format_plain(), width, height, width * 4ul,
                                     (unsigned char *)canvas->data};
    canvas->picture = picture_of(&canvas->pixels);
    canvas->hashes = calloc(strip_count(height), sizeof *canvas->hashes);
}

static inline void canvas_fini(struct canvas *canvas)
{
    free(canvas->data);
    free(canvas->hashes);
}

static inline const uint64_t *canvas_hashes(struct canvas *canvas)
{
    for (unsigned i = 0; i < strip_count(canvas->pixels.height); i++)
        canvas->hashes[i] =
            picture_strip_hash(&canvas->picture, i, pixels_strip_hash(&canvas->picture.pixels, i));
    return canvas->hashes;
}

// Noise in that many colours.
static inline void canvas_colours(struct canvas *canvas, unsigned colours)
{
    for (size_t i = 0; i < (size_t)canvas->pixels.width * canvas->pixels.height; i++)
        canvas->data[i] = (noise() % colours) * 2654435761u;
}

// Smooth, with a little noise: no drawing.
static inline void canvas_photo(struct canvas *canvas)
{
    for (unsigned y = 0; y < canvas->pixels.height; y++)
        for (unsigned x = 0; x < canvas->pixels.width; x++) {
            unsigned red = (x / 3 + y / 5 + noise() % 6) & 255, green = (x / 7 + noise() % 6) & 255,
                     blue = (y / 2 + x / 9 + noise() % 6) & 255;
            canvas->data[(size_t)y * canvas->pixels.width + x] = red << 16 | green << 8 | blue;
        }
}

struct decoded {
    unsigned width, height;
    uint8_t *rgb;
    bool palette;
    unsigned depth;
};

static inline size_t pieces_join(const struct iovec *pieces, size_t count, uint8_t **out)
{
    size_t size = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    *out = malloc(size ? size : 1);
    for (size_t i = 0; i < count; at += pieces[i++].iov_len)
        memcpy(*out + at, pieces[i].iov_base, pieces[i].iov_len);
    return size;
}

struct png_input {
    const uint8_t *data;
    size_t left;
};

static inline void png_input_read(png_structp png, png_bytep out, size_t size)
{
    struct png_input *input = png_get_io_ptr(png);
    if (size > input->left)
        png_error(png, "the file ends early");
    memcpy(out, input->data, size);
    input->data += size;
    input->left -= size;
}

static inline void png_no_errors(png_structp png, png_const_charp text)
{
    (void)png;
    ck_abort_msg("libpng: %s", text);
}

// Warnings of libpng (a wrong checksum, bytes left over) are failures too.
static inline struct decoded png_decode(const struct iovec *pieces, size_t count)
{
    uint8_t *file;
    size_t size = pieces_join(pieces, count, &file);
    struct png_input input = {file, size};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, png_no_errors, png_no_errors);
    png_infop info = png_create_info_struct(png);
    png_set_read_fn(png, &input, png_input_read);
    png_read_info(png, info);
    struct decoded out = {png_get_image_width(png, info), png_get_image_height(png, info), NULL,
                          png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE,
                          png_get_bit_depth(png, info)};
    png_set_expand(png);
    png_read_update_info(png, info);
    ck_assert_uint_eq(png_get_rowbytes(png, info), out.width * 3ul);
    out.rgb = malloc(out.width * 3ul * out.height);
    for (unsigned y = 0; y < out.height; y++)
        png_read_row(png, out.rgb + y * out.width * 3ul, NULL);
    png_read_end(png, NULL);
    ck_assert_uint_eq(input.left, 0);
    png_destroy_read_struct(&png, &info, NULL);
    free(file);
    return out;
}

static inline void decoded_equals(const struct decoded *decoded, const struct picture *picture)
{
    ck_assert_uint_eq(decoded->width, picture->pixels.width);
    ck_assert_uint_eq(decoded->height, picture->pixels.height);
    uint32_t *scratch = malloc(decoded->width * 4ul);
    for (unsigned y = 0; y < decoded->height; y++) {
        const uint32_t *row = picture_row(picture, y, scratch);
        const uint8_t *rgb = decoded->rgb + (size_t)y * decoded->width * 3;
        for (unsigned x = 0; x < decoded->width; x++) {
            uint32_t got =
                (uint32_t)rgb[3 * x] << 16 | (uint32_t)rgb[3 * x + 1] << 8 | rgb[3 * x + 2];
            ck_assert_msg(got == (row[x] & 0xffffff), "pixel %u,%u of %ux%u is %06x, not %06x", x,
                          y, decoded->width, decoded->height, got, row[x] & 0xffffff);
        }
    }
    free(scratch);
}
