#include "desktop_x11/pace.h"

#include <math.h>

enum {
    LATE_MS = 500,        // a picture that waits for longer makes fewer than two a second
    SLOW_MS = 5000,       // of late ones, then they get smaller
    QUIET_MS = 10000,     // with little to send, then they get larger again
    BUSY_MS = 1000,       // between two reduced frames; there is little to send when it is more
    SIDE_MIN = 640,       // pixels of the longer side
    BYTES_MIN = 64 << 10, // frames of this size are none that hold anything up
    LATE_MIN = 2,         // one may have other reasons
    HALVINGS_MAX = 16,
};

void pace_init(struct pace *pace, uint64_t bytes_max)
{
    *pace = (struct pace){.bytes_max = bytes_max, .halvings_max = HALVINGS_MAX};
}

uint64_t pace_bytes(const struct pace *pace)
{
    return pace->bytes_max >> pace->halvings;
}

void pace_blocked(struct pace *pace, int64_t now_ms)
{
    if (!pace->blocked_ms)
        pace->blocked_ms = now_ms;
}

// In steps, so that viewers on ways of about the same speed share one picture.
static void shrink(struct pace *pace, int64_t now_ms, uint64_t bytes, unsigned side)
{
    double rate = (double)pace->late_bytes * 1000 / (double)(now_ms - pace->late_ms);
    double wanted = rate * LATE_MS / 1000;
    unsigned halvings = pace->halvings;
    while (halvings < pace->halvings_max) {
        uint64_t next = pace->bytes_max >> (halvings + 1);
        double next_side = bytes > next ? side * sqrt((double)next / (double)bytes) : side;
        if ((double)(pace->bytes_max >> halvings) <= wanted || next < BYTES_MIN ||
            next_side < SIDE_MIN)
            break;
        halvings++;
    }
    pace->halvings = halvings;
}

void pace_sent(struct pace *pace, int64_t now_ms, uint64_t bytes, unsigned side, bool whole)
{
    int64_t waited = pace->blocked_ms ? now_ms - pace->blocked_ms : 0;
    if (waited <= LATE_MS) {
        pace->late = 0;
    } else {
        if (pace->late++ == 0) {
            pace->late_ms = pace->blocked_ms;
            pace->late_bytes = 0;
        }
        pace->late_bytes += pace->last_bytes; // what the way was taken by
        if (pace->late >= LATE_MIN && now_ms - pace->late_ms >= SLOW_MS) {
            shrink(pace, now_ms, bytes, side);
            pace->late = 0;
            pace->quiet_ms = now_ms + QUIET_MS;
        }
    }
    if (!whole && now_ms - pace->sent_ms <= BUSY_MS)
        pace->quiet_ms = now_ms + QUIET_MS;
    pace->blocked_ms = 0;
    pace->last_bytes = bytes;
    pace->sent_ms = now_ms;
}

bool pace_refused(struct pace *pace)
{
    if (pace->halvings == 0)
        return false;
    pace->halvings_max = --pace->halvings;
    return true;
}

int64_t pace_quiet_ms(const struct pace *pace)
{
    return pace->halvings ? pace->quiet_ms : 0;
}

void pace_relax(struct pace *pace)
{
    pace->halvings = 0;
    pace->late = 0;
}
