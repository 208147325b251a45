#include "ops/desktop.h"

#include <string.h>

#include "base/arena.h"
#include "desktop_client/desktop.h"
#include "process/environment.h"

void desktop_seat_init(struct desktop_seat *seat)
{
    lane_init(&seat->input);
    atomic_init(&seat->pressed, false);
    atomic_init(&seat->shown, 0);
}

void desktop_seat_fini(struct desktop_seat *seat)
{
    lane_fini(&seat->input);
}

void desktop_seat_shows(struct desktop_seat *seat, unsigned width, unsigned height,
                        unsigned native_width, unsigned native_height)
{
    atomic_store(&seat->shown, (uint64_t)(width & 0xffff) << 48 |
                                   (uint64_t)(height & 0xffff) << 32 |
                                   (native_width & 0xffff) << 16 | (native_height & 0xffff));
}

static int32_t scale(int32_t value, int64_t from, int64_t to)
{
    if (from <= 0 || from == to)
        return value;
    int64_t twice = 2 * (int64_t)value * to; // rounded to the nearest
    int64_t scaled = (twice + (value < 0 ? -from : from)) / (2 * from);
    if (scaled > INT32_MAX)
        return INT32_MAX;
    return scaled < INT32_MIN ? INT32_MIN : (int32_t)scaled;
}

void desktop_seat_scale(struct desktop_seat *seat, int32_t *x, int32_t *y)
{
    uint64_t shown = atomic_load(&seat->shown);
    *x = scale(*x, (int64_t)(shown >> 48), (int64_t)(shown >> 16 & 0xffff));
    *y = scale(*y, (int64_t)(shown >> 32 & 0xffff), (int64_t)(shown & 0xffff));
}

void desktop_seat_let_go(struct desktop_seat *seat, const struct op_host *host)
{
    if (host->desktop && atomic_exchange(&seat->pressed, false))
        desktop_release(host->desktop);
}

void desktop_describe(const struct op_host *host, struct desktop_state *state)
{
    if (host->desktop)
        desktop_look(host->desktop, state);
    else
        *state = (struct desktop_state){0};
}

static size_t lend(const struct op *op, struct environment_entry *entries, size_t count,
                   const char *key, const char *value)
{
    char *copy = *value ? arena_string(op->arena, value) : NULL;
    if (copy)
        entries[count++] = (struct environment_entry){key, copy};
    return count;
}

size_t desktop_lend(const struct op *op, struct environment_entry *entries, size_t count)
{
    struct desktop_state state;
    bool own_cookie = false;
    if (!op->host->desktop)
        return count;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].key, "DISPLAY") == 0)
            return count; // another screen, or none at all
        own_cookie |= strcmp(entries[i].key, "XAUTHORITY") == 0;
    }
    desktop_known(op->host->desktop, &state);
    if (!state.available)
        return count;
    count = lend(op, entries, count, "DISPLAY", state.display);
    return own_cookie ? count : lend(op, entries, count, "XAUTHORITY", state.xauthority);
}

bool desktop_of(const struct op *op, struct desktop **desktop, struct fail *why)
{
    *desktop = op->host->desktop;
    return *desktop ||
           fail_because(why, FAIL_UNSUPPORTED,
                        "no desktop display available on this host (switched off by its owner)");
}
