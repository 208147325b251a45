#include "scratch.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "host/metrics.h"
#include "host/procfs.h"

// --- the texts of /proc

START_TEST(cpu_line)
{
    struct cpu_times cpu;
    ck_assert(procfs_cpu("cpu  100 20 30 400 50 6 7 8 900 1000\ncpu0 1 2 3 4\n", &cpu));
    ck_assert_uint_eq(cpu.total, 100 + 20 + 30 + 400 + 50 + 6 + 7 + 8); // no guest time
    ck_assert_uint_eq(cpu.busy, 100 + 20 + 30 + 6 + 7 + 8);
    ck_assert(procfs_cpu("cpu 1 2 3 4", &cpu) && cpu.total == 10 && cpu.busy == 6);
    ck_assert(procfs_cpu("cpu 99999999999999999999 1 1 1 1", &cpu) && cpu.total == UINT64_MAX);
    const char *bad[] = {"",
                         "cpu",
                         "cpu ",
                         "cpu0 1 2 3 4",
                         "cpu 1 2 3",
                         "intr 1 2 3 4 5",
                         "cpu a b c d",
                         "cpu -1 -2 -3 -4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!procfs_cpu(bad[i], &cpu), "%s", bad[i]);
}
END_TEST

static double percent(struct cpu_times before, struct cpu_times now)
{
    return procfs_cpu_percent(&before, &now);
}

START_TEST(cpu_percent)
{
    ck_assert_double_eq(percent((struct cpu_times){0, 0}, (struct cpu_times){25, 100}), 25);
    ck_assert_double_eq(percent((struct cpu_times){5, 10}, (struct cpu_times){5, 10}), 0);
    ck_assert_double_eq(percent((struct cpu_times){5, 10}, (struct cpu_times){4, 20}), 0);
    ck_assert_double_eq(percent((struct cpu_times){5, 10}, (struct cpu_times){9, 5}), 0);
    ck_assert_double_eq(percent((struct cpu_times){0, 0}, (struct cpu_times){20, 10}), 100);
    ck_assert_double_eq(
        percent((struct cpu_times){0, 0}, (struct cpu_times){UINT64_MAX, UINT64_MAX}), 100);
}
END_TEST

START_TEST(load_line)
{
    struct load load;
    ck_assert(procfs_load("0.52 1.25 10.00 3/1234 5678\n", &load));
    ck_assert_double_eq(load.average[0], 0.52);
    ck_assert_double_eq(load.average[2], 10);
    ck_assert_uint_eq(load.running, 3);
    const char *bad[] = {"",           "1",        "1 2 3", "1 2 3 4", "nan 1 2 3/4", "1 inf 2 3/4",
                         "1 2 -3 3/4", "1 2 3 x/4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!procfs_load(bad[i], &load), "%s", bad[i]);
}
END_TEST

START_TEST(memory_lines)
{
    struct memory memory;
    ck_assert(
        procfs_memory("MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n", &memory));
    ck_assert_uint_eq(memory.total, 1024000);
    ck_assert_uint_eq(memory.available, 409600);
    ck_assert(procfs_memory("MemTotal: 1000 kB\nMemFree: 100 kB", &memory));
    ck_assert_uint_eq(memory.available, 102400);
    ck_assert(procfs_memory("MemTotal: 99999999999999999999 kB\nMemFree: 1 kB", &memory));
    ck_assert_uint_eq(memory.total, UINT64_MAX);
    ck_assert(!procfs_memory("", &memory));
    ck_assert(!procfs_memory("MemTotal: 1000 kB\n", &memory));
    ck_assert(!procfs_memory("XMemTotal: 1 kB\nMemTotal: kB\nMemFree: 1 kB\n", &memory));
}
END_TEST

// --- GPUs

START_TEST(gpu_lines)
{
    struct gpu gpus[4];
    ck_assert_uint_eq(gpu_parse("NVIDIA A100-SXM4, 37, 1024, 40960\n", gpus, 4), 1);
    ck_assert_str_eq(gpus[0].name, "NVIDIA A100-SXM4");
    ck_assert_double_eq(gpus[0].util_percent, 37);
    ck_assert_uint_eq(gpus[0].mem_used_bytes, 1024ull << 20);
    ck_assert_uint_eq(gpus[0].mem_total_bytes, 40960ull << 20);
    ck_assert_uint_eq(gpu_parse("a, 1, 2, 3, more\nbroken\nb, [N/A], 1, 2\n,1,2,3\nc,-5,-1,1e9\n"
                                "d, 250, nan, 1\r\ne, 250, 1, 1\r\n",
                                gpus, 4),
                      3);
    ck_assert_str_eq(gpus[1].name, "c");
    ck_assert_double_eq(gpus[1].util_percent, 0);
    ck_assert_uint_eq(gpus[1].mem_used_bytes, 0);
    ck_assert_str_eq(gpus[2].name, "e");
    ck_assert_double_eq(gpus[2].util_percent, 100);
    ck_assert_uint_eq(gpu_parse("a,1,1,1\nb,1,1,1\nc,1,1,1\n", gpus, 2), 2);
    ck_assert_uint_eq(gpu_parse("a,1,1e300,1e300", gpus, 4), 1);
    ck_assert_uint_le(gpus[0].mem_total_bytes, METRIC_MAX);
    ck_assert_uint_eq(gpu_parse("", gpus, 4), 0);
    ck_assert_uint_eq(gpu_parse("\n\n\n", gpus, 4), 0);
}
END_TEST

START_TEST(gpu_names_are_cut_and_valid)
{
    struct gpu gpu;
    char line[GPU_LINE_BYTES_MAX + 64];
    memset(line, 'x', sizeof line);
    memcpy(line + 600, ",1,1,1", 7);
    ck_assert_uint_eq(gpu_parse(line, &gpu, 1), 1);
    ck_assert_uint_eq(strlen(gpu.name), sizeof gpu.name - 1);
    for (size_t i = 1; i < 599; i += 2)
        memcpy(line + i, "\u00fc", 2);
    ck_assert_uint_eq(gpu_parse(line, &gpu, 1), 1);
    ck_assert(utf8_valid(gpu.name, strlen(gpu.name)));
    ck_assert_uint_eq(gpu_parse("a\xff\x1b[b,1,1,1", &gpu, 1), 1);
    ck_assert_str_eq(gpu.name, "a[b");
    memset(line, 'x', sizeof line);
    memcpy(line + GPU_LINE_BYTES_MAX, ",1,1,1", 7);
    ck_assert_uint_eq(gpu_parse(line, &gpu, 1), 0);
}
END_TEST

// --- a machine of files

static struct arena arena;
static struct metrics_sample sample;

static void set_machine(const char *stat, const char *meminfo, const char *loadavg)
{
    put(in("stat"), stat);
    put(in("meminfo"), meminfo);
    put(in("loadavg"), loadavg);
}

static void set_tool(const char *script)
{
    put(in("tool"), script);
    chmod(in("tool"), 0755);
}

static struct metrics *machine(void)
{
    static char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    struct metrics_setup setup = {
        .disk = scratch, .environment = environment, .proc = scratch, .gpu_tool = in("tool")};
    arena_init(&arena, 1 << 20);
    return metrics_new(&setup);
}

START_TEST(sample_of_a_machine)
{
    set_machine("cpu 100 0 0 900 0 0 0 0\n", "MemTotal: 1000 kB\nMemAvailable: 250 kB\n",
                "0.5 1.5 2.5 7/100 1\n");
    set_tool("#!/bin/sh\necho 'Some GPU, 50, 1, 2'\n");
    struct metrics *metrics = machine();
    metrics_get(metrics, &arena, &sample);
    ck_assert_int_eq(sample.sampled_at_ms, 0);
    int64_t before = clock_wall_ms();
    metrics_sample(metrics);
    metrics_get(metrics, &arena, &sample);
    ck_assert_int_ge(sample.sampled_at_ms, before);
    ck_assert_double_eq(sample.cpu_percent, 0);
    ck_assert_double_eq(sample.load[1], 1.5);
    ck_assert_double_eq(sample.run_queue, 7);
    ck_assert_uint_eq(sample.mem_total_bytes, 1024000);
    ck_assert_uint_eq(sample.mem_used_bytes, 768000);
    struct statvfs disk;
    ck_assert_int_eq(statvfs(scratch, &disk), 0);
    ck_assert_uint_eq(sample.disk_total_bytes, disk.f_blocks * disk.f_frsize);
    ck_assert_uint_gt(sample.disk_used_bytes, 0);
    ck_assert_uint_eq(sample.gpu_count, 1);
    ck_assert_str_eq(sample.gpus[0].name, "Some GPU");

    put(in("stat"), "cpu 175 0 0 925 0 0 0 0\n");
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_double_eq(sample.cpu_percent, 75);
    ck_assert_uint_eq(sample.disk_total_bytes, disk.f_blocks * disk.f_frsize);
    ck_assert_uint_eq(sample.gpu_count, 1);
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_double_eq(sample.cpu_percent, 0);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

START_TEST(fresh_sample_is_not_repeated)
{
    set_machine("cpu 1 0 0 1\n", "MemTotal: 1000 kB\nMemFree: 250 kB\n", "1 1 1 1/1 1\n");
    struct metrics *metrics = machine();
    metrics_refresh(metrics, 60000);
    put(in("meminfo"), "MemTotal: 2000 kB\nMemFree: 250 kB\n");
    metrics_refresh(metrics, 60000);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_eq(sample.mem_total_bytes, 1024000);
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_eq(sample.mem_total_bytes, 2048000);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

START_TEST(unreadable_figures_are_zero)
{
    struct metrics *metrics = machine();
    metrics_sample(metrics);
    metrics_get(metrics, &arena, &sample);
    ck_assert_int_gt(sample.sampled_at_ms, 0);
    ck_assert_uint_eq(sample.mem_total_bytes, 0);
    ck_assert_double_eq(sample.cpu_percent, 0);
    ck_assert_uint_eq(sample.gpu_count, 0);
    set_machine("cpu 1 0 0 1\n", "MemTotal: 10 kB\nMemFree: 20 kB\n", "1 1 1 1/1 1\n");
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_eq(sample.mem_total_bytes, 10240);
    ck_assert_uint_eq(sample.mem_used_bytes, 0);
    set_machine("cpu 18446744073709551615 0 0 0\n",
                "MemTotal: 18446744073709551615 kB\nMemFree: 0 kB\n",
                "1 1 1 18446744073709551615/1 1\n");
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_eq(sample.mem_total_bytes, METRIC_MAX);
    ck_assert_uint_eq(sample.mem_used_bytes, METRIC_MAX);
    ck_assert_double_eq(sample.run_queue, METRIC_MAX);
    ck_assert(isfinite(sample.cpu_percent) && sample.cpu_percent <= 100);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

START_TEST(full_arena_leaves_the_gpus_out)
{
    set_tool("#!/bin/sh\necho 'g, 50, 1, 2'\n");
    struct metrics *metrics = machine();
    metrics_sample(metrics);
    struct arena tiny;
    arena_init(&tiny, 64);
    metrics_get(metrics, &tiny, &sample);
    ck_assert_uint_eq(sample.gpu_count, 0);
    ck_assert_ptr_null(sample.gpus);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_eq(sample.gpu_count, 1);
    arena_fini(&tiny);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

static size_t gpus_with(const char *script, bool *asked, struct gpu_query *query)
{
    static char *environment[] = {"PATH=/usr/bin:/bin", NULL};
    static char tool[128];
    snprintf(tool, sizeof tool, "%s/tool", scratch);
    struct gpu *gpus = NULL;
    size_t count = 99;
    if (script) {
        set_tool(script);
        gpu_query_init(query, tool, environment);
    }
    *asked = gpu_query_run(query, &gpus, &count);
    mem_free(gpus);
    return count;
}

START_TEST(gpu_tool_is_asked_seldom)
{
    struct gpu_query query;
    bool asked;
    ck_assert_uint_eq(gpus_with("#!/bin/sh\necho g, 50, 1, 2\n", &asked, &query), 1);
    gpus_with(NULL, &asked, &query);
    ck_assert(!asked);
    ck_assert_int_gt(query.next_ms, clock_mono_ms() + GPU_PERIOD_MS / 2);
    ck_assert_int_le(query.next_ms, clock_mono_ms() + GPU_PERIOD_MS);
    gpu_query_fini(&query);

    static char *nowhere[] = {"PATH=/nonexistent", NULL};
    struct gpu *gpus;
    size_t count;
    gpu_query_init(&query, "nvidia-smi", nowhere);
    ck_assert(gpu_query_run(&query, &gpus, &count) && count == 0 && !gpus);
    ck_assert_int_gt(query.next_ms, clock_mono_ms() + GPU_MISSING_PERIOD_MS / 2);
    gpu_query_fini(&query);
}
END_TEST

START_TEST(gpu_tool_that_fails)
{
    struct gpu_query query;
    bool asked;
    ck_assert_uint_eq(gpus_with("#!/bin/sh\necho g, 50, 1, 2\nexit 1\n", &asked, &query), 0);
    ck_assert_uint_eq(gpus_with("#!/bin/sh\necho g, 50, 1, 2\nkill -9 $$\n", &asked, &query), 0);
    ck_assert_uint_eq(gpus_with("#!/bin/sh\nexec yes g, 50, 1, 2\n", &asked, &query), 0);
    ck_assert_uint_eq(gpus_with("#!/bin/sh\nprintf 'g,1,1,1'\n", &asked, &query), 1);
    ck_assert_int_eq(query.pidfd, -1);
}
END_TEST

// A tool that hangs is killed with what it has started.
START_TEST(gpu_tool_that_hangs)
{
    struct gpu_query query;
    bool asked;
    char script[512];
    snprintf(script, sizeof script, "#!/bin/sh\nsleep 1000 & echo $! > %s/pid\nwait\n", scratch);
    int64_t start = clock_mono_ms();
    ck_assert_uint_eq(gpus_with(script, &asked, &query), 0);
    ck_assert_int_ge(clock_mono_ms() - start, GPU_TIMEOUT_MS);
    ck_assert_int_eq(query.pidfd, -1);
    char text[32] = "";
    int fd = open(in("pid"), O_RDONLY);
    ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
    close(fd);
    pid_t sleeper = (pid_t)strtol(text, NULL, 10);
    for (int i = 0; i < 1000 && kill(sleeper, 0) == 0; i++) {
        char path[64], state[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)sleeper);
        fd = open(path, O_RDONLY);
        if (fd < 0 || (read(fd, state, sizeof state - 1) > 0 && strstr(state, ") Z ")))
            sleeper = 0;
        close(fd);
        if (!sleeper)
            return;
        usleep(10000);
    }
    ck_assert_int_ne(kill(sleeper, 0), 0);
}
END_TEST

// One that cannot be killed is not given company.
START_TEST(gpu_tool_is_not_piled_up)
{
    struct gpu_query query;
    bool asked;
    gpus_with("#!/bin/sh\ntrue\n", &asked, &query);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    query.next_ms = 0;
    query.pidfd = ends[0]; // as of a process that lives on
    gpus_with(NULL, &asked, &query);
    ck_assert(!asked);
    close(ends[1]);
    query.pidfd = -1;
    gpus_with(NULL, &asked, &query);
    ck_assert(asked);
    close(ends[0]);
}
END_TEST

START_TEST(real_machine)
{
    extern char **environ;
    struct metrics_setup setup = {.disk = "/", .environment = environ};
    struct metrics *metrics = metrics_new(&setup);
    arena_init(&arena, 1 << 20);
    metrics_sample(metrics);
    int64_t start = clock_mono_ms();
    while (clock_mono_ms() - start < 50) // something to be measured
        ;
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_gt(sample.mem_total_bytes, 1 << 20);
    ck_assert_uint_gt(sample.mem_used_bytes, 0);
    ck_assert_uint_gt(sample.disk_total_bytes, 0);
    ck_assert(sample.cpu_percent > 0 && sample.cpu_percent <= 100);
    ck_assert(sample.run_queue >= 1);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

static void *sample_often(void *metrics)
{
    for (int i = 0; i < 200; i++)
        metrics_sample(metrics);
    return NULL;
}

static void *get_often(void *metrics)
{
    for (int i = 0; i < 2000; i++) {
        struct arena mine;
        struct metrics_sample got;
        arena_init(&mine, 1 << 16);
        metrics_refresh(metrics, i % 100 ? METRICS_FRESH_MS : -1);
        metrics_get(metrics, &mine, &got);
        ck_assert_uint_le(got.gpu_count, 1);
        arena_fini(&mine);
    }
    return NULL;
}

START_TEST(many_threads)
{
    set_machine("cpu 1 0 0 1\n", "MemTotal: 1000 kB\nMemFree: 250 kB\n", "1 1 1 1/1 1\n");
    set_tool("#!/bin/sh\necho 'g, 50, 1, 2'\n");
    struct metrics *metrics = machine();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, i < 2 ? sample_often : get_often, metrics);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

// While nvidia-smi hangs, the other figures stay fresh and can be had at once.
START_TEST(slow_tool_holds_up_nothing_else)
{
    set_machine("cpu 1 0 0 1\n", "MemTotal: 1000 kB\nMemFree: 250 kB\n", "1 1 1 1/1 1\n");
    set_tool("#!/bin/sh\nexec sleep 1000\n");
    struct metrics *metrics = machine();
    pthread_t thread;
    pthread_create(&thread, NULL, sample_often, metrics);
    do
        metrics_get(metrics, &arena, &sample);
    while (sample.disk_total_bytes == 0);
    put(in("meminfo"), "MemTotal: 2000 kB\nMemFree: 250 kB\n");
    metrics_refresh(metrics, -1);
    metrics_get(metrics, &arena, &sample);
    ck_assert_uint_eq(sample.mem_total_bytes, 2048000);
    ck_assert_int_eq(pthread_tryjoin_np(thread, NULL), EBUSY);
    pthread_join(thread, NULL);
    metrics_free(metrics);
    arena_fini(&arena);
}
END_TEST

RUN_SUITE("metrics", cpu_line, cpu_percent, load_line, memory_lines, gpu_lines,
          gpu_names_are_cut_and_valid, sample_of_a_machine, fresh_sample_is_not_repeated,
          unreadable_figures_are_zero, full_arena_leaves_the_gpus_out, gpu_tool_is_asked_seldom,
          gpu_tool_that_fails, gpu_tool_that_hangs, gpu_tool_is_not_piled_up, real_machine,
          many_threads, slow_tool_holds_up_nothing_else)
