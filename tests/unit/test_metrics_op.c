// Metrics as a message: what heartbeats and the metrics operation send.
#include "scratch.h"

#include "base/arena.h"
#include "host/metrics.h"
#include "ops/metrics.h"
#include "proto/encode.h"

static char *environment[] = {"PATH=/usr/bin:/bin", NULL};
static struct arena arena;

static struct metrics *machine(void)
{
    put(in("stat"), "cpu 1 0 0 1\n");
    put(in("meminfo"), "MemTotal: 1000 kB\nMemFree: 250 kB\n");
    put(in("loadavg"), "1.5 2.5 3.5 4/5 6\n");
    put(in("tool"), "#!/bin/sh\necho 'GPU one, 50, 1, 2'\necho 'GPU two, 60, 3, 4'\n");
    chmod(in("tool"), 0755);
    return metrics_new(&(struct metrics_setup){
        .disk = scratch, .environment = environment, .proc = scratch, .gpu_tool = in("tool")});
}

static const Og__MetricsSample *run(struct metrics *metrics, size_t cap)
{
    static Og__ControlResponse response;
    struct op_host host = {.metrics = metrics};
    struct fail why;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    og__control_response__init(&response);
    arena_fini(&arena);
    arena_init(&arena, cap);
    struct op op = {.host = &host, .arena = &arena, .reply_max = 1 << 20};
    if (!op_metrics(&op, &request, &response, &why)) {
        ck_assert_int_eq(why.error, ENOMEM);
        return NULL;
    }
    ck_assert_int_eq(response.result_case, OG__CONTROL_RESPONSE__RESULT_METRICS);
    ck_assert_uint_gt(encode_size(&response.base), 0);
    return response.metrics;
}

START_TEST(every_figure_arrives)
{
    struct metrics *metrics = machine();
    metrics_sample(metrics);
    const Og__MetricsSample *message = run(metrics, 1 << 20);
    ck_assert_int_gt(message->sampled_at_ms, 1600000000000);
    ck_assert_double_eq(message->load1, 1.5);
    ck_assert_double_eq(message->load5, 2.5);
    ck_assert_double_eq(message->load15, 3.5);
    ck_assert_double_eq(message->run_queue, 4);
    ck_assert_uint_eq(message->mem_total_bytes, 1024000);
    ck_assert_uint_eq(message->mem_used_bytes, 768000);
    ck_assert_uint_gt(message->disk_total_bytes, message->disk_used_bytes);
    ck_assert_uint_eq(message->n_gpus, 2);
    ck_assert_str_eq(message->gpus[1]->name, "GPU two");
    ck_assert_double_eq(message->gpus[1]->util_percent, 60);
    ck_assert_uint_eq(message->gpus[1]->mem_total_bytes, 4 << 20);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

START_TEST(never_measured_is_measured_now)
{
    struct metrics *metrics = machine();
    const Og__MetricsSample *message = run(metrics, 1 << 20);
    ck_assert_int_gt(message->sampled_at_ms, 0);
    ck_assert_uint_eq(message->mem_total_bytes, 1024000);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

START_TEST(full_arena_costs_the_gpus_first)
{
    struct metrics *metrics = machine();
    metrics_sample(metrics);
    const Og__MetricsSample *message = NULL;
    for (size_t cap = 0; cap < 4096 && !(message && message->n_gpus); cap += 16) {
        message = run(metrics, cap);
        ck_assert(!message || message->mem_total_bytes == 1024000);
    }
    ck_assert(message && message->n_gpus == 2);
    ck_assert(!run(metrics, 0));
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

RUN_SUITE("metrics_op", every_figure_arrives, never_measured_is_measured_now,
          full_arena_costs_the_gpus_first)
