#include "ctl/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 33 };

void arguments_init(struct arguments *args, int argc, char **argv, const struct argument *own,
                    const struct argument *common, bool stop)
{
    *args = (struct arguments){
        .argv = argv, .argc = argc, .stop = stop, .tables = {own, common}, .operands = argv};
}

static const struct argument *find_letter(const struct arguments *args, char letter)
{
    for (size_t i = 0; i < 2; i++)
        for (const struct argument *a = args->tables[i]; a && a->name; a++)
            if (a->key == (unsigned char)letter)
                return a;
    return NULL;
}

static const struct argument *find_name(const struct arguments *args, const char *name, size_t size)
{
    for (size_t i = 0; i < 2; i++)
        for (const struct argument *a = args->tables[i]; a && a->name; a++)
            if (strlen(a->name) == size && memcmp(a->name, name, size) == 0)
                return a;
    return NULL;
}

__attribute__((format(printf, 2, 3))) static int bad(struct arguments *args, const char *format,
                                                     ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(args->problem, sizeof args->problem, format, list);
    va_end(list);
    return ARGUMENTS_BAD;
}

static bool take_value(struct arguments *args, const char **value)
{
    if (args->at >= args->argc)
        return false;
    *value = args->argv[args->at++];
    return true;
}

static int next_letter(struct arguments *args, const char **value)
{
    char letter = *args->cluster++;
    const char *rest = args->cluster;
    if (!*rest)
        args->cluster = NULL;
    const struct argument *found = find_letter(args, letter);
    if (!found)
        return bad(args, "there is no option -%c", isprint((unsigned char)letter) ? letter : '?');
    if (!found->value)
        return found->key;
    args->cluster = NULL;
    if (*rest)
        *value = rest;
    else if (!take_value(args, value))
        return bad(args, "-%c needs a value: %s", letter, found->value);
    return found->key;
}

static int next_name(struct arguments *args, const char *text, const char **value)
{
    const char *equals = strchr(text, '=');
    size_t size = equals ? (size_t)(equals - text) : strlen(text);
    const struct argument *found = find_name(args, text, size);
    if (!found)
        return bad(args, "there is no option --%.*s", (int)(size < 40 ? size : 40), text);
    if (!found->value)
        return equals ? bad(args, "--%s takes no value", found->name) : found->key;
    if (equals)
        *value = equals + 1;
    else if (!take_value(args, value))
        return bad(args, "--%s needs a value: %s", found->name, found->value);
    return found->key;
}

static int rest_are_operands(struct arguments *args)
{
    while (args->at < args->argc)
        args->operands[args->operand_count++] = args->argv[args->at++];
    return ARGUMENTS_END;
}

// "-5", where no option is called 5: a number below zero, and an operand.
static bool is_negative_number(const struct arguments *args, const char *text)
{
    return isdigit((unsigned char)text[1]) && !find_letter(args, text[1]) &&
           text[1 + strspn(text + 1, "0123456789")] == '\0';
}

int arguments_next(struct arguments *args, const char **value)
{
    *value = NULL;
    if (args->cluster)
        return next_letter(args, value);
    while (args->at < args->argc) {
        char *text = args->argv[args->at];
        if (text[0] != '-' || text[1] == '\0' || is_negative_number(args, text)) {
            if (args->stop)
                return rest_are_operands(args);
            args->operands[args->operand_count++] = text;
            args->at++;
            continue;
        }
        args->at++;
        if (strcmp(text, "--") == 0)
            return rest_are_operands(args);
        if (text[1] == '-')
            return next_name(args, text + 2, value);
        args->cluster = text + 1;
        return next_letter(args, value);
    }
    return ARGUMENTS_END;
}

void arguments_help(const struct argument *table, FILE *out)
{
    for (const struct argument *a = table; a && a->name; a++) {
        char left[64];
        if (a->key < ARGUMENTS_LONG_ONLY)
            snprintf(left, sizeof left, "  -%c, --%s%s%s", a->key, a->name, a->value ? " " : "",
                     a->value ? a->value : "");
        else
            snprintf(left, sizeof left, "      --%s%s%s", a->name, a->value ? " " : "",
                     a->value ? a->value : "");
        fprintf(out, "%-*s%s\n", HELP_COLUMN, left, a->help);
    }
}

bool arguments_seconds(const char *text, int64_t *ms)
{
    char *end;
    double seconds = strtod(text, &end);
    // uint32_t milliseconds are what a request can carry.
    if (end == text || *end || !isdigit((unsigned char)text[0]) || !isfinite(seconds) ||
        seconds > UINT32_MAX / 1000)
        return false;
    *ms = (int64_t)(seconds * 1000 + 0.5);
    return true;
}

bool arguments_count(const char *text, uint64_t max, uint64_t *count)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end || !isdigit((unsigned char)text[0]) || errno || value > max)
        return false;
    *count = value;
    return true;
}

bool arguments_integer(const char *text, int32_t *number)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)text[0]) || errno || value < INT32_MIN ||
        value > INT32_MAX)
        return false;
    *number = (int32_t)value;
    return true;
}

bool arguments_mode(const char *text, uint32_t *mode)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    if (end == text || *end || !isdigit((unsigned char)text[0]) || value > 07777)
        return false;
    *mode = (uint32_t)value;
    return true;
}
