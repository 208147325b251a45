#include <stdio.h>

#include "base/alloc.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/units.h"

enum { METRICS_WATCH = 'w' };

static json_t *to_json(const Og__MetricsSample *sample)
{
    json_t *gpus = json_array();
    for (size_t i = 0; i < sample->n_gpus; i++) {
        const Og__GpuSample *gpu = sample->gpus[i];
        json_array_append_new(gpus, json_pack("{s:s, s:f, s:I, s:I}", "name", gpu->name,
                                              "util_percent", gpu->util_percent, "mem_used_bytes",
                                              (json_int_t)gpu->mem_used_bytes, "mem_total_bytes",
                                              (json_int_t)gpu->mem_total_bytes));
    }
    return json_pack(
        "{s:s, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:o}", "sampled_at",
        unit_iso_time_text(sample->sampled_at_ms), "cpu_percent", sample->cpu_percent, "load1",
        sample->load1, "load5", sample->load5, "load15", sample->load15, "run_queue",
        sample->run_queue, "mem_used_bytes", (json_int_t)sample->mem_used_bytes, "mem_total_bytes",
        (json_int_t)sample->mem_total_bytes, "disk_used_bytes", (json_int_t)sample->disk_used_bytes,
        "disk_total_bytes", (json_int_t)sample->disk_total_bytes, "gpus", gpus);
}

static void print_share(const char *what, uint64_t used, uint64_t total)
{
    printf("%-7s %s of %s", what, unit_size_text(used), unit_size_text(total));
    if (total > 0)
        printf(" (%.0f%%)", 100.0 * (double)used / (double)total);
    putchar('\n');
}

static void print(const Og__MetricsSample *sample)
{
    printf("cpu     %.1f%%\n", sample->cpu_percent);
    printf("load    %.2f %.2f %.2f, %.0f running\n", sample->load1, sample->load5, sample->load15,
           sample->run_queue);
    print_share("memory", sample->mem_used_bytes, sample->mem_total_bytes);
    print_share("disk", sample->disk_used_bytes, sample->disk_total_bytes);
    for (size_t i = 0; i < sample->n_gpus; i++) {
        char *name = ctl_text(sample->gpus[i]->name);
        printf("gpu     %s, %.0f%%, %s of %s\n", name, sample->gpus[i]->util_percent,
               unit_size_text(sample->gpus[i]->mem_used_bytes),
               unit_size_text(sample->gpus[i]->mem_total_bytes));
        mem_free(name);
    }
}

static void print_line(const Og__MetricsSample *sample)
{
    printf("%s  cpu %5.1f%%  load %.2f  memory %s of %s  disk %s of %s\n",
           unit_iso_time_text(sample->sampled_at_ms), sample->cpu_percent, sample->load1,
           unit_size_text(sample->mem_used_bytes), unit_size_text(sample->mem_total_bytes),
           unit_size_text(sample->disk_used_bytes), unit_size_text(sample->disk_total_bytes));
}

static int run(struct ctl *ctl, struct arguments *args)
{
    int64_t period_ms = 0;
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;) {
        if (key == ARGUMENTS_BAD)
            return ctl->status;
        if (!arguments_seconds(value, &period_ms) || period_ms == 0)
            return ctl_misuse(ctl, "--watch needs a number of seconds");
    }
    if (!ctl_operands(ctl, args, 1, 1) || !ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    Og__MetricsRequest body = OG__METRICS_REQUEST__INIT;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_METRICS;
    request.metrics = &body;
    do {
        struct reply reply;
        if (!ctl_call(ctl, &request, &reply))
            return ctl->status;
        if (ctl->json)
            ctl_json(to_json(reply.message->metrics));
        else if (period_ms)
            print_line(reply.message->metrics);
        else
            print(reply.message->metrics);
        reply_fini(&reply);
        fflush(stdout);
        interrupt_sleep(period_ms);
    } while (period_ms);
    return ctl->status;
}

static const struct argument arguments[] = {
    {METRICS_WATCH, "watch", "S", "again every so many seconds"},
    {0},
};

const struct command command_metrics = {
    .name = "metrics",
    .operands = "MACHINE",
    .summary = "Show how busy a machine is",
    .arguments = arguments,
    .run = run,
};
