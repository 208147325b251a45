#include "base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static void put(char *room, unsigned long bytes, const char *text)
{
    unsigned long n = strlen(text);
    if (n >= bytes)
        n = utf8_cut(text, bytes - 1);
    memcpy(room, text, n);
    room[n] = '\0';
}

static void start(struct fail *why, enum fail_kind kind)
{
    why->kind = kind;
    why->error = 0;
    why->what[0] = why->path[0] = '\0';
    why->size = why->size_max = why->output = 0;
    why->ended = 0;
}

bool fail_errno(struct fail *why, int error, const char *what, const char *path)
{
    fail_on_path(why, FAIL_SYSTEM, what, path);
    if (why)
        why->error = error;
    return false;
}

bool fail_because(struct fail *why, enum fail_kind kind, const char *format, ...)
{
    if (!why)
        return false;
    start(why, kind);
    char text[FAIL_WHAT_BYTES + 4]; // one character more, to see where it would be split
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(why->what, sizeof why->what, text);
    return false;
}

bool fail_on_path(struct fail *why, enum fail_kind kind, const char *what, const char *path)
{
    if (!why)
        return false;
    start(why, kind);
    put(why->what, sizeof why->what, what);
    put(why->path, sizeof why->path, path ? path : "");
    return false;
}

bool fail_too_large(struct fail *why, unsigned long long size, unsigned long long size_max)
{
    fail_because(why, FAIL_TOO_LARGE, "%llu bytes do not fit into a message of %llu", size,
                 size_max);
    if (why) {
        why->size = size;
        why->size_max = size_max;
    }
    return false;
}

const char *fail_text(const struct fail *why, char *text, unsigned long room)
{
    const char *gap = why->path[0] ? " " : "";
    if (why->error)
        snprintf(text, room, "%s%s%s: %s (os error %d)", why->what, gap, why->path,
                 strerrordesc_np(why->error) ? strerrordesc_np(why->error) : "unknown error",
                 why->error);
    else
        snprintf(text, room, "%s%s%s", why->what, gap, why->path);
    return text;
}
