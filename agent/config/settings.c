#include "config/settings.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
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

static bool take_background_jobs(struct settings *settings, const char *value)
{
    settings->kill_background_jobs = strcmp(value, "kill") == 0;
    return settings->kill_background_jobs || strcmp(value, "keep") == 0;
}

static bool take_terminal_rate(struct settings *settings, const char *value)
{
    enum { DIGITS_MAX = 12 };
    size_t digits = strlen(value);
    settings->terminal_rate = 0;
    if (strcmp(value, "unlimited") == 0)
        return true;
    if (digits > DIGITS_MAX || strspn(value, "0123456789") != digits)
        return false;
    settings->terminal_rate = strtoll(value, NULL, 10);
    return settings->terminal_rate >= TERMINAL_RATE_BYTES_MIN;
}

static bool take_display(struct settings *settings, const char *value)
{
    if (strcmp(value, "none") != 0 && value[0] != ':')
        return false;
    mem_free(settings->display);
    settings->display = mem_string(value);
    return true;
}

static bool take_virtual_desktop(struct settings *settings, const char *value)
{
    static const char digits[] = "0123456789";
    size_t width = strspn(value, digits);
    size_t height = value[width] == 'x' ? strspn(value + width + 1, digits) : 0;
    bool is_size = width > 0 && height > 0 && value[width + 1 + height] == '\0';
    mem_free(settings->virtual_desktop);
    settings->virtual_desktop = NULL;
    if (strcmp(value, "no") == 0)
        return true;
    settings->virtual_desktop = mem_string(is_size ? value : VIRTUAL_DESKTOP_USUAL);
    return is_size || strcmp(value, "yes") == 0;
}

static bool take_scale_pointer(struct settings *settings, const char *value)
{
    settings->keep_pointer = strcmp(value, "no") == 0;
    return settings->keep_pointer || strcmp(value, "yes") == 0;
}

static bool take_screen(struct settings *settings, const char *value)
{
    settings->primary_only = strcmp(value, "primary") == 0;
    return settings->primary_only || strcmp(value, "all") == 0;
}

static bool take_desktop_idle(struct settings *settings, const char *value)
{
    enum { DIGITS_MAX = 5 };
    size_t digits = strlen(value);
    if (digits > DIGITS_MAX || strspn(value, "0123456789") != digits)
        return false;
    settings->desktop_idle_ms = 1000 * strtoll(value, NULL, 10);
    return settings->desktop_idle_ms >= 1000 && settings->desktop_idle_ms <= DESKTOP_IDLE_MAX_MS;
}

static const struct setting {
    const char *key, *accepted;
    bool (*take)(struct settings *settings, const char *value);
} known[] = {
    {"background_jobs", "\"keep\" or \"kill\"", take_background_jobs},
    {"terminal_rate", "bytes a second, 65536 or more, or \"unlimited\"", take_terminal_rate},
    {"display", "\"none\" or a display such as \":0\"", take_display},
    {"screen", "\"all\" or \"primary\"", take_screen},
    {"virtual_desktop", "\"yes\", \"no\" or a size such as \"1280x800\"", take_virtual_desktop},
    {"scale_pointer", "\"yes\" or \"no\"", take_scale_pointer},
    {"desktop_idle", "seconds, 1 to 86400", take_desktop_idle},
};

// 1 for a line that was understood, 0 for one that is in error (ini.h).
static int take(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    size_t i = 0;
    while (i < sizeof known / sizeof *known && (*section || strcmp(key, known[i].key) != 0))
        i++;
    if (i == sizeof known / sizeof *known) {
        warn_unknown(reading->settings, section, key);
        return 1;
    }
    if (known[i].take(reading->settings, value))
        return 1;
    if (!reading->bad)
        fail_because(reading->why, FAIL_INVALID, "%s has to be %s, not \"%.64s\", in", key,
                     known[i].accepted, value);
    reading->bad = true;
    return 0;
}

bool settings_load(const struct secure_dir *config, struct settings *settings, struct fail *why)
{
    struct buffer text;
    struct fail read_why, parse_why;
    *settings =
        (struct settings){.terminal_rate = PUMP_RATE_BYTES, .desktop_idle_ms = DESKTOP_IDLE_MS};
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
    mem_free(settings->display);
    mem_free(settings->virtual_desktop);
    *settings = (struct settings){0};
}
