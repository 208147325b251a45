#include "ops/metrics.h"

#include <errno.h>

#include "base/arena.h"
#include "base/limits.h"
#include "host/metrics.h"

static void add_gpus(const struct metrics_sample *sample, struct arena *arena,
                     Og__MetricsSample *message)
{
    Og__GpuSample *gpus = arena_array(arena, sample->gpu_count, sizeof *gpus);
    message->gpus = arena_array(arena, sample->gpu_count, sizeof *message->gpus);
    if (!gpus || !message->gpus)
        return;
    for (size_t i = 0; i < sample->gpu_count; i++) {
        og__gpu_sample__init(&gpus[i]);
        gpus[i].name = (char *)sample->gpus[i].name;
        gpus[i].util_percent = sample->gpus[i].util_percent;
        gpus[i].mem_used_bytes = sample->gpus[i].mem_used_bytes;
        gpus[i].mem_total_bytes = sample->gpus[i].mem_total_bytes;
        message->gpus[message->n_gpus++] = &gpus[i];
    }
}

void metrics_message(struct metrics *metrics, bool fresh, struct arena *arena,
                     Og__MetricsSample *message)
{
    struct metrics_sample sample;
    if (fresh)
        metrics_refresh(metrics, METRICS_FRESH_MS);
    metrics_get(metrics, arena, &sample);
    message->sampled_at_ms = sample.sampled_at_ms;
    message->cpu_percent = sample.cpu_percent;
    message->load1 = sample.load[0];
    message->load5 = sample.load[1];
    message->load15 = sample.load[2];
    message->run_queue = sample.run_queue;
    message->mem_used_bytes = sample.mem_used_bytes;
    message->mem_total_bytes = sample.mem_total_bytes;
    message->disk_used_bytes = sample.disk_used_bytes;
    message->disk_total_bytes = sample.disk_total_bytes;
    if (sample.gpu_count > 0)
        add_gpus(&sample, arena, message);
}

bool op_metrics(struct op *op, const Og__ControlRequest *request, Og__ControlResponse *response,
                struct fail *why)
{
    (void)request;
    Og__MetricsSample *message = arena_alloc(op->arena, sizeof *message);
    if (!message)
        return fail_errno(why, ENOMEM, "metrics", NULL);
    og__metrics_sample__init(message);
    metrics_message(op->host->metrics, true, op->arena, message);
    response->result_case = OG__CONTROL_RESPONSE__RESULT_METRICS;
    response->metrics = message;
    return true;
}
