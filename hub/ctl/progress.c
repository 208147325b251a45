#include "ctl/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"
#include "base/utf8.h"
#include "ctl/units.h"

enum { PERIOD_MS = 100, PATIENCE_MS = 500 }; // short transfers show nothing

void progress_init(struct progress *progress, const char *label, bool quiet)
{
    *progress =
        (struct progress){.active = !quiet && isatty(STDERR_FILENO), .started_ms = clock_mono_ms()};
    const char *slash = strrchr(label, '/');
    snprintf(progress->label, sizeof progress->label, "%s", slash && slash[1] ? slash + 1 : label);
    printable_strip(progress->label);
}

void progress_at(struct progress *progress, uint64_t done, uint64_t total)
{
    int64_t now = clock_mono_ms();
    if (!progress->active || now - progress->started_ms < PATIENCE_MS ||
        now - progress->printed_ms < PERIOD_MS)
        return;
    progress->printed_ms = now;
    progress->shown = true;
    uint64_t speed = done * 1000 / (uint64_t)(now - progress->started_ms);
    if (total > 0)
        fprintf(stderr, "\r%s  %3llu%%  %s of %s  %s/s\033[K", progress->label,
                (unsigned long long)(done >= total ? 100 : (unsigned __int128)done * 100 / total),
                unit_size_text(done), unit_size_text(total), unit_size_text(speed));
    else
        fprintf(stderr, "\r%s  %s  %s/s\033[K", progress->label, unit_size_text(done),
                unit_size_text(speed));
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
