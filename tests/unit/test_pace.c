#include <math.h>

#include "check_main.h"
#include "desktop_x11/pace.h"

enum { MAX = 4 << 20, SIDE = 1920 };

// A screen that changes all the time, over a way of so many bytes a second: the size of a whole
// frame is whole_bytes. Returns the time afterwards.
static int64_t stream(struct pace *pace, int64_t now_ms, int64_t ms, uint64_t rate,
                      uint64_t whole_bytes, unsigned *frames)
{
    for (int64_t end = now_ms + ms; now_ms < end;) {
        uint64_t bytes = pace_bytes(pace) < whole_bytes ? pace_bytes(pace) : whole_bytes;
        unsigned side = (unsigned)(SIDE * sqrt((double)bytes / (double)whole_bytes));
        pace_sent(pace, now_ms, bytes, side, bytes == whole_bytes);
        pace_blocked(pace, now_ms + 1);
        int64_t taken = (int64_t)(bytes * 1000 / rate);
        now_ms += taken > 33 ? taken : 33;
        if (frames)
            ++*frames;
    }
    return now_ms;
}

START_TEST(what_is_taken_in_time_stays_as_it_is)
{
    struct pace pace;
    pace_init(&pace, MAX);
    ck_assert_uint_eq(pace_bytes(&pace), MAX);
    stream(&pace, 1000, 60000, 8 << 20, 3 << 20, NULL);
    ck_assert_uint_eq(pace_bytes(&pace), MAX);
    ck_assert_int_eq(pace_quiet_ms(&pace), 0);
}
END_TEST

START_TEST(frames_get_smaller_after_five_seconds_below_two_a_second)
{
    struct pace pace;
    pace_init(&pace, MAX);
    int64_t now = stream(&pace, 1000, 4000, 3 << 20, 5 << 20, NULL);
    ck_assert_uint_eq(pace_bytes(&pace), MAX);
    now = stream(&pace, now, 4000, 3 << 20, 5 << 20, NULL);
    ck_assert_uint_eq(pace_bytes(&pace), MAX >> 2); // a half would still be too much for two
    unsigned frames = 0;
    stream(&pace, now, 30000, 3 << 20, 5 << 20, &frames);
    ck_assert_uint_ge(frames, 60);
    ck_assert_uint_eq(pace_bytes(&pace), MAX >> 2); // there is no quiet to get larger in
}
END_TEST

START_TEST(a_quiet_screen_is_whole_again)
{
    struct pace pace;
    pace_init(&pace, MAX);
    int64_t now = stream(&pace, 1000, 8000, 3 << 20, 5 << 20, NULL);
    int64_t quiet = pace_quiet_ms(&pace);
    ck_assert_int_gt(quiet, now);
    ck_assert_int_le(quiet, now + 10000);
    // Small changes go out whole and do not put it off.
    pace_sent(&pace, now + 2000, 20000, SIDE, true);
    pace_sent(&pace, now + 2100, 20000, SIDE, true);
    ck_assert_int_eq(pace_quiet_ms(&pace), quiet);
    pace_relax(&pace);
    ck_assert_uint_eq(pace_bytes(&pace), MAX);
    ck_assert_int_eq(pace_quiet_ms(&pace), 0);
}
END_TEST

START_TEST(one_that_is_late_changes_nothing)
{
    struct pace pace;
    pace_init(&pace, MAX);
    pace_sent(&pace, 1000, MAX, SIDE, false);
    pace_blocked(&pace, 1001);
    pace_sent(&pace, 61000, MAX, SIDE, false); // a laptop that slept
    stream(&pace, 61033, 30000, 16 << 20, MAX, NULL);
    ck_assert_uint_eq(pace_bytes(&pace), MAX);
}
END_TEST

START_TEST(a_picture_stays_large_enough_to_be_read)
{
    struct pace pace;
    pace_init(&pace, MAX);
    stream(&pace, 1000, 1000000, 50000, 5 << 20, NULL);
    // A quarter has 858 pixels in a row, an eighth would have 607.
    ck_assert_uint_eq(pace_bytes(&pace), MAX >> 2);

    pace_init(&pace, 100 << 10); // such frames are small already
    stream(&pace, 1000, 1000000, 5000, 5 << 20, NULL);
    ck_assert_uint_eq(pace_bytes(&pace), 100 << 10);
}
END_TEST

START_TEST(a_picture_that_cannot_get_smaller_is_not_asked_to_again)
{
    struct pace pace;
    pace_init(&pace, MAX);
    ck_assert(!pace_refused(&pace));
    int64_t now = stream(&pace, 1000, 8000, 3 << 20, 5 << 20, NULL);
    ck_assert(pace_refused(&pace));
    ck_assert_uint_eq(pace_bytes(&pace), MAX >> 1);
    stream(&pace, now, 30000, 1 << 20, 5 << 20, NULL);
    ck_assert_uint_eq(pace_bytes(&pace), MAX >> 1);
}
END_TEST

CHECK_MAIN("pace", 20, what_is_taken_in_time_stays_as_it_is,
           frames_get_smaller_after_five_seconds_below_two_a_second, a_quiet_screen_is_whole_again,
           one_that_is_late_changes_nothing, a_picture_stays_large_enough_to_be_read,
           a_picture_that_cannot_get_smaller_is_not_asked_to_again)
