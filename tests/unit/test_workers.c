#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/workers.h"
#include "check_main.h"

static atomic_int running, most, done;

static void count(void *sleep_ms)
{
    int now = atomic_fetch_add(&running, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    clock_sleep_ms((int64_t)(intptr_t)sleep_ms);
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&done, 1);
}

START_TEST(every_job_runs_once_and_the_maximum_holds)
{
    struct workers *workers = workers_new(7);
    for (int i = 0; i < 500; i++)
        ck_assert(workers_submit(workers, count, (void *)(intptr_t)(i % 3)));
    workers_free(workers);
    ck_assert_int_eq(done, 500);
    ck_assert_int_le(most, 7);
}
END_TEST

static atomic_bool released;

static void wait_for_release(void *unused)
{
    atomic_fetch_add(&running, 1);
    while (!atomic_load(&released))
        clock_sleep_ms(5);
    atomic_fetch_add(&done, 1);
    (void)unused;
}

START_TEST(a_hundred_jobs_that_wait_run_at_once)
{
    struct workers *workers = workers_new(1000);
    for (int i = 0; i < 100; i++)
        ck_assert(workers_submit(workers, wait_for_release, NULL));
    for (int i = 0; i < 2000 && atomic_load(&running) < 100; i++)
        clock_sleep_ms(20);
    ck_assert_int_eq(running, 100);
    atomic_store(&released, true);
    workers_free(workers);
    ck_assert_int_eq(done, 100);
}
END_TEST

static atomic_int order, urgent_at, ordinary_at;

static void note_place(void *place)
{
    atomic_store((atomic_int *)place, atomic_fetch_add(&order, 1) + 1);
}

START_TEST(an_urgent_job_overtakes_the_others)
{
    struct workers *workers = workers_new(1);
    ck_assert(workers_submit(workers, wait_for_release, NULL));
    while (atomic_load(&running) == 0)
        clock_sleep_ms(1);
    for (int i = 0; i < 3; i++)
        ck_assert(workers_submit(workers, note_place, &ordinary_at));
    ck_assert(workers_submit_urgent(workers, note_place, &urgent_at));
    ck_assert(workers_submit_urgent(workers, count, NULL));
    ck_assert(workers_submit(workers, note_place, &ordinary_at));
    atomic_store(&released, true);
    workers_free(workers);
    ck_assert_int_eq(urgent_at, 1);
    ck_assert_int_eq(ordinary_at, 5);
    ck_assert_int_eq(done, 2);
}
END_TEST

START_TEST(idle_workers_end_but_for_one)
{
    struct workers *workers = workers_new(50);
    for (int i = 0; i < 20; i++)
        ck_assert(workers_submit(workers, count, (void *)(intptr_t)50));
    for (int i = 0; i < 1200 && workers_threads(workers) > 1; i++)
        clock_sleep_ms(50);
    ck_assert_uint_eq(workers_threads(workers), 1);
    ck_assert(workers_submit(workers, count, NULL));
    workers_free(workers);
    ck_assert_int_eq(done, 21);
}
END_TEST

START_TEST(a_fired_cancel_stays_fired_for_all)
{
    struct cancel *cancel = cancel_new();
    struct cancel *other = cancel_ref(cancel);
    ck_assert(!cancel_fired(other));
    cancel_fire(cancel);
    cancel_fire(cancel);
    ck_assert(cancel_fired(other));
    cancel_unref(cancel);
    ck_assert(cancel_fired(other));
    cancel_unref(other);
    cancel_unref(NULL);
}
END_TEST

CHECK_MAIN("workers", 300, every_job_runs_once_and_the_maximum_holds,
           a_hundred_jobs_that_wait_run_at_once, an_urgent_job_overtakes_the_others,
           idle_workers_end_but_for_one, a_fired_cancel_stays_fired_for_all)
