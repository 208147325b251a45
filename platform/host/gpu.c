#include "host/gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/printable.h"
#include "process/environment.h"
#include "process/spawn.h"

// --- parsing

// Takes the field before the next comma out of *rest, without the blanks around it.
static char *field(char **rest)
{
    char *start = strsep(rest, ",");
    if (!start)
        return NULL;
    start += strspn(start, " \t\r");
    size_t size = strlen(start);
    while (size > 0 && strchr(" \t\r", start[size - 1]))
        start[--size] = '\0';
    return start;
}

static bool amount(char **rest, double max, double *value)
{
    char *text = field(rest), *end;
    if (!text || !*text)
        return false;
    *value = strtod(text, &end);
    if (*end || !isfinite(*value))
        return false;
    *value = *value < 0 ? 0 : *value > max ? max : *value;
    return true;
}

static bool parse_line(char *line, struct gpu *gpu)
{
    const double mib = 1048576, mib_max = (double)(METRIC_MAX >> 20);
    double used, total;
    char *rest = line, *name = field(&rest);
    if (!name || !*name || !amount(&rest, 100, &gpu->util_percent) ||
        !amount(&rest, mib_max, &used) || !amount(&rest, mib_max, &total))
        return false;
    size_t size = strnlen(name, sizeof gpu->name - 1);
    memcpy(gpu->name, name, size);
    gpu->name[size] = '\0';
    printable_strip(gpu->name);
    gpu->mem_used_bytes = (uint64_t)(used * mib);
    gpu->mem_total_bytes = (uint64_t)(total * mib);
    return true;
}

size_t gpu_parse(const char *text, struct gpu *gpus, size_t max)
{
    char line[GPU_LINE_BYTES_MAX];
    size_t count = 0;
    for (size_t size; *text && count < max; text += size + (text[size] == '\n')) {
        size = strcspn(text, "\n");
        if (size >= sizeof line)
            continue;
        memcpy(line, text, size);
        line[size] = '\0';
        count += parse_line(line, &gpus[count]);
    }
    return count;
}

// --- asking

void gpu_query_init(struct gpu_query *query, const char *tool, char *const *environment)
{
    *query = (struct gpu_query){.tool = tool, .environment = environment, .pidfd = -1};
}

void gpu_query_fini(struct gpu_query *query)
{
    io_close(&query->pidfd);
}

static bool start_tool(struct gpu_query *query, pid_t *pid, int *output, struct fail *why)
{
    static char *const arguments[] = {"nvidia-smi",
                                      "--query-gpu=name,utilization.gpu,memory.used,memory.total",
                                      "--format=csv,noheader,nounits", NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2] = {-1, -1};
    bool started = false;
    if (null < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        fail_errno(why, errno, "pipe", NULL);
    } else {
        struct spawn spawn = {
            .program = query->tool,
            .search = environment_get(query->environment, "PATH"),
            .argv = arguments,
            .envp = query->environment,
            .stdio = {null, ends[1], null},
            .keep = -1,
        };
        started = spawn_start(&spawn, pid, &query->pidfd, why);
    }
    io_close(&null);
    io_close(&ends[1]);
    if (!started)
        io_close(&ends[0]);
    *output = ends[0];
    return started;
}

static bool wait_readable(int fd, int64_t until_ms)
{
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int n = poll(&ready, 1, left > 0 ? (int)left : 0);
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

// Everything up to the end; false when that does not come in time, or is too much.
static bool read_output(int fd, int64_t until_ms, struct buffer *text)
{
    for (;;) {
        char *room = buffer_reserve(text, 1024);
        if (!room || !wait_readable(fd, until_ms))
            return false;
        ssize_t n = read(fd, room, 1024);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        buffer_commit(text, (size_t)n);
    }
}

// True when the tool has ended by itself and well. One that sits in its driver survives even the
// kill; its descriptor is then kept.
static bool end_tool(struct gpu_query *query, pid_t pid, int64_t until_ms)
{
    siginfo_t end = {0};
    if (!wait_readable(query->pidfd, until_ms)) {
        kill(-pid, SIGKILL); // the group it leads; cannot be another's, it has not been reaped
        if (!wait_readable(query->pidfd, clock_mono_ms() + GPU_KILL_MS))
            return false;
    }
    bool well = waitid(P_PIDFD, (id_t)query->pidfd, &end, WEXITED | WNOHANG) == 0 &&
                end.si_code == CLD_EXITED && end.si_status == 0;
    io_close(&query->pidfd);
    return well;
}

// True when none is left over.
static bool collect_old(struct gpu_query *query)
{
    if (query->pidfd < 0)
        return true;
    if (!wait_readable(query->pidfd, 0))
        return false;
    siginfo_t end;
    (void)waitid(P_PIDFD, (id_t)query->pidfd, &end, WEXITED | WNOHANG);
    io_close(&query->pidfd);
    return true;
}

static void parse_output(const char *text, struct gpu **gpus, size_t *count)
{
    *gpus = mem_array(GPUS_MAX, sizeof **gpus);
    *count = gpu_parse(text, *gpus, GPUS_MAX);
    if (*count == 0) {
        mem_free(*gpus);
        *gpus = NULL;
    } else {
        *gpus = mem_resize(*gpus, *count * sizeof **gpus);
    }
}

bool gpu_query_run(struct gpu_query *query, struct gpu **gpus, size_t *count)
{
    int64_t now = clock_mono_ms();
    if (now < query->next_ms || !collect_old(query))
        return false;
    *gpus = NULL;
    *count = 0;
    pid_t pid;
    int output;
    struct fail why;
    if (!start_tool(query, &pid, &output, &why)) {
        query->next_ms = now + GPU_MISSING_PERIOD_MS;
        return true;
    }
    query->next_ms = now + GPU_PERIOD_MS;
    struct buffer text;
    buffer_init(&text, GPU_OUTPUT_BYTES_MAX);
    bool whole = read_output(output, now + GPU_TIMEOUT_MS, &text);
    close(output);
    // One that was cut short need not get the rest of its time.
    if (end_tool(query, pid, whole ? now + GPU_TIMEOUT_MS : 0) && whole && text.size > 0)
        parse_output(text.data, gpus, count);
    buffer_fini(&text);
    return true;
}
