#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/workers.h"
#include "check_main.h"
#include "link/admission.h"

struct test_job {
    struct admission_job job;
    struct admission *admission;
};

static atomic_int running, most, ended;
static atomic_bool hold;
static uint64_t order[1000];

static void run(struct admission_job *job)
{
    struct test_job *self = (struct test_job *)job;
    int now = atomic_fetch_add(&running, 1) + 1;
    if (now > atomic_load(&most))
        atomic_store(&most, now);
    while (atomic_load(&hold))
        clock_sleep_ms(1);
    order[atomic_fetch_add(&ended, 1)] = job->origin;
    atomic_fetch_sub(&running, 1);
    admission_leave(self->admission, job);
    mem_free(self);
}

static bool enter(struct admission *admission, enum admission_class class, uint64_t origin,
                  uint64_t bytes)
{
    struct test_job *job = mem_new(struct test_job);
    job->admission = admission;
    job->job = (struct admission_job){.class = class, .origin = origin, .bytes = bytes, .run = run};
    bool entered = admission_enter(admission, &job->job);
    if (!entered)
        mem_free(job);
    return entered;
}

static struct admission_limits limits(uint64_t light, uint64_t heavy, uint64_t bytes)
{
    return (struct admission_limits){
        .running = {[ADMISSION_LIGHT] = light, [ADMISSION_HEAVY] = heavy}, .bytes = bytes};
}

START_TEST(no_more_run_than_may_and_all_get_their_turn)
{
    struct workers *workers = workers_new(100);
    struct admission *admission = admission_new(workers, limits(3, 2, 1000));
    for (int i = 0; i < 200; i++)
        ck_assert(enter(admission, ADMISSION_HEAVY, 1, 1));
    workers_free(workers);
    ck_assert_int_eq(ended, 200);
    ck_assert_int_le(most, 2);
    admission_free(admission);
}
END_TEST

START_TEST(origins_take_turns)
{
    struct workers *workers = workers_new(100);
    struct admission *admission = admission_new(workers, limits(1, 1, 1000));
    atomic_store(&hold, true);
    ck_assert(enter(admission, ADMISSION_LIGHT, 9, 0)); // takes the slot
    for (int i = 0; i < 30; i++)
        ck_assert(enter(admission, ADMISSION_LIGHT, 1, 0));
    for (int i = 0; i < 3; i++)
        ck_assert(enter(admission, ADMISSION_LIGHT, 2, 0));
    ck_assert_uint_eq(admission_counts(admission).queued[ADMISSION_LIGHT], 33);
    atomic_store(&hold, false);
    workers_free(workers);
    ck_assert_int_eq(ended, 34);
    int seen = 0; // the three of the second origin do not wait behind the thirty of the first
    for (int i = 0; i < 8; i++)
        seen += order[i] == 2;
    ck_assert_int_eq(seen, 3);
    admission_free(admission);
}
END_TEST

START_TEST(classes_do_not_hold_up_each_other)
{
    struct workers *workers = workers_new(100);
    struct admission *admission = admission_new(workers, limits(1, 1, 1000));
    atomic_store(&hold, true);
    for (int i = 0; i < 5; i++)
        ck_assert(enter(admission, ADMISSION_HEAVY, 1, 0));
    ck_assert(enter(admission, ADMISSION_LIGHT, 1, 0));
    ck_assert_uint_eq(admission_counts(admission).running[ADMISSION_LIGHT], 1);
    atomic_store(&hold, false);
    workers_free(workers);
    admission_free(admission);
}
END_TEST

START_TEST(payload_beyond_the_limit_is_refused_but_one_request_always_fits)
{
    struct workers *workers = workers_new(10);
    struct admission *admission = admission_new(workers, limits(5, 5, 100));
    atomic_store(&hold, true);
    ck_assert(enter(admission, ADMISSION_LIGHT, 1, 1000));
    ck_assert(!enter(admission, ADMISSION_LIGHT, 1, 1));
    atomic_store(&hold, false);
    while (atomic_load(&ended) < 1 || admission_counts(admission).running[ADMISSION_LIGHT] > 0)
        clock_sleep_ms(1);
    ck_assert(enter(admission, ADMISSION_LIGHT, 1, 60));
    workers_free(workers);
    ck_assert_int_eq(ended, 2);
    admission_free(admission);
}
END_TEST

START_TEST(limits_follow_the_machine)
{
    struct admission_limits small = admission_limits_for(100, 100, 0);
    ck_assert_uint_eq(small.running[ADMISSION_LIGHT], RUNNING_MIN);
    ck_assert_uint_eq(small.running[ADMISSION_HEAVY], RUNNING_MIN);
    ck_assert_uint_eq(small.bytes, REQUESTS_PENDING_BYTES);
    struct admission_limits large = admission_limits_for(65536, UINT64_MAX, UINT64_C(64) << 30);
    ck_assert_uint_eq(large.running[ADMISSION_LIGHT], 32768);
    ck_assert_uint_eq(large.running[ADMISSION_HEAVY], 8192);
    ck_assert_uint_eq(large.bytes, UINT64_C(4) << 30);
}
END_TEST

CHECK_MAIN("admission", 300, no_more_run_than_may_and_all_get_their_turn, origins_take_turns,
           classes_do_not_hold_up_each_other,
           payload_beyond_the_limit_is_refused_but_one_request_always_fits,
           limits_follow_the_machine)
