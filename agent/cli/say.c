#include "cli/say.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/printable.h"

static void write_line(FILE *to, const char *before, const char *format, va_list args)
{
    char text[2 * FAIL_TEXT_BYTES];
    vsnprintf(text, sizeof text, format, args);
    printable_strip(text);
    log_redact(text);
    if (to == stderr)
        fflush(stdout); // whoever sees both sees them in order
    fprintf(to, "%s%s\n", before, text);
}

void say_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(stderr, "opengeni-agent: ", format, args);
    va_end(args);
}

void say_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(stderr, "opengeni-agent: warning: ", format, args);
    va_end(args);
}

void say_failure(const struct fail *why)
{
    char text[FAIL_TEXT_BYTES];
    say_error("%s", fail_text(why, text, sizeof text));
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(stdout, "", format, args);
    va_end(args);
}

void say_field(const char *label, const char *text)
{
    if (text && *text)
        say("  %-12s%s", label, text);
}
