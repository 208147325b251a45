#include "ctl/arguments.h"

#include "check_main.h"

enum { LONG_ONLY = ARGUMENTS_LONG_ONLY };

static const struct argument own[] = {
    {'l', "long", NULL, ""}, {'C', "cwd", "DIR", ""}, {LONG_ONLY, "quiet", NULL, ""}, {0}};
static const struct argument common[] = {{'v', "verbose", NULL, ""}, {0}};

static struct arguments args;
static const char *value;

static void begin(int count, char **words, bool stop)
{
    arguments_init(&args, count, words, own, common, stop);
}

#define BEGIN(stop, ...)           \
    char *words[] = {__VA_ARGS__}; \
    begin(sizeof words / sizeof *words, words, stop)

START_TEST(short_options_may_stand_together_and_take_the_rest_as_value)
{
    BEGIN(false, "-lvCdir", "x");
    ck_assert_int_eq(arguments_next(&args, &value), 'l');
    ck_assert_int_eq(arguments_next(&args, &value), 'v');
    ck_assert_int_eq(arguments_next(&args, &value), 'C');
    ck_assert_str_eq(value, "dir");
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_END);
    ck_assert_int_eq(args.operand_count, 1);
}
END_TEST

START_TEST(long_options_take_a_value_after_a_sign_or_a_space)
{
    BEGIN(false, "--cwd=a=b", "--cwd", "-c", "--quiet");
    ck_assert_int_eq(arguments_next(&args, &value), 'C');
    ck_assert_str_eq(value, "a=b");
    ck_assert_int_eq(arguments_next(&args, &value), 'C');
    ck_assert_str_eq(value, "-c");
    ck_assert_int_eq(arguments_next(&args, &value), LONG_ONLY);
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_END);
}
END_TEST

START_TEST(options_may_follow_operands)
{
    BEGIN(false, "a", "-l", "-", "b");
    ck_assert_int_eq(arguments_next(&args, &value), 'l');
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_END);
    ck_assert_int_eq(args.operand_count, 3);
    ck_assert_str_eq(args.operands[0], "a");
    ck_assert_str_eq(args.operands[1], "-");
    ck_assert_str_eq(args.operands[2], "b");
}
END_TEST

START_TEST(a_command_line_for_another_program_is_left_alone)
{
    BEGIN(true, "-l", "machine", "--", "ls", "-C");
    ck_assert_int_eq(arguments_next(&args, &value), 'l');
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_END);
    ck_assert_int_eq(args.operand_count, 4);
    ck_assert_str_eq(args.operands[1], "--");
    ck_assert_str_eq(args.operands[3], "-C");
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    BEGIN(false, "--", "-l", "--cwd");
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_END);
    ck_assert_int_eq(args.operand_count, 2);
    ck_assert_str_eq(args.operands[0], "-l");
}
END_TEST

START_TEST(a_number_below_zero_is_an_operand)
{
    BEGIN(false, "-5", "-l", "-12", "-5x");
    ck_assert_int_eq(arguments_next(&args, &value), 'l');
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_BAD);
    ck_assert_int_eq(args.operand_count, 2);
    ck_assert_str_eq(args.operands[1], "-12");
}
END_TEST

static char *const wrong[][2] = {
    {"-x", "no option -x"},          {"--nothing", "no option --nothing"},
    {"-C", "needs a value"},         {"--cwd", "needs a value"},
    {"--long=1", "takes no value"},  {"--cw", "no option --cw"},
    {"-\033", "there is no option"},
};

START_TEST(what_makes_no_sense_is_refused_with_a_reason)
{
    BEGIN(false, wrong[_i][0]);
    ck_assert_int_eq(arguments_next(&args, &value), ARGUMENTS_BAD);
    ck_assert_msg(strstr(args.problem, wrong[_i][1]) != NULL, "%s", args.problem);
    ck_assert_ptr_null(strchr(args.problem, '\033'));
}
END_TEST

START_TEST(numbers_are_taken_whole_or_not_at_all)
{
    int64_t ms = -1;
    ck_assert(arguments_seconds("1.5", &ms));
    ck_assert_int_eq(ms, 1500);
    ck_assert(!arguments_seconds("", &ms) && !arguments_seconds("1s", &ms));
    ck_assert(!arguments_seconds("-1", &ms) && !arguments_seconds("nan", &ms));
    ck_assert(!arguments_seconds("1e30", &ms));
    ck_assert(arguments_seconds("4294967", &ms) && !arguments_seconds("4294968", &ms));
    uint64_t count = 0;
    ck_assert(arguments_count("10", 10, &count) && count == 10);
    ck_assert(!arguments_count("11", 10, &count) && !arguments_count("-1", 10, &count));
    ck_assert(!arguments_count("99999999999999999999999", UINT64_MAX, &count));
    int32_t number = 0;
    ck_assert(arguments_integer("-5", &number) && number == -5);
    ck_assert(arguments_integer("2147483647", &number) && number == INT32_MAX);
    ck_assert(!arguments_integer("2147483648", &number) && !arguments_integer("1.5", &number));
    ck_assert(!arguments_integer("", &number) && !arguments_integer(" 1", &number));
    uint32_t mode = 0;
    ck_assert(arguments_mode("0644", &mode) && mode == 0644);
    ck_assert(!arguments_mode("9", &mode) && !arguments_mode("10000", &mode));
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("arguments");
    tcase_add_test(all, short_options_may_stand_together_and_take_the_rest_as_value);
    tcase_add_test(all, long_options_take_a_value_after_a_sign_or_a_space);
    tcase_add_test(all, options_may_follow_operands);
    tcase_add_test(all, a_command_line_for_another_program_is_left_alone);
    tcase_add_test(all, two_dashes_end_the_options);
    tcase_add_test(all, a_number_below_zero_is_an_operand);
    tcase_add_loop_test(all, what_makes_no_sense_is_refused_with_a_reason, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(all, numbers_are_taken_whole_or_not_at_all);
    return check_run_case("ctl_arguments", all);
}
