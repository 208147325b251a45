// A PNG (ISO/IEC 15948) that is kept up to date strip by strip. Every strip of rows is compressed
// on its own, so one that shows the same as last time is not compressed again, and several are
// compressed at once. With at most 256 colours the picture gets a palette of 1, 2, 4 or 8 bits a
// pixel, else 8-bit RGB.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "picture/press.h"

struct crew;
struct picture;
struct iovec;
struct strips;

// presses: one for each of the crew's hands; others may use them between two calls. Crew and
// presses must live longer.
struct strips *strips_new(struct crew *crew, struct press *presses);
void strips_free(struct strips *strips);

// Makes the PNG show the picture. hashes: picture_strip_hash of every strip. Strips that were
// compressed with more effort than asked for are kept.
void strips_update(struct strips *strips, const struct picture *picture, const uint64_t *hashes,
                   enum png_effort effort);

// Gives all of its memory back; the next update starts from nothing.
void strips_clear(struct strips *strips);

// Of the last update: the file's pieces in order, their number and the bytes of all of them; and
// how many strips had to be compressed. The pieces stay valid until the next update.
const struct iovec *strips_png(const struct strips *strips, size_t *count, size_t *bytes);
unsigned strips_compressed(const struct strips *strips);

// The rows of a picture of that height by which strips_estimate judges it: count runs of rows.
struct bands {
    unsigned count, rows, height;
};
struct bands bands_of(unsigned height);
unsigned bands_first(const struct bands *bands, unsigned i); // of the run's rows

// Bytes the whole picture would take in RGB, judged by its bands; other rows are not looked at.
// *final: more effort would not change that. Changes nothing.
size_t strips_estimate(struct strips *strips, const struct picture *picture, enum png_effort effort,
                       bool *final);
