#include "picture/strips.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "picture/chunk.h"
#include "picture/crew.h"
#include "picture/palette.h"
#include "picture/picture.h"

enum {
    SIGNATURE = 8,
    IHDR_BYTES = 13,
    HEAD_ROOM =
        SIGNATURE + CHUNK_FRAME + IHDR_BYTES + CHUNK_FRAME + 3 * PALETTE_MAX + CHUNK_ZLIB_ROOM,
    TAIL_ROOM = CHUNK_ZLIB_ROOM + CHUNK_FRAME,
    ESTIMATE_BANDS = 12, // of a picture, for an estimate
    ESTIMATE_ROWS = 6,   // in each
};

struct strip {
    uint64_t hash; // of what it shows, 0: nothing yet
    unsigned generation;
    struct pressed pressed;
    size_t size;
    uint8_t *chunk; // a whole IDAT chunk
};

struct strips {
    struct crew *crew;
    struct press *presses; // one for each of the crew's hands, as these:
    struct palette_index *indexes;
    struct palette palette;
    bool indexed;        // the palette is used
    unsigned bits;       // of a pixel's number in the palette
    unsigned generation; // strips of an older one have another palette or none
    unsigned width, height, count;
    struct strip *all;
    struct iovec *pieces;
    uint8_t head[HEAD_ROOM], tail[TAIL_ROOM];

    // Of one update:
    const struct picture *picture;
    enum png_effort effort;
    unsigned *todo;
    unsigned todo_count;
    uint8_t *numbers; // of all pixels, while the palette grows
};

struct strips *strips_new(struct crew *crew, struct press *presses)
{
    struct strips *strips = mem_new(struct strips);
    strips->crew = crew;
    strips->presses = presses;
    strips->indexes = mem_array(crew_hands(crew), sizeof *strips->indexes);
    palette_init(&strips->palette);
    return strips;
}

void strips_clear(struct strips *strips)
{
    for (unsigned i = 0; i < strips->count; i++)
        mem_free(strips->all[i].chunk);
    mem_free(strips->all);
    mem_free(strips->pieces);
    mem_free(strips->todo);
    strips->all = NULL;
    strips->pieces = NULL;
    strips->todo = NULL;
    strips->count = strips->width = strips->height = 0;
}

void strips_free(struct strips *strips)
{
    if (!strips)
        return;
    strips_clear(strips);
    palette_fini(&strips->palette);
    mem_free(strips->indexes);
    mem_free(strips);
}

static void start_palette(struct strips *strips)
{
    palette_clear(&strips->palette);
    memset(strips->indexes, 0, crew_hands(strips->crew) * sizeof *strips->indexes);
    strips->indexed = true;
    strips->generation++;
}

static void resize(struct strips *strips, unsigned width, unsigned height)
{
    strips_clear(strips);
    strips->width = width;
    strips->height = height;
    strips->count = strip_count(height);
    strips->all = mem_array(strips->count, sizeof *strips->all);
    strips->pieces = mem_array(strips->count + 2, sizeof *strips->pieces);
    strips->todo = mem_array(strips->count, sizeof *strips->todo);
    start_palette(strips);
}

static void list_todo(struct strips *strips, const uint64_t *hashes)
{
    strips->todo_count = 0;
    for (unsigned i = 0; i < strips->count; i++) {
        const struct strip *strip = &strips->all[i];
        if (strip->hash != hashes[i] || strip->generation != strips->generation ||
            strip->pressed.effort < strips->effort)
            strips->todo[strips->todo_count++] = i;
    }
}

static uint8_t *numbers_of(const struct strips *strips, unsigned strip)
{
    return strips->numbers + (size_t)strip * STRIP_ROWS * strips->width;
}

static void number_one(void *strips_, unsigned hand, size_t i)
{
    struct strips *strips = strips_;
    unsigned strip = strips->todo[i];
    if (!press_number(&strips->presses[hand], &strips->palette, &strips->indexes[hand],
                      strips->picture, strip, numbers_of(strips, strip)))
        return; // the palette is full, and says so
}

// Gives every pixel of the listed strips its number. False when there are too many colours.
static bool number_todo(struct strips *strips)
{
    crew_run(strips->crew, strips->todo_count, number_one, strips);
    return !atomic_load(&strips->palette.full);
}

// Numbers what has changed; starts over with a fresh palette when colours that are long gone have
// filled it. Afterwards the list holds all strips that are to be compressed.
static void try_palette(struct strips *strips, const uint64_t *hashes)
{
    strips->numbers = mem_array((size_t)strips->count * STRIP_ROWS, strips->width);
    if (!number_todo(strips)) {
        start_palette(strips);
        list_todo(strips, hashes);
        strips->indexed = number_todo(strips);
    }
    unsigned bits = palette_bits(&strips->palette);
    if (strips->indexed && bits != strips->bits) { // the old strips have another width of numbers
        bool numbered = strips->todo_count == strips->count;
        strips->bits = bits;
        strips->generation++;
        list_todo(strips, hashes);
        strips->indexed = numbered || number_todo(strips);
    }
    if (!strips->indexed) {
        strips->generation++;
        list_todo(strips, hashes);
    }
}

static void compress_one(void *strips_, unsigned hand, size_t i)
{
    struct strips *strips = strips_;
    struct press *press = &strips->presses[hand];
    unsigned number = strips->todo[i];
    struct strip *strip = &strips->all[number];
    strip->pressed =
        strips->indexed
            ? press_numbers(press, numbers_of(strips, number), strips->width,
                            strip_rows(strips->height, number), strips->bits, strips->effort)
            : press_rgb(press, strips->picture, number * STRIP_ROWS,
                        strip_rows(strips->height, number), strips->effort);
    strip->chunk = mem_resize(strip->chunk, strip->pressed.size + CHUNK_FRAME);
    memcpy(strip->chunk + CHUNK_DATA, press->packed, strip->pressed.size);
    strip->size = chunk_close(strip->chunk, "IDAT", strip->pressed.size);
    strip->generation = strips->generation;
}

static size_t write_head(const struct strips *strips, uint8_t *at)
{
    static const uint8_t signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const uint8_t *start = at;
    memcpy(at, signature, sizeof signature);
    at += sizeof signature;
    chunk_put32(at + CHUNK_DATA, strips->width);
    chunk_put32(at + CHUNK_DATA + 4, strips->height);
    // Depth, colour type (3: palette, 2: RGB), deflate, the usual filters, not interlaced.
    const uint8_t kind[5] = {(uint8_t)(strips->indexed ? strips->bits : 8),
                             strips->indexed ? 3 : 2};
    memcpy(at + CHUNK_DATA + 8, kind, sizeof kind);
    at += chunk_close(at, "IHDR", IHDR_BYTES);
    if (strips->indexed) {
        for (unsigned i = 0; i < strips->palette.count; i++)
            for (unsigned k = 0; k < 3; k++)
                at[CHUNK_DATA + i * 3 + k] = (uint8_t)(strips->palette.colours[i] >> (16 - 8 * k));
        at += chunk_close(at, "PLTE", (size_t)strips->palette.count * 3);
    }
    at += chunk_zlib_head(at);
    return (size_t)(at - start);
}

static void put_together(struct strips *strips)
{
    strips->pieces[0] = (struct iovec){strips->head, write_head(strips, strips->head)};
    uint32_t adler = 1;
    for (unsigned i = 0; i < strips->count; i++) {
        const struct strip *strip = &strips->all[i];
        adler = adler_join(adler, strip->pressed.adler, strip->pressed.raw);
        strips->pieces[i + 1] = (struct iovec){strip->chunk, strip->size};
    }
    size_t size = chunk_zlib_tail(strips->tail, adler);
    size += chunk_close(strips->tail + size, "IEND", 0);
    strips->pieces[strips->count + 1] = (struct iovec){strips->tail, size};
}

void strips_update(struct strips *strips, const struct picture *picture, const uint64_t *hashes,
                   enum png_effort effort)
{
    const struct pixels *pixels = &picture->pixels;
    assert(pixels->width > 0 && pixels->height > 0);
    if (strips->width != pixels->width || strips->height != pixels->height)
        resize(strips, pixels->width, pixels->height);
    strips->picture = picture;
    strips->effort = effort;
    list_todo(strips, hashes);
    if (strips->todo_count == 0)
        return;
    if (!strips->indexed && strips->todo_count * 2 >= strips->count) {
        start_palette(strips); // so much is new that there may be few colours now
        list_todo(strips, hashes);
    }
    if (strips->indexed)
        try_palette(strips, hashes);
    crew_run(strips->crew, strips->todo_count, compress_one, strips);
    for (unsigned i = 0; i < strips->todo_count; i++)
        strips->all[strips->todo[i]].hash = hashes[strips->todo[i]];
    mem_free(strips->numbers);
    strips->numbers = NULL;
    put_together(strips);
}

const struct iovec *strips_png(const struct strips *strips, size_t *count, size_t *bytes)
{
    *count = strips->count + 2;
    *bytes = 0;
    for (size_t i = 0; i < *count; i++)
        *bytes += strips->pieces[i].iov_len;
    return strips->pieces;
}

unsigned strips_compressed(const struct strips *strips)
{
    return strips->todo_count;
}

struct bands bands_of(unsigned height)
{
    struct bands bands = {.height = height,
                          .rows = height < ESTIMATE_ROWS ? height : ESTIMATE_ROWS};
    bands.count = height / bands.rows;
    if (bands.count > ESTIMATE_BANDS)
        bands.count = ESTIMATE_BANDS;
    return bands;
}

unsigned bands_first(const struct bands *bands, unsigned i)
{
    unsigned each = bands->height / bands->count;
    return i * each + (each - bands->rows) / 2;
}

struct estimate {
    struct strips *strips;
    const struct picture *picture;
    enum png_effort effort;
    struct bands bands;
    atomic_size_t bytes;
    atomic_bool more; // effort may help
};

static void estimate_one(void *estimate_, unsigned hand, size_t i)
{
    struct estimate *estimate = estimate_;
    struct pressed pressed = press_rgb(&estimate->strips->presses[hand], estimate->picture,
                                       bands_first(&estimate->bands, (unsigned)i),
                                       estimate->bands.rows, estimate->effort);
    atomic_fetch_add(&estimate->bytes, pressed.size);
    if (pressed.effort != PNG_DENSE)
        atomic_store(&estimate->more, true);
}

size_t strips_estimate(struct strips *strips, const struct picture *picture, enum png_effort effort,
                       bool *final)
{
    unsigned height = picture->pixels.height;
    struct estimate estimate = {
        .strips = strips, .picture = picture, .effort = effort, .bands = bands_of(height)};
    crew_run(strips->crew, estimate.bands.count, estimate_one, &estimate);
    *final = !estimate.more;
    return estimate.bytes * height / ((size_t)estimate.bands.count * estimate.bands.rows);
}
