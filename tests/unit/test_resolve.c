#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/fail.h"
#include "check_main.h"
#include "files/places.h"
#include "files/resolve.h"

static struct arena arena;
static struct fail why;

static void setup(void)
{
    arena_init(&arena, 1 << 16);
}

static void teardown(void)
{
    arena_fini(&arena);
}

static const char *resolved(const char *root, const char *home, const char *input)
{
    const char *out;
    return path_resolve(&arena, root, home, input, &out, &why) ? out : NULL;
}

static const struct {
    const char *input, *out;
} rules[] = {
    {"", "/w"},
    {"~", "/home/u"},
    {"~/", "/home/u/"},
    {"~/x/y", "/home/u/x/y"},
    {"~nobody", "/w/~nobody"},
    {"~nobody/x", "/w/~nobody/x"},
    {"/tmp", "/tmp"},
    {"/", "/"},
    {"/a/../b//c/.", "/a/../b//c/."},
    {"sub", "/w/sub"},
    {"../../..", "/w/../../.."},
    {".", "/w/."},
    {"$HOME/*", "/w/$HOME/*"},
    {"x~", "/w/x~"},
    {"a/", "/w/a/"},
};

START_TEST(joins_lexically)
{
    ck_assert_str_eq(resolved("/w", "/home/u", rules[_i].input), rules[_i].out);
}
END_TEST

START_TEST(root_directory_gives_no_double_slash)
{
    ck_assert_str_eq(resolved("/", "/", "x"), "/x");
    ck_assert_str_eq(resolved("/", "/", "~/x"), "/x");
    ck_assert_str_eq(resolved("/", "/", ""), "/");
}
END_TEST

START_TEST(tilde_without_home_fails)
{
    ck_assert_ptr_null(resolved("/w", NULL, "~"));
    ck_assert_int_eq(why.kind, FAIL_INVALID);
    ck_assert_int_eq(why.error, 0);
    ck_assert_ptr_nonnull(strstr(why.what, "no HOME"));
    ck_assert_ptr_null(resolved("/w", NULL, "~/x"));
    ck_assert_str_eq(resolved("/w", NULL, "~x"), "/w/~x");
}
END_TEST

START_TEST(overlong_input_is_left_to_the_kernel)
{
    size_t size = 1 << 20;
    char *input = mem_array(1, size + 1);
    memset(input, 'a', size);
    ck_assert_ptr_eq(resolved("/w", "/h", input), input);
    ck_assert_int_eq(access(input, F_OK), -1);
    ck_assert_int_eq(errno, ENAMETOOLONG);
    ck_assert_uint_eq(arena.used, 0);
    mem_free(input);
}
END_TEST

START_TEST(full_arena_is_an_error)
{
    struct arena tiny;
    arena_init(&tiny, 2);
    const char *out;
    ck_assert(!path_resolve(&tiny, "/w", "/h", "x", &out, &why));
    ck_assert_int_eq(why.error, ENOMEM);
    arena_fini(&tiny);
}
END_TEST

static const struct {
    const char *path, *name;
} names[] = {
    {"/", ""},       {"//", ""},        {"/a", "a"},       {"/a/b", "b"},     {"/a/b/", "b"},
    {"/a/b//", "b"}, {"/a/b/.", "b"},   {"/a/b/./", "b"},  {"/a/..", ""},     {"/a/../", ""},
    {"/..", ""},     {"/a/..b", "..b"}, {"/a/b..", "b.."}, {"/w/...", "..."}, {"/.", ""},
    {"/.x", ".x"},   {"/x.", "x."},     {"x", "x"},        {"", ""},
};

START_TEST(last_component)
{
    const char *name;
    unsigned long size;
    path_name(names[_i].path, &name, &size);
    ck_assert_uint_eq(size, strlen(names[_i].name));
    ck_assert_int_eq(strncmp(name, names[_i].name, size), 0);
}
END_TEST

static bool home_is(const char *expected)
{
    char *home = home_directory();
    bool same = home && strcmp(home, expected) == 0;
    mem_free(home);
    return same;
}

START_TEST(home_prefers_the_environment)
{
    setenv("HOME", "/h", 1);
    setenv("USERPROFILE", "/p", 1);
    ck_assert(home_is("/h"));
    unsetenv("HOME");
    ck_assert(home_is("/p"));
}
END_TEST

START_TEST(empty_home_falls_to_passwd_but_not_to_userprofile)
{
    setenv("HOME", "", 1);
    setenv("USERPROFILE", "/p", 1);
    ck_assert(!home_is("/p"));
    ck_assert(!home_is(""));
}
END_TEST

START_TEST(start_directory_survives_a_removed_cwd)
{
    char dir[] = "/tmp/og-resolve-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
    char *start = start_directory();
    ck_assert_str_eq(start, dir);
    mem_free(start);
    ck_assert_int_eq(rmdir(dir), 0);
    start = start_directory();
    ck_assert_str_eq(start, "/");
    mem_free(start);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("resolve");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, joins_lexically, 0, sizeof rules / sizeof *rules);
    tcase_add_test(tests, root_directory_gives_no_double_slash);
    tcase_add_test(tests, tilde_without_home_fails);
    tcase_add_test(tests, overlong_input_is_left_to_the_kernel);
    tcase_add_test(tests, full_arena_is_an_error);
    tcase_add_loop_test(tests, last_component, 0, sizeof names / sizeof *names);
    tcase_add_test(tests, home_prefers_the_environment);
    tcase_add_test(tests, empty_home_falls_to_passwd_but_not_to_userprofile);
    tcase_add_test(tests, start_directory_survives_a_removed_cwd);
    return check_run_case("resolve", tests);
}
