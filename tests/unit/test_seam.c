#include "picture/seam.h"

#include <libdeflate.h>
#include <zlib.h>

#include "check_main.h"
#include "picture/runs.h"
#include "pictures.h"

// Several kinds of data, so that compressors use stored, fixed and dynamic blocks.
static void fill(uint8_t *data, size_t size, unsigned kind)
{
    for (size_t i = 0; i < size; i++)
        switch (kind) {
        case 0:
            data[i] = 0;
            break;
        case 1:
            data[i] = (uint8_t)noise();
            break;
        case 2:
            data[i] = (uint8_t) "the quick brown fox "[i % 20];
            break;
        case 3:
            data[i] = (uint8_t)(noise() % 3);
            break;
        default:
            data[i] = (uint8_t)(noise() % 100 ? i / 97 : noise());
        }
}

static size_t compress_piece(int level, const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
    size_t packed = 0;
    if (level < 100) {
        struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
        packed = libdeflate_deflate_compress(compressor, data, size, out, room);
        libdeflate_free_compressor(compressor);
    } else { // zlib cuts its blocks differently
        z_stream z = {0};
        ck_assert_int_eq(
            deflateInit2(&z, (level - 100) % 10, Z_DEFLATED, -15, 8, (level - 100) / 10), Z_OK);
        z.next_in = (uint8_t *)data;
        z.avail_in = (uInt)size;
        z.next_out = out;
        z.avail_out = (uInt)room;
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        packed = z.total_out;
        deflateEnd(&z);
    }
    ck_assert_uint_gt(packed, 0);
    return packed;
}

START_TEST(pieces_of_any_kind_join_into_one_stream)
{
    static const int levels[] = {0, 1, 2, 6, 12, 100, 101, 106, 109, 126, 136, 146};
    static const size_t sizes[] = {1, 2, 7, 100, 4096, 65535, 65536, 200000};
    enum { ROOM = 1 << 22 };
    uint8_t *all = malloc(ROOM), *stream = malloc(ROOM), *back = malloc(ROOM);
    for (unsigned round = 0; round < 200; round++) {
        size_t raw = 0, size = 0;
        for (unsigned piece = 0; piece < 8; piece++) {
            size_t here = sizes[noise() % 8];
            fill(all + raw, here, noise() % 5);
            size_t packed = compress_piece(levels[noise() % 12], all + raw, here, stream + size,
                                           ROOM - size - SEAM_ROOM);
            if (noise() % 10 == 0)
                packed = seam_store(all + raw, here, stream + size);
            else if (noise() % 3 == 0)
                packed = runs_compress(all + raw, here, stream + size);
            else
                ck_assert(seam_open(stream + size, &packed));
            size += packed;
            raw += here;
        }
        memcpy(stream + size, seam_end, sizeof seam_end);
        size += sizeof seam_end;
        z_stream z = {
            .next_in = stream, .avail_in = (uInt)size, .next_out = back, .avail_out = ROOM};
        ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_uint_eq(z.avail_in, 0);
        ck_assert_uint_eq(z.total_out, raw);
        ck_assert_mem_eq(back, all, raw);
        inflateEnd(&z);
    }
    free(all);
    free(stream);
    free(back);
}
END_TEST

// Fibonacci's numbers make the longest codes there are.
static size_t fill_skewed(uint8_t *data, size_t size, unsigned symbols)
{
    size_t at = 0;
    for (size_t symbol = 0, count = 1, next = 1; symbol < symbols && at < size; symbol++) {
        for (size_t i = 0; i < count && at < size; i++)
            data[at++] = (uint8_t)symbol;
        size_t sum = count + next;
        count = next;
        next = sum;
    }
    for (size_t i = at; i > 1; i--) { // no runs
        size_t k = noise() % i;
        uint8_t swap = data[i - 1];
        data[i - 1] = data[k];
        data[k] = swap;
    }
    return at;
}

START_TEST(runs_come_back_whatever_is_in_them)
{
    enum { ROOM = 300000 };
    uint8_t *data = malloc(ROOM), *stream = malloc(runs_bound(ROOM) + 5), *back = malloc(ROOM);
    for (unsigned round = 0; round < 300; round++) {
        size_t size = round < 20 ? round + 1 : noise() % (round % 10 == 0 ? ROOM : 3000) + 1;
        if (round % 7 == 3)
            size = fill_skewed(data, ROOM, 2 + noise() % 26);
        else if (round % 7 == 5)
            for (size_t at = 0; at < size;) // runs of every length
                for (size_t run = noise() % 600 + 1, k = noise(); run > 0 && at < size; run--)
                    data[at++] = (uint8_t)k;
        else
            fill(data, size, noise() % 5);
        size_t packed = runs_compress(data, size, stream);
        ck_assert_uint_le(packed, runs_bound(size));
        memcpy(stream + packed, seam_end, sizeof seam_end);
        z_stream z = {.next_in = stream,
                      .avail_in = (uInt)(packed + sizeof seam_end),
                      .next_out = back,
                      .avail_out = ROOM};
        ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        ck_assert_uint_eq(z.avail_in, 0);
        ck_assert_uint_eq(z.total_out, size);
        ck_assert_mem_eq(back, data, size);
        inflateEnd(&z);
    }
    free(data);
    free(stream);
    free(back);
}
END_TEST

START_TEST(what_is_no_deflate_is_refused)
{
    uint8_t stream[64 + SEAM_ROOM];
    size_t size = 0;
    ck_assert(!seam_open(stream, &size));
    for (unsigned round = 0; round < 200000; round++) {
        size = noise() % 64;
        for (size_t i = 0; i < size; i++)
            stream[i] = (uint8_t)noise();
        size_t before = size;
        if (!seam_open(stream, &size))
            ck_assert_uint_eq(size, before);
    }
}
END_TEST

START_TEST(a_stream_cut_short_or_with_bytes_behind_it_is_refused)
{
    uint8_t data[3000], stream[4000 + SEAM_ROOM];
    fill(data, sizeof data, 4);
    size_t whole = compress_piece(6, data, sizeof data, stream, 4000);
    for (size_t cut = 1; cut < whole; cut++) {
        uint8_t copy[4000 + SEAM_ROOM];
        size_t size = whole - cut;
        memcpy(copy, stream, size);
        ck_assert(!seam_open(copy, &size));
    }
    size_t size = whole + 1;
    ck_assert(!seam_open(stream, &size));
}
END_TEST

CHECK_MAIN("seam", 300, pieces_of_any_kind_join_into_one_stream, runs_come_back_whatever_is_in_them,
           what_is_no_deflate_is_refused, a_stream_cut_short_or_with_bytes_behind_it_is_refused)
