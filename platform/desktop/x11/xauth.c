#include "desktop_x11/xauth.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// X11/Xauth.h
enum { FAMILY_LOCAL = 256, FAMILY_WILD = 65535 };

static const char method_name[] = "MIT-MAGIC-COOKIE-1";

struct text {
    const uint8_t *bytes;
    size_t size;
};

struct record {
    unsigned family;
    struct text address, number, method, data;
};

struct reader {
    const uint8_t *at;
    size_t left;
};

static bool read16(struct reader *in, unsigned *value)
{
    if (in->left < 2)
        return false;
    *value = (unsigned)(in->at[0] << 8 | in->at[1]);
    in->at += 2;
    in->left -= 2;
    return true;
}

static bool read_text(struct reader *in, struct text *text)
{
    unsigned size;
    if (!read16(in, &size) || in->left < size)
        return false;
    *text = (struct text){in->at, size};
    in->at += size;
    in->left -= size;
    return true;
}

static bool read_record(struct reader *in, struct record *record)
{
    return read16(in, &record->family) && read_text(in, &record->address) &&
           read_text(in, &record->number) && read_text(in, &record->method) &&
           read_text(in, &record->data);
}

static bool is(struct text text, const char *wanted)
{
    return text.size == strlen(wanted) && memcmp(text.bytes, wanted, text.size) == 0;
}

// How well a record fits: 2 made for this host, 1 for any, 0 not at all. A number left out stands
// for every display.
static int fits(const struct record *record, const char *number, const char *host)
{
    if (!is(record->method, method_name) || record->data.size == 0 ||
        record->data.size > XAUTH_COOKIE_MAX)
        return 0;
    if (record->number.size != 0 && !is(record->number, number))
        return 0;
    if (record->family == FAMILY_LOCAL)
        return is(record->address, host) ? 2 : 1; // the host may have been renamed since
    return record->family == FAMILY_WILD;
}

size_t xauth_cookies(const void *file, size_t size, unsigned display, const char *host,
                     struct xauth_cookie *cookies, size_t max)
{
    char number[16];
    snprintf(number, sizeof number, "%u", display);
    size_t count = 0;
    for (int wanted = 2; wanted >= 1; wanted--) {
        struct reader in = {file, size};
        struct record record;
        while (count < max && read_record(&in, &record)) {
            if (fits(&record, number, host) != wanted)
                continue;
            cookies[count].size = record.data.size;
            memcpy(cookies[count++].bytes, record.data.bytes, record.data.size);
        }
    }
    return count;
}
