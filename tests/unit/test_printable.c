
#include "base/alloc.h"
#include "base/printable.h"
#include "check_main.h"

static const struct {
    const char *in, *out;
} cases[] = {
    {"plain text", "plain text"},
    {"", ""},
    {"\033[31mred\033[0m", "[31mred[0m"},
    {"two\r\nlines\ttab\x7f", "twolinestab"},
    {"Gr\xc3\xbc\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x98\x80",
     "Gr\xc3\xbc\xc3\x9f"
     "e \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"\xc2\x9b"
     "31m",
     "31m"}, // CSI as a single C1 character
    {"a\xe2\x80\xae"
     "b\xe2\x81\xa6"
     "c\xe2\x80\xa8"
     "d",
     "abcd"}, // direction overrides, separator
    {"bad\xff\xc3(utf\xe2\x82", "bad(utf"},
    {"\xed\xa0\x80surrogate", "surrogate"},
};

START_TEST(what_could_steer_a_terminal_is_dropped)
{
    char *text = printable_copy(cases[_i].in);
    ck_assert_str_eq(text, cases[_i].out);
    mem_free(text);
}
END_TEST

START_TEST(no_text_is_an_empty_text)
{
    char *text = printable_copy(NULL);
    ck_assert_str_eq(text, "");
    mem_free(text);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("printable");
    tcase_add_loop_test(tc, what_could_steer_a_terminal_is_dropped, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(tc, no_text_is_an_empty_text);
    return check_run_case("printable", tc);
}
