// Whatever is taken for a deflate stream: one that could be opened, with an end behind it, holds
// the same bytes as before; one that could not is left alone. (libdeflate also takes streams with
// codes that RFC 1951 forbids.)
#include <assert.h>
#include <libdeflate.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "picture/seam.h"

enum { ROOM = 1 << 18 };

static enum libdeflate_result unpack(const uint8_t *data, size_t size, uint8_t *out, size_t *got)
{
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    size_t used;
    enum libdeflate_result result =
        libdeflate_deflate_decompress_ex(decompressor, data, size, out, ROOM, &used, got);
    libdeflate_free_decompressor(decompressor);
    return result == LIBDEFLATE_SUCCESS && used != size ? LIBDEFLATE_BAD_DATA : result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *stream = calloc(1, size + SEAM_ROOM + sizeof seam_end), *before = malloc(ROOM),
            *after = malloc(ROOM);
    size_t piece = size, was = 0, is = 0;
    memcpy(stream, data, size);
    enum libdeflate_result valid = unpack(data, size, before, &was);
    if (seam_open(stream, &piece)) {
        assert(piece <= size + SEAM_ROOM);
        memcpy(stream + piece, seam_end, sizeof seam_end);
        if (valid == LIBDEFLATE_SUCCESS) {
            assert(unpack(stream, piece + sizeof seam_end, after, &is) == LIBDEFLATE_SUCCESS);
            assert(is == was && memcmp(before, after, is) == 0);
        }
    } else {
        assert(piece == size && memcmp(stream, data, size) == 0);
    }
    free(stream);
    free(before);
    free(after);
    return 0;
}
