#include "options/options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/printable.h"
#include "base/secret.h"

enum { HELP_COLUMN = 28, SCREEN_COLUMNS = 80, HELP_TEXT_BYTES = 256 };

static bool refuse_unknown(struct options *options, const char *argument)
{
    char *shown = mem_printf("%.*s", (int)strcspn(argument, "="), argument);
    snprintf(options->error, sizeof options->error, "unknown option '%.80s'",
             printable_strip(shown)); // it may come from anywhere
    mem_free(shown);
    return false;
}

static bool refuse(struct options *options, const struct option_spec *spec, const char *what)
{
    snprintf(options->error, sizeof options->error, "option '--%s' %s", spec->name, what);
    return false;
}

static const struct option_spec *find_name(const struct options *options, const char *name,
                                           size_t size)
{
    for (const struct option_spec *const *table = options->tables; *table; table++)
        for (const struct option_spec *spec = *table; spec->name; spec++)
            if (strlen(spec->name) == size && memcmp(spec->name, name, size) == 0)
                return spec;
    return NULL;
}

static const struct option_spec *find_letter(const struct options *options, char letter)
{
    for (const struct option_spec *const *table = options->tables; *table; table++)
        for (const struct option_spec *spec = *table; spec->name; spec++)
            if (spec->letter && spec->letter == letter)
                return spec;
    return NULL;
}

static void take_value(const struct option_spec *spec, char *text)
{
    if (!spec->secret) {
        *spec->value = text;
        return;
    }
    // A value given twice leaves no copy behind; the default of a secret is NULL.
    mem_free_secret((char *)*spec->value);
    *spec->value = mem_string(text);
    secret_wipe(text);
}

static bool take_long(struct options *options, char *argument, char *next, bool *used_next)
{
    char *name = argument + 2;
    size_t size = strcspn(name, "=");
    const struct option_spec *spec = find_name(options, name, size);
    if (!spec)
        return refuse_unknown(options, argument);
    assert(spec->flag || spec->value);
    char *given = name[size] == '=' ? name + size + 1 : NULL;
    if (spec->flag) {
        if (given && !spec->value)
            return refuse(options, spec, "takes no argument");
        *spec->flag = true;
        if (given)
            take_value(spec, given);
        return true;
    }
    *used_next = !given;
    if (!given && !next)
        return refuse(options, spec, "needs an argument");
    take_value(spec, given ? given : next);
    return true;
}

static bool take_letters(struct options *options, const char *argument)
{
    for (const char *letter = argument + 1; *letter; letter++) {
        const struct option_spec *spec = find_letter(options, *letter);
        if (!spec || !spec->flag)
            return refuse_unknown(options, argument);
        *spec->flag = true;
    }
    return true;
}

bool options_parse(struct options *options, int argc, char **argv, int *count)
{
    bool over = false;
    *count = 0;
    options->error[0] = '\0';
    for (int i = 0; i < argc; i++) {
        bool used_next = false;
        if (over || argv[i][0] != '-' || argv[i][1] == '\0') { // "-" alone is an argument
            argv[(*count)++] = argv[i];
            over |= options->stop_at_argument;
        } else if (strcmp(argv[i], "--") == 0) {
            over = true;
        } else if (argv[i][1] == '-') {
            if (!take_long(options, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used_next))
                return false;
        } else if (!take_letters(options, argv[i])) {
            return false;
        }
        i += used_next;
    }
    return true;
}

static void take_variable(const struct option_spec *spec)
{
    char *text = getenv(spec->variable);
    if (!text)
        return;
    bool given = *text != '\0';
    if (given && spec->flag)
        *spec->flag |= strcmp(text, "0") != 0;
    else if (given && spec->value && !*spec->value)
        take_value(spec, text);
    if (spec->secret) {
        secret_wipe(text); // also where /proc/<pid>/environ shows it
        unsetenv(spec->variable);
    }
}

void options_from_environment(const struct option_spec *table)
{
    for (const struct option_spec *spec = table; spec->name; spec++)
        if (spec->variable)
            take_variable(spec);
}

// Writes the words from column at on, and goes on at HELP_COLUMN where a line is full.
static void write_words(FILE *to, int at, const char *text)
{
    for (bool first = true; *text; first = false) {
        int size = (int)strcspn(text, " ");
        if (!first && at + 1 + size > SCREEN_COLUMNS)
            at = fprintf(to, "\n%*s", HELP_COLUMN, "") - 1;
        else if (!first)
            at += fprintf(to, " ");
        at += fprintf(to, "%.*s", size, text);
        text += size;
        text += strspn(text, " ");
    }
}

void options_help(FILE *to, const struct option_spec *table)
{
    for (const struct option_spec *spec = table; spec->name; spec++) {
        if (!spec->help)
            continue;
        char letter[8] = "";
        if (spec->letter)
            snprintf(letter, sizeof letter, "-%c, ", spec->letter);
        const char *argument = spec->argument ? spec->argument : "";
        bool optional = spec->flag && spec->value;
        int width = fprintf(to, "  %s--%s%s%s%s", letter, spec->name,
                            optional    ? "[="
                            : *argument ? " "
                                        : "",
                            argument, optional ? "]" : "");
        width += fprintf(to, "%*s", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "");
        char text[HELP_TEXT_BYTES];
        snprintf(text, sizeof text, "%s%s%s%s", spec->help, spec->variable ? " [$" : "",
                 spec->variable ? spec->variable : "", spec->variable ? "]" : "");
        write_words(to, width, text);
        fputc('\n', to);
    }
}
