// The one source of pictures for screenshots, frames and RFB: fetches what has changed, knows which
// strips look different, and keeps the PNG of the present picture.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "picture/fit.h"
#include "picture/picture.h"

struct display;
struct frame_memory;
struct screen;

struct screen *screen_new(struct display *display); // which must live longer
void screen_free(struct screen *screen);

// Handles what the X server has sent; to be called when the connection is readable. False when it
// is lost.
bool screen_events(struct screen *screen, struct fail *why) __attribute__((warn_unused_result));

// Whether the server has announced a change that is not fetched yet, and when the last one came.
bool screen_stale(const struct screen *screen);
int64_t screen_stirred_ms(const struct screen *screen);

enum refresh { REFRESH_POINTER, REFRESH_DAMAGE, REFRESH_ALL };

// Brings the picture up to date: only the pointer, what the server has announced, or everything
// there is. Every change of the picture makes another version.
bool screen_refresh(struct screen *screen, enum refresh what, struct fail *why)
    __attribute__((warn_unused_result));
uint64_t screen_version(const struct screen *screen);

struct shot {
    int fd; // sealed; the screen's, valid until its next refresh or shot
    size_t bytes;
    unsigned width, height, native_width, native_height;
};

// The present picture as a PNG of at most budget bytes.
bool screen_shot(struct screen *screen, size_t budget, enum fit_rule rule, struct shot *out,
                 struct fail *why) __attribute__((warn_unused_result));

// For RFB: the pixels without the pointer, the version in which each strip of them changed last,
// and the pointer's image (NULL: unknown).
struct frame_memory *screen_memory(const struct screen *screen);
const uint64_t *screen_strip_versions(const struct screen *screen);
const struct cursor_image *screen_cursor(const struct screen *screen, int *hot_x, int *hot_y);

// Gives back what only speeds up the next picture.
void screen_trim(struct screen *screen);
