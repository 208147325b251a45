#include "config/settings.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "config/config_dir.h"
#include "config/secure_file.h"

struct reading {
    struct settings *settings;
    struct fail *why; // of the first bad value
    bool bad;
};

enum { WARNINGS_MAX = 32 };

static void warn_unknown(struct settings *settings, const char *section, const char *key)
{
    if (settings->warning_count == WARNINGS_MAX)
        return;
    settings->warnings =
        mem_resize(settings->warnings, (settings->warning_count + 1) * sizeof *settings->warnings);
    settings->warnings[settings->warning_count++] =
        *section ? mem_printf("unknown setting \"%s\" in section [%s]", key, section)
                 : mem_printf("unknown setting \"%s\"", key);
}

// 1 for a line that was understood, 0 for one that is in error (ini.h).
static int take(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    if (*section || strcmp(key, "background_jobs") != 0) {
        warn_unknown(reading->settings, section, key);
        return 1;
    }
    bool kill = strcmp(value, "kill") == 0;
    reading->settings->kill_background_jobs = kill;
    if (kill || strcmp(value, "keep") == 0)
        return 1;
    if (!reading->bad)
        fail_because(reading->why, FAIL_INVALID,
                     "background_jobs has to be \"keep\" or \"kill\", not \"%.64s\", in", value);
    reading->bad = true;
    return 0;
}

bool settings_load(const struct secure_dir *config, struct settings *settings, struct fail *why)
{
    struct buffer text;
    struct fail read_why, parse_why;
    *settings = (struct settings){0};
    if (!secure_file_read(config, CONFIG_SETTINGS, SECURE_TEXT, CONFIG_SETTINGS_BYTES_MAX, &text,
                          NULL, &read_why)) {
        if (why)
            *why = read_why;
        return read_why.error == ENOENT;
    }
    struct reading reading = {.settings = settings, .why = &parse_why};
    int line = ini_parse_string(text.data, take, &reading);
    secure_file_forget(&text);
    if (line == 0)
        return true;
    if (!reading.bad)
        fail_because(&parse_why, FAIL_INVALID, "line %d is not understood in", line);
    settings_fini(settings);
    char *path = secure_dir_file(config, CONFIG_SETTINGS);
    fail_on_path(why, FAIL_INVALID, parse_why.what, path);
    mem_free(path);
    return false;
}

void settings_fini(struct settings *settings)
{
    for (size_t i = 0; i < settings->warning_count; i++)
        mem_free(settings->warnings[i]);
    mem_free(settings->warnings);
    *settings = (struct settings){0};
}
