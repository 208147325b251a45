#include "cli/moment.h"

#include <stdio.h>
#include <time.h>

#include "config/bearer.h"

const char *moment_span(int64_t seconds, char text[MOMENT_BYTES])
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;
    while (i < 3 && seconds < 2 * units[i].seconds) // 90 minutes, not 1 hour
        i++;
    int64_t count = seconds > 0 ? seconds / units[i].seconds : 0;
    snprintf(text, MOMENT_BYTES, "%lld %s%s", (long long)count, units[i].name,
             count == 1 ? "" : "s");
    return text;
}

const char *moment_date(int64_t unix_s, char text[MOMENT_BYTES])
{
    time_t at = unix_s;
    struct tm utc;
    if (!gmtime_r(&at, &utc) || strftime(text, MOMENT_BYTES, "%Y-%m-%d %H:%M UTC", &utc) == 0)
        snprintf(text, MOMENT_BYTES, "second %lld", (long long)unix_s);
    return text;
}

const char *moment_expiry(const char *token, int64_t now_s, char text[MOMENT_EXPIRY_BYTES])
{
    char date[MOMENT_BYTES], span[MOMENT_BYTES];
    int64_t at;
    enum bearer_state state = bearer_read(token, now_s, &at);
    if (state == BEARER_MISSING || state == BEARER_UNKNOWN)
        snprintf(text, MOMENT_EXPIRY_BYTES, state == BEARER_MISSING ? "none" : "expiry unknown");
    else if (state == BEARER_EXPIRED)
        snprintf(text, MOMENT_EXPIRY_BYTES, "expired %s (%s ago)", moment_date(at, date),
                 moment_span(now_s - at, span));
    else
        snprintf(text, MOMENT_EXPIRY_BYTES, "expires %s (in %s)", moment_date(at, date),
                 moment_span(at - now_s, span));
    return text;
}
