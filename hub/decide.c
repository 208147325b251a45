#include "hub/decide.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/printable.h"
#include "hub/roster.h"
#include "hub/store.h"

bool decide_revoke(struct store *store, struct roster *roster, const char *id, struct fail *why)
{
    int64_t now_ms = clock_wall_ms();
    pthread_mutex_lock(&store->decisions);
    bool done = store_revoke(store, id, now_ms, why);
    if (done && roster)
        roster_revoke(roster, id, now_ms);
    pthread_mutex_unlock(&store->decisions);
    if (done)
        log_info("machine revoked", "machine", id, NULL);
    return done;
}

// Characters beyond the basic plane, four bytes in UTF-8, are two units.
static size_t utf16_units(const char *text)
{
    size_t units = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        units += (c & 0xc0) != 0x80;
        units += c >= 0xf0;
    }
    return units;
}

char *decide_name(const char *text)
{
    char *name = printable_copy(text);
    size_t skip = strspn(name, " "), size = strlen(name);
    while (size > skip && name[size - 1] == ' ')
        size--;
    memmove(name, name + skip, size - skip);
    name[size - skip] = '\0';
    for (char *slash = name; (slash = strchr(slash, '/'));)
        *slash = '-';
    bool usual = strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    if (*name && usual && utf16_units(name) <= HUB_MACHINE_NAME_UNITS_MAX)
        return name;
    mem_free(name);
    return NULL;
}

bool decide_rename(struct store *store, struct roster *roster, const char *id, const char *name,
                   struct fail *why)
{
    char *kept = strchr(name, '/') ? NULL : decide_name(name);
    if (!kept)
        return fail_because(why, FAIL_INVALID, "a name has 1 to %d printable characters, no slash",
                            HUB_MACHINE_NAME_UNITS_MAX);
    pthread_mutex_lock(&store->decisions);
    bool done = store_rename(store, id, kept, why);
    if (done && roster)
        roster_rename(roster, id, kept);
    pthread_mutex_unlock(&store->decisions);
    mem_free(kept);
    return done;
}
