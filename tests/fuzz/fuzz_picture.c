// Whatever an X server calls pixels, and whatever pointer it draws: a PNG that another decompressor
// takes apart to just as many bytes as its header promises, also after a change.
#include <assert.h>
#include <libdeflate.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "picture/crew.h"
#include "picture/fit.h"
#include "picture/picture.h"
#include "picture/press.h"
#include "picture/strips.h"

// Pictures whose shorter side has 320 pixels or more may be scaled down, and take long.
enum { SIDE_USUAL = 80, SIDE_MAX = 400, HEAD = 40, HANDS = 2 };

static uint32_t number(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t big(const uint8_t *at)
{
    return __builtin_bswap32(number(at));
}

static uint8_t *join(const struct fitted *fitted, size_t *size)
{
    uint8_t *file = malloc(fitted->bytes);
    *size = 0;
    for (size_t i = 0; i < fitted->count; i++) {
        assert(*size + fitted->pieces[i].iov_len <= fitted->bytes);
        memcpy(file + *size, fitted->pieces[i].iov_base, fitted->pieces[i].iov_len);
        *size += fitted->pieces[i].iov_len;
    }
    assert(*size == fitted->bytes);
    return file;
}

static void check_png(const struct fitted *fitted)
{
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    size_t size, at = sizeof signature, data = 0, raw;
    uint8_t *file = join(fitted, &size), *packed = malloc(size);
    assert(size > 57 && memcmp(file, signature, sizeof signature) == 0);
    bool ended = false;
    while (!ended) {
        assert(size - at >= 12);
        uint32_t length = big(file + at);
        assert(length <= size - at - 12);
        assert(big(file + at + 8 + length) == libdeflate_crc32(0, file + at + 4, length + 4));
        if (memcmp(file + at + 4, "IDAT", 4) == 0) {
            memcpy(packed + data, file + at + 8, length);
            data += length;
        }
        ended = memcmp(file + at + 4, "IEND", 4) == 0;
        at += 12 + (size_t)length;
    }
    assert(at == size);
    unsigned width = big(file + 16), height = big(file + 20), depth = file[24];
    assert(width == fitted->width && height == fitted->height);
    size_t row = file[25] == 2 ? width * 3ul : (width * (size_t)depth + 7) / 8;
    uint8_t *rows = malloc((row + 1) * height + 1);
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    assert(libdeflate_zlib_decompress(decompressor, packed, data, rows, (row + 1) * height + 1,
                                      &raw) == LIBDEFLATE_SUCCESS);
    assert(raw == (row + 1) * height);
    libdeflate_free_decompressor(decompressor);
    free(rows);
    free(packed);
    free(file);
}

struct input {
    struct pixels pixels;
    struct cursor_image cursor;
    unsigned char *data;
    uint32_t *argb;
};

// Head: depth and order, masks, width, height, padding, place and size of the pointer.
static bool make(const uint8_t *head, const uint8_t *body, size_t size, struct input *out)
{
    static const unsigned depths[] = {16, 24, 32, 32};
    struct pixel_format format = {.bits_per_pixel = depths[head[0] & 3],
                                  .big_endian = head[0] & 4,
                                  .red_mask = number(head + 1),
                                  .green_mask = number(head + 5),
                                  .blue_mask = number(head + 9)};
    if (head[0] & 8)
        format = pixel_format_plain();
    struct fail why;
    if (!pixel_format_check(&format, &why))
        return false;
    unsigned side = head[28] & 8 ? SIDE_MAX : SIDE_USUAL;
    unsigned width = ((unsigned)head[13] | (unsigned)head[14] << 8) % side + 1,
             height = ((unsigned)head[15] | (unsigned)head[16] << 8) % side + 1;
    size_t stride = width * (size_t)format.bits_per_pixel / 8 + head[17];
    if (format.bits_per_pixel == 32)
        stride = (stride + 3) & ~(size_t)3;
    out->data = malloc(stride * height);
    for (size_t i = 0; i < stride * height; i++)
        out->data[i] = size ? body[i % size] : 0;
    out->pixels = (struct pixels){format, width, height, stride, out->data};
    out->cursor = (struct cursor_image){.x = (int)number(head + 18),
                                        .y = (int)number(head + 22),
                                        .width = head[26],
                                        .height = head[27],
                                        .serial = 1};
    if (head[28] & 1) { // near
        out->cursor.x %= 512;
        out->cursor.y %= 512;
    }
    size_t count = (size_t)head[26] * head[27];
    out->argb = malloc((count ? count : 1) * sizeof *out->argb);
    for (size_t i = 0; i < count; i++)
        out->argb[i] = size >= 4 ? number(body + i % (size - 3)) : 0;
    out->cursor.argb = out->argb;
    return true;
}

static void run(const uint8_t *head, struct input *input)
{
    static struct crew *crew; // its threads are kept
    static struct press presses[HANDS];
    if (!crew)
        crew = crew_new(HANDS);
    struct strips *strips = strips_new(crew, presses);
    struct fit *fit = fit_new(crew, presses, strips);
    size_t budget = number(head + 29) % (head[33] & 1 ? 4096 : 1 << 20);
    unsigned count = strip_count(input->pixels.height);
    uint64_t *hashes = malloc(count * sizeof *hashes);
    for (unsigned round = 0; round < 2; round++) {
        struct picture picture = picture_of(&input->pixels);
        if (head[28] & 2)
            picture.cursor = &input->cursor;
        for (unsigned i = 0; i < count; i++)
            hashes[i] = picture_strip_hash(&picture, i, pixels_strip_hash(&picture.pixels, i));
        struct fitted fitted;
        struct fail why;
        if (fit_make(fit, &picture, hashes, budget, head[28] & 4 ? FIT_KEEP_SIZE : FIT_SCALE,
                     &fitted, &why)) {
            assert(fitted.bytes <= budget);
            check_png(&fitted);
        } else {
            assert(why.kind == FAIL_TOO_LARGE);
        }
        // Another time with something else in one place.
        input->data[number(head + 34) % (input->pixels.stride * input->pixels.height)] ^= 0x5a;
        input->cursor.x += head[38];
    }
    free(hashes);
    fit_free(fit);
    strips_free(strips);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    if (size < HEAD || !make(data, data + HEAD, size - HEAD, &input))
        return 0;
    run(data, &input);
    free(input.data);
    free(input.argb);
    return 0;
}
