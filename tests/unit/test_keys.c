#include <X11/XF86keysym.h>
#include <X11/Xlib.h>
#include <X11/keysym.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "desktop_x11/chord.h"
#include "desktop_x11/keyname.h"

static KeySym keysym_of(const char *name)
{
    struct keyname key;
    return keyname_find(name, strlen(name), &key) ? key.keysym : NoSymbol;
}

static const struct {
    const char *name;
    KeySym keysym;
} known[] = {
    {"ctrl", XK_Control_L},
    {"Control_L", XK_Control_L},
    {"CTRL", XK_Control_L},
    {"Control_R", XK_Control_R},
    {"ControlOrMeta", XK_Control_L},
    {"shift", XK_Shift_L},
    {"Shift_R", XK_Shift_R},
    {"option", XK_Alt_L},
    {"AltGraph", XK_ISO_Level3_Shift},
    {"ISO_Level3_Shift", XK_ISO_Level3_Shift},
    {"cmd", XK_Super_L},
    {"Meta", XK_Super_L},
    {"win", XK_Super_L},
    {"winright", XK_Super_R},
    {"hyper", XK_Hyper_L},
    {"Enter", XK_Return},
    {"RETURN", XK_Return},
    {"ret", XK_Return},
    {"Tab", XK_Tab},
    {"BackTab", XK_ISO_Left_Tab},
    {"Esc", XK_Escape},
    {"BackSpace", XK_BackSpace},
    {"del", XK_Delete},
    {"ins", XK_Insert},
    {"SpaceBar", ' '},
    {"ArrowLeft", XK_Left},
    {"left_arrow", XK_Left},
    {"up", XK_Up},
    {"page up", XK_Page_Up},
    {"Page_Down", XK_Page_Down},
    {"Next", XK_Page_Down},
    {"f1", XK_F1},
    {"F35", XK_F35},
    {"Caps-Lock", XK_Caps_Lock},
    {"NumLock", XK_Num_Lock},
    {"PrtSc", XK_Print},
    {"SysRq", XK_Sys_Req},
    {"pause", XK_Pause},
    {"break", XK_Break},
    {"apps", XK_Menu},
    {"again", XK_Redo},
    {"linefeed", XK_Linefeed},
    {"numpad0", XK_KP_0},
    {"KP_9", XK_KP_9},
    {"num3", XK_KP_3},
    {"KP_Add", XK_KP_Add},
    {"numpadenter", XK_KP_Enter},
    {"divide", XK_KP_Divide},
    {"KP_Separator", XK_KP_Separator},
    {"keyz", 'z'},
    {"digit0", '0'},
    {"plus", '+'},
    {"hyphen", '-'},
    {"dot", '.'},
    {"backtick", '`'},
    {"leftbracket", '['},
    {"pipe", '|'},
    {"caret", '^'},
    {"volumemute", XF86XK_AudioMute},
    {"playpause", XF86XK_AudioPlay},
    {"prevtrack", XF86XK_AudioPrev},
    {"refresh", XF86XK_Refresh},
    {"paste", XF86XK_Paste},
    {"brightnessup", XF86XK_MonBrightnessUp},
    {"hangul", XK_Hangul},
    {"zenkakuhankaku", XK_Zenkaku_Hankaku},
    {"kanji", XK_Kanji},
    {"XF86AudioPlay", XF86XK_AudioPlay},
    {"xf86AudioPlay", XF86XK_AudioPlay},
    {"eacute", XK_eacute},
    {"Eacute", XK_Eacute},
    {"U+20AC", 0x010020ac},
    {"u20ac", 0x010020ac},
    {"U0041", 'A'},
    {"U1F600", 0x0101f600},
    {"0xff0d", XK_Return},
    {"0x20ac", 0x20ac},
    {"dead_acute", XK_dead_acute},
    {"DEAD_ACUTE", XK_dead_acute},
    {"scroll_lock", XK_Scroll_Lock},
    {"KP_Enter", XK_KP_Enter},
};

START_TEST(every_way_to_write_a_key_is_understood)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_msg(keysym_of(known[i].name) == known[i].keysym, "%s is %lx, not %lx",
                      known[i].name, keysym_of(known[i].name), known[i].keysym);
}
END_TEST

START_TEST(single_characters_are_themselves)
{
    for (char c = ' '; c < 0x7f; c++)
        ck_assert_uint_eq(keysym_of((char[]){c, 0}), (KeySym)c);
    ck_assert_uint_eq(keysym_of("é"), 0xe9);
    ck_assert_uint_eq(keysym_of("€"), 0x010020ac);
    ck_assert_uint_eq(keysym_of("Ж"), 0x01000416);
    ck_assert_uint_eq(keysym_of("😀"), 0x0101f600);
    ck_assert_uint_eq(keysym_of("\n"), XK_Return);
}
END_TEST

START_TEST(unknown_names_are_unknown)
{
    static const char *const unknown[] = {"NotARealKey", "fn",     "function", "f0",   "f36", "f1x",
                                          "\x01",        "U+D800", "U+110000", "U+12", "0x",  "0x0",
                                          "0xffffffff",  "kp",     "keyab",    "\xff"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_assert_msg(keysym_of(unknown[i]) == NoSymbol, "%s", unknown[i]);
}
END_TEST

START_TEST(old_keysyms_are_found_for_their_characters)
{
    ck_assert_uint_eq(keysym_twin(0x01000436), XK_Cyrillic_zhe);
    ck_assert_uint_eq(keysym_twin(0x010020ac), XK_EuroSign);
    ck_assert_uint_eq(keysym_twin(0x010003b1), XK_Greek_alpha);
    ck_assert_uint_eq(keysym_twin(0x01004e00), NoSymbol);
    ck_assert_uint_eq(keysym_twin('a'), NoSymbol);
}
END_TEST

static const char *parsed(const char *text)
{
    static char out[512];
    struct chord chord;
    struct fail why;
    if (!chord_parse(text, &chord, &why)) {
        ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
        return "error";
    }
    out[0] = '\0';
    for (size_t i = 0, size = 0; i < chord.count && size < sizeof out; i++)
        size += (size_t)snprintf(out + size, sizeof out - size, "%s%s", i ? " " : "",
                                 XKeysymToString(chord.keys[i].keysym));
    return out;
}

START_TEST(chords_are_cut_at_plus_signs_that_separate)
{
    ck_assert_str_eq(parsed("ctrl+c"), "Control_L c");
    ck_assert_str_eq(parsed(" ctrl + shift + t "), "Control_L Shift_L t");
    ck_assert_str_eq(parsed("+"), "plus");
    ck_assert_str_eq(parsed("ctrl++"), "Control_L plus");
    ck_assert_str_eq(parsed("++a"), "plus a");
    ck_assert_str_eq(parsed(" "), "space");
    ck_assert_str_eq(parsed("   "), "space");
    ck_assert_str_eq(parsed("ctrl+ "), "Control_L space");
    ck_assert_str_eq(parsed("ctrl+ctrl+c"), "Control_L c");
    ck_assert_str_eq(parsed("down+down"), "Down Down");
    ck_assert_str_eq(parsed("ctrl+"), "error");
    ck_assert_str_eq(parsed("+a"), "error");
    ck_assert_str_eq(parsed("++"), "error");
    ck_assert_str_eq(parsed(""), "error");
    ck_assert_str_eq(parsed("ctrl+NoKey"), "error");
}
END_TEST

START_TEST(chords_have_a_length_and_a_number_of_keys)
{
    char text[DESKTOP_KEY_BYTES_MAX + 2];
    ck_assert_str_ne(parsed("a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a"), "error"); // 16
    ck_assert_str_eq(parsed("a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a"), "error");
    memset(text, ' ', sizeof text);
    text[0] = 'a';
    text[DESKTOP_KEY_BYTES_MAX] = '\0';
    ck_assert_str_eq(parsed(text), "a");
    text[DESKTOP_KEY_BYTES_MAX] = ' ';
    text[DESKTOP_KEY_BYTES_MAX + 1] = '\0';
    ck_assert_str_eq(parsed(text), "error");
}
END_TEST

CHECK_MAIN("keys", 300, every_way_to_write_a_key_is_understood, single_characters_are_themselves,
           unknown_names_are_unknown, old_keysyms_are_found_for_their_characters,
           chords_are_cut_at_plus_signs_that_separate, chords_have_a_length_and_a_number_of_keys)
