#include <X11/keysym.h>

#include "desktop_x11/chord.h"
#include "desktop_x11/inject_private.h"

enum { BUTTONS = 7 };

static unsigned held_mask(const struct inject *inject, const struct held *held)
{
    unsigned mask = 0;
    for (unsigned code = 8; code < 256; code++)
        if (held_key(held, code))
            mask |= keyboard_mask(&inject->keyboard, (KeyCode)code);
    return mask;
}

// The keyboard of the viewer has its own layout: what needs Shift there may not need it here. Then
// the modifiers that shift are up while this key goes down.
static void press_shifted(struct inject *inject, struct held *held, const struct stroke *stroke,
                          bool lift)
{
    KeyCode lifted[KEYBOARD_MODIFIERS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; lift && i < KEYBOARD_MODIFIERS_MAX; i++) {
        KeyCode code = inject->keyboard.shifts[i].code;
        if (code != 0 && held_key(held, code)) {
            inject_key(inject, held, code, false);
            lifted[count++] = code;
        }
    }
    for (unsigned i = 0; i < stroke->count; i++)
        inject_key(inject, held, stroke->modifiers[i], true);
    inject_key(inject, held, stroke->code, true);
    for (unsigned i = stroke->count; i-- > 0;)
        inject_key(inject, held, stroke->modifiers[i], false);
    for (unsigned i = 0; i < count; i++)
        inject_key(inject, held, lifted[i], true);
}

static bool press_symbol(struct inject *inject, struct held *held, KeySym keysym, struct fail *why)
{
    struct keyboard *keyboard = &inject->keyboard;
    struct stroke stroke = {.code = keysym_is_modifier(keysym) ? keyboard_modifier(keyboard, keysym)
                                                               : 0};
    unsigned mask = held_mask(inject, held), locked = keyboard->state.locked_mods, slot = 0;
    bool lift = false;
    if (stroke.code == 0 && !keyboard_find(keyboard, keysym, mask | locked, &stroke)) {
        lift = true;
        if (!keyboard_find(keyboard, keysym, locked, &stroke)) {
            if (keyboard_prepare(keyboard, &keysym, 1) == 0)
                return fail_because(why, FAIL_UNSUPPORTED, "no key can make keysym %lx", keysym);
            held_page_spares(inject->page, keyboard->spares, keyboard->spare_count);
            if (!keyboard_update(keyboard, why))
                return false;
            if (!keyboard_find(keyboard, keysym, locked, &stroke))
                return fail_because(why, FAIL_SYSTEM, "the keymap was changed by someone else");
        }
    }
    while (slot < HELD_SYMBOLS && held->symbols[slot].code != 0)
        slot++;
    if (slot == HELD_SYMBOLS)
        return fail_because(why, FAIL_UNSUPPORTED, "too many keys are down");
    held->symbols[slot].keysym = keysym;
    held->symbols[slot].code = stroke.code;
    press_shifted(inject, held, &stroke, lift);
    return true;
}

bool inject_symbol(struct inject *inject, struct held *held, const struct desktop_input *input,
                   struct fail *why)
{
    KeySym keysym = (KeySym)(uint32_t)input->x;
    if (!keyboard_update(&inject->keyboard, why))
        return false;
    bool down = input->action == DESKTOP_KEY_DOWN, found = false;
    for (unsigned i = 0; i < HELD_SYMBOLS; i++) {
        if (held->symbols[i].code == 0 || held->symbols[i].keysym != keysym)
            continue;
        found = true;
        inject_key(inject, held, held->symbols[i].code, false);
        if (down) // it repeats
            inject_key(inject, held, held->symbols[i].code, true);
        else
            held->symbols[i].code = 0;
    }
    return found || !down || press_symbol(inject, held, keysym, why);
}

bool inject_buttons(struct inject *inject, struct held *held, const struct desktop_input *input,
                    struct fail *why)
{
    if (!inject_move(inject, input, why))
        return false;
    for (unsigned button = 1; button <= BUTTONS; button++) {
        bool down = input->button >> (button - 1) & 1, was = held->buttons >> button & 1;
        if (down != was)
            inject_button(inject, held, button, down);
    }
    return true;
}
