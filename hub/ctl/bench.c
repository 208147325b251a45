#include "ctl/bench.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "ctl/bench_private.h"
#include "ctl/columns.h"
#include "ctl/interrupt.h"
#include "proto/encode.h"

enum { WARM_UP = 200 };

void bench_ping(struct bench_request *request)
{
    og__control_request__init(&request->message);
    og__ping_request__init(&request->body.ping);
    request->body.ping.nonce = 42;
    request->message.op_case = OG__CONTROL_REQUEST__OP_PING;
    request->message.ping = &request->body.ping;
}

static void run_request(struct bench *bench, const char *text, bool shell,
                        struct bench_request *request)
{
    og__control_request__init(&request->message);
    og__exec_request__init(&request->body.exec);
    request->argv[0] = (char *)text;
    request->body.exec.command = request->argv;
    request->body.exec.n_command = 1;
    request->body.exec.shell = shell;
    request->body.exec.cwd = bench->directory;
    request->body.exec.timeout_ms = CTL_CALL_MS;
    request->message.op_case = OG__CONTROL_REQUEST__OP_EXEC;
    request->message.exec = &request->body.exec;
}

void bench_shell(struct bench *bench, const char *text, struct bench_request *request)
{
    run_request(bench, text, true, request);
}

void bench_stat(struct bench *bench, struct bench_request *request)
{
    og__control_request__init(&request->message);
    og__fs_stat_request__init(&request->body.stat);
    request->body.stat.path = bench->directory;
    request->message.op_case = OG__CONTROL_REQUEST__OP_FS_STAT;
    request->message.fs_stat = &request->body.stat;
}

void bench_list(struct bench *bench, struct bench_request *request)
{
    og__control_request__init(&request->message);
    og__fs_list_request__init(&request->body.list);
    request->body.list.path = bench->directory;
    request->message.op_case = OG__CONTROL_REQUEST__OP_FS_LIST;
    request->message.fs_list = &request->body.list;
}

static void bench_read(struct bench *bench, struct bench_request *request)
{
    og__control_request__init(&request->message);
    og__fs_read_request__init(&request->body.read);
    request->body.read.path = bench->file;
    request->message.op_case = OG__CONTROL_REQUEST__OP_FS_READ;
    request->message.fs_read = &request->body.read;
}

void bench_result(struct bench *bench, const char *name, const char *floor, struct samples *samples)
{
    assert(bench->result_count < BENCH_RESULTS_MAX);
    bench->results[bench->result_count].name = name;
    bench->results[bench->result_count].floor = floor;
    bench->results[bench->result_count++].summary = samples_summary(samples);
    samples_fini(samples);
}

// Waits for the answer and checks it outside the time that is taken.
static bool timed(struct bench *bench, struct call *call, struct samples *samples,
                  struct fault *fault)
{
    struct rpc *rpc = bench->ctl->rpc;
    if (!rpc_wait(rpc, call, clock_mono_ms() + ctl_timeout(bench->ctl), fault)) {
        rpc_drop(rpc, call);
        return false;
    }
    int64_t ns = call->arrived_ns - call->sent_ns;
    struct reply reply;
    if (!rpc_take(rpc, call, &reply, fault))
        return false;
    reply_fini(&reply);
    if (samples)
        samples_add(samples, ns);
    return true;
}

static bool once(struct bench *bench, const struct bench_request *request, struct samples *samples,
                 struct fault *fault)
{
    struct call *call;
    return rpc_send(bench->ctl->rpc, bench->ctl->machine.subject, &request->message, &call,
                    fault) &&
           timed(bench, call, samples, fault);
}

// What an operation is compared with: an answer of the echo, or a command that is started here.
struct floor {
    const char *name;
    char kind;         // what the echo does, ECHO_...; 0: nothing
    char *const *argv; // NULL: the echo
};

enum { FLOORS_MAX = 2 };

// The echo takes a request of the size of a ping.
static bool echo_once(struct bench *bench, char kind, struct samples *samples, struct fault *fault)
{
    const char payload[44] = {kind};
    struct rpc *rpc = bench->ctl->rpc;
    struct call *call;
    if (!rpc_send_raw(rpc, echo_subject(bench->echo), payload, sizeof payload, &call, fault))
        return false;
    bool ok = rpc_wait(rpc, call, clock_mono_ms() + ctl_timeout(bench->ctl), fault);
    if (ok && samples)
        samples_add(samples, call->arrived_ns - call->sent_ns);
    rpc_drop(rpc, call);
    return ok;
}

static bool floor_once(struct bench *bench, const struct floor *floor, struct samples *samples,
                       struct fault *fault)
{
    if (!floor->argv)
        return echo_once(bench, floor->kind, samples, fault);
    return spawn_once(floor->argv, samples) ||
           fault_set(fault, FAULT_LOCAL, "%s cannot be started here", floor->argv[0]);
}

// Alternating, so that all meet the same moods of the machine. The last floor is the one to compare
// with.
static bool beside(struct bench *bench, const char *name, const struct bench_request *request,
                   const struct floor *floors, size_t floor_count, uint64_t count,
                   struct fault *fault)
{
    struct samples below[FLOORS_MAX] = {0}, samples = {0};
    assert(floor_count > 0 && floor_count <= FLOORS_MAX);
    bool ok = true;
    for (uint64_t i = 0; ok && i < count; i++) {
        for (size_t k = 0; ok && k < floor_count; k++)
            ok = floor_once(bench, &floors[k], &below[k], fault);
        ok = ok && once(bench, request, &samples, fault);
    }
    for (size_t k = 0; k < floor_count; k++)
        bench_result(bench, floors[k].name, NULL, &below[k]);
    bench_result(bench, name, floors[floor_count - 1].name, &samples);
    return ok;
}

static bool pings(struct bench *bench, struct fault *fault)
{
    struct bench_request request;
    bench_ping(&request);
    return beside(bench, "ping", &request, &(struct floor){.name = "raw_echo"}, 1, bench->count,
                  fault);
}

static bool commands_here_and_there(struct bench *bench, struct fault *fault)
{
    const struct floor shell[] = {{.name = "local_sh_echo", .argv = bench_shell_argv},
                                  {.name = "echo_sh_echo", .kind = ECHO_SHELL}},
                       program[] = {{.name = "local_true", .argv = bench_program_argv},
                                    {.name = "echo_true", .kind = ECHO_PROGRAM}};
    struct bench_request in_shell, direct;
    bench_shell(bench, "echo hi", &in_shell);
    run_request(bench, bench_program_argv[0], false, &direct);
    uint64_t count = bench->count / 4 + 1;
    return beside(bench, "exec_sh_echo", &in_shell, shell, 2, count, fault) &&
           beside(bench, "exec_argv_true", &direct, program, 2, count, fault);
}

static bool stats(struct bench *bench, struct fault *fault)
{
    struct bench_request request;
    bench_stat(bench, &request);
    return beside(bench, "stat", &request, &(struct floor){.name = "echo_stat"}, 1,
                  bench->count / 2 + 1, fault);
}

static bool lists(struct bench *bench, struct fault *fault)
{
    struct bench_request request;
    bench_list(bench, &request);
    return beside(bench, "list", &request, &(struct floor){.name = "echo_list"}, 1,
                  bench->count / 2 + 1, fault);
}

static bool reads(struct bench *bench, struct fault *fault)
{
    struct bench_request request;
    bench_read(bench, &request);
    return beside(bench, "read_512k", &request,
                  &(struct floor){.name = "echo_512k", .kind = ECHO_LARGE}, 1,
                  bench->count / 10 + 1, fault);
}

static const struct {
    const char *name;
    bool (*run)(struct bench *bench, struct fault *fault);
} measures[] = {{"ping", pings}, {"exec", commands_here_and_there},
                {"stat", stats}, {"list", lists},
                {"read", reads}, {"flood", bench_flood}};

bool bench_knows(const char *what)
{
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        if (strcmp(measures[i].name, what) == 0)
            return true;
    return false;
}

bool bench_measure(struct bench *bench, const char *what, struct fault *fault)
{
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        if (strcmp(measures[i].name, what) == 0)
            return measures[i].run(bench, fault);
    return fault_set(fault, FAULT_LOCAL, "there is no measure \"%s\"", what);
}

static bool call(struct bench *bench, const Og__ControlRequest *request, struct fault *fault)
{
    struct call_options options = {.timeout_ms = ctl_timeout(bench->ctl)};
    struct reply reply;
    if (!ctl_try(bench->ctl, request, &options, &reply, fault))
        return false;
    reply_fini(&reply);
    return true;
}

static bool write_file(struct bench *bench, const char *path, const void *data, size_t size,
                       struct fault *fault)
{
    Og__FsWriteRequest body = OG__FS_WRITE_REQUEST__INIT;
    body.path = (char *)path;
    body.content = (ProtobufCBinaryData){.data = (uint8_t *)data, .len = size};
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_WRITE;
    request.fs_write = &body;
    return call(bench, &request, fault);
}

// A directory of our own with a few small files and one of 512 KiB.
static bool prepare(struct bench *bench, struct fault *fault)
{
    Og__FsMkdirRequest body = OG__FS_MKDIR_REQUEST__INIT;
    body.path = bench->directory;
    body.mode = 0700;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_MKDIR;
    request.fs_mkdir = &body;
    bool ok = call(bench, &request, fault);
    for (int i = 0; ok && i < BENCH_FILES; i++) {
        char *path = mem_printf("%s/file-%d", bench->directory, i);
        ok = write_file(bench, path, path, strlen(path), fault);
        mem_free(path);
    }
    char *zeros = mem_array(BENCH_READ_BYTES, 1);
    ok = ok && write_file(bench, bench->file, zeros, BENCH_READ_BYTES, fault);
    mem_free(zeros);
    return ok;
}

static bool warm_up(struct bench *bench, struct fault *fault)
{
    struct bench_request ping;
    bench_ping(&ping);
    bool ok = true;
    for (int i = 0; ok && i < WARM_UP; i++)
        ok = once(bench, &ping, NULL, fault) && echo_once(bench, '\0', NULL, fault);
    return ok;
}

bool bench_new(struct ctl *ctl, const struct bench_options *options, struct bench **out,
               struct fault *fault)
{
    struct bench *bench = mem_new(struct bench);
    bench->ctl = ctl;
    bench->count = options->count;
    bench->directory = mem_printf("%s/opengeni-bench-%016llx", options->directory,
                                  (unsigned long long)random_below(UINT64_MAX));
    bench->file = mem_printf("%s/bench-512k", bench->directory);
    if (echo_new(&ctl->server, &bench->echo, fault) && prepare(bench, fault) &&
        warm_up(bench, fault)) {
        *out = bench;
        return true;
    }
    bench_free(bench);
    return false;
}

static void remove_directory(struct bench *bench)
{
    Og__FsRemoveRequest body = OG__FS_REMOVE_REQUEST__INIT;
    body.path = bench->directory;
    body.recursive = true;
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_FS_REMOVE;
    request.fs_remove = &body;
    struct fault ignored;
    interrupt_put_off(true);
    (void)!call(bench, &request, &ignored);
    interrupt_put_off(false);
}

void bench_free(struct bench *bench)
{
    if (!bench)
        return;
    remove_directory(bench);
    echo_free(bench->echo);
    mem_free(bench->directory);
    mem_free(bench->file);
    mem_free(bench);
}

static double us(int64_t ns)
{
    return (double)ns / 1000;
}

static const struct summary *summary_of(const struct bench *bench, const char *name)
{
    for (size_t i = 0; name && i < bench->result_count; i++)
        if (strcmp(bench->results[i].name, name) == 0)
            return &bench->results[i].summary;
    return NULL;
}

void bench_print(const struct bench *bench)
{
    static const char *const heads[] = {"MEASURE", "-N",       "-P50 us", "-P99 us",
                                        "-MAX us", "-x FLOOR", "FLOOR",   NULL};
    struct columns *table = columns_new(heads);
    for (size_t i = 0; i < bench->result_count; i++) {
        const struct summary *summary = &bench->results[i].summary;
        columns_add(table, bench->results[i].name);
        columns_addf(table, "%zu", summary->count);
        columns_addf(table, "%.0f", us(summary->p50_ns));
        columns_addf(table, "%.0f", us(summary->p99_ns));
        columns_addf(table, "%.0f", us(summary->max_ns));
        const struct summary *floor = summary_of(bench, bench->results[i].floor);
        if (floor && floor->p50_ns > 0)
            columns_addf(table, "%.2f", us(summary->p50_ns) / us(floor->p50_ns));
        else
            columns_add(table, "");
        columns_add(table, floor ? bench->results[i].floor : "");
    }
    columns_print(table, stdout);
    columns_free(table);
    if (bench->flooded)
        printf("flood: %d each of \"sleep 0.5\", stat, list and ping at once took %.0f ms; %llu "
               "failed\n",
               BENCH_FLOOD, bench->flood_wall_ms, (unsigned long long)bench->flood_failed);
}

json_t *bench_json(const struct bench *bench)
{
    json_t *out = json_object();
    for (size_t i = 0; i < bench->result_count; i++) {
        const struct summary *summary = &bench->results[i].summary;
        json_object_set_new(out, bench->results[i].name,
                            json_pack("{s:I, s:I, s:I, s:I}", "n", (json_int_t)summary->count,
                                      "p50", (json_int_t)(summary->p50_ns / 1000), "p99",
                                      (json_int_t)(summary->p99_ns / 1000), "max",
                                      (json_int_t)(summary->max_ns / 1000)));
    }
    if (bench->flooded) {
        json_object_set_new(out, "flood_failed", json_integer((json_int_t)bench->flood_failed));
        json_object_set_new(out, "flood_wall_ms", json_integer((json_int_t)bench->flood_wall_ms));
    }
    return out;
}
