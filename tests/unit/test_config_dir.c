#include <pwd.h>

#include "base/alloc.h"
#include "config/config_dir.h"

#include "scratch.h"

static void forget_environment(void)
{
    unsetenv("OPENGENI_CONFIG_DIR");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
}

static void expect_path(const char *option, const char *expected, bool expect_chosen)
{
    char *path = NULL;
    bool chosen;
    struct fail why = {0};
    ck_assert_msg(config_dir_path(option, &path, &chosen, &why), "%s", why.what);
    ck_assert_str_eq(path, expected);
    ck_assert_int_eq(chosen, expect_chosen);
    mem_free(path);
}

START_TEST(the_most_specific_name_wins)
{
    forget_environment();
    setenv("HOME", "/home/u", 1);
    expect_path(NULL, "/home/u/.config/opengeni/agent", false);
    setenv("XDG_CONFIG_HOME", "/xdg", 1);
    expect_path(NULL, "/xdg/opengeni/agent", false);
    setenv("OPENGENI_CONFIG_DIR", "/own//", 1);
    expect_path(NULL, "/own", true);
    expect_path("/option/dir", "/option/dir", true);
    expect_path("", "/own", true);
}
END_TEST

START_TEST(empty_and_relative_values_do_no_mischief)
{
    forget_environment();
    setenv("OPENGENI_CONFIG_DIR", "", 1);
    setenv("XDG_CONFIG_HOME", "relative", 1);
    setenv("HOME", "/home/u", 1);
    expect_path(NULL, "/home/u/.config/opengeni/agent", false);
    setenv("XDG_CONFIG_HOME", "", 1);
    expect_path(NULL, "/home/u/.config/opengeni/agent", false);
    setenv("OPENGENI_CONFIG_DIR", "here/below/", 1);
    ck_assert_int_eq(chdir(scratch), 0);
    char *expected = mem_printf("%s/here/below", scratch);
    expect_path(NULL, expected, true);
    mem_free(expected);
}
END_TEST

START_TEST(without_home_the_user_database_tells_it)
{
    forget_environment();
    const struct passwd *self = getpwuid(geteuid());
    ck_assert_ptr_nonnull(self);
    char *expected = mem_printf("%s/.config/opengeni/agent", self->pw_dir);
    expect_path(NULL, expected, false);
    setenv("HOME", "relative", 1);
    expect_path(NULL, expected, false);
    mem_free(expected);
}
END_TEST

START_TEST(looking_makes_nothing_and_creating_makes_it_private)
{
    struct secure_dir dir;
    struct fail why = {0};
    forget_environment();
    setenv("HOME", in("home"), 1);
    ck_assert(config_dir_open(&dir, NULL, &why));
    ck_assert_int_eq(dir.fd, -1);
    ck_assert(!exists(in("home")));
    secure_dir_fini(&dir);
    umask(0);
    ck_assert_msg(config_dir_create(&dir, NULL, &why), "%s %s", why.what, why.path);
    ck_assert_int_ge(dir.fd, 0);
    secure_dir_fini(&dir);
    ck_assert_int_eq(mode_of(in("home/.config")) & 07777, 0700);
    ck_assert_int_eq(mode_of(in("home/.config/opengeni/agent")) & 07777, 0700);
    chmod(in("home/.config/opengeni/agent"), 0755); // as another agent may have left it
    ck_assert(config_dir_create(&dir, NULL, &why));
    secure_dir_fini(&dir);
    ck_assert_int_eq(mode_of(in("home/.config/opengeni/agent")) & 07777, 0700);
}
END_TEST

START_TEST(what_cannot_be_a_directory_is_refused_by_name)
{
    struct secure_dir dir;
    struct fail why;
    put(in("file"), "x");
    ck_assert(!config_dir_open(&dir, in("file"), &why));
    ck_assert_str_eq(why.path, in("file"));
    ck_assert(!config_dir_create(&dir, in("file/below"), &why));
    make_dir(in("open"));
    chmod(in("open"), 0777);
    ck_assert(!config_dir_open(&dir, in("open"), &why));
    ck_assert_str_eq(why.path, in("open"));
    ck_assert(!config_dir_create(&dir, in("open"), &why));
    ck_assert_int_eq(mode_of(in("open")) & 07777, 0777);
    ck_assert_int_eq(symlink("nowhere", in("dangling")), 0);
    ck_assert(!config_dir_create(&dir, in("dangling"), &why));
}
END_TEST

START_TEST(a_linked_directory_is_as_good_as_its_target)
{
    struct secure_dir dir;
    struct fail why;
    make_dir(in("target"));
    chmod(in("target"), 0700);
    ck_assert_int_eq(symlink("target", in("link")), 0);
    ck_assert(config_dir_open(&dir, in("link"), &why));
    ck_assert_int_ge(dir.fd, 0);
    secure_dir_fini(&dir);
}
END_TEST

START_TEST(root_keeps_out_of_a_users_directory_unless_told)
{
    struct secure_dir dir;
    struct fail why;
    if (geteuid() != 0)
        return;
    forget_environment();
    make_dir(in("home"));
    ck_assert_int_eq(chown(in("home"), 12345, 12345), 0);
    setenv("HOME", in("home"), 1);
    ck_assert(!config_dir_create(&dir, NULL, &why)); // nothing there yet
    ck_assert(!exists(in("home/.config")));
    make_dir(in("home/.config"));
    ck_assert_int_eq(chown(in("home/.config"), 12345, 12345), 0);
    ck_assert(!config_dir_create(&dir, NULL, &why));
    ck_assert(!exists(in("home/.config/opengeni")));

    make_dir(in("home/.config/opengeni"));
    make_dir(in("home/.config/opengeni/agent"));
    ck_assert_int_eq(chown(in("home/.config/opengeni/agent"), 12345, 12345), 0);
    ck_assert(!config_dir_open(&dir, NULL, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "OPENGENI_CONFIG_DIR"));
    ck_assert(!config_dir_create(&dir, NULL, &why));
    setenv("OPENGENI_CONFIG_DIR", in("home/.config/opengeni/agent"), 1);
    ck_assert(config_dir_open(&dir, NULL, &why));
    ck_assert_uint_eq(dir.owner, 12345);
    secure_dir_fini(&dir);
}
END_TEST

START_TEST(a_user_keeps_out_of_the_directory_of_another)
{
    struct secure_dir dir;
    struct fail why;
    if (geteuid() != 0)
        return;
    make_dir(in("theirs"));
    chmod(in("theirs"), 0755);
    ck_assert_int_eq(chown(in("theirs"), 12345, 12345), 0);
    make_dir(in("roots"));
    chmod(in("roots"), 0755);
    become_nobody();
    ck_assert(!config_dir_open(&dir, in("theirs"), &why)); // although it was chosen
    ck_assert(config_dir_open(&dir, in("roots"), &why));
    secure_dir_fini(&dir);
}
END_TEST

RUN_SUITE("config_dir", the_most_specific_name_wins, empty_and_relative_values_do_no_mischief,
          without_home_the_user_database_tells_it,
          looking_makes_nothing_and_creating_makes_it_private,
          what_cannot_be_a_directory_is_refused_by_name,
          a_linked_directory_is_as_good_as_its_target,
          root_keeps_out_of_a_users_directory_unless_told,
          a_user_keeps_out_of_the_directory_of_another)
