#include "desktop_x11/chord.h"

#include <X11/keysym.h>
#include <string.h>

bool keysym_is_modifier(KeySym keysym)
{
    return (keysym >= XK_Shift_L && keysym <= XK_Hyper_R) || keysym == XK_ISO_Level3_Shift ||
           keysym == XK_ISO_Level5_Shift || keysym == XK_Mode_switch;
}

bool keysym_is_command(KeySym keysym)
{
    return keysym == XK_Control_L || keysym == XK_Control_R ||
           (keysym >= XK_Meta_L && keysym <= XK_Hyper_R);
}

static bool add(struct chord *chord, const char *name, size_t size, struct fail *why)
{
    while (size > 1 && name[0] == ' ') // of spaces alone, one is left
        name++, size--;
    while (size > 1 && name[size - 1] == ' ')
        size--;
    struct keyname key;
    if (!keyname_find(name, size, &key))
        return fail_because(why, FAIL_UNSUPPORTED, "unknown X11 named key `%.*s`",
                            size > 64 ? 64 : (int)size, name);
    for (size_t i = 0; keysym_is_modifier(key.keysym) && i < chord->count; i++)
        if (chord->keys[i].keysym == key.keysym)
            return true;
    if (chord->count == DESKTOP_KEY_TOKENS_MAX)
        return fail_because(why, FAIL_UNSUPPORTED, "more than %d keys at once",
                            DESKTOP_KEY_TOKENS_MAX);
    chord->keys[chord->count++] = key;
    return true;
}

bool chord_parse(const char *text, struct chord *chord, struct fail *why)
{
    chord->count = 0;
    size_t size = strlen(text);
    if (size == 0)
        return fail_because(why, FAIL_UNSUPPORTED, "an empty key name");
    if (size > DESKTOP_KEY_BYTES_MAX)
        return fail_because(why, FAIL_UNSUPPORTED, "a key name of more than %d bytes",
                            DESKTOP_KEY_BYTES_MAX);
    for (const char *at = text;;) {
        size_t token = *at == '+' ? 1 : strcspn(at, "+");
        if (token == 0)
            return fail_because(why, FAIL_UNSUPPORTED, "no key after the last + of `%.64s`", text);
        if (!add(chord, at, token, why))
            return false;
        at += token;
        if (*at == '\0')
            return true;
        if (*at != '+')
            return fail_because(why, FAIL_UNSUPPORTED, "no + between the keys of `%.64s`", text);
        at++;
    }
}
