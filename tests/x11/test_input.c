#include <X11/XKBlib.h>
#include <X11/keysym.h>
#include <pthread.h>
#include <signal.h>

#include "check_main.h"
#include "desktop_rig.h"

static struct rig rig;
static struct receiver receiver;

static void open_layout(const char *layout)
{
    rig = rig_start("1280x800x24", NULL);
    char command[128];
    snprintf(command, sizeof command, "setxkbmap %s", layout);
    run_wait(&rig.xvfb, command);
    receiver_open(&receiver, rig.xvfb.display);
}

static void setup(void)
{
    open_layout("us");
}

static void teardown(void)
{
    receiver_close(&receiver);
    rig_stop(&rig);
}

static void key_ok(const char *keys, enum desktop_key_action action)
{
    struct fail why;
    bool pressed = press_keys(rig.desktop, keys, action, &why);
    ck_assert_msg(pressed, "%s: %s", keys, why.what);
}

static const char *story_of_keys(const char *keys)
{
    receiver_clear(&receiver);
    key_ok(keys, DESKTOP_KEY_PRESS);
    receiver_read(&receiver, 100);
    return receiver_story(&receiver, false);
}

struct typing {
    const char *text;
    bool done;
    struct fail why;
};

static void *type_it(void *typing_)
{
    struct typing *typing = typing_;
    typing->done = type_text(rig.desktop, typing->text, &typing->why);
    return NULL;
}

// The window reads while the text is typed, as programs do: what a key means may change later.
static void typed(const char *text, const char *expected)
{
    struct typing typing = {.text = text};
    pthread_t thread;
    receiver_clear(&receiver);
    pthread_create(&thread, NULL, type_it, &typing);
    while (pthread_tryjoin_np(thread, NULL) != 0)
        receiver_read(&receiver, 5);
    ck_assert_msg(typing.done, "%s", typing.why.what);
    receiver_read(&receiver, 150);
    ck_assert_str_eq(receiver.text, expected);
}

// --- pointer

static const char *story_of_click(unsigned button, unsigned action, int x, int y)
{
    receiver_clear(&receiver);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = action, .button = button, .x = x,
             .y = y);
    receiver_read(&receiver, 50);
    return receiver_story(&receiver, false);
}

START_TEST(clicks_arrive_with_their_button_at_their_place)
{
    ck_assert_str_eq(story_of_click(DESKTOP_LEFT, DESKTOP_POINTER_CLICK, 100, 200), "+b1 -b1");
    const struct received *press = &receiver.events[receiver.count - 2];
    ck_assert_int_eq(press->x, 100);
    ck_assert_int_eq(press->y, 200);
    ck_assert_int_eq(receiver.events[0].type, MotionNotify);
    ck_assert_str_eq(story_of_click(DESKTOP_RIGHT, DESKTOP_POINTER_CLICK, 5, 6), "+b3 -b3");
    ck_assert_str_eq(story_of_click(DESKTOP_MIDDLE, DESKTOP_POINTER_CLICK, 5, 6), "+b2 -b2");
    ck_assert_str_eq(story_of_click(0, DESKTOP_POINTER_CLICK, 5, 6), "+b1 -b1");
    ck_assert_str_eq(story_of_click(9, 9, 50, 60), "");
    ck_assert_int_eq(receiver.events[receiver.count - 1].x, 50);
}
END_TEST

START_TEST(a_double_click_is_two_within_a_quarter_of_a_second)
{
    ck_assert_str_eq(story_of_click(DESKTOP_LEFT, DESKTOP_POINTER_DOUBLE_CLICK, 10, 10),
                     "+b1 -b1 +b1 -b1");
    ck_assert_int_le(receiver.events[receiver.count - 1].ms - receiver.events[0].ms, 250);
}
END_TEST

START_TEST(a_drag_holds_the_button_between_events)
{
    receiver_clear(&receiver);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_DOWN, .button = 1,
             .x = 10, .y = 10);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_MOVE, .button = 1,
             .x = 20, .y = 20);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_MOVE, .button = 1,
             .x = 30, .y = 30);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_UP, .button = 1,
             .x = 40, .y = 40);
    receiver_read(&receiver, 50);
    ck_assert_str_eq(receiver_story(&receiver, false), "+b1 -b1");
    unsigned dragged = 0;
    for (size_t i = 0; i < receiver.count; i++)
        dragged +=
            receiver.events[i].type == MotionNotify && receiver.events[i].state & Button1Mask;
    ck_assert_uint_ge(dragged, 2);
    // Down twice: the first is released, so that the second is one.
    receiver_clear(&receiver);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_DOWN, .button = 1);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_DOWN, .button = 1);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_UP, .button = 1);
    receiver_read(&receiver, 50);
    ck_assert_str_eq(receiver_story(&receiver, false), "+b1 -b1 +b1 -b1");
}
END_TEST

START_TEST(places_outside_end_at_the_edge)
{
    static const struct {
        int32_t x, y;
        int at_x, at_y;
    } places[] = {{INT32_MAX, -5, 1279, 0},  {INT32_MIN, 3, 0, 3},  {1280, 800, 1279, 799},
                  {40000, 70000, 1279, 799}, {-1, INT32_MIN, 0, 0}, {0, 0, 0, 0}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_MOVE,
                 .x = places[i].x, .y = places[i].y);
        Window root, child;
        int x, y, in_x, in_y;
        unsigned mask;
        XQueryPointer(receiver.x, receiver.window, &root, &child, &x, &y, &in_x, &in_y, &mask);
        ck_assert_int_eq(x, places[i].at_x);
        ck_assert_int_eq(y, places[i].at_y);
    }
}
END_TEST

START_TEST(scrolling_turns_pixels_into_clicks_of_the_wheel)
{
    static const struct {
        int32_t dx, dy;
        unsigned button, count;
    } scrolls[] = {{0, 300, 5, 3},        {0, -3, 4, 3},   {0, 49, 5, 1},
                   {120, 0, 7, 1},        {-250, 0, 6, 3}, {0, 10, 5, 10},
                   {0, INT32_MIN, 4, 32}, {0, 0, 0, 0},    {INT32_MAX, 0, 7, 32}};
    for (size_t i = 0; i < sizeof scrolls / sizeof *scrolls; i++) {
        receiver_clear(&receiver);
        int64_t start = clock_mono_ms();
        input_ok(rig.desktop, .kind = DESKTOP_SCROLL, .x = 50, .y = 60, .dx = scrolls[i].dx,
                 .dy = scrolls[i].dy);
        ck_assert_int_lt(clock_mono_ms() - start, 20000);
        receiver_read(&receiver, 50);
        unsigned clicks = 0;
        for (size_t k = 0; k < receiver.count; k++)
            if (receiver.events[k].type == ButtonPress) {
                ck_assert_uint_eq(receiver.events[k].detail, scrolls[i].button);
                clicks++;
            }
        ck_assert_uint_eq(clicks, scrolls[i].count);
    }
    receiver_clear(&receiver);
    input_ok(rig.desktop, .kind = DESKTOP_SCROLL, .dx = -1, .dy = 1);
    receiver_read(&receiver, 50);
    ck_assert_str_eq(receiver_story(&receiver, false), "+b5 -b5 +b6 -b6");
}
END_TEST

// --- keys

START_TEST(chords_press_in_order_and_release_in_reverse)
{
    static const char *const same[] = {"ctrl+c", "CTRL+C", "Control+c", "ctrl+ctrl+c"};
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(story_of_keys(same[i]), "+Control_L +c -c -Control_L");
    ck_assert_str_eq(story_of_keys("CTRL+SHIFT+T"),
                     "+Control_L +Shift_L +T -T -Shift_L -Control_L");
    ck_assert_str_eq(story_of_keys("alt+F4"), "+Alt_L +F4 -F4 -Alt_L");
    ck_assert_str_eq(story_of_keys("down+down+down"), "+Down -Down +Down -Down +Down -Down");
    ck_assert_str_eq(story_of_keys("a+b"), "+a +b -b -a");
    ck_assert_str_eq(story_of_keys("shift+1"), "+Shift_L +! -! -Shift_L");
    ck_assert_str_eq(story_of_keys("ctrl+shift+="),
                     "+Control_L +Shift_L ++ -+ -Shift_L -Control_L");
    ck_assert_str_eq(story_of_keys("?"), "+Shift_L +? -? -Shift_L");
    ck_assert_str_eq(story_of_keys("A"), "+Shift_L +A -A -Shift_L");
}
END_TEST

START_TEST(plus_and_space_are_keys_too)
{
    ck_assert_str_eq(story_of_keys("ctrl++"), "+Control_L +Shift_L ++ -+ -Shift_L -Control_L");
    ck_assert_str_eq(story_of_keys("+"), "+Shift_L ++ -+ -Shift_L");
    ck_assert_str_eq(story_of_keys(" "), "+space -space");
    ck_assert_str_eq(story_of_keys("ctrl+ "), "+Control_L +space -space -Control_L");
}
END_TEST

START_TEST(names_of_every_kind_are_found)
{
    static const struct {
        const char *name, *keysym;
    } names[] = {{"win", "Super_L"},
                 {"cmd", "Super_L"},
                 {"super", "Super_L"},
                 {"alt", "Alt_L"},
                 {"f12", "F12"},
                 {"Insert", "Insert"},
                 {"PAGE_DOWN", "Next"},
                 {"ArrowDown", "Down"},
                 {"Return", "Return"},
                 {"esc", "Escape"},
                 {"XF86AudioPlay", "XF86AudioPlay"},
                 {"volumeup", "XF86AudioRaiseVolume"},
                 {"delete", "Delete"},
                 {"printscreen", "Print"},
                 {"ctrlright", "Control_R"},
                 {"F24", "F24"},
                 {"menu", "Menu"},
                 {"digit7", "7"},
                 {"KeyQ", "q"},
                 {"Hyper_L", "Hyper_L"},
                 {"slash", "/"},
                 {"caps_lock", "Caps_Lock"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, "+%s -%s", names[i].keysym, names[i].keysym);
        ck_assert_msg(strcmp(story_of_keys(names[i].name), expected) == 0, "%s made %s",
                      names[i].name, receiver_story(&receiver, false));
        if (strcmp(names[i].name, "caps_lock") == 0)
            story_of_keys("caps_lock"); // and off again
    }
}
END_TEST

START_TEST(the_keypad_is_told_from_the_digits)
{
    static const char *const names[] = {"KP_5", "Numpad5", "num5", "kp5"};
    for (size_t i = 0; i < 4; i++) {
        story_of_keys(names[i]);
        bool seen = false;
        for (size_t k = 0; k < receiver.count; k++)
            seen |= receiver.events[k].type == KeyPress && receiver.events[k].keysym == XK_KP_5;
        ck_assert_msg(seen, "%s made %s", names[i], receiver_story(&receiver, false));
    }
}
END_TEST

START_TEST(an_unknown_name_presses_nothing)
{
    static const char *const bad[] = {"NotARealKey", "ctrl+NotARealKey", "ctrl+", "+a", "",
                                      "fn",          "ctrl+fn+c"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fail why;
        receiver_clear(&receiver);
        ck_assert(!press_keys(rig.desktop, bad[i], DESKTOP_KEY_PRESS, &why));
        ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
        receiver_read(&receiver, 50);
        ck_assert_uint_eq(receiver.count, 0);
    }
    struct fail why;
    ck_assert(!press_keys(rig.desktop, "ctrl+NotARealKey", DESKTOP_KEY_PRESS, &why));
    ck_assert_str_eq(why.what, "unknown X11 named key `NotARealKey`");
}
END_TEST

START_TEST(a_key_held_down_changes_what_follows)
{
    receiver_clear(&receiver);
    key_ok("shift", DESKTOP_KEY_DOWN);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_CLICK, .x = 9, .y = 9);
    key_ok("shift", DESKTOP_KEY_UP);
    key_ok("shift", DESKTOP_KEY_UP); // not down any more: nothing
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_CLICK, .x = 9, .y = 9);
    receiver_read(&receiver, 50);
    ck_assert_str_eq(receiver_story(&receiver, true), "+Shift_L +b1/Shift -b1 -Shift_L +b1 -b1");
}
END_TEST

START_TEST(a_held_modifier_stays_held_through_a_chord_that_needs_it)
{
    receiver_clear(&receiver);
    key_ok("shift", DESKTOP_KEY_DOWN);
    key_ok("A", DESKTOP_KEY_PRESS);
    key_ok("shift+b", DESKTOP_KEY_PRESS);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_CLICK, .x = 9, .y = 9);
    key_ok("shift", DESKTOP_KEY_UP);
    receiver_read(&receiver, 50);
    ck_assert_str_eq(receiver_story(&receiver, false), "+Shift_L +A -A +B -B +b1 -b1 -Shift_L");
    ck_assert_uint_eq(receiver.events[receiver.count - 2].state & ShiftMask, ShiftMask);
}
END_TEST

static bool any_key_down(void)
{
    char keys[32], none[32] = {0};
    XQueryKeymap(receiver.x, keys);
    return memcmp(keys, none, sizeof none) != 0;
}

START_TEST(a_key_that_the_layout_lacks_can_be_held)
{
    receiver_clear(&receiver);
    key_ok("ж", DESKTOP_KEY_DOWN);
    ck_assert(any_key_down());
    sleep_ms(1500); // the keymap is restored after a second, but not under a key that is down
    struct fail why;
    ck_assert(type_text(rig.desktop, "éü€", &why));
    receiver_read(&receiver, 20);
    char others[64] = "";
    for (char *at = receiver.text; *at && strlen(others) < sizeof others - 1; at++)
        if (strncmp(at, "ж", strlen("ж")) == 0)
            at++; // it repeats as long as it is down
        else
            strncat(others, at, 1);
    ck_assert_str_eq(others, "éü€");
    key_ok("ж", DESKTOP_KEY_UP);
    ck_assert(!any_key_down());
    for (unsigned i = 0; i < 100 && XKeysymToKeycode(receiver.x, XK_Cyrillic_zhe) != 0; i++)
        receiver_read(&receiver, 100);
    ck_assert_int_eq(XKeysymToKeycode(receiver.x, XK_Cyrillic_zhe), 0);
}
END_TEST

START_TEST(what_is_held_is_released_on_request_and_at_the_end)
{
    key_ok("ctrl+alt", DESKTOP_KEY_DOWN);
    input_ok(rig.desktop, .kind = DESKTOP_POINTER, .action = DESKTOP_POINTER_DOWN, .x = 9, .y = 9);
    receiver_clear(&receiver);
    desktop_release(rig.desktop);
    receiver_read(&receiver, 100);
    ck_assert_str_eq(receiver_story(&receiver, false), "-Control_L -Alt_L -b1");

    key_ok("shift", DESKTOP_KEY_DOWN);
    receiver_clear(&receiver);
    desktop_free(rig.desktop); // the daemon ends
    rig.desktop = NULL;
    receiver_read(&receiver, 100);
    ck_assert_str_eq(receiver_story(&receiver, false), "-Shift_L");
}
END_TEST

static pid_t desktop_process_id(void)
{
    return child_named("opengeni-agent-desktop");
}

START_TEST(what_a_killed_process_held_is_released_by_the_next)
{
    key_ok("ctrl", DESKTOP_KEY_DOWN);
    typed("жук", "жук"); // spare keys are in use
    kill(desktop_process_id(), SIGKILL);
    receiver_clear(&receiver);
    struct desktop_state state;
    desktop_look(rig.desktop, &state);
    ck_assert(state.available);
    receiver_read(&receiver, 100);
    ck_assert_str_eq(receiver_story(&receiver, false), "-Control_L");
    ck_assert_int_eq(XKeysymToKeycode(receiver.x, XK_Cyrillic_zhe), 0);
}
END_TEST

// --- text

static char *keymap(void)
{
    static char map[1 << 20];
    char *const arguments[] = {
        "sh", "-c", "xmodmap -pke 2>/dev/null || xkbcomp -w0 \"$DISPLAY\" - 2>/dev/null", NULL};
    size_t size = xvfb_output(&rig.xvfb, arguments, map, sizeof map);
    ck_assert_uint_gt(size, 1000);
    return map;
}

START_TEST(any_character_arrives_and_the_keymap_is_restored)
{
    char *before = strdup(keymap());
    typed("aA?_ ~é€жあ😀\n", "aA?_ ~é€жあ😀\r");
    ck_assert_str_ne(keymap(), before);
    for (unsigned i = 0; i < 50 && strcmp(keymap(), before) != 0; i++)
        sleep_ms(100);
    ck_assert_str_eq(keymap(), before);
    free(before);
}
END_TEST

static const struct {
    const char *layout, *text;
} layouts[] = {
    {"us", "Hello, World! {[(<>)]} \\|/ ~`@#$%^&*_-+=:;\"' 0123456789"},
    {"de", "Straße Grüße z y Z Y ß ÄÖÜ äöü @ € | \\ {[]} ~ ² ³ µ ^ ° ` ´ ' \" < > ? ! /"},
    {"fr", "Été à ç è ù é & é \" ' ( - _ ) = ~ # { [ | ` \\ ^ @ ] } 0123456789 œ €"},
    {"ru", "Привет, мир! Съешь ещё этих мягких французских булок Hello 123 №;%:?*"},
    {"-layout us,ru -option grp:alt_shift_toggle", "hello привет HELLO ПРИВЕТ ,.?"},
    {"gr", "Καλημέρα κόσμε hello"},
    {"il", "שלום hello"},
    {"dvorak", "The quick brown fox jumps over the lazy dog."}};

START_TEST(texts_arrive_whatever_the_layout)
{
    open_layout(layouts[_i].layout);
    typed(layouts[_i].text, layouts[_i].text);
    teardown();
}
END_TEST

START_TEST(the_second_group_types_latin_all_the_same)
{
    open_layout("-layout us,ru");
    XkbLockGroup(receiver.x, XkbUseCoreKbd, 1);
    XSync(receiver.x, False);
    typed("hello", "hello");
    typed("привет", "привет");
    teardown();
}
END_TEST

START_TEST(locks_do_not_change_texts)
{
    XkbLockModifiers(receiver.x, XkbUseCoreKbd, LockMask, LockMask);
    XSync(receiver.x, False);
    typed("aB cD é É ж Ж 1!", "aB cD é É ж Ж 1!");
    XkbStateRec state;
    XkbGetState(receiver.x, XkbUseCoreKbd, &state);
    ck_assert_uint_eq(state.locked_mods & LockMask, LockMask);
    ck_assert_str_eq(story_of_keys("ctrl+c"), "+Control_L +C -C -Control_L"); // as a person would
    XkbLockModifiers(receiver.x, XkbUseCoreKbd, LockMask | Mod2Mask, Mod2Mask);
    XSync(receiver.x, False);
    typed("1234 abc+-*/.", "1234 abc+-*/.");
}
END_TEST

START_TEST(held_modifiers_do_not_turn_text_into_commands)
{
    key_ok("ctrl", DESKTOP_KEY_DOWN);
    typed("abc", "abc");
    receiver_clear(&receiver);
    key_ok("ctrl", DESKTOP_KEY_UP);
    receiver_read(&receiver, 50);
    ck_assert_str_eq(receiver_story(&receiver, false), "-Control_L");
}
END_TEST

START_TEST(line_ends_and_controls_become_keys)
{
    struct fail why;
    receiver_clear(&receiver);
    ck_assert(type_text(rig.desktop, "a\r\nb\nc\rd\te\bf\x1bg\x7f", &why));
    receiver_read(&receiver, 100);
    ck_assert_str_eq(receiver_story(&receiver, false),
                     "+a -a +Return -Return +b -b +Return -Return +c -c +Return -Return +d -d "
                     "+Tab -Tab +e -e +BackSpace -BackSpace +f -f +Escape -Escape +g -g "
                     "+Delete -Delete");
}
END_TEST

START_TEST(what_cannot_be_typed_is_refused_before_anything_is)
{
    struct fail why;
    receiver_clear(&receiver);
    ck_assert(!type_text(rig.desktop, "ab\x01", &why));
    ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
    ck_assert(!type_text(rig.desktop, "ab\xff", &why));
    ck_assert_int_eq(why.kind, FAIL_PROTOCOL);
    ck_assert(!type_text(rig.desktop, "ab\xed\xa0\x80", &why)); // half of a pair
    ck_assert_int_eq(why.kind, FAIL_PROTOCOL);
    char *long_text = malloc(DESKTOP_TEXT_CHARS_MAX + 2);
    memset(long_text, 'x', DESKTOP_TEXT_CHARS_MAX + 1);
    long_text[DESKTOP_TEXT_CHARS_MAX + 1] = '\0';
    ck_assert(!type_text(rig.desktop, long_text, &why));
    ck_assert_int_eq(why.kind, FAIL_UNSUPPORTED);
    free(long_text);
    receiver_read(&receiver, 50);
    ck_assert_uint_eq(receiver.count, 0);
    ck_assert(type_text(rig.desktop, "", &why));
}
END_TEST

START_TEST(long_texts_arrive_in_order_and_in_time)
{
    enum { CHARACTERS = 5000 };
    char *text = malloc(CHARACTERS + 1);
    for (unsigned i = 0; i < CHARACTERS; i++)
        text[i] = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJ.,"[noise() % 39];
    text[CHARACTERS] = '\0';
    int64_t start = clock_mono_ms();
    typed(text, text);
    ck_assert_int_lt(clock_mono_ms() - start, 25000);
    free(text);
}
END_TEST

// More characters at once than there are spare keys.
START_TEST(a_text_in_a_script_with_many_characters_arrives)
{
    char text[2048] = "";
    size_t size = 0;
    for (unsigned i = 0; i < 200; i++) {
        unsigned character = 0x4e00 + i * 37 % 2000;
        text[size++] = (char)(0xe0 | character >> 12);
        text[size++] = (char)(0x80 | (character >> 6 & 63));
        text[size++] = (char)(0x80 | (character & 63));
        if (i % 3 == 0)
            text[size++] = 'a';
    }
    typed(text, text);
}
END_TEST

START_TEST(typing_that_is_given_up_stops)
{
    struct fail why;
    struct desktop_input input = {.kind = DESKTOP_TEXT};
    struct cancel *cancel = cancel_new();
    char *text = malloc(3001);
    memset(text, 'z', 3000);
    text[3000] = '\0';
    cancel_fire(cancel);
    ck_assert(!desktop_input(rig.desktop, cancel, &input, text, 3000, &why));
    ck_assert_int_eq(why.kind, FAIL_CANCELLED);
    cancel_unref(cancel);
    typed("ok", "ok"); // the next one waits until it has stopped
    ck_assert_uint_lt(receiver.text_size, 100);
    free(text);
}
END_TEST

START_TEST(events_are_made_in_the_order_of_their_calls)
{
    receiver_clear(&receiver);
    for (int i = 0; i < 50; i++) {
        struct fail why;
        char letter[2] = {(char)('a' + i % 26), 0};
        ck_assert(press_keys(rig.desktop, letter, DESKTOP_KEY_PRESS, &why));
    }
    receiver_read(&receiver, 100);
    for (size_t i = 0; i < receiver.text_size; i++)
        ck_assert_int_eq(receiver.text[i], 'a' + (int)i % 26);
    ck_assert_uint_eq(receiver.text_size, 50);
}
END_TEST

int main(void)
{
    TCase *us = tcase_create("input"), *other = tcase_create("layouts");
    tcase_set_timeout(us, 300);
    tcase_set_timeout(other, 300);
    tcase_add_checked_fixture(us, setup, teardown);
    const TTest *const tests[] = {clicks_arrive_with_their_button_at_their_place,
                                  a_double_click_is_two_within_a_quarter_of_a_second,
                                  a_drag_holds_the_button_between_events,
                                  places_outside_end_at_the_edge,
                                  scrolling_turns_pixels_into_clicks_of_the_wheel,
                                  chords_press_in_order_and_release_in_reverse,
                                  plus_and_space_are_keys_too,
                                  names_of_every_kind_are_found,
                                  the_keypad_is_told_from_the_digits,
                                  an_unknown_name_presses_nothing,
                                  a_key_held_down_changes_what_follows,
                                  a_held_modifier_stays_held_through_a_chord_that_needs_it,
                                  a_key_that_the_layout_lacks_can_be_held,
                                  what_is_held_is_released_on_request_and_at_the_end,
                                  what_a_killed_process_held_is_released_by_the_next,
                                  any_character_arrives_and_the_keymap_is_restored,
                                  locks_do_not_change_texts,
                                  held_modifiers_do_not_turn_text_into_commands,
                                  line_ends_and_controls_become_keys,
                                  what_cannot_be_typed_is_refused_before_anything_is,
                                  long_texts_arrive_in_order_and_in_time,
                                  a_text_in_a_script_with_many_characters_arrives,
                                  typing_that_is_given_up_stops,
                                  events_are_made_in_the_order_of_their_calls};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(us, tests[i]);
    tcase_add_loop_test(other, texts_arrive_whatever_the_layout, 0,
                        sizeof layouts / sizeof *layouts);
    tcase_add_test(other, the_second_group_types_latin_all_the_same);
    Suite *suite = suite_create("input");
    suite_add_tcase(suite, us);
    suite_add_tcase(suite, other);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
