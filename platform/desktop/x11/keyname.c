#include "desktop_x11/keyname.h"

#define XK_MISCELLANY
#define XK_XKB_KEYS
#define XK_KOREAN
#include <X11/XF86keysym.h>
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/keysymdef.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "desktop_x11/characters.h"

// Lower case without '-', '_' and spaces. Names that X itself has in that form, like "eacute", need
// no line here.
static const struct {
    const char *name;
    KeySym keysym;
} names[] = {
    {"control", XK_Control_L},
    {"ctrl", XK_Control_L},
    {"ctl", XK_Control_L},
    {"controlleft", XK_Control_L},
    {"ctrlleft", XK_Control_L},
    {"leftctrl", XK_Control_L},
    {"controll", XK_Control_L},
    {"controlormeta", XK_Control_L},
    {"controlright", XK_Control_R},
    {"ctrlright", XK_Control_R},
    {"rightctrl", XK_Control_R},
    {"controlr", XK_Control_R},
    {"shift", XK_Shift_L},
    {"shiftleft", XK_Shift_L},
    {"leftshift", XK_Shift_L},
    {"shiftl", XK_Shift_L},
    {"shiftright", XK_Shift_R},
    {"rightshift", XK_Shift_R},
    {"shiftr", XK_Shift_R},
    {"alt", XK_Alt_L},
    {"option", XK_Alt_L},
    {"opt", XK_Alt_L},
    {"altleft", XK_Alt_L},
    {"leftalt", XK_Alt_L},
    {"altl", XK_Alt_L},
    {"altright", XK_Alt_R},
    {"rightalt", XK_Alt_R},
    {"altr", XK_Alt_R},
    {"altgr", XK_ISO_Level3_Shift},
    {"altgraph", XK_ISO_Level3_Shift},
    {"isolevel3shift", XK_ISO_Level3_Shift},
    {"meta", XK_Super_L},
    {"super", XK_Super_L},
    {"command", XK_Super_L},
    {"cmd", XK_Super_L},
    {"win", XK_Super_L},
    {"windows", XK_Super_L},
    {"os", XK_Super_L},
    {"superleft", XK_Super_L},
    {"metaleft", XK_Super_L},
    {"superl", XK_Super_L},
    {"leftmeta", XK_Super_L},
    {"winleft", XK_Super_L},
    {"superright", XK_Super_R},
    {"metaright", XK_Super_R},
    {"superr", XK_Super_R},
    {"winright", XK_Super_R},
    {"hyper", XK_Hyper_L},
    {"hyperl", XK_Hyper_L},
    {"enter", XK_Return},
    {"return", XK_Return},
    {"ret", XK_Return},
    {"cr", XK_Return},
    {"tab", XK_Tab},
    {"backtab", XK_ISO_Left_Tab},
    {"isolefttab", XK_ISO_Left_Tab},
    {"escape", XK_Escape},
    {"esc", XK_Escape},
    {"backspace", XK_BackSpace},
    {"bksp", XK_BackSpace},
    {"bs", XK_BackSpace},
    {"delete", XK_Delete},
    {"del", XK_Delete},
    {"forwarddelete", XK_Delete},
    {"insert", XK_Insert},
    {"ins", XK_Insert},
    {"space", ' '},
    {"spacebar", ' '},
    {"left", XK_Left},
    {"arrowleft", XK_Left},
    {"leftarrow", XK_Left},
    {"up", XK_Up},
    {"arrowup", XK_Up},
    {"uparrow", XK_Up},
    {"right", XK_Right},
    {"arrowright", XK_Right},
    {"rightarrow", XK_Right},
    {"down", XK_Down},
    {"arrowdown", XK_Down},
    {"downarrow", XK_Down},
    {"home", XK_Home},
    {"end", XK_End},
    {"pageup", XK_Page_Up},
    {"pgup", XK_Page_Up},
    {"prior", XK_Page_Up},
    {"pagedown", XK_Page_Down},
    {"pgdn", XK_Page_Down},
    {"pgdown", XK_Page_Down},
    {"next", XK_Page_Down},
    {"capslock", XK_Caps_Lock},
    {"caps", XK_Caps_Lock},
    {"numlock", XK_Num_Lock},
    {"scrolllock", XK_Scroll_Lock},
    {"printscreen", XK_Print},
    {"print", XK_Print},
    {"prtsc", XK_Print},
    {"prtscr", XK_Print},
    {"prtscn", XK_Print},
    {"snapshot", XK_Print},
    {"sysrq", XK_Sys_Req},
    {"sysreq", XK_Sys_Req},
    {"pause", XK_Pause},
    {"break", XK_Break},
    {"menu", XK_Menu},
    {"contextmenu", XK_Menu},
    {"apps", XK_Menu},
    {"application", XK_Menu},
    {"help", XK_Help},
    {"undo", XK_Undo},
    {"redo", XK_Redo},
    {"again", XK_Redo},
    {"find", XK_Find},
    {"cancel", XK_Cancel},
    {"clear", XK_Clear},
    {"select", XK_Select},
    {"execute", XK_Execute},
    {"linefeed", XK_Linefeed},
    {"numpadadd", XK_KP_Add},
    {"kpadd", XK_KP_Add},
    {"kpplus", XK_KP_Add},
    {"numpadsubtract", XK_KP_Subtract},
    {"kpsubtract", XK_KP_Subtract},
    {"kpminus", XK_KP_Subtract},
    {"numpadmultiply", XK_KP_Multiply},
    {"kpmultiply", XK_KP_Multiply},
    {"numpaddivide", XK_KP_Divide},
    {"kpdivide", XK_KP_Divide},
    {"divide", XK_KP_Divide},
    {"numpaddecimal", XK_KP_Decimal},
    {"kpdecimal", XK_KP_Decimal},
    {"numpadenter", XK_KP_Enter},
    {"kpenter", XK_KP_Enter},
    {"numpadequal", XK_KP_Equal},
    {"kpequal", XK_KP_Equal},
    {"kpseparator", XK_KP_Separator},
    {"numpadcomma", XK_KP_Separator},
    {"plus", '+'},
    {"minus", '-'},
    {"hyphen", '-'},
    {"dash", '-'},
    {"equal", '='},
    {"equals", '='},
    {"comma", ','},
    {"period", '.'},
    {"dot", '.'},
    {"slash", '/'},
    {"backslash", '\\'},
    {"semicolon", ';'},
    {"colon", ':'},
    {"quote", '\''},
    {"apostrophe", '\''},
    {"singlequote", '\''},
    {"doublequote", '"'},
    {"quotedbl", '"'},
    {"backquote", '`'},
    {"grave", '`'},
    {"backtick", '`'},
    {"bracketleft", '['},
    {"leftbracket", '['},
    {"bracketright", ']'},
    {"rightbracket", ']'},
    {"braceleft", '{'},
    {"braceright", '}'},
    {"parenleft", '('},
    {"parenright", ')'},
    {"less", '<'},
    {"greater", '>'},
    {"question", '?'},
    {"exclam", '!'},
    {"exclamation", '!'},
    {"at", '@'},
    {"numbersign", '#'},
    {"hash", '#'},
    {"pound", '#'},
    {"dollar", '$'},
    {"percent", '%'},
    {"asciicircum", '^'},
    {"caret", '^'},
    {"ampersand", '&'},
    {"asterisk", '*'},
    {"star", '*'},
    {"underscore", '_'},
    {"bar", '|'},
    {"pipe", '|'},
    {"asciitilde", '~'},
    {"tilde", '~'},
    {"volumeup", XF86XK_AudioRaiseVolume},
    {"audiovolumeup", XF86XK_AudioRaiseVolume},
    {"volumedown", XF86XK_AudioLowerVolume},
    {"audiovolumedown", XF86XK_AudioLowerVolume},
    {"mute", XF86XK_AudioMute},
    {"volumemute", XF86XK_AudioMute},
    {"audiovolumemute", XF86XK_AudioMute},
    {"mediaplaypause", XF86XK_AudioPlay},
    {"playpause", XF86XK_AudioPlay},
    {"mediastop", XF86XK_AudioStop},
    {"mediatracknext", XF86XK_AudioNext},
    {"nexttrack", XF86XK_AudioNext},
    {"mediatrackprevious", XF86XK_AudioPrev},
    {"prevtrack", XF86XK_AudioPrev},
    {"browserback", XF86XK_Back},
    {"browserforward", XF86XK_Forward},
    {"browserrefresh", XF86XK_Refresh},
    {"refresh", XF86XK_Refresh},
    {"browserstop", XF86XK_Stop},
    {"browserhome", XF86XK_HomePage},
    {"browsersearch", XF86XK_Search},
    {"browserfavorites", XF86XK_Favorites},
    {"copy", XF86XK_Copy},
    {"cut", XF86XK_Cut},
    {"paste", XF86XK_Paste},
    {"open", XF86XK_Open},
    {"save", XF86XK_Save},
    {"new", XF86XK_New},
    {"close", XF86XK_Close},
    {"power", XF86XK_PowerOff},
    {"sleep", XF86XK_Sleep},
    {"brightnessup", XF86XK_MonBrightnessUp},
    {"brightnessdown", XF86XK_MonBrightnessDown},
    {"eject", XF86XK_Eject},
    {"calculator", XF86XK_Calculator},
    {"mail", XF86XK_Mail},
    {"hangulmode", XK_Hangul},
    {"hangul", XK_Hangul},
    {"hanja", XK_Hangul_Hanja},
    {"henkan", XK_Henkan},
    {"convert", XK_Henkan},
    {"muhenkan", XK_Muhenkan},
    {"nonconvert", XK_Muhenkan},
    {"zenkakuhankaku", XK_Zenkaku_Hankaku},
    {"hiragana", XK_Hiragana},
    {"katakana", XK_Katakana},
    {"eisu", XK_Eisu_toggle},
    {"kanji", XK_Kanji},
};

KeySym keysym_of_character(uint32_t character)
{
    switch (character) {
    case '\n':
    case '\r':
        return XK_Return;
    case '\t':
        return XK_Tab;
    case '\b':
        return XK_BackSpace;
    case 0x1b:
        return XK_Escape;
    case 0x7f:
        return XK_Delete;
    default:
        break;
    }
    if (character < 0x20 || (character > 0x7f && character < 0xa0))
        return NoSymbol;
    if (character < 0x100)
        return character;
    return 0x01000000 | character; // X protocol, appendix A
}

// Keysyms older than Unicode, made from X11/keysymdef.h when this is built.
static const struct {
    uint16_t keysym, character;
} old_keysyms[] = {
#include "old_keysyms.inc"
};

KeySym keysym_twin(KeySym keysym)
{
    if ((keysym & 0xff000000) != 0x01000000)
        return NoSymbol;
    for (size_t i = 0; i < sizeof old_keysyms / sizeof *old_keysyms; i++)
        if (old_keysyms[i].character == (keysym & 0xffffff))
            return old_keysyms[i].keysym;
    return NoSymbol;
}

// Letters a to z and the ten digits after a prefix: "keya", "digit1", "numpad7".
static bool find_numbered(const char *name, struct keyname *out)
{
    static const char *const pads[] = {"numpad", "num", "kp"};
    size_t size = strlen(name);
    if (size == 4 && strncmp(name, "key", 3) == 0 && islower((unsigned char)name[3])) {
        *out = (struct keyname){(KeySym)name[3], (uint32_t)name[3]};
        return true;
    }
    if (size == 0 || !isdigit((unsigned char)name[size - 1]))
        return false;
    KeySym digit = (KeySym)(name[size - 1] - '0');
    if (size == 6 && strncmp(name, "digit", 5) == 0) {
        *out = (struct keyname){'0' + digit, (uint32_t)('0' + digit)};
        return true;
    }
    for (size_t i = 0; i < sizeof pads / sizeof *pads; i++)
        if (size == strlen(pads[i]) + 1 && strncmp(name, pads[i], size - 1) == 0) {
            *out = (struct keyname){XK_KP_0 + digit, 0};
            return true;
        }
    if (name[0] == 'f' && size <= 3) {
        char *end;
        unsigned long number = strtoul(name + 1, &end, 10);
        if (*end == '\0' && isdigit((unsigned char)name[1]) && number >= 1 && number <= 35) {
            *out = (struct keyname){XK_F1 + number - 1, 0};
            return true;
        }
    }
    return false;
}

static bool find_known(const char *name, struct keyname *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) {
            KeySym keysym = names[i].keysym;
            *out = (struct keyname){keysym, keysym > ' ' && keysym < 0x7f ? (uint32_t)keysym : 0};
            return true;
        }
    return find_numbered(name, out);
}

// Xlib finds names in the case X writes them only: "page_down" is tried as "Page_Down" too.
// Numbers, which it would take as well, are find_hex's.
static KeySym find_x_name(const char *name)
{
    if (strncasecmp(name, "u+", 2) == 0 || strncasecmp(name, "0x", 2) == 0)
        return NoSymbol;
    KeySym keysym = XStringToKeysym(name);
    if (keysym != NoSymbol)
        return keysym;
    char other[DESKTOP_KEY_BYTES_MAX + 1];
    size_t size = strlen(name);
    for (size_t i = 0; i <= size; i++)
        other[i] = (char)tolower((unsigned char)name[i]);
    keysym = XStringToKeysym(other);
    for (size_t i = 0; i < size && keysym == NoSymbol; i++)
        if (i == 0 || other[i - 1] == '_')
            other[i] = (char)toupper((unsigned char)other[i]);
    if (keysym == NoSymbol)
        keysym = XStringToKeysym(other);
    if (keysym == NoSymbol && strncasecmp(name, "xf86", 4) == 0) {
        snprintf(other, sizeof other, "XF86%s", name + 4);
        keysym = XStringToKeysym(other);
    }
    return keysym;
}

static bool find_hex(const char *name, struct keyname *out)
{
    bool scalar = name[0] == 'U' || name[0] == 'u';
    const char *digits = scalar ? name + 1 + (name[1] == '+') : name + 2;
    if (!scalar && strncasecmp(name, "0x", 2) != 0)
        return false;
    size_t count = strlen(digits);
    if (count < (scalar ? 4 : 1) || count > (scalar ? 6 : 8) ||
        strspn(digits, "0123456789abcdefABCDEF") != count)
        return false;
    unsigned long value = strtoul(digits, NULL, 16);
    if (!scalar) {
        *out = (struct keyname){value, 0};
        return value != NoSymbol && value <= 0x1fffffff; // 29 bits, X protocol
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return false;
    *out = (struct keyname){keysym_of_character((uint32_t)value), (uint32_t)value};
    return out->keysym != NoSymbol;
}

bool keyname_find(const char *name, size_t size, struct keyname *out)
{
    uint32_t character;
    if (size > DESKTOP_KEY_BYTES_MAX)
        return false;
    if (characters_next(name, size, &character) == size) {
        KeySym keysym = keysym_of_character(character);
        *out = (struct keyname){keysym, keysym == character || keysym >> 24 == 1 ? character : 0};
        return keysym != NoSymbol;
    }
    char plain[DESKTOP_KEY_BYTES_MAX + 1], exact[DESKTOP_KEY_BYTES_MAX + 1];
    size_t n = 0;
    memcpy(exact, name, size);
    exact[size] = '\0';
    for (size_t i = 0; i < size; i++)
        if (name[i] != '_' && name[i] != '-' && name[i] != ' ')
            plain[n++] = (char)tolower((unsigned char)name[i]);
    plain[n] = '\0';
    // X has a "function" of mathematics; people who write this mean a key that sends nothing.
    if (strcmp(plain, "fn") == 0 || strcmp(plain, "function") == 0)
        return false;
    if (find_known(plain, out) || find_hex(exact, out))
        return true;
    *out = (struct keyname){find_x_name(exact), 0};
    return out->keysym != NoSymbol && out->keysym != XK_VoidSymbol;
}
