#include "base/log.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"

static enum log_level level = LOG_INFO;
static bool to_journal, colored;

static const struct {
    const char *name, *journal, *color;
} levels[] = {
    [LOG_ERROR] = {"ERROR", "<3>", "\033[31m"}, [LOG_WARN] = {"WARN", "<4>", "\033[33m"},
    [LOG_INFO] = {"INFO", "<6>", "\033[32m"},   [LOG_DEBUG] = {"DEBUG", "<7>", "\033[34m"},
    [LOG_TRACE] = {"TRACE", "<7>", "\033[35m"},
};

// A level's name, or LOG_INFO - anything else is not worth refusing to start for.
static enum log_level level_named(const char *name, size_t size)
{
    if (size == 3 && strncasecmp(name, "off", 3) == 0)
        return LOG_OFF;
    for (int i = LOG_ERROR; i <= LOG_TRACE; i++)
        if (strlen(levels[i].name) == size && strncasecmp(name, levels[i].name, size) == 0)
            return (enum log_level)i;
    return LOG_INFO;
}

// RUST_LOG is a comma list of "level" and "target=level"; only our own name and bare levels count.
static enum log_level level_of_filter(const char *filter)
{
    enum log_level found = LOG_INFO;
    while (*filter) {
        size_t size = strcspn(filter, ",");
        static const char own[] = "opengeni_agent=";
        if (size > sizeof own - 1 && strncmp(filter, own, sizeof own - 1) == 0)
            return level_named(filter + sizeof own - 1, size - (sizeof own - 1));
        if (!memchr(filter, '=', size))
            found = level_named(filter, size);
        filter += size + (filter[size] == ',');
    }
    return found;
}

static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); // "device:inode", systemd.exec(5)
    struct stat st;
    if (!stream || fstat(STDERR_FILENO, &st) != 0)
        return false;
    char *end;
    unsigned long long device = strtoull(stream, &end, 10);
    return *end == ':' && device == st.st_dev && strtoull(end + 1, NULL, 10) == st.st_ino;
}

void log_init(void)
{
    const char *own = getenv("OPENGENI_LOG"), *rust = getenv("RUST_LOG");
    level = own && *own ? level_named(own, strlen(own)) : rust ? level_of_filter(rust) : LOG_INFO;
    to_journal = stderr_is_journal();
    const char *plain = getenv("NO_COLOR");
    colored = !to_journal && isatty(STDERR_FILENO) && !(plain && *plain);
}

void log_set_level(enum log_level wanted)
{
    level = wanted;
}

enum log_level log_level(void)
{
    return level;
}

static bool token_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

// Length of a token's prefix ("oge_", "oget_") at text, 0 when there is none.
static size_t token_prefix(const char *text)
{
    if (text[0] != 'o' || text[1] != 'g')
        return 0;
    size_t n = 2;
    while (n < 4 && islower((unsigned char)text[n]))
        n++;
    return n > 2 && text[n] == '_' ? n + 1 : 0;
}

void log_redact(char *text)
{
    char *out = text;
    for (char *in = text; *in;) {
        size_t prefix = token_prefix(in), size = prefix;
        while (prefix && token_character(in[size]))
            size++;
        if (size < prefix + 8) {
            *out++ = *in++;
            continue;
        }
        if (in[size] == '.' && token_character(in[size + 1]))
            for (size++; token_character(in[size]); size++)
                ;
        memmove(out, in, prefix);
        memcpy(out + prefix, "***", 3);
        out += prefix + 3;
        in += size;
    }
    *out = '\0';
}

struct line {
    char text[LOG_LINE_BYTES];
    size_t size;
};

static void put(struct line *line, const char *text)
{
    size_t n = strlen(text), room = sizeof line->text - 2 - line->size;
    if (n > room)
        n = room;
    memcpy(line->text + line->size, text, n);
    line->size += n;
}

// Quoted when it holds anything but plain characters; control characters are escaped, so that no
// outside text can forge a line or steer a terminal.
static void put_value(struct line *line, const char *value)
{
    bool plain = *value != '\0';
    for (const char *p = value; *p && plain; p++)
        plain = (unsigned char)*p > ' ' && *p != '"' && *p != '\\' && *p != 0x7f;
    if (plain) {
        put(line, value);
        return;
    }
    put(line, "\"");
    for (const char *p = value; *p; p++) {
        char escaped[8] = {*p};
        if (*p == '"' || *p == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *p);
        else if (*p == '\n')
            memcpy(escaped, "\\n", 3);
        else if ((unsigned char)*p < ' ' || *p == 0x7f)
            snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned)(unsigned char)*p);
        put(line, escaped);
    }
    put(line, "\"");
}

static void put_head(struct line *line, enum log_level at)
{
    if (to_journal) {
        put(line, levels[at].journal);
        return;
    }
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char head[80];
    snprintf(head, sizeof head, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s%s%s ", utc.tm_year + 1900,
             utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
             now.tv_nsec / 1000000, colored ? levels[at].color : "", levels[at].name,
             colored ? "\033[0m" : "");
    put(line, head);
}

struct seen {
    const char *event; // a literal: told apart by its address
    int64_t since;
    unsigned count;
};

// The place of an event, or else the one near it that has been in use for longest.
static struct seen *place_of(const char *event)
{
    enum { PLACES = 256, NEAR = 8 };
    static struct seen places[PLACES];
    size_t first = ((uintptr_t)event >> 3) % PLACES;
    struct seen *oldest = &places[first];
    for (size_t i = 0; i < NEAR; i++) {
        struct seen *at = &places[(first + i) % PLACES];
        if (at->event == event)
            return at;
        if (at->since < oldest->since)
            oldest = at;
    }
    return oldest;
}

// The same event is written LOG_EVENTS_PER_MINUTE times at most; the rest is counted.
static bool rate_allows(const char *event, unsigned *suppressed)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&lock);
    struct seen *seen = place_of(event);
    *suppressed = 0;
    if (seen->event != event || now - seen->since > 60000) {
        if (seen->event == event && seen->count > LOG_EVENTS_PER_MINUTE)
            *suppressed = seen->count - LOG_EVENTS_PER_MINUTE;
        *seen = (struct seen){.event = event, .since = now};
    }
    bool allowed = ++seen->count <= LOG_EVENTS_PER_MINUTE;
    pthread_mutex_unlock(&lock);
    return allowed;
}

void log_event(enum log_level at, const char *event, ...)
{
    unsigned suppressed = 0;
    if (at > level || (at <= LOG_INFO && level <= LOG_INFO && !rate_allows(event, &suppressed)))
        return;
    struct line line;
    line.size = 0;
    put_head(&line, at);
    size_t head = line.size;
    put(&line, event);
    va_list args;
    va_start(args, event);
    for (const char *key; (key = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        put(&line, " ");
        put(&line, key);
        put(&line, "=");
        put_value(&line, value ? value : "-");
    }
    va_end(args);
    if (suppressed) {
        put(&line, " suppressed=");
        put(&line, log_num(suppressed));
    }
    line.text[line.size] = '\0';
    log_redact(line.text + head);
    line.size = strlen(line.text);
    line.text[line.size++] = '\n';
    if (write(STDERR_FILENO, line.text, line.size) < 0)
        return; // nowhere left to complain
}

struct log_text log_number(long long value)
{
    struct log_text number;
    snprintf(number.text, sizeof number.text, "%lld", value);
    return number;
}

struct log_fail_text log_failure(const struct fail *why)
{
    struct log_fail_text out;
    fail_text(why, out.text, sizeof out.text);
    return out;
}
