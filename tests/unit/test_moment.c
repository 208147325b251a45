#include <string.h>

#include "cli/moment.h"

#include "check_main.h"

START_TEST(spans_are_told_in_the_unit_that_fits)
{
    static const struct {
        long long seconds;
        const char *text;
    } cases[] = {
        {-5, "0 seconds"},
        {0, "0 seconds"},
        {1, "1 second"},
        {119, "119 seconds"},
        {120, "2 minutes"},
        {7199, "119 minutes"},
        {7200, "2 hours"},
        {172799, "47 hours"},
        {172800, "2 days"},
        {86400 * 400LL, "400 days"},
        {1LL << 62, "53375995583650 days"},
    };
    char text[MOMENT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(moment_span(cases[i].seconds, text), cases[i].text);
}
END_TEST

START_TEST(dates_are_utc)
{
    char text[MOMENT_BYTES];
    ck_assert_str_eq(moment_date(1893456000, text), "2030-01-01 00:00 UTC");
    ck_assert_str_eq(moment_date(INT64_MAX, text), "second 9223372036854775807");
}
END_TEST

// {"exp":1893456000}
#define TOKEN "oge_eyJleHAiOjE4OTM0NTYwMDB9.c2ln"

START_TEST(expiry_is_told_with_the_distance)
{
    char text[MOMENT_EXPIRY_BYTES];
    ck_assert_str_eq(moment_expiry(TOKEN, 1893456000 - 3 * 86400, text),
                     "expires 2030-01-01 00:00 UTC (in 3 days)");
    ck_assert_str_eq(moment_expiry(TOKEN, 1893456000 + 3600, text),
                     "expired 2030-01-01 00:00 UTC (60 minutes ago)");
    ck_assert_str_eq(moment_expiry("garbage", 0, text), "expiry unknown");
    ck_assert_str_eq(moment_expiry("", 0, text), "none");
}
END_TEST

CHECK_MAIN("moment", 300, spans_are_told_in_the_unit_that_fits, dates_are_utc,
           expiry_is_told_with_the_distance)
