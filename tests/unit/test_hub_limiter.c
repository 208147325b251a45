#include "hub/limiter.h"

#include <stdio.h>

#include "base/limits.h"
#include "check_main.h"

static unsigned taken(struct limiter *limiter, const char *address, unsigned times)
{
    unsigned count = 0;
    for (unsigned i = 0; i < times; i++)
        count += limiter_take(limiter, address, 1000);
    return count;
}

START_TEST(each_address_has_its_own_bucket)
{
    struct limiter *limiter = limiter_new(5, 1);
    ck_assert_uint_eq(taken(limiter, "10.0.0.1", 10), 5);
    ck_assert_uint_eq(taken(limiter, "10.0.0.2", 10), 5);
    ck_assert(limiter_take(limiter, "10.0.0.1", 2000));
    limiter_free(limiter);
}
END_TEST

START_TEST(an_ipv6_network_counts_as_one)
{
    struct limiter *limiter = limiter_new(5, 1);
    ck_assert_uint_eq(taken(limiter, "2001:db8:1:2::1", 5), 5);
    ck_assert_uint_eq(taken(limiter, "2001:db8:1:2:ffff::9", 5), 0);
    ck_assert_uint_eq(taken(limiter, "2001:db8:1:3::1", 5), 5);
    // however it is written
    ck_assert_uint_eq(taken(limiter, "2001:db8::a:b:c:d", 5), 5);
    ck_assert_uint_eq(taken(limiter, "2001:db8::1:2:3:4", 5), 0);
    ck_assert_uint_eq(taken(limiter, "2001:db8::7", 5), 0);
    // an IPv4 address on a listener for both is one of its own
    ck_assert_uint_eq(taken(limiter, "::ffff:10.0.0.1", 5), 5);
    ck_assert_uint_eq(taken(limiter, "::ffff:10.0.0.2", 5), 5);
    limiter_free(limiter);
}
END_TEST

START_TEST(many_addresses_need_no_more_room)
{
    struct limiter *limiter = limiter_new(1, 0.001);
    char address[64];
    for (unsigned i = 0; i < 4 * HUB_LIMITER_ADDRESSES; i++) {
        snprintf(address, sizeof address, "10.0.%u.%u", i / 256, i % 256);
        ck_assert(limiter_take(limiter, address, 1000 + i));
    }
    ck_assert(!limiter_take(limiter, address, 1000 + 4 * HUB_LIMITER_ADDRESSES)); // the newest stay
    limiter_free(limiter);
}
END_TEST

CHECK_MAIN("limiter", 300, each_address_has_its_own_bucket, an_ipv6_network_counts_as_one,
           many_addresses_need_no_more_room)
