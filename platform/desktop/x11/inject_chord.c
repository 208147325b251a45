#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/keysym.h>
#include <string.h>

#include "base/clock.h"
#include "desktop_x11/chord.h"
#include "desktop_x11/inject_private.h"

enum {
    BETWEEN_MS = 8, // the events of a chord: some programs look at modifiers late
    CODES_MAX = DESKTOP_KEY_TOKENS_MAX * (1 + KEYBOARD_MODIFIERS_MAX),
};

// The keys of a chord in the order they are pressed.
struct plan {
    KeyCode codes[CODES_MAX];
    size_t count;
};

static void add(struct plan *plan, KeyCode code)
{
    plan->codes[plan->count++] = code;
}

static bool in_plan(const struct plan *plan, KeyCode code)
{
    return memchr(plan->codes, code, plan->count) != NULL;
}

// With Control, Alt or Super a letter is a command: its case does not matter and adds no Shift.
static KeySym lower(KeySym keysym)
{
    KeySym small, large;
    XConvertCase(keysym, &small, &large);
    return small;
}

static KeySym wanted(const struct keyname *key, bool command)
{
    return command && key->character ? lower(key->keysym) : key->keysym;
}

// Whether any key of the chord is Control, Alt or Super.
static bool is_command(const struct chord *chord)
{
    bool command = false;
    for (size_t i = 0; i < chord->count; i++)
        command |= keysym_is_command(chord->keys[i].keysym);
    return command;
}

// locked: modifiers that are on anyway; *held: those and the ones the chord holds by now. A key
// that the chord's own modifiers take to another level is meant all the same: "shift+1",
// "ctrl+shift+t".
static bool plan_key(struct inject *inject, const struct keyname *key, bool command,
                     unsigned locked, unsigned *held, struct plan *plan)
{
    const struct keyboard *keyboard = &inject->keyboard;
    KeySym keysym = wanted(key, command);
    if (keysym_is_modifier(keysym)) {
        KeyCode code = keyboard_modifier(keyboard, keysym);
        if (code != 0) {
            *held |= keyboard_mask(keyboard, code);
            add(plan, code);
        }
        return code != 0;
    }
    struct stroke stroke;
    if (!keyboard_find(keyboard, keysym, *held, &stroke) &&
        !keyboard_find(keyboard, keysym, locked, &stroke))
        return false;
    for (unsigned i = 0; i < stroke.count; i++) {
        if (!in_plan(plan, stroke.modifiers[i]))
            add(plan, stroke.modifiers[i]);
        *held |= keyboard_mask(keyboard, stroke.modifiers[i]);
    }
    add(plan, stroke.code);
    return true;
}

// Finds a key for every part. Those that no key makes are put on spare ones, all at once.
static bool make_plan(struct inject *inject, const struct chord *chord, struct plan *plan,
                      struct fail *why)
{
    bool command = is_command(chord);
    for (unsigned round = 0; round < 2; round++) {
        KeySym missing[DESKTOP_KEY_TOKENS_MAX];
        size_t missing_count = 0;
        // Locks that change what keys mean count. CapsLock does not change commands.
        unsigned locked =
            inject->keyboard.state.locked_mods & (command ? ~(unsigned)LockMask : ~0u);
        unsigned held = locked;
        plan->count = 0;
        for (size_t i = 0; i < chord->count; i++)
            if (!plan_key(inject, &chord->keys[i], command, locked, &held, plan))
                missing[missing_count++] = wanted(&chord->keys[i], command);
        if (missing_count == 0)
            return true;
        if (round > 0 ||
            keyboard_prepare(&inject->keyboard, missing, missing_count) < missing_count)
            break;
        held_page_spares(inject->page, inject->keyboard.spares, inject->keyboard.spare_count);
        if (!keyboard_update(&inject->keyboard, why))
            return false;
    }
    return fail_because(why, FAIL_UNSUPPORTED, "no key of this keyboard layout can make that");
}

// A modifier that an earlier event holds down, so that it changes what follows, is not let go by a
// chord that needs it, too.
static void leave_held_modifiers(const struct inject *inject, const struct held *held,
                                 struct plan *plan)
{
    size_t kept = 0;
    if (plan->count == 0 || keyboard_mask(&inject->keyboard, plan->codes[plan->count - 1]) != 0)
        return; // it is pressed for its own sake
    for (size_t i = 0; i < plan->count; i++)
        if (!held_key(held, plan->codes[i]) ||
            keyboard_mask(&inject->keyboard, plan->codes[i]) == 0)
            plan->codes[kept++] = plan->codes[i];
    plan->count = kept;
}

static void press_all(struct inject *inject, struct held *held, const struct plan *plan, bool pace)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (held_key(held, plan->codes[i])) // a key that is down makes no second event
            inject_key(inject, held, plan->codes[i], false);
        inject_key(inject, held, plan->codes[i], true);
        if (pace) {
            XFlush(inject->x);
            clock_sleep_ms(BETWEEN_MS);
        }
    }
}

static void release_all(struct inject *inject, struct held *held, const struct plan *plan,
                        bool pace)
{
    for (size_t i = plan->count; i-- > 0;) {
        if (!held_key(held, plan->codes[i]))
            continue;
        inject_key(inject, held, plan->codes[i], false);
        if (pace && i > 0) {
            XFlush(inject->x);
            clock_sleep_ms(BETWEEN_MS);
        }
    }
}

bool inject_chord(struct inject *inject, struct held *held, const struct desktop_input *input,
                  struct fail *why)
{
    struct chord chord;
    struct plan plan;
    if (!chord_parse(input->key, &chord, why) || !keyboard_update(&inject->keyboard, why) ||
        !make_plan(inject, &chord, &plan, why))
        return false;
    bool pace = plan.count > 1;
    if (input->action == DESKTOP_KEY_UP) {
        release_all(inject, held, &plan, pace);
        return true;
    }
    leave_held_modifiers(inject, held, &plan);
    press_all(inject, held, &plan, pace);
    if (input->action != DESKTOP_KEY_DOWN)
        release_all(inject, held, &plan, pace);
    return true;
}
