#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/starts.h"
#include "check_main.h"

static atomic_int inside, most, done;
static atomic_bool short_ended;

static void *start_one(void *hold_ms)
{
    starts_enter();
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    clock_sleep_ms((int64_t)(intptr_t)hold_ms);
    atomic_fetch_sub(&inside, 1);
    starts_leave();
    atomic_fetch_add(&done, 1);
    return NULL;
}

static int slots(void)
{
    return get_nprocs() > STARTS_SLOTS_MIN ? get_nprocs() : STARTS_SLOTS_MIN;
}

static void start_all(pthread_t *threads, size_t count, int hold_ms)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, start_one, (void *)(intptr_t)hold_ms),
                         0);
}

static void join_all(const pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

// Who has waited for STARTS_WAIT_MS starts without a slot, as on a busy machine it may happen to
// some: then again.
static bool slots_suffice(size_t count)
{
    pthread_t threads[40];
    for (int tries = 0; tries < 50; tries++) {
        atomic_store(&most, 0);
        start_all(threads, count, 1);
        join_all(threads, count);
        if (atomic_load(&most) <= slots())
            return true;
    }
    return false;
}

START_TEST(no_more_start_at_once_than_there_are_slots)
{
    ck_assert(slots_suffice(40));
    ck_assert_int_eq(done % 40, 0);
    ck_assert_int_gt(done, 0);
}
END_TEST

START_TEST(one_that_hangs_does_not_keep_the_others_for_ever)
{
    pthread_t hung[256], threads[10];
    size_t count = (size_t)slots();
    ck_assert_uint_le(count, 256);
    start_all(hung, count, 5 * STARTS_WAIT_MS);
    while (atomic_load(&inside) < (int)count)
        clock_sleep_ms(1);
    start_all(threads, 10, 0);
    join_all(threads, 10);
    ck_assert_int_ge(done, 10);
    join_all(hung, count);
    // And the slots are all free again: nobody waits for one that was never given back.
    ck_assert(slots_suffice(10));
}
END_TEST

static void *start_after_short(void *unused)
{
    (void)unused;
    starts_enter();
    bool ended = atomic_load(&short_ended);
    starts_leave();
    return (void *)(intptr_t)ended;
}

START_TEST(a_start_waits_for_short_work)
{
    // Short work may take longer than anybody waits for it when the machine is busy: then again.
    for (int tries = 0; tries < 100; tries++) {
        pthread_t thread;
        void *waited;
        atomic_store(&short_ended, false);
        starts_short_begin();
        ck_assert_int_eq(pthread_create(&thread, NULL, start_after_short, NULL), 0);
        clock_sleep_ms(STARTS_YIELD_MS / 3);
        atomic_store(&short_ended, true);
        starts_short_end();
        pthread_join(thread, &waited);
        if (waited)
            return;
    }
    ck_abort_msg("no start ever waited");
}
END_TEST

START_TEST(short_work_that_hangs_holds_nothing_up)
{
    starts_short_begin();
    pthread_t threads[10];
    start_all(threads, 10, 0);
    join_all(threads, 10);
    ck_assert_int_eq(done, 10);
    starts_short_begin();
    starts_short_end();
    starts_enter();
    starts_leave();
    starts_short_end();
}
END_TEST

CHECK_MAIN("starts", 300, no_more_start_at_once_than_there_are_slots,
           one_that_hangs_does_not_keep_the_others_for_ever, a_start_waits_for_short_work,
           short_work_that_hangs_holds_nothing_up)
