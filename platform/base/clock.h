// Time, in milliseconds where nothing else is said.
#pragma once

#include <stdint.h>

int64_t clock_mono_ms(void); // CLOCK_MONOTONIC: for waits and durations
int64_t clock_boot_ms(void); // CLOCK_BOOTTIME: also counts suspend
int64_t clock_wall_ms(void); // unix time
int64_t clock_wall_ns(void); // the same, as exact as it gets
void clock_sleep_ms(int64_t ms);
