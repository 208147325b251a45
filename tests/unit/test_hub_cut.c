#include "hub/cut.h"

#include <string.h>

#include "base/limits.h"
#include "check_main.h"

#define S     1000000000ll
#define LATER INT64_MAX

START_TEST(times_are_read_as_the_server_writes_them)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2006-01-02T15:04:05Z", 1136214245 * S},
        {"2006-01-02T15:04:05.999999999Z", 1136214245 * S + 999999999},
        {"2006-01-02T15:04:05.5Z", 1136214245 * S + 500000000},
        {"2006-01-02T22:34:05.000000001+07:30", 1136214245 * S + 1},
        {"2006-01-02T08:04:05-07:00", 1136214245 * S},
        {"2006-01-02T15:04:05", -1},
        {"2006-01-02T15:04:05z", -1},
        {"2006-01-02T15:04:05+7:00", -1},
        {"2006-01-02T15:04:05+07:0x", -1},
        {"2006-01-02T15:04:05+-7:00", -1},
        {"2006-01-02T15:04:05+07:001", -1},
        {"1960-01-02T15:04:05Z", -1},
        {"9999-01-02T15:04:05Z", -1}, // no such moment in 64 bits
        {"yesterday", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(cut_parse_time(cases[i].text) == cases[i].ns, "%s", cases[i].text);
}
END_TEST

START_TEST(enrolling_again_ends_what_was_begun_strictly_before)
{
    struct cut_order order = {.before_ns = 1136214245 * S + 5};
    ck_assert(cut_concerns(&order, "2006-01-02T15:04:05.000000004Z", LATER));
    ck_assert(!cut_concerns(&order, "2006-01-02T15:04:05.000000005Z", LATER));
    ck_assert(!cut_concerns(&order, "2006-01-02T15:04:05.000000006Z", LATER));
    ck_assert(!cut_concerns(&order, "2006-01-02T16:04:05.000000006+01:00", LATER));
    ck_assert(cut_concerns(&order, "whenever", LATER));
    ck_assert(cut_concerns(&order, NULL, LATER));
}
END_TEST

START_TEST(what_begins_later_than_now_is_of_before_the_clock_was_set_back)
{
    struct cut_order order = {.before_ns = 1136214245 * S};
    int64_t now = 1136214246 * S;
    ck_assert(!cut_concerns(&order, "2006-01-02T15:04:05Z", now));
    ck_assert(!cut_concerns(&order, "2006-01-02T15:04:06Z", now));
    ck_assert(cut_concerns(&order, "2006-01-02T15:04:06.000000001Z", now));
    ck_assert(cut_concerns(&order, "2006-01-02T17:30:00Z", now));
}
END_TEST

START_TEST(revoking_ends_every_connection)
{
    struct cut_order order = {.before_ns = CUT_EVERY};
    ck_assert(cut_concerns(&order, "2006-01-02T15:04:05Z", LATER));
    ck_assert(cut_concerns(&order, "2261-01-02T15:04:05Z", LATER));
    ck_assert(cut_concerns(&order, NULL, LATER));
}
END_TEST

START_TEST(each_machine_is_cut_now_and_once_more)
{
    struct cuts cuts = {0};
    struct cut_order order;
    ck_assert_int_eq(cuts_next(&cuts, 1000, &order), -1);
    cuts_add(&cuts, "one", CUT_EVERY, 1000);
    cuts_add(&cuts, "two", 77, 1000);
    int seen[2] = {0};
    for (int round = 0; round < 2; round++) {
        int64_t now = 1000 + round * HUB_CUT_AGAIN_MS;
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(cuts_next(&cuts, now, &order), 0);
            bool one = strcmp(order.machine, "one") == 0;
            ck_assert(order.before_ns == (one ? CUT_EVERY : 77));
            seen[one]++;
        }
        ck_assert_int_eq(cuts_next(&cuts, now + 500, &order),
                         round == 0 ? HUB_CUT_AGAIN_MS - 500 : -1);
    }
    ck_assert(seen[0] == 2 && seen[1] == 2);
    cuts_fini(&cuts);
}
END_TEST

START_TEST(a_later_decision_replaces_an_earlier_one)
{
    struct cuts cuts = {0};
    struct cut_order order;
    cuts_add(&cuts, "one", CUT_EVERY, 1000);
    ck_assert_int_eq(cuts_next(&cuts, 1000, &order), 0);
    cuts_add(&cuts, "one", 77, 1500); // revoked, and back with a new token
    for (int64_t now = 1500; now <= 1500 + HUB_CUT_AGAIN_MS; now += HUB_CUT_AGAIN_MS) {
        ck_assert_int_eq(cuts_next(&cuts, now, &order), 0);
        ck_assert_int_eq(order.before_ns, 77);
    }
    ck_assert_int_eq(cuts_next(&cuts, 100000, &order), -1);
    cuts_fini(&cuts);
}
END_TEST

CHECK_MAIN("cut", 300, times_are_read_as_the_server_writes_them,
           enrolling_again_ends_what_was_begun_strictly_before,
           what_begins_later_than_now_is_of_before_the_clock_was_set_back,
           revoking_ends_every_connection, each_machine_is_cut_now_and_once_more,
           a_later_decision_replaces_an_earlier_one)
