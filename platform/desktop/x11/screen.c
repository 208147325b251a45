#include "desktop_x11/screen.h"

#include <X11/extensions/Xrandr.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io.h"
#include "desktop_protocol/sealed.h"
#include "desktop_x11/capture.h"
#include "desktop_x11/damage.h"
#include "desktop_x11/pointer.h"
#include "desktop_x11/xerror.h"
#include "picture/crew.h"
#include "picture/strips.h"

enum {
    HANDS_MAX = 4,
    SHOTS = 2,       // kept: the last screenshot and the last frame
    RESIZES_MAX = 3, // in one refresh, before it is given up
};

struct kept_shot {
    struct shot shot;
    uint64_t version; // 0: none
    size_t budget;
    enum fit_rule rule;
};

struct screen {
    struct display *display;
    struct capture capture;
    struct pointer pointer;
    struct damage damage;
    int randr_event; // 0: the server has no RandR
    bool resized;    // the server says so
    struct crew *crew;
    struct press *presses; // one for each of the crew's hands
    struct strips *strips;
    struct fit *fit;
    unsigned count; // strips
    bool *dirty;
    uint64_t *pixel_hashes, *fresh_hashes, *picture_hashes, *strip_versions;
    uint64_t version;
    struct kept_shot kept[SHOTS];
    unsigned next_kept;
};

static void select_resizes(struct screen *screen)
{
    int error;
    if (!XRRQueryExtension(screen->display->x, &screen->randr_event, &error)) {
        screen->randr_event = 0;
        return;
    }
    XRRSelectInput(screen->display->x, screen->display->root,
                   RRScreenChangeNotifyMask | RRCrtcChangeNotifyMask);
}

struct screen *screen_new(struct display *display)
{
    struct screen *screen = mem_new(struct screen);
    screen->display = display;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    screen->crew = crew_new(cores < 1 ? 1 : cores > HANDS_MAX ? HANDS_MAX : (unsigned)cores);
    screen->presses = mem_array(crew_hands(screen->crew), sizeof *screen->presses);
    screen->strips = strips_new(screen->crew, screen->presses);
    screen->fit = fit_new(screen->crew, screen->presses, screen->strips);
    for (unsigned i = 0; i < SHOTS; i++)
        screen->kept[i].shot.fd = -1;
    capture_init(&screen->capture, display);
    pointer_init(&screen->pointer, display);
    damage_init(&screen->damage, display);
    select_resizes(screen);
    return screen;
}

static void forget_shots(struct screen *screen)
{
    for (unsigned i = 0; i < SHOTS; i++) {
        io_close(&screen->kept[i].shot.fd);
        screen->kept[i].version = 0;
    }
}

static void drop_strips(struct screen *screen)
{
    mem_free(screen->dirty);
    mem_free(screen->pixel_hashes);
    mem_free(screen->fresh_hashes);
    mem_free(screen->picture_hashes);
    mem_free(screen->strip_versions);
}

static void drop_presses(struct screen *screen)
{
    for (unsigned i = 0; i < crew_hands(screen->crew); i++)
        press_fini(&screen->presses[i]);
}

void screen_free(struct screen *screen)
{
    if (!screen)
        return;
    forget_shots(screen);
    capture_fini(&screen->capture);
    pointer_fini(&screen->pointer);
    drop_strips(screen);
    fit_free(screen->fit);
    strips_free(screen->strips);
    drop_presses(screen);
    mem_free(screen->presses);
    crew_free(screen->crew);
    mem_free(screen);
}

bool screen_events(struct screen *screen, struct fail *why)
{
    Display *x = screen->display->x;
    while (XPending(x) > 0 && !xerror_lost(x)) {
        XEvent event;
        XNextEvent(x, &event);
        if (damage_notices(&screen->damage, &event) || pointer_notices(&screen->pointer, &event))
            continue;
        if (screen->randr_event && (event.type == screen->randr_event + RRScreenChangeNotify ||
                                    event.type == screen->randr_event + RRNotify)) {
            XRRUpdateConfiguration(&event);
            screen->resized = true;
        }
    }
    return !xerror_lost(x) || xerror_lost_fail(why);
}

bool screen_stale(const struct screen *screen)
{
    return screen->damage.pending || screen->resized || screen->pointer.stale;
}

int64_t screen_stirred_ms(const struct screen *screen)
{
    return (int64_t)screen->damage.last_ms;
}

static void make_strips(struct screen *screen)
{
    drop_strips(screen);
    screen->count = strip_count(frame_memory_pixels(screen->capture.memory)->height);
    screen->dirty = mem_array(screen->count, sizeof *screen->dirty);
    screen->pixel_hashes = mem_array(screen->count, sizeof *screen->pixel_hashes);
    screen->fresh_hashes = mem_array(screen->count, sizeof *screen->fresh_hashes);
    screen->picture_hashes = mem_array(screen->count, sizeof *screen->picture_hashes);
    screen->strip_versions = mem_array(screen->count, sizeof *screen->strip_versions);
}

// Fetches runs of dirty strips, each run with one request.
static bool fetch(struct screen *screen, bool *resized, struct fail *why)
{
    *resized = false;
    unsigned height = frame_memory_pixels(screen->capture.memory)->height;
    for (unsigned i = 0; i < screen->count && !*resized;) {
        unsigned end = i;
        while (end < screen->count && screen->dirty[end])
            end++;
        if (end > i) {
            unsigned first = i * STRIP_ROWS;
            unsigned last = end * STRIP_ROWS < height ? end * STRIP_ROWS : height;
            if (!capture_rows(&screen->capture, first, last - first, resized, why))
                return false;
        }
        i = end + 1;
    }
    return true;
}

static void hash_one(void *screen_, unsigned hand, size_t i)
{
    (void)hand;
    struct screen *screen = screen_;
    if (screen->dirty[i])
        screen->fresh_hashes[i] =
            pixels_strip_hash(frame_memory_pixels(screen->capture.memory), (unsigned)i);
}

static struct picture present_picture(const struct screen *screen)
{
    struct picture picture = picture_of(frame_memory_pixels(screen->capture.memory));
    if (screen->pointer.image.argb)
        picture.cursor = &screen->pointer.image;
    return picture;
}

// Compares the checksums of fetched strips and of all strips as they are shown with the old ones.
static void notice_changes(struct screen *screen, bool renewed)
{
    unsigned dirty = 0;
    for (unsigned i = 0; i < screen->count; i++)
        dirty += screen->dirty[i];
    if (dirty > 4)
        crew_run(screen->crew, screen->count, hash_one, screen);
    else
        for (unsigned i = 0; i < screen->count; i++)
            hash_one(screen, 0, i);

    struct picture picture = present_picture(screen);
    bool changed = renewed;
    for (unsigned i = 0; i < screen->count; i++) {
        if (screen->dirty[i] && screen->fresh_hashes[i] != screen->pixel_hashes[i]) {
            screen->pixel_hashes[i] = screen->fresh_hashes[i];
            screen->strip_versions[i] = screen->version + 1;
        }
        uint64_t hash = picture_strip_hash(&picture, i, screen->pixel_hashes[i]);
        changed |= hash != screen->picture_hashes[i];
        screen->picture_hashes[i] = hash;
    }
    if (changed)
        screen->version++;
}

bool screen_refresh(struct screen *screen, enum refresh what, struct fail *why)
{
    if (!screen_events(screen, why))
        return false;
    bool renewed_once = false;
    for (unsigned try = 0; try < RESIZES_MAX; try++) {
        bool renewed = false, resized;
        if (what == REFRESH_ALL || screen->resized || !screen->capture.memory) {
            screen->resized = false;
            if (!capture_prepare(&screen->capture, &renewed, why))
                return false;
        }
        if (renewed) {
            make_strips(screen);
            renewed_once = true;
            what = REFRESH_ALL;
        }
        memset(screen->dirty, what == REFRESH_ALL, screen->count * sizeof *screen->dirty);
        if (what != REFRESH_POINTER)
            damage_take(&screen->damage, frame_memory_pixels(screen->capture.memory)->height,
                        screen->dirty);
        pointer_update(&screen->pointer);
        if (!fetch(screen, &resized, why))
            return false;
        if (!resized) {
            notice_changes(screen, renewed_once);
            return true;
        }
        screen->resized = true;
        what = REFRESH_ALL;
    }
    return fail_because(why, FAIL_SYSTEM, "GetImage: the screen keeps changing its size");
}

uint64_t screen_version(const struct screen *screen)
{
    return screen->version;
}

static struct kept_shot *find_kept(struct screen *screen, size_t budget, enum fit_rule rule)
{
    for (unsigned i = 0; i < SHOTS; i++) {
        struct kept_shot *kept = &screen->kept[i];
        bool whole = kept->shot.width == kept->shot.native_width && kept->rule == FIT_SCALE;
        if (kept->version == screen->version && kept->version != 0 &&
            ((kept->budget == budget && kept->rule == rule) ||
             (whole && kept->shot.bytes <= budget)))
            return kept;
    }
    return NULL;
}

bool screen_shot(struct screen *screen, size_t budget, enum fit_rule rule, struct shot *out,
                 struct fail *why)
{
    struct kept_shot *kept = find_kept(screen, budget, rule);
    if (kept) {
        *out = kept->shot;
        return true;
    }
    struct picture picture = present_picture(screen);
    struct fitted fitted;
    if (!fit_make(screen->fit, &picture, screen->picture_hashes, budget, rule, &fitted, why))
        return false;
    kept = &screen->kept[screen->next_kept++ % SHOTS];
    io_close(&kept->shot.fd);
    kept->version = 0;
    int fd = sealed_new("opengeni-png", fitted.pieces, fitted.count, why);
    if (fd < 0)
        return false;
    kept->shot = (struct shot){
        fd, fitted.bytes, fitted.width, fitted.height, picture.pixels.width, picture.pixels.height};
    kept->version = screen->version;
    kept->budget = budget;
    kept->rule = rule;
    *out = kept->shot;
    return true;
}

struct frame_memory *screen_memory(const struct screen *screen)
{
    return screen->capture.memory;
}

const uint64_t *screen_strip_versions(const struct screen *screen)
{
    return screen->strip_versions;
}

const struct cursor_image *screen_cursor(const struct screen *screen, int *hot_x, int *hot_y)
{
    *hot_x = screen->pointer.hot_x;
    *hot_y = screen->pointer.hot_y;
    return screen->pointer.image.argb ? &screen->pointer.image : NULL;
}

void screen_trim(struct screen *screen)
{
    forget_shots(screen);
    strips_clear(screen->strips);
    fit_trim(screen->fit);
    drop_presses(screen);
}
