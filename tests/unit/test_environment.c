#include "process/environment.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "check_main.h"

static struct arena arena;

static char **overlay(char *const *base, const struct environment_entry *entries, size_t count)
{
    char **out = NULL;
    arena_init(&arena, 64 << 20);
    ck_assert(environment_overlay(&arena, base, entries, count, &out, NULL));
    ck_assert_ptr_null(out[0]); // the mark's place
    return out + 1;
}

static size_t count_of(char **environment)
{
    size_t n = 0;
    while (environment[n])
        n++;
    return n;
}

START_TEST(what_is_meant_for_the_agent_alone_is_kept_back)
{
    char *from[] = {"OPENGENI_ENROLL_TOKEN=a",
                    "OPENGENI_ACCESS_KEY=a",
                    "OPENGENI_RUNNER_TEST_OVERRIDES=a",
                    "OPENGENI_OPERATION=a",
                    "NOTIFY_SOCKET=a",
                    "WATCHDOG_USEC=a",
                    "WATCHDOG_PID=a",
                    "LISTEN_FDS=a",
                    "LISTEN_PID=a",
                    "LISTEN_FDNAMES=a",
                    "JOURNAL_STREAM=a",
                    "INVOCATION_ID=a",
                    "MANAGERPID=a",
                    NULL};
    char **base = environment_base(from);
    for (char **variable = from; *variable; variable++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*variable, "="), *variable);
        ck_assert_msg(!environment_get(base, name), "%s", name);
    }
    environment_free(base);
}
END_TEST

START_TEST(what_the_user_relies_on_is_kept)
{
    char *from[] = {"HOME=/h",          "PATH=/p",    "LANG=C", "SHELL=/s",  "XDG_RUNTIME_DIR=/x",
                    "SSH_AUTH_SOCK=/a", "DISPLAY=:7", "USER=u", "LOGNAME=l", "OPENGENI_API_URL=x",
                    "LISTENER=x",       "EMPTY=",     NULL};
    char **base = environment_base(from);
    ck_assert_uint_eq(count_of(base), sizeof from / sizeof *from - 1);
    for (size_t i = 0; from[i]; i++)
        ck_assert_str_eq(base[i], from[i]);
    environment_free(base);
}
END_TEST

START_TEST(what_a_system_service_lacks_is_filled_in)
{
    char *nothing[] = {NULL};
    char **base = environment_base(nothing);
    const struct passwd *user = getpwuid(geteuid());
    ck_assert_str_eq(environment_get(base, "PATH"),
                     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (user) {
        ck_assert_str_eq(environment_get(base, "HOME"), user->pw_dir);
        ck_assert_str_eq(environment_get(base, "USER"), user->pw_name);
        ck_assert_str_eq(environment_get(base, "LOGNAME"), user->pw_name);
        ck_assert_str_eq(environment_get(base, "SHELL"), user->pw_shell);
    }
    environment_free(base);
}
END_TEST

START_TEST(request_wins_and_may_add_what_was_kept_back)
{
    char *base[] = {"A=1", "AB=2", "B=3", NULL};
    struct environment_entry entries[] = {
        {"B", "x=y"}, {"OPENGENI_ENROLL_TOKEN", "t"}, {"C", ""}, {"AB", "9"}};
    char **out = overlay(base, entries, 4);
    ck_assert_uint_eq(count_of(out), 5);
    ck_assert_str_eq(environment_get(out, "A"), "1");
    ck_assert_str_eq(environment_get(out, "AB"), "9");
    ck_assert_str_eq(environment_get(out, "B"), "x=y");
    ck_assert_str_eq(environment_get(out, "C"), "");
    ck_assert_str_eq(environment_get(out, "OPENGENI_ENROLL_TOKEN"), "t");
    arena_fini(&arena);
}
END_TEST

START_TEST(names_that_begin_alike_are_different)
{
    char *base[] = {"LONGER=1", "LONG=2", "NOTHING", NULL};
    struct environment_entry entries[] = {{"LONG", "3"}, {"LO", "4"}};
    char **out = overlay(base, entries, 2);
    ck_assert_str_eq(environment_get(out, "LONGER"), "1");
    ck_assert_str_eq(environment_get(out, "LONG"), "3");
    ck_assert_str_eq(environment_get(out, "LO"), "4");
    ck_assert_ptr_null(environment_get(out, "NOTHING"));
    ck_assert_uint_eq(count_of(out), 4);
    arena_fini(&arena);
}
END_TEST

START_TEST(last_of_several_entries_counts)
{
    char *base[] = {"A=0", NULL};
    struct environment_entry entries[] = {{"A", "1"}, {"B", "1"}, {"A", "2"}, {"A", "3"}};
    char **out = overlay(base, entries, 4);
    ck_assert_uint_eq(count_of(out), 2);
    ck_assert_str_eq(environment_get(out, "A"), "3");
    arena_fini(&arena);
}
END_TEST

START_TEST(bad_names_are_refused)
{
    char *base[] = {NULL}, **out;
    static const char *const bad[] = {"", "=", "A=", "=A", "A=B"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct environment_entry entry = {bad[i], "v"};
        struct fail why = {0};
        arena_init(&arena, 4096);
        ck_assert(!environment_overlay(&arena, base, &entry, 1, &out, &why));
        ck_assert_int_eq(why.kind, FAIL_INVALID);
        arena_fini(&arena);
    }
}
END_TEST

START_TEST(full_arena_is_an_error)
{
    char *base[] = {"A=1", NULL}, **out;
    struct environment_entry entry = {"B", "a value that takes some room in the arena"};
    for (size_t cap = 0; cap < 128; cap += 16) {
        struct fail why = {0};
        arena_init(&arena, cap);
        if (!environment_overlay(&arena, base, &entry, 1, &out, &why))
            ck_assert_int_eq(why.error, ENOMEM);
        else
            ck_assert_uint_ge(cap, 96);
        arena_fini(&arena);
    }
}
END_TEST

START_TEST(many_entries_of_one_name_take_no_quadratic_time)
{
    enum { COUNT = 200000 };
    static struct environment_entry entries[COUNT];
    char *base[] = {"PATH=/bin", NULL};
    for (size_t i = 0; i < COUNT; i++)
        entries[i] = (struct environment_entry){"SAME", "x"};
    char **out = overlay(base, entries, COUNT);
    ck_assert_uint_eq(count_of(out), 2);
    arena_fini(&arena);
}
END_TEST

CHECK_MAIN("environment", 300, what_is_meant_for_the_agent_alone_is_kept_back,
           what_the_user_relies_on_is_kept, what_a_system_service_lacks_is_filled_in,
           request_wins_and_may_add_what_was_kept_back, names_that_begin_alike_are_different,
           last_of_several_entries_counts, bad_names_are_refused, full_arena_is_an_error,
           many_entries_of_one_name_take_no_quadratic_time)
