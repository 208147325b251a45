#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "base/limits.h"
#include "config/secure_file.h"

#include "config_rig.h"

static bool reads(const char *name, enum secure_kind kind, size_t max, const char *expected,
                  enum secure_mode *mode, struct fail *why)
{
    struct buffer data;
    *why = (struct fail){0};
    if (!secure_file_read(&rig_config, name, kind, max, &data, mode, why)) {
        ck_assert_ptr_null(data.data);
        return false;
    }
    ck_assert_str_eq(data.data, expected);
    secure_file_forget(&data);
    return true;
}

static size_t files(void)
{
    struct secure_names names;
    ck_assert(secure_dir_list(&rig_config, &names, NULL));
    size_t count = names.count;
    secure_names_fini(&names);
    return count - 1; // connections/
}

START_TEST(what_was_written_is_read_and_only_the_owner_may)
{
    struct fail why;
    enum secure_mode mode;
    umask(0);
    ck_assert(secure_file_write(&rig_config, "a.json", SECURE_REPLACE, "one", 3, &why));
    ck_assert(secure_file_write(&rig_config, "a.json", SECURE_REPLACE, "second", 6, &why));
    ck_assert(reads("a.json", SECURE_SECRET, 100, "second", &mode, &why));
    ck_assert_int_eq(mode, MODE_TIGHT);
    ck_assert_int_eq(rig_mode("a.json"), 0600);
    umask(0777);
    ck_assert(secure_file_write(&rig_config, "a.json", SECURE_REPLACE, "", 0, &why));
    umask(022);
    ck_assert_int_eq(rig_mode("a.json"), 0600);
    ck_assert(reads("a.json", SECURE_SECRET, 0, "", NULL, &why));
    ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(creating_never_replaces)
{
    struct fail why;
    ck_assert(secure_file_write(&rig_config, "id", SECURE_CREATE, "first", 5, &why));
    ck_assert(!secure_file_write(&rig_config, "id", SECURE_CREATE, "again", 5, &why));
    ck_assert_int_eq(why.error, EEXIST);
    ck_assert(reads("id", SECURE_SECRET, 10, "first", NULL, &why));
    ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(size_is_limited)
{
    struct fail why;
    rig_write("f", "12345678");
    ck_assert(!reads("f", SECURE_SECRET, 7, "", NULL, &why));
    ck_assert(reads("f", SECURE_SECRET, 8, "12345678", NULL, &why));
    ck_assert(reads("f", SECURE_SECRET, 9, "12345678", NULL, &why));
}
END_TEST

START_TEST(a_gigabyte_is_refused_before_it_is_read)
{
    struct fail why;
    rig_write("big", "");
    ck_assert_int_eq(truncate(rig_in("big"), 1ll << 30), 0); // sparse
    ck_assert(!reads("big", SECURE_SECRET, CONFIG_DOCUMENT_BYTES_MAX, "", NULL, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "large"));
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    ck_assert_int_lt(usage.ru_maxrss, 256 << 10); // KiB
}
END_TEST

START_TEST(loose_permissions_of_secrets_are_tightened)
{
    struct fail why;
    enum secure_mode mode;
    rig_write("f", "x");
    chmod(rig_in("f"), 0644);
    ck_assert(reads("f", SECURE_SECRET, 10, "x", &mode, &why));
    ck_assert_int_eq(mode, MODE_TIGHTENED);
    ck_assert_int_eq(rig_mode("f"), 0600);
    chmod(rig_in("f"), 0644);
    ck_assert(reads("f", SECURE_TEXT, 10, "x", &mode, &why));
    ck_assert_int_eq(rig_mode("f"), 0644);
    chmod(rig_in("f"), 0664);
    ck_assert(!reads("f", SECURE_TEXT, 10, "x", &mode, &why));
}
END_TEST

START_TEST(only_regular_files_that_are_no_links_are_read)
{
    struct fail why;
    rig_write("target", "x");
    ck_assert_int_eq(symlink(rig_in("target"), rig_in("link")), 0);
    ck_assert_int_eq(mkfifo(rig_in("fifo"), 0600), 0);
    ck_assert(!reads("link", SECURE_SECRET, 10, "", NULL, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "symbolic link"));
    ck_assert(!reads("fifo", SECURE_SECRET, 10, "", NULL, &why)); // and does not hang
    ck_assert(!reads("connections", SECURE_SECRET, 10, "", NULL, &why));
    ck_assert(!reads("missing", SECURE_SECRET, 10, "", NULL, &why));
    ck_assert_int_eq(why.error, ENOENT);
}
END_TEST

START_TEST(a_link_is_replaced_and_what_it_pointed_to_stays)
{
    struct fail why;
    rig_write("target", "precious");
    ck_assert_int_eq(symlink(rig_in("target"), rig_in("link")), 0);
    ck_assert(secure_file_write(&rig_config, "link", SECURE_REPLACE, "new", 3, &why));
    ck_assert(reads("target", SECURE_SECRET, 10, "precious", NULL, &why));
    ck_assert(reads("link", SECURE_SECRET, 10, "new", NULL, &why));
}
END_TEST

START_TEST(files_of_other_users_are_refused)
{
    struct fail why;
    if (geteuid() != 0)
        return;
    rig_write("f", "x");
    ck_assert_int_eq(chown(rig_in("f"), 12345, 12345), 0);
    ck_assert(!reads("f", SECURE_SECRET, 10, "x", NULL, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "another user"));
}
END_TEST

START_TEST(what_root_writes_belongs_to_the_owner_of_the_directory)
{
    struct fail why;
    struct stat st;
    struct secure_dir below;
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chown(in("config"), 12345, 12345), 0);
    secure_dir_fini(&rig_config);
    ck_assert(!secure_dir_open(&rig_config, in("config"), false, &why));
    ck_assert_int_eq(rig_config.fd, -1);
    ck_assert(secure_dir_open(&rig_config, in("config"), true, &why));
    ck_assert(secure_file_write(&rig_config, "f", SECURE_REPLACE, "x", 1, &why));
    ck_assert_int_eq(fstatat(rig_config.fd, "f", &st, 0), 0);
    ck_assert_uint_eq(st.st_uid, 12345);
    ck_assert(secure_dir_open_below(&rig_config, "new", true, &below, &why));
    ck_assert_uint_eq(below.owner, 12345);
    secure_dir_fini(&below);
    ck_assert(reads("f", SECURE_SECRET, 10, "x", NULL, &why));
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file_and_no_other)
{
    struct fail why;
    rig_write("f", "old");
    struct rlimit small = {1, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0); // as on a full disk
    bool written = secure_file_write(&rig_config, "f", SECURE_REPLACE, "new content", 11, &why);
    small.rlim_cur = RLIM_INFINITY; // the report of a failure is a file too
    setrlimit(RLIMIT_FSIZE, &small);
    ck_assert(!written);
    ck_assert_int_eq(why.error, EFBIG);
    ck_assert(reads("f", SECURE_SECRET, 10, "old", NULL, &why));
    ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(removing_twice_is_no_failure)
{
    struct fail why;
    rig_write("f", "x");
    ck_assert(secure_file_remove(&rig_config, "f", &why));
    ck_assert(!exists(rig_in("f")));
    ck_assert(secure_file_remove(&rig_config, "f", &why));
    ck_assert(!secure_file_remove(&rig_config, "connections", &why));
}
END_TEST

static void make_old(const char *name, int age_s)
{
    struct timeval then = {time(NULL) - age_s, 0}, times[] = {then, then};
    rig_write(name, "rest");
    ck_assert_int_eq(utimes(rig_in(name), times), 0);
}

START_TEST(rests_of_dead_writers_go_and_everything_else_stays)
{
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    ck_assert_int_gt(dead, 0);
    ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
    char *rest = mem_printf(".f.json.%d.0.tmp", (int)dead);
    char *young = mem_printf(".g.json.%d.17.tmp", (int)dead);
    char *alive = mem_printf(".f.json.%d.0.tmp", (int)getpid());
    char *plain = mem_printf("f.json.%d.0.tmp", (int)dead);
    const char *const stay[] = {
        alive,        plain,      "f.json", ".f.tmp",
        ".f.x.0.tmp", ".0.0.tmp", ".tmp",   ".f.99999999999999999999.0.tmp"};
    enum { STAY = sizeof stay / sizeof *stay };
    make_old(rest, 3700);
    make_old(young, 3000);
    for (size_t i = 0; i < STAY; i++)
        make_old(stay[i], 3700);
    secure_file_sweep(&rig_config);
    ck_assert(!exists(rig_in(rest)));
    ck_assert(exists(rig_in(young)));
    for (size_t i = 0; i < STAY; i++)
        ck_assert_msg(exists(rig_in(stay[i])), "%s", stay[i]);
    mem_free(rest);
    mem_free(young);
    mem_free(alive);
    mem_free(plain);
}
END_TEST

START_TEST(directories_others_may_write_to_are_refused)
{
    struct fail why;
    struct secure_dir dir;
    const mode_t refused[] = {0777, 0770, 0702, 01777};
    for (size_t i = 0; i < 4; i++) {
        chmod(rig_in("connections"), refused[i]);
        ck_assert(!secure_dir_open(&dir, rig_in("connections"), false, &why));
        ck_assert_str_eq(why.path, rig_in("connections"));
        ck_assert(!secure_dir_open_below(&rig_config, "connections", true, &dir, &why));
    }
    chmod(rig_in("connections"), 0755);
    ck_assert(secure_dir_open_below(&rig_config, "connections", false, &dir, &why));
    secure_dir_fini(&dir);
    ck_assert_int_eq(rig_mode("connections"), 0755); // looking changes nothing
    ck_assert(secure_dir_open_below(&rig_config, "connections", true, &dir, &why));
    secure_dir_fini(&dir);
    ck_assert_int_eq(rig_mode("connections"), 0700);
}
END_TEST

START_TEST(a_directory_below_may_be_missing_but_no_link)
{
    struct fail why;
    struct secure_dir dir;
    ck_assert_int_eq(symlink(rig_in("connections"), rig_in("link")), 0);
    ck_assert(!secure_dir_open_below(&rig_config, "link", false, &dir, &why));
    ck_assert(secure_dir_open_below(&rig_config, "missing", false, &dir, &why));
    ck_assert_int_eq(dir.fd, -1);
    secure_dir_fini(&dir);
    rig_write("file", "x");
    ck_assert(!secure_dir_open_below(&rig_config, "file", true, &dir, &why));
    ck_assert_int_eq(why.error, ENOTDIR);
}
END_TEST

RIG_MAIN("secure_file", what_was_written_is_read_and_only_the_owner_may, creating_never_replaces,
         size_is_limited, a_gigabyte_is_refused_before_it_is_read,
         loose_permissions_of_secrets_are_tightened, only_regular_files_that_are_no_links_are_read,
         a_link_is_replaced_and_what_it_pointed_to_stays, files_of_other_users_are_refused,
         what_root_writes_belongs_to_the_owner_of_the_directory,
         a_failed_write_leaves_the_old_file_and_no_other, removing_twice_is_no_failure,
         rests_of_dead_writers_go_and_everything_else_stays,
         directories_others_may_write_to_are_refused, a_directory_below_may_be_missing_but_no_link)
