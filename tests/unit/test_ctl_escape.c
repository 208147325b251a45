// The escape key, and what has to be switched off at the person's terminal.
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "ctl/escape.h"
#include "ctl/modes.h"

static struct escape escape;
static enum escape_command command;
static char typed[256];
static size_t typed_size;

static size_t type(const char *keys)
{
    size_t taken = escape_take(&escape, keys, strlen(keys), typed, &typed_size, &command);
    typed[typed_size] = '\0';
    return taken;
}

static void begin(void)
{
    escape_init(&escape, '~');
}

START_TEST(ordinary_keys_are_the_terminals)
{
    begin();
    ck_assert_uint_eq(type("ls ~/x ~.\r"), 10);
    ck_assert_str_eq(typed, "ls ~/x ~.\r");
    ck_assert_int_eq(command, ESCAPE_NOTHING);
}
END_TEST

START_TEST(commands_work_at_the_beginning_and_after_each_end_of_a_line)
{
    static const struct {
        const char *key;
        enum escape_command command;
    } cases[] = {
        {".", ESCAPE_END}, {"d", ESCAPE_DETACH}, {"\032", ESCAPE_SUSPEND}, {"?", ESCAPE_HELP}};
    static const char *const starts[] = {"", "ls\r", "ls\n", "\r\n\r"};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            char keys[32];
            begin();
            snprintf(keys, sizeof keys, "%s~%srest", starts[j], cases[i].key);
            ck_assert_uint_eq(type(keys), strlen(keys) - 4);
            ck_assert_int_eq(command, cases[i].command);
            ck_assert_str_eq(typed, starts[j]);
        }
}
END_TEST

START_TEST(a_command_may_come_one_byte_at_a_time)
{
    begin();
    type("x\r");
    type("~");
    ck_assert_uint_eq(typed_size, 0);
    ck_assert_int_eq(command, ESCAPE_NOTHING);
    type(".");
    ck_assert_int_eq(command, ESCAPE_END);
    ck_assert_uint_eq(typed_size, 0);
}
END_TEST

START_TEST(the_key_twice_is_the_key_once)
{
    begin();
    type("~~.");
    ck_assert_str_eq(typed, "~.");
    ck_assert_int_eq(command, ESCAPE_NOTHING);
}
END_TEST

START_TEST(a_key_without_a_command_is_typed_with_what_follows)
{
    begin();
    type("~x~.");
    ck_assert_str_eq(typed, "~x~.");
    ck_assert_int_eq(command, ESCAPE_NOTHING);
    begin();
    type("~\r~.");
    ck_assert_str_eq(typed, "~\r");
    ck_assert_int_eq(command, ESCAPE_END);
}
END_TEST

START_TEST(after_a_command_the_line_has_not_begun)
{
    begin();
    ck_assert_uint_eq(type("~?~d"), 2);
    ck_assert_int_eq(command, ESCAPE_HELP);
    ck_assert_uint_eq(type("~d"), 2);
    ck_assert_int_eq(command, ESCAPE_DETACH);
}
END_TEST

START_TEST(without_a_key_everything_is_typed)
{
    escape_init(&escape, ESCAPE_OFF);
    type("~.\r~d");
    ck_assert_str_eq(typed, "~.\r~d");
}
END_TEST

START_TEST(output_never_outgrows_its_room)
{
    char keys[128], out[sizeof keys + 1];
    size_t size;
    begin();
    escape.state = ESCAPE_PENDING;
    memset(keys, 'x', sizeof keys);
    ck_assert_uint_eq(escape_take(&escape, keys, sizeof keys, out, &size, &command), sizeof keys);
    ck_assert_uint_eq(size, sizeof keys + 1);
}
END_TEST

START_TEST(keys_are_named)
{
    int key;
    char name[ESCAPE_NAME_BYTES];
    ck_assert(escape_parse("none", &key));
    ck_assert_int_eq(key, ESCAPE_OFF);
    ck_assert(escape_parse("%", &key));
    ck_assert_int_eq(key, '%');
    ck_assert(escape_parse("^]", &key));
    ck_assert_int_eq(key, 0x1d);
    escape_name(key, name);
    ck_assert_str_eq(name, "^]");
    static const char *const wrong[] = {"", "ab", "^", "^^^", "\n", "^M", "^J", "\xc3\xa9", "^1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (strcmp(wrong[i], "^") != 0) // a character like any other
            ck_assert_msg(!escape_parse(wrong[i], &key), "%s", wrong[i]);
}
END_TEST

static struct modes modes;

static const char *reset_after(const char *printed)
{
    static char text[MODES_RESET_BYTES + 1];
    modes = (struct modes){0};
    for (const char *c = printed; *c; c++)
        modes_feed(&modes, c, 1);
    struct modes whole = {0};
    modes_feed(&whole, printed, strlen(printed));
    ck_assert_uint_eq(whole.changed, modes.changed);
    size_t size = modes_reset(&modes, text);
    text[size] = '\0';
    return text;
}

START_TEST(what_was_switched_on_is_switched_off)
{
    ck_assert_str_eq(reset_after("hello\033[31m"), "");
    ck_assert_str_eq(reset_after("\033[?1049h\033[?25l"), "\033[?1049l\033[?25h\033[0m");
    ck_assert_str_eq(reset_after("\033[?2004h$ "), "\033[?2004l\033[0m");
    ck_assert_str_eq(reset_after("\033[?2004h\033[?2004l"), "");
    ck_assert_str_eq(reset_after("\033[?1000;1006h"), "\033[?1000l\033[?1006l\033[0m");
    ck_assert_str_eq(reset_after("\033[?1049h\033c"), "");
}
END_TEST

START_TEST(sequences_that_are_something_else_change_nothing)
{
    ck_assert_str_eq(reset_after("\033[1049h\033[?1049$p\033[?9999h\033[?h\033[?\033[?;;h"), "");
    ck_assert_str_eq(reset_after("\033[?99999999999999999999991049h"), "");
    ck_assert_str_eq(reset_after("\033[?10\03349h"), "");
}
END_TEST

START_TEST(everything_at_once_fits)
{
    const char *text =
        reset_after("\033[?1;66;1000;1002;1003;1004;1005;1006;1015;2004;47;1047;1049h"
                    "\033[?25l");
    ck_assert_uint_lt(strlen(text), MODES_RESET_BYTES);
    ck_assert_ptr_nonnull(strstr(text, "\033[?25h\033[0m"));
}
END_TEST

START_TEST(the_other_screen_is_known)
{
    modes = (struct modes){0};
    modes_feed(&modes, "\033[?25l", 6);
    ck_assert(!modes_other_screen(&modes));
    modes_feed(&modes, "\033[?1049h", 8);
    ck_assert(modes_other_screen(&modes));
    modes_feed(&modes, "\033[?1049l", 8);
    ck_assert(!modes_other_screen(&modes));
}
END_TEST

CHECK_MAIN("ctl_escape", 300, ordinary_keys_are_the_terminals,
           commands_work_at_the_beginning_and_after_each_end_of_a_line,
           a_command_may_come_one_byte_at_a_time, the_key_twice_is_the_key_once,
           a_key_without_a_command_is_typed_with_what_follows,
           after_a_command_the_line_has_not_begun, without_a_key_everything_is_typed,
           output_never_outgrows_its_room, keys_are_named, what_was_switched_on_is_switched_off,
           sequences_that_are_something_else_change_nothing, everything_at_once_fits,
           the_other_screen_is_known)
