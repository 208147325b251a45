#include <string.h>

#include "base/alloc.h"
#include "ctl/bench.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"

enum { BENCH_COUNT = 'n', BENCH_ONLY = 'o', BENCH_DIRECTORY = 'C', COUNT_DEFAULT = 1000 };

static bool all_known(const char *only)
{
    char *list = mem_string(only), *rest = list;
    bool ok = true;
    for (char *what; ok && (what = strsep(&rest, ","));)
        ok = bench_knows(what);
    mem_free(list);
    return ok;
}

static bool measure_all(struct bench *bench, const char *only, struct fault *fault)
{
    char *list = mem_string(only), *rest = list;
    bool ok = true;
    for (char *what; ok && (what = strsep(&rest, ","));)
        ok = bench_measure(bench, what, fault);
    mem_free(list);
    return ok;
}

static int run(struct ctl *ctl, struct arguments *args)
{
    const char *only = "ping,exec,stat,list,read,flood";
    struct bench_options options = {.count = COUNT_DEFAULT, .directory = "/tmp"};
    const char *value;
    for (int key; (key = ctl_option(ctl, args, &value)) != ARGUMENTS_END;)
        switch (key) {
        case ARGUMENTS_BAD:
            return ctl->status;
        case BENCH_COUNT:
            if (!arguments_count(value, 10000000, &options.count) || options.count == 0)
                return ctl_misuse(ctl, "--count needs a number");
            break;
        case BENCH_ONLY:
            only = value;
            if (!all_known(only))
                return ctl_misuse(ctl, "--only is a list of ping,exec,stat,list,read,flood");
            break;
        default:
            options.directory = value;
        }
    if (!ctl_operands(ctl, args, 1, 1))
        return ctl->status;
    interrupt_watch();
    if (!ctl_machine(ctl, args->operands[0]))
        return ctl->status;
    struct bench *bench;
    struct fault fault;
    if (!bench_new(ctl, &options, &bench, &fault))
        return ctl_fault(ctl, &fault);
    if (!measure_all(bench, only, &fault))
        ctl_fault(ctl, &fault);
    else if (ctl->json)
        ctl_json(bench_json(bench));
    else
        bench_print(bench);
    bench_free(bench);
    return ctl->status;
}

static const struct argument arguments[] = {
    {BENCH_COUNT, "count", "N", "so many pings, others in proportion (1000)"},
    {BENCH_ONLY, "only", "LIST", "of ping,exec,stat,list,read,flood"},
    {BENCH_DIRECTORY, "cwd", "DIR", "work in a new directory in this one (/tmp)"},
    {0},
};

const struct command command_bench = {
    .name = "bench",
    .operands = "MACHINE",
    .summary = "Measure how fast a machine's agent answers",
    .notes = "Times are seen from here. Floors of the same run stand beside them: *echo* is a\n"
             "responder of our own on a second connection that does nothing else, local_* a\n"
             "command started here without an agent. The flood is 64 each of four operations\n"
             "at once, while a probe pings.\n",
    .arguments = arguments,
    .run = run,
};
