#include "desktop_x11/keyboard.h"

#include <X11/keysym.h>
#include <string.h>

#include "base/clock.h"
#include "desktop_x11/chord.h"
#include "desktop_x11/keyname.h"
#include "desktop_x11/xerror.h"

enum {
    FIRST_CODE = 9,     // 8 is a code that no keyboard sends and some clients dislike
    SETTLE_MS = 30,     // clients read a changed map a little later
    REUSE_MS = 120,     // a client may still translate an event of the old meaning
    RESTORE_MS = 1000,  // without use
    LEVELS_SYMBOLS = 2, // of a spare: with and without Shift the same
};

bool keyboard_init(struct keyboard *keyboard, Display *x, struct fail *why)
{
    *keyboard = (struct keyboard){.x = x};
    int opcode, error, major = XkbMajorVersion, minor = XkbMinorVersion;
    if (!XkbQueryExtension(x, &opcode, &keyboard->event, &error, &major, &minor))
        return fail_because(why, FAIL_UNSUPPORTED, "the X server has no XKEYBOARD extension");
    XkbSelectEvents(x, XkbUseCoreKbd, XkbMapNotifyMask | XkbNewKeyboardNotifyMask,
                    XkbMapNotifyMask | XkbNewKeyboardNotifyMask);
    return true;
}

static void drop_map(struct keyboard *keyboard)
{
    if (keyboard->map)
        XkbFreeKeyboard(keyboard->map, XkbAllComponentsMask, True);
    keyboard->map = NULL;
}

void keyboard_fini(struct keyboard *keyboard)
{
    drop_map(keyboard);
}

static KeySym symbol(const struct keyboard *keyboard, unsigned code, unsigned group, unsigned level)
{
    XkbDescPtr map = keyboard->map;
    int width = XkbKeyGroupsWidth(map, code);
    return (int)level < width ? XkbKeySymsPtr(map, code)[(int)group * width + (int)level]
                              : NoSymbol;
}

static bool is_empty(const struct keyboard *keyboard, unsigned code)
{
    XkbDescPtr map = keyboard->map;
    if (map->map->modmap[code] != 0)
        return false;
    int count = XkbKeyNumSyms(map, code);
    for (int i = 0; i < count; i++)
        if (XkbKeySymsPtr(map, code)[i] != NoSymbol)
            return false;
    return true;
}

// The group of a key that is active, as the server folds it when the key has fewer (XKB protocol,
// "computing effective group"). -1: the key has none.
static int group_of(const struct keyboard *keyboard, unsigned code)
{
    int groups = XkbKeyNumGroups(keyboard->map, code), group = keyboard->state.group;
    if (groups == 0)
        return -1;
    if (group < groups)
        return group;
    unsigned info = XkbKeyGroupInfo(keyboard->map, code);
    switch (XkbOutOfRangeGroupAction(info)) {
    case XkbClampIntoRange:
        return groups - 1;
    case XkbRedirectIntoRange:
        group = (int)XkbOutOfRangeGroupNumber(info);
        return group < groups ? group : 0;
    default:
        return group % groups;
    }
}

// The keys to hold for the second, third and fifth level.
static void find_shifts(struct keyboard *keyboard)
{
    static const KeySym wanted[KEYBOARD_MODIFIERS_MAX] = {XK_Shift_L, XK_ISO_Level3_Shift,
                                                          XK_ISO_Level5_Shift};
    XkbDescPtr map = keyboard->map;
    memset(keyboard->shifts, 0, sizeof keyboard->shifts);
    for (unsigned code = map->min_key_code; code <= map->max_key_code; code++) {
        if (XkbKeyNumGroups(map, code) == 0 || map->map->modmap[code] == 0)
            continue;
        for (unsigned i = 0; i < KEYBOARD_MODIFIERS_MAX; i++)
            if (keyboard->shifts[i].code == 0 && symbol(keyboard, code, 0, 0) == wanted[i]) {
                keyboard->shifts[i].code = (KeyCode)code;
                keyboard->shifts[i].mask = map->map->modmap[code];
            }
    }
}

static void find_spares(struct keyboard *keyboard)
{
    XkbDescPtr map = keyboard->map;
    keyboard->spare_count = 0;
    for (unsigned code = map->max_key_code; code >= FIRST_CODE; code--)
        if (keyboard->spare_count < KEYBOARD_SPARES_MAX && is_empty(keyboard, code))
            keyboard->spares[keyboard->spare_count++] = (struct spare){.code = (KeyCode)code};
}

static bool fetch_map(struct keyboard *keyboard, struct fail *why)
{
    drop_map(keyboard);
    keyboard->map = XkbGetMap(keyboard->x, XkbAllClientInfoMask, XkbUseCoreKbd);
    if (!keyboard->map)
        return xerror_lost(keyboard->x)
                   ? xerror_lost_fail(why)
                   : fail_because(why, FAIL_SYSTEM, "the keymap cannot be read");
    return true;
}

// A map that was changed by others has lost what was on the spare keys.
static bool spares_hold(const struct keyboard *keyboard)
{
    for (unsigned i = 0; i < keyboard->spare_count; i++) {
        const struct spare *spare = &keyboard->spares[i];
        if (spare->keysym == NoSymbol ? !is_empty(keyboard, spare->code)
                                      : XkbKeyNumGroups(keyboard->map, spare->code) == 0 ||
                                            symbol(keyboard, spare->code, 0, 0) != spare->keysym)
            return false;
    }
    return true;
}

bool keyboard_update(struct keyboard *keyboard, struct fail *why)
{
    Display *x = keyboard->x;
    // The answer comes behind every event that was sent before it.
    if (XkbGetState(x, XkbUseCoreKbd, &keyboard->state) != Success || xerror_lost(x))
        return xerror_lost_fail(why);
    bool changed = keyboard->map == NULL;
    while (XEventsQueued(x, QueuedAlready) > 0) {
        XEvent event;
        XNextEvent(x, &event);
        if (event.type == MappingNotify)
            XRefreshKeyboardMapping(&event.xmapping);
        changed |= event.type == MappingNotify || event.type == keyboard->event;
    }
    if (!changed)
        return true;
    bool first = keyboard->map == NULL;
    if (!fetch_map(keyboard, why))
        return false;
    find_shifts(keyboard);
    if (first || !spares_hold(keyboard))
        find_spares(keyboard);
    return true;
}

// The level of a key type that a set of modifiers selects.
static unsigned level_of(const XkbKeyTypeRec *type, unsigned modifiers)
{
    for (unsigned i = 0; i < type->map_count; i++)
        if (type->map[i].active && type->map[i].mods.mask == (modifiers & type->mods.mask))
            return type->map[i].level;
    return 0;
}

// Modifier keys that, on top of held, select the level of a key. The fewest; false: there are none.
static bool find_modifiers(const struct keyboard *keyboard, unsigned code, int group,
                           unsigned level, unsigned held, struct stroke *stroke)
{
    const XkbKeyTypeRec *type = XkbKeyKeyType(keyboard->map, code, group);
    static const unsigned char sets[] = {0, 1, 2, 4, 3, 5, 6, 7}; // by size
    for (unsigned i = 0; i < sizeof sets; i++) {
        unsigned modifiers = held;
        stroke->count = 0;
        bool possible = true;
        for (unsigned k = 0; k < KEYBOARD_MODIFIERS_MAX; k++) {
            if (!(sets[i] >> k & 1))
                continue;
            possible &= keyboard->shifts[k].code != 0;
            modifiers |= keyboard->shifts[k].mask;
            stroke->modifiers[stroke->count++] = keyboard->shifts[k].code;
        }
        if (possible && level_of(type, modifiers) == level)
            return true;
    }
    return false;
}

static bool find_exact(const struct keyboard *keyboard, KeySym keysym, unsigned held,
                       struct stroke *stroke)
{
    XkbDescPtr map = keyboard->map;
    bool found = false;
    for (unsigned code = map->min_key_code; code <= map->max_key_code; code++) {
        int group = group_of(keyboard, code);
        if (group < 0)
            continue;
        unsigned levels = XkbKeyGroupWidth(map, code, group);
        for (unsigned level = 0; level < levels; level++) {
            struct stroke here = {.code = (KeyCode)code};
            if (symbol(keyboard, code, (unsigned)group, level) != keysym ||
                !find_modifiers(keyboard, code, group, level, held, &here) ||
                (found && here.count >= stroke->count))
                continue;
            *stroke = here;
            found = true;
        }
    }
    return found;
}

bool keyboard_find(const struct keyboard *keyboard, KeySym keysym, unsigned held,
                   struct stroke *stroke)
{
    KeySym twin = keysym_twin(keysym);
    return find_exact(keyboard, keysym, held, stroke) ||
           (twin != NoSymbol && find_exact(keyboard, twin, held, stroke));
}

unsigned keyboard_mask(const struct keyboard *keyboard, KeyCode code)
{
    return keyboard->map->map->modmap[code];
}

static KeyCode code_of(const struct keyboard *keyboard, KeySym keysym)
{
    struct stroke stroke;
    return find_exact(keyboard, keysym, 0, &stroke) && stroke.count == 0 ? stroke.code : 0;
}

KeyCode keyboard_modifier(const struct keyboard *keyboard, KeySym keysym)
{
    static const KeySym sides[][2] = {{XK_Shift_L, XK_Shift_R}, {XK_Control_L, XK_Control_R},
                                      {XK_Alt_L, XK_Alt_R},     {XK_Super_L, XK_Super_R},
                                      {XK_Meta_L, XK_Meta_R},   {XK_Hyper_L, XK_Hyper_R}};
    KeyCode code = code_of(keyboard, keysym);
    for (unsigned i = 0; code == 0 && i < sizeof sides / sizeof *sides; i++)
        if (keysym == sides[i][0] || keysym == sides[i][1])
            code = code_of(keyboard, sides[i][keysym == sides[i][0]]);
    unsigned mask = keysym == XK_Shift_L || keysym == XK_Shift_R       ? ShiftMask
                    : keysym == XK_Control_L || keysym == XK_Control_R ? ControlMask
                                                                       : 0;
    XkbDescPtr map = keyboard->map;
    for (unsigned i = map->min_key_code; code == 0 && mask && i <= map->max_key_code; i++)
        if (map->map->modmap[i] == mask)
            code = (KeyCode)i;
    return code;
}

static struct spare *spare_with(struct keyboard *keyboard, KeySym keysym)
{
    for (unsigned i = 0; i < keyboard->spare_count; i++)
        if (keyboard->spares[i].keysym == keysym)
            return &keyboard->spares[i];
    return NULL;
}

// The free or least recently used one that the list does not need.
static struct spare *spare_for(struct keyboard *keyboard, const KeySym *keysyms, size_t count)
{
    struct spare *oldest = NULL;
    for (unsigned i = 0; i < keyboard->spare_count; i++) {
        struct spare *spare = &keyboard->spares[i];
        bool needed = false;
        for (size_t k = 0; k < count && !needed; k++)
            needed = spare->keysym == keysyms[k];
        if (!needed && !spare->down && (!oldest || spare->used_ms < oldest->used_ms))
            oldest = spare;
    }
    return oldest;
}

static void change(struct keyboard *keyboard, const struct spare *spare)
{
    KeySym symbols[LEVELS_SYMBOLS] = {spare->keysym, spare->keysym};
    XChangeKeyboardMapping(keyboard->x, spare->code, LEVELS_SYMBOLS, symbols, 1);
}

static void wait_until(int64_t when_ms)
{
    int64_t now = clock_mono_ms();
    if (when_ms > now)
        clock_sleep_ms(when_ms - now);
}

size_t keyboard_prepare(struct keyboard *keyboard, const KeySym *keysyms, size_t count)
{
    struct spare *chosen[KEYBOARD_SPARES_MAX];
    size_t ready = 0, changes = 0;
    int64_t free_at = 0, now = clock_mono_ms();
    for (; ready < count; ready++) {
        struct spare *spare = spare_with(keyboard, keysyms[ready]);
        if (!spare) {
            spare = spare_for(keyboard, keysyms, count);
            if (!spare)
                break;
            if (spare->used_ms && spare->used_ms + REUSE_MS > free_at)
                free_at = spare->used_ms + REUSE_MS;
            spare->keysym = keysyms[ready];
            chosen[changes++] = spare;
        }
        spare->used_ms = now;
    }
    if (changes == 0)
        return ready;
    wait_until(free_at);
    for (size_t i = 0; i < changes; i++)
        change(keyboard, chosen[i]);
    XSync(keyboard->x, False);
    clock_sleep_ms(SETTLE_MS);
    return ready;
}

bool keyboard_is_spare(const struct keyboard *keyboard, KeyCode code)
{
    for (unsigned i = 0; i < keyboard->spare_count; i++)
        if (keyboard->spares[i].code == code)
            return true;
    return false;
}

size_t keyboard_room(const struct keyboard *keyboard)
{
    size_t room = 0;
    for (unsigned i = 0; i < keyboard->spare_count; i++)
        room += !keyboard->spares[i].down;
    return room;
}

void keyboard_note(struct keyboard *keyboard, KeyCode code, bool down)
{
    for (unsigned i = 0; i < keyboard->spare_count; i++)
        if (keyboard->spares[i].code == code) {
            keyboard->spares[i].used_ms = clock_mono_ms();
            keyboard->spares[i].down = down;
        }
}

void keyboard_restore(struct keyboard *keyboard)
{
    for (unsigned i = 0; i < keyboard->spare_count; i++) {
        struct spare *spare = &keyboard->spares[i];
        if (spare->keysym == NoSymbol || spare->down)
            continue;
        spare->keysym = NoSymbol;
        change(keyboard, spare);
    }
    XFlush(keyboard->x);
}

int64_t keyboard_restore_ms(const struct keyboard *keyboard)
{
    int64_t last = 0;
    for (unsigned i = 0; i < keyboard->spare_count; i++)
        if (keyboard->spares[i].keysym != NoSymbol && !keyboard->spares[i].down &&
            keyboard->spares[i].used_ms + RESTORE_MS > last)
            last = keyboard->spares[i].used_ms + RESTORE_MS;
    return last;
}
