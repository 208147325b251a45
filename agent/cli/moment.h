// Times and spans as people read them.
#pragma once

#include <stdint.h>

enum { MOMENT_BYTES = 64 };

// "3 minutes", "2 days"; never negative. Returns text.
const char *moment_span(int64_t seconds, char text[MOMENT_BYTES]);

// "2030-01-01 00:00 UTC".
const char *moment_date(int64_t unix_s, char text[MOMENT_BYTES]);

// Of a token: "expires 2030-01-01 00:00 UTC (in 3 days)", "expired ...", "expiry unknown", "none".
enum { MOMENT_EXPIRY_BYTES = 3 * MOMENT_BYTES };
const char *moment_expiry(const char *token, int64_t now_s, char text[MOMENT_EXPIRY_BYTES]);
