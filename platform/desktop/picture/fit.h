// A picture as a PNG that is no larger than a budget: compressed harder first, made smaller last.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

struct crew;
struct iovec;
struct picture;
struct press;
struct strips;

struct fit;

// native: the PNG of the picture at its own size, which others may use and update too. It and what
// it was made with must live longer.
struct fit *fit_new(struct crew *crew, struct press *presses, struct strips *native);
void fit_free(struct fit *fit);
void fit_trim(struct fit *fit); // gives back what only a result that was already used needs

struct fitted {
    unsigned width, height; // of the PNG
    size_t bytes;
    const struct iovec *pieces; // of the PNG, valid until the next call or update
    size_t count;
};

enum fit_rule {
    FIT_SCALE,     // prefer true colours
    FIT_KEEP_SIZE, // lose the lowest colour bits before the size: for one who clicks on what he
                   // sees and does not know the scale
};

// hashes: picture_strip_hash of every strip. FAIL_TOO_LARGE when the picture would get too small to
// be of use.
bool fit_make(struct fit *fit, const struct picture *picture, const uint64_t *hashes, size_t budget,
              enum fit_rule rule, struct fitted *out, struct fail *why)
    __attribute__((warn_unused_result));
