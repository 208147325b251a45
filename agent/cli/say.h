// Messages to the person at the terminal: results on stdout, everything else on stderr. What came
// from outside is shown without control characters and without tokens.
#pragma once

struct fail;

// "opengeni-agent: ..." and "opengeni-agent: warning: ...", with a newline, on stderr.
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_failure(const struct fail *why);

// A result: the line as it is given, with a newline, on stdout.
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// One line of a block: "  label       text". NULL and empty texts are left out.
void say_field(const char *label, const char *text);
