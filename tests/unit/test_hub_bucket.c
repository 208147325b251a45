#include "hub/bucket.h"

#include "check_main.h"

static const struct bucket_rate rate = {3, 2};

START_TEST(a_fresh_one_is_full)
{
    struct bucket bucket = {0};
    for (int i = 0; i < 3; i++)
        ck_assert(bucket_take(&bucket, &rate, 1, 5000));
    ck_assert(!bucket_take(&bucket, &rate, 1, 5000));
}
END_TEST

START_TEST(it_fills_with_time_and_never_above_the_burst)
{
    struct bucket bucket = {0};
    ck_assert(bucket_take(&bucket, &rate, 3, 1000));
    ck_assert(!bucket_take(&bucket, &rate, 1, 1499));
    ck_assert(bucket_take(&bucket, &rate, 1, 1500));
    ck_assert(bucket_take(&bucket, &rate, 3, 1000000));
    ck_assert(!bucket_take(&bucket, &rate, 1, 1000000));
}
END_TEST

START_TEST(more_than_the_burst_passes_when_it_is_full)
{
    struct bucket bucket = {0};
    ck_assert(bucket_take(&bucket, &rate, 100, 1000));
    ck_assert(!bucket_take(&bucket, &rate, 100, 2000));
    ck_assert(bucket_take(&bucket, &rate, 100, 4000));
}
END_TEST

START_TEST(a_clock_that_stands_or_goes_back_gives_nothing)
{
    struct bucket bucket = {0};
    ck_assert(bucket_take(&bucket, &rate, 3, 9000));
    ck_assert(!bucket_take(&bucket, &rate, 1, 9000));
    ck_assert(!bucket_take(&bucket, &rate, 1, 1000));
}
END_TEST

CHECK_MAIN("bucket", 300, a_fresh_one_is_full, it_fills_with_time_and_never_above_the_burst,
           more_than_the_burst_passes_when_it_is_full,
           a_clock_that_stands_or_goes_back_gives_nothing)
