#include "host/metrics.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/io.h"
#include "host/procfs.h"

enum proc_file { STAT, MEMINFO, LOADAVG, PROC_FILES };
static const char *const file_names[PROC_FILES] = {"stat", "meminfo", "loadavg"};

struct metrics {
    char *disk, *gpu_tool;

    pthread_mutex_t reading; // who reads /proc
    char *files[PROC_FILES];
    int fds[PROC_FILES]; // kept open: a reading is then one system call
    struct cpu_times cpu;
    bool has_cpu;

    atomic_bool busy; // who measures the rest
    struct gpu_query query;

    pthread_mutex_t lock; // what follows; never held while something is measured
    int64_t measured_ms;  // clock_mono_ms
    struct metrics_sample sample;
    struct gpu *gpus;
};

struct metrics *metrics_new(const struct metrics_setup *setup)
{
    struct metrics *metrics = mem_new(struct metrics);
    metrics->disk = mem_string(setup->disk);
    for (int i = 0; i < PROC_FILES; i++) {
        metrics->files[i] = mem_printf("%s/%s", setup->proc ? setup->proc : "/proc", file_names[i]);
        metrics->fds[i] = -1;
    }
    metrics->gpu_tool = mem_string(setup->gpu_tool ? setup->gpu_tool : "nvidia-smi");
    gpu_query_init(&metrics->query, metrics->gpu_tool, setup->environment);
    pthread_mutex_init(&metrics->reading, NULL);
    pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (int i = 0; i < PROC_FILES; i++) {
        io_close(&metrics->fds[i]);
        mem_free(metrics->files[i]);
    }
    gpu_query_fini(&metrics->query);
    pthread_mutex_destroy(&metrics->reading);
    pthread_mutex_destroy(&metrics->lock);
    mem_free(metrics->gpus);
    mem_free(metrics->gpu_tool);
    mem_free(metrics->disk);
    mem_free(metrics);
}

static uint64_t count_of(uint64_t value)
{
    return value < METRIC_MAX ? value : METRIC_MAX;
}

// --- /proc

static const char *read_file(struct metrics *metrics, enum proc_file file,
                             char text[PROC_TEXT_BYTES])
{
    int *fd = &metrics->fds[file];
    if (*fd < 0)
        *fd = open(metrics->files[file], O_RDONLY | O_CLOEXEC);
    ssize_t n = *fd < 0 ? 0 : pread(*fd, text, PROC_TEXT_BYTES - 1, 0);
    if (n <= 0) {
        io_close(fd);
        n = 0;
    }
    text[n] = '\0';
    return text;
}

static void read_proc(struct metrics *metrics, struct metrics_sample *out)
{
    char text[PROC_TEXT_BYTES];
    struct cpu_times cpu;
    bool has_cpu = procfs_cpu(read_file(metrics, STAT, text), &cpu);
    if (has_cpu && metrics->has_cpu)
        out->cpu_percent = procfs_cpu_percent(&metrics->cpu, &cpu);
    metrics->has_cpu = has_cpu;
    if (has_cpu)
        metrics->cpu = cpu;

    struct load load;
    if (procfs_load(read_file(metrics, LOADAVG, text), &load)) {
        memcpy(out->load, load.average, sizeof out->load);
        out->run_queue = (double)count_of(load.running);
    }

    struct memory memory;
    if (procfs_memory(read_file(metrics, MEMINFO, text), &memory)) {
        uint64_t used = memory.total > memory.available ? memory.total - memory.available : 0;
        out->mem_total_bytes = count_of(memory.total);
        out->mem_used_bytes = count_of(used);
    }
}

static int64_t age(struct metrics *metrics)
{
    pthread_mutex_lock(&metrics->lock);
    bool never = metrics->sample.sampled_at_ms == 0;
    int64_t measured_ms = metrics->measured_ms;
    pthread_mutex_unlock(&metrics->lock);
    return never ? INT64_MAX : clock_mono_ms() - measured_ms;
}

void metrics_refresh(struct metrics *metrics, int64_t age_ms)
{
    pthread_mutex_lock(&metrics->reading);
    if (age(metrics) > age_ms) {
        struct metrics_sample fresh = {0};
        read_proc(metrics, &fresh);
        pthread_mutex_lock(&metrics->lock);
        fresh.disk_used_bytes = metrics->sample.disk_used_bytes;
        fresh.disk_total_bytes = metrics->sample.disk_total_bytes;
        fresh.gpu_count = metrics->sample.gpu_count;
        fresh.sampled_at_ms = clock_wall_ms();
        metrics->sample = fresh;
        metrics->measured_ms = clock_mono_ms();
        pthread_mutex_unlock(&metrics->lock);
    }
    pthread_mutex_unlock(&metrics->reading);
}

// --- what may take long

static void measure_disk(struct metrics *metrics)
{
    struct statvfs disk;
    uint64_t total = 0, used = 0;
    if (statvfs(metrics->disk, &disk) == 0) {
        // Blocks are counted in fragments, not in f_bsize (statvfs(3)).
        uint64_t free;
        if (__builtin_mul_overflow(disk.f_blocks, disk.f_frsize, &total))
            total = UINT64_MAX;
        if (__builtin_mul_overflow(disk.f_bavail, disk.f_frsize, &free) || free > total)
            free = total;
        used = total - free;
    }
    pthread_mutex_lock(&metrics->lock);
    metrics->sample.disk_total_bytes = count_of(total);
    metrics->sample.disk_used_bytes = count_of(used);
    pthread_mutex_unlock(&metrics->lock);
}

static void measure_gpus(struct metrics *metrics)
{
    struct gpu *gpus;
    size_t count;
    if (!gpu_query_run(&metrics->query, &gpus, &count))
        return;
    pthread_mutex_lock(&metrics->lock);
    struct gpu *old = metrics->gpus;
    metrics->gpus = gpus;
    metrics->sample.gpu_count = count;
    pthread_mutex_unlock(&metrics->lock);
    mem_free(old);
}

void metrics_sample(struct metrics *metrics)
{
    // A request may just have been served: two readings close together say nothing of the load.
    metrics_refresh(metrics, METRICS_FRESH_MS / 2);
    if (atomic_exchange(&metrics->busy, true))
        return;
    measure_disk(metrics);
    measure_gpus(metrics);
    atomic_store(&metrics->busy, false);
}

void metrics_get(struct metrics *metrics, struct arena *arena, struct metrics_sample *out)
{
    pthread_mutex_lock(&metrics->lock);
    *out = metrics->sample;
    struct gpu *copy = NULL;
    if (out->gpu_count > 0)
        copy = arena_alloc(arena, out->gpu_count * sizeof *copy);
    if (copy)
        memcpy(copy, metrics->gpus, out->gpu_count * sizeof *copy);
    else
        out->gpu_count = 0;
    out->gpus = copy;
    pthread_mutex_unlock(&metrics->lock);
}
