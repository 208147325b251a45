// Compresses bytes that hardly ever repeat but are not equally frequent, such as the filtered rows
// of a photo: a Huffman code of its own for each piece, and runs of one byte; no search for
// anything else. Several times as fast as libdeflate's lowest level, and as good on such bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A piece of a deflate stream (seam.h). out has room for runs_bound(size). Returns its size.
size_t runs_compress(const uint8_t *data, size_t size, uint8_t *out);
size_t runs_bound(size_t size);
