// Figures as people read them. Each writes into a text of its own size and returns it.
#pragma once

#include <stdint.h>

struct unit_text {
    char text[40];
};

struct unit_text unit_size(uint64_t bytes);             // "512", "4.0K", "12M"
struct unit_text unit_age(int64_t ms);                  // "now", "3s", "5m", "2h", "4d"
struct unit_text unit_time(int64_t unix_ms);            // "2026-08-14 09:05", local time
struct unit_text unit_iso_time(int64_t unix_ms);        // "2026-08-14T09:05:03Z"
struct unit_text unit_mode(uint32_t st_mode, int kind); // "drwxr-xr-x"; kind: Og__FsEntryKind

#define unit_size_text(bytes)      (unit_size(bytes).text)
#define unit_age_text(ms)          (unit_age(ms).text)
#define unit_time_text(ms)         (unit_time(ms).text)
#define unit_iso_time_text(ms)     (unit_iso_time(ms).text)
#define unit_mode_text(mode, kind) (unit_mode(mode, kind).text)
