#include "ctl/units.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "proto/opengeni_agent.pb-c.h"

struct unit_text unit_size(uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    struct unit_text out;
    if (bytes < 1024) {
        snprintf(out.text, sizeof out.text, "%llu", (unsigned long long)bytes);
        return out;
    }
    double value = (double)bytes;
    size_t unit = 0;
    // 1023.96 K would be printed as 1024K: go on to the next unit before that.
    for (value /= 1024; value >= 1023.5 && unit < sizeof units - 2; unit++)
        value /= 1024;
    snprintf(out.text, sizeof out.text, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return out;
}

struct unit_text unit_age(int64_t ms)
{
    static const long long minute = 60, hour = 3600, day = 86400;
    struct unit_text out;
    long long s = ms / 1000;
    if (s < 1)
        snprintf(out.text, sizeof out.text, "now");
    else if (s < 2 * minute)
        snprintf(out.text, sizeof out.text, "%llds", s);
    else if (s < 2 * hour)
        snprintf(out.text, sizeof out.text, "%lldm", s / minute);
    else if (s < 2 * day)
        snprintf(out.text, sizeof out.text, "%lldh", s / hour);
    else
        snprintf(out.text, sizeof out.text, "%lldd", s / day);
    return out;
}

struct unit_text unit_time(int64_t unix_ms)
{
    struct unit_text out = {""};
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    if (!localtime_r(&seconds, &parts) ||
        strftime(out.text, sizeof out.text, "%Y-%m-%d %H:%M", &parts) == 0)
        snprintf(out.text, sizeof out.text, "?");
    return out;
}

struct unit_text unit_iso_time(int64_t unix_ms)
{
    struct unit_text out = {""};
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) ||
        strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(out.text, sizeof out.text, "?");
    return out;
}

static char kind_letter(uint32_t mode, int kind)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return 'p';
    case S_IFSOCK:
        return 's';
    case S_IFCHR:
        return 'c';
    case S_IFBLK:
        return 'b';
    default:
        break;
    }
    return kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY ? 'd'
           : kind == OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK ? 'l'
                                                              : '-';
}

struct unit_text unit_mode(uint32_t mode, int kind)
{
    struct unit_text out = {{kind_letter(mode, kind)}};
    static const char letters[] = "rwxrwxrwx";
    for (unsigned i = 0; i < 9; i++)
        out.text[1 + i] = mode & (0400u >> i) ? letters[i] : '-';
    static const struct {
        uint32_t bit;
        unsigned at;
        char with, without; // the permission to execute
    } special[] = {{S_ISUID, 3, 's', 'S'}, {S_ISGID, 6, 's', 'S'}, {S_ISVTX, 9, 't', 'T'}};
    for (unsigned i = 0; i < 3; i++)
        if (mode & special[i].bit)
            out.text[special[i].at] =
                out.text[special[i].at] == 'x' ? special[i].with : special[i].without;
    return out;
}
