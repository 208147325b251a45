#include <string.h>

#include "base/alloc.h"
#include "options/options.h"

#include "check_main.h"

static const char *url, *channel, *token;
static const char *when;
static bool verbose, help, colour;

static const struct option_spec own[] = {
    {.name = "channel",
     .argument = "NAME",
     .help = "which releases",
     .value = &channel,
     .variable = "TEST_CHANNEL"},
    {.name = "token",
     .argument = "TOKEN",
     .help = "a secret",
     .value = &token,
     .secret = true,
     .variable = "TEST_TOKEN"},
    {.name = "verbose",
     .letter = 'v',
     .help = "say more",
     .flag = &verbose,
     .variable = "TEST_VERBOSE"},
    {.name = "hidden", .flag = &verbose},
    {.name = "colour", .argument = "WHEN", .help = "perhaps", .flag = &colour, .value = &when},
    {.name = NULL},
};
static const struct option_spec global[] = {
    {.name = "api-url", .argument = "URL", .help = "where", .value = &url},
    {.name = "help", .letter = 'h', .help = "this text", .flag = &help},
    {.name = NULL},
};
static const struct option_spec *const tables[] = {own, global, NULL};

static struct options options;
static char rooms[16][64];
static char *argv_[17];
static int count;

// The words of a command line, separated by single spaces; "~" stands for an empty word.
static bool parses(const char *line, bool stop)
{
    int argc = 0;
    url = channel = token = when = NULL;
    colour = false;
    verbose = help = false;
    while (*line) {
        size_t size = strcspn(line, " ");
        snprintf(rooms[argc], sizeof rooms[0], "%.*s", (int)size, line);
        if (strcmp(rooms[argc], "~") == 0)
            rooms[argc][0] = '\0';
        argv_[argc] = rooms[argc];
        argc++;
        line += size + (line[size] == ' ');
    }
    options = (struct options){.tables = tables, .stop_at_argument = stop};
    return options_parse(&options, argc, argv_, &count);
}

START_TEST(the_value_of_an_option_may_be_optional)
{
    ck_assert(parses("--colour always", false));
    ck_assert(colour && !when);
    ck_assert_int_eq(count, 1);
    ck_assert(parses("--colour=always", false));
    ck_assert(colour);
    ck_assert_str_eq(when, "always");
}
END_TEST

START_TEST(values_come_in_both_forms_and_anywhere)
{
    ck_assert(parses("--api-url http://x one --channel=beta -v two --", false));
    ck_assert_str_eq(url, "http://x");
    ck_assert_str_eq(channel, "beta");
    ck_assert(verbose);
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(argv_[0], "one");
    ck_assert_str_eq(argv_[1], "two");
    ck_assert(parses("--channel= --api-url=a=b", false));
    ck_assert_str_eq(channel, "");
    ck_assert_str_eq(url, "a=b");
    ck_assert(parses("--channel a --channel b", false));
    ck_assert_str_eq(channel, "b");
    ck_assert(parses("--channel --help", false)); // the argument, whatever it looks like
    ck_assert_str_eq(channel, "--help");
    ck_assert(!help);
    ck_assert(parses("", false));
    ck_assert_int_eq(count, 0);
}
END_TEST

START_TEST(what_is_no_option_is_an_argument)
{
    ck_assert(parses("- ~ -- -v --channel", false));
    ck_assert_int_eq(count, 4);
    ck_assert_str_eq(argv_[0], "-");
    ck_assert_str_eq(argv_[1], "");
    ck_assert_str_eq(argv_[2], "-v");
    ck_assert_str_eq(argv_[3], "--channel");
    ck_assert(!verbose);
}
END_TEST

START_TEST(a_command_ends_the_options_before_it)
{
    ck_assert(parses("--api-url http://x run --channel beta -h", true));
    ck_assert_int_eq(count, 4);
    ck_assert_str_eq(argv_[0], "run");
    ck_assert_str_eq(argv_[3], "-h");
    ck_assert_ptr_null(channel);
    ck_assert(!help);
}
END_TEST

START_TEST(mistakes_are_told_without_values)
{
    static const struct {
        const char *line, *error;
    } bad[] = {
        {"--chan beta", "unknown option '--chan'"},
        {"--channels=beta", "unknown option '--channels'"},
        {"--CHANNEL beta", "unknown option '--CHANNEL'"},
        {"--tokn=hush", "unknown option '--tokn'"},
        {"--=x", "unknown option '--'"},
        {"-x", "unknown option '-x'"},
        {"-vx", "unknown option '-vx'"},
        {"--channel", "option '--channel' needs an argument"},
        {"one --token", "option '--token' needs an argument"},
        {"--verbose=hush", "option '--verbose' takes no argument"},
        {"--\033[31mred", "unknown option '--[31mred'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!parses(bad[i].line, false), "%s", bad[i].line);
        ck_assert_str_eq(options.error, bad[i].error);
    }
}
END_TEST

START_TEST(secrets_vanish_from_the_command_line)
{
    ck_assert(parses("--token=hush x --channel beta", false));
    ck_assert_str_eq(token, "hush");
    ck_assert_str_eq(rooms[0], "--token=");
    mem_free_secret((char *)token);
    ck_assert(parses("--token hush", false));
    ck_assert_str_eq(token, "hush");
    ck_assert_str_eq(rooms[1], "");
    ck_assert_mem_eq(rooms[1], "\0\0\0\0", 4);
    mem_free_secret((char *)token);
}
END_TEST

START_TEST(the_environment_fills_what_is_missing)
{
    setenv("TEST_CHANNEL", "beta", 1);
    setenv("TEST_TOKEN", "hush", 1);
    setenv("TEST_VERBOSE", "1", 1);
    char *where = getenv("TEST_TOKEN");
    ck_assert(parses("", false));
    options_from_environment(own);
    ck_assert_str_eq(channel, "beta");
    ck_assert_str_eq(token, "hush");
    ck_assert(verbose);
    ck_assert_ptr_null(getenv("TEST_TOKEN"));
    ck_assert_str_eq(where, "");
    ck_assert_ptr_nonnull(getenv("TEST_CHANNEL"));
    mem_free_secret((char *)token);
}
END_TEST

START_TEST(the_command_line_wins_and_empty_is_unset)
{
    setenv("TEST_CHANNEL", "beta", 1);
    setenv("TEST_TOKEN", "other", 1);
    setenv("TEST_VERBOSE", "0", 1);
    ck_assert(parses("--channel stable --token mine", false));
    options_from_environment(own);
    ck_assert_str_eq(channel, "stable");
    ck_assert_str_eq(token, "mine");
    ck_assert(!verbose);
    ck_assert_ptr_null(getenv("TEST_TOKEN")); // gone all the same
    mem_free_secret((char *)token);
    setenv("TEST_CHANNEL", "", 1);
    setenv("TEST_VERBOSE", "", 1);
    ck_assert(parses("", false));
    options_from_environment(own);
    ck_assert_ptr_null(channel);
    ck_assert(!verbose);
}
END_TEST

START_TEST(help_names_variables_and_shows_no_values)
{
    char *text = NULL;
    size_t size;
    setenv("TEST_TOKEN", "hush", 1);
    FILE *file = open_memstream(&text, &size);
    options_help(file, own);
    options_help(file, global);
    fclose(file);
    ck_assert_ptr_nonnull(strstr(text, "  --channel NAME"));
    ck_assert_ptr_nonnull(strstr(text, "a secret [$TEST_TOKEN]\n"));
    ck_assert_ptr_nonnull(strstr(text, "  -h, --help"));
    ck_assert_ptr_null(strstr(text, "hush"));
    ck_assert_ptr_null(strstr(text, "hidden"));
    free(text);
}
END_TEST

CHECK_MAIN("options", 300, values_come_in_both_forms_and_anywhere,
           the_value_of_an_option_may_be_optional, what_is_no_option_is_an_argument,
           a_command_ends_the_options_before_it, mistakes_are_told_without_values,
           secrets_vanish_from_the_command_line, the_environment_fills_what_is_missing,
           the_command_line_wins_and_empty_is_unset, help_names_variables_and_shows_no_values)
