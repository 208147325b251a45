// What the daemon does by the clock: samples the machine and gives memory back after a busy time.
// Runs on workers, so that a hung file system freezes only the figures.
#pragma once

#include <stdint.h>

struct admission;
struct capacity;
struct housekeeping;
struct metrics;
struct workers;

// Takes the first samples before it returns. environment: of the tools
// that are asked; disk: whose fill the metrics tell; spool: whose free
// space counts as capacity.
struct housekeeping *housekeeping_new(struct workers *workers, char *const *environment,
                                      const char *disk, const char *spool);

struct metrics *housekeeping_metrics(struct housekeeping *housekeeping);
struct capacity *housekeeping_capacity(struct housekeeping *housekeeping);

int64_t housekeeping_next(const struct housekeeping *housekeeping); // clock_mono_ms
void housekeeping_run(struct housekeeping *housekeeping, struct admission *admission);
