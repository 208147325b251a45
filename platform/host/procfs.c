#include "host/procfs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

bool procfs_number(const char **at, uint64_t *value)
{
    const char *p = *at;
    while (*p == ' ' || *p == '\t')
        p++;
    if (*p < '0' || *p > '9')
        return false;
    uint64_t number = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *p - '0', &number))
            number = UINT64_MAX;
    *at = p;
    *value = number;
    return true;
}

bool procfs_cpu(const char *stat, struct cpu_times *out)
{
    // user nice system idle iowait irq softirq steal; guest time, which follows, is part of user
    // and nice. Old kernels have fewer columns.
    enum { COLUMNS = 8, COLUMNS_MIN = 4, IDLE = 3, IOWAIT = 4 };
    if (strncmp(stat, "cpu ", 4) != 0)
        return false;
    const char *at = stat + 4;
    uint64_t value;
    int column = 0;
    *out = (struct cpu_times){0};
    for (; column < COLUMNS && procfs_number(&at, &value); column++) {
        out->total = add(out->total, value);
        if (column != IDLE && column != IOWAIT)
            out->busy = add(out->busy, value);
    }
    return column >= COLUMNS_MIN;
}

double procfs_cpu_percent(const struct cpu_times *before, const struct cpu_times *now)
{
    // Single columns may go back (proc(5) on iowait).
    if (now->total <= before->total || now->busy <= before->busy)
        return 0;
    double percent =
        100 * (double)(now->busy - before->busy) / (double)(now->total - before->total);
    return percent < 100 ? percent : 100;
}

bool procfs_load(const char *loadavg, struct load *out)
{
    const char *at = loadavg;
    for (int i = 0; i < 3; i++) {
        char *end;
        out->average[i] = strtod(at, &end);
        if (end == at || !isfinite(out->average[i]) || out->average[i] < 0)
            return false;
        at = end;
    }
    return procfs_number(&at, &out->running) && *at == '/';
}

// The value of a line "Key:   123 kB", in bytes.
static bool line_of(const char *meminfo, const char *key, uint64_t *bytes)
{
    size_t size = strlen(key);
    for (const char *line = meminfo; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, size) != 0 || line[size] != ':')
            continue;
        const char *at = line + size + 1;
        if (!procfs_number(&at, bytes))
            return false;
        if (__builtin_mul_overflow(*bytes, 1024, bytes))
            *bytes = UINT64_MAX;
        return true;
    }
    return false;
}

bool procfs_memory(const char *meminfo, struct memory *out)
{
    return line_of(meminfo, "MemTotal", &out->total) &&
           (line_of(meminfo, "MemAvailable", &out->available) ||
            line_of(meminfo, "MemFree", &out->available));
}
