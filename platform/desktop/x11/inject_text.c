#include <X11/keysym.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "desktop_x11/characters.h"
#include "desktop_x11/inject_private.h"
#include "desktop_x11/keyname.h"

enum {
    PACE_US = 4000, // a character
};

// A text as keysyms, one for each key that a person would press.
struct script {
    KeySym *keysyms;
    size_t count;
};

static bool read_script(const char *text, size_t size, struct script *script, struct fail *why)
{
    bool after_return = false;
    for (size_t at = 0; at < size;) {
        uint32_t character;
        size_t bytes = characters_next(text + at, size - at, &character);
        if (bytes == 0)
            return fail_because(why, FAIL_PROTOCOL, "the text is not UTF-8");
        at += bytes;
        if (character == '\n' && after_return) { // CR LF is one line end
            after_return = false;
            continue;
        }
        after_return = character == '\r';
        KeySym keysym = keysym_of_character(character);
        if (keysym == NoSymbol)
            return fail_because(why, FAIL_UNSUPPORTED,
                                "the control character U+%04X cannot be typed", character);
        if (script->count == DESKTOP_TEXT_CHARS_MAX)
            return fail_because(why, FAIL_UNSUPPORTED, "more than %d characters at once",
                                DESKTOP_TEXT_CHARS_MAX);
        script->keysyms[script->count++] = keysym;
    }
    return true;
}

static void wait_until(const struct timespec *start, uint64_t us)
{
    struct timespec when = *start;
    when.tv_sec += (time_t)(us / 1000000);
    when.tv_nsec += (long)(us % 1000000 * 1000);
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
        ;
}

static void type_one(struct inject *inject, struct held *held, const struct stroke *stroke)
{
    for (unsigned i = 0; i < stroke->count; i++)
        inject_key(inject, held, stroke->modifiers[i], true);
    inject_key(inject, held, stroke->code, true);
    inject_key(inject, held, stroke->code, false);
    for (unsigned i = stroke->count; i-- > 0;)
        inject_key(inject, held, stroke->modifiers[i], false);
    XFlush(inject->x);
}

// Puts the keysyms that no key makes on spare keys, from keysym at on, until they are all used.
// *end: how far the text can be typed now.
static bool prepare(struct inject *inject, const struct script *script, size_t at, size_t *end,
                    struct fail *why)
{
    struct keyboard *keyboard = &inject->keyboard;
    KeySym missing[KEYBOARD_SPARES_MAX];
    size_t count = 0, room = keyboard_room(keyboard);
    for (*end = at; *end < script->count; (*end)++) {
        KeySym keysym = script->keysyms[*end];
        struct stroke stroke;
        bool listed = false;
        for (size_t i = 0; i < count && !listed; i++)
            listed = missing[i] == keysym;
        if (listed || (keyboard_find(keyboard, keysym, keyboard->state.mods, &stroke) &&
                       !keyboard_is_spare(keyboard, stroke.code)))
            continue; // one that is on a spare key already has to stay there
        if (count == room)
            break;
        missing[count++] = keysym;
    }
    if (count == 0 && *end == at)
        return fail_because(why, FAIL_UNSUPPORTED,
                            "X11 keymap cannot type Unicode scalar U+%04lX; use clipboard paste",
                            script->keysyms[at] & 0xffffff);
    if (count == 0)
        return true;
    keyboard_prepare(keyboard, missing, count);
    held_page_spares(inject->page, keyboard->spares, keyboard->spare_count);
    return keyboard_update(keyboard, why);
}

static bool type_script(struct inject *inject, struct held *held, const struct script *script,
                        inject_stopped stopped, void *context, struct fail *why)
{
    struct keyboard *keyboard = &inject->keyboard;
    uint64_t pace = PACE_US;
    if (pace * script->count > DESKTOP_TYPING_MS * 1000ull)
        pace = DESKTOP_TYPING_MS * 1000ull / script->count;
    for (size_t at = 0, end = 0; at < script->count;) {
        struct timespec start;
        if (!prepare(inject, script, at, &end, why))
            return false;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (uint64_t typed = 0; at < end; at++, typed++) {
            struct stroke stroke;
            if (stopped && stopped(context))
                return fail_because(why, FAIL_CANCELLED, "stopped after %zu of %zu characters", at,
                                    script->count);
            if (!keyboard_find(keyboard, script->keysyms[at], keyboard->state.mods, &stroke))
                return fail_because(why, FAIL_SYSTEM, "the keymap was changed by someone else");
            type_one(inject, held, &stroke);
            wait_until(&start, (typed + 1) * pace);
        }
    }
    return true;
}

// Modifiers that this source holds down would turn text into commands: they are up while it is
// typed.
static void lift(struct inject *inject, struct held *held, KeyCode *lifted, size_t *count)
{
    for (unsigned code = 8; code < 256; code++)
        if (held_key(held, code) && keyboard_mask(&inject->keyboard, (KeyCode)code) != 0) {
            inject_key(inject, held, (KeyCode)code, false);
            lifted[(*count)++] = (KeyCode)code;
        }
}

bool inject_text(struct inject *inject, struct held *held, const char *text, size_t size,
                 inject_stopped stopped, void *context, struct fail *why)
{
    struct script script = {.keysyms = mem_array(size ? size : 1, sizeof *script.keysyms)};
    KeyCode lifted[256] = {0};
    size_t lifted_count = 0;
    bool typed = false, caps = false;
    if (!read_script(text, size, &script, why) || !keyboard_update(&inject->keyboard, why))
        goto out;
    lift(inject, held, lifted, &lifted_count);
    caps = (inject->keyboard.state.locked_mods & LockMask) != 0;
    if (caps)
        XkbLockModifiers(inject->x, XkbUseCoreKbd, LockMask, 0);
    typed = (!caps && lifted_count == 0) || keyboard_update(&inject->keyboard, why);
    typed = typed && type_script(inject, held, &script, stopped, context, why);
    if (caps)
        XkbLockModifiers(inject->x, XkbUseCoreKbd, LockMask, LockMask);
    for (size_t i = 0; i < lifted_count; i++)
        inject_key(inject, held, lifted[i], true);
out:
    mem_free(script.keysyms);
    return typed;
}
