#include "scratch.h"

#include <limits.h>

#include "base/fail.h"
#include "files/entry.h"

static struct fail why;
static struct entry entry;

// -1: failed, 0: does not exist, else the kind.
static int look(const char *path)
{
    bool there;
    why = (struct fail){0};
    if (!file_stat(path, &entry, &there, &why))
        return -1;
    return there ? (int)entry.kind : 0;
}

START_TEST(kinds)
{
    put(in("f"), "12345");
    ck_assert_int_eq(chmod(in("f"), 0644), 0);
    ck_assert_int_eq(look(in("f")), ENTRY_FILE);
    ck_assert_uint_eq(entry.size, 5);
    ck_assert_uint_eq(entry.mode, 33188);
    ck_assert_int_eq(look(scratch), ENTRY_DIRECTORY);
    ck_assert_int_eq(symlink("nowhere", in("dangling")), 0);
    ck_assert_int_eq(look(in("dangling")), ENTRY_SYMLINK);
    ck_assert_uint_eq(entry.size, strlen("nowhere"));
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    ck_assert_int_eq(look(in("fifo")), ENTRY_FILE);
    ck_assert_int_eq(look("/dev/null"), ENTRY_FILE);
    ck_assert_int_eq(look("/"), ENTRY_DIRECTORY);
}
END_TEST

START_TEST(missing_is_an_answer)
{
    put(in("f"), "");
    ck_assert_int_eq(look(in("missing")), 0);
    ck_assert_int_eq(look(in("f/x")), 0);
    ck_assert_int_eq(look(in("a/b/c")), 0);
}
END_TEST

START_TEST(other_failures_are_told)
{
    ck_assert_int_eq(symlink("loop", in("loop")), 0);
    ck_assert_int_eq(look(in("loop/x")), -1);
    ck_assert_int_eq(why.error, ELOOP);
    char name[5001];
    memset(name, 'a', 5000);
    name[5000] = '\0';
    ck_assert_int_eq(look(in("%s", name)), -1);
    ck_assert_int_eq(why.error, ENAMETOOLONG);
    ck_assert_str_eq(why.what, "stat");
    make_dir(in("closed"));
    put(in("closed/f"), "");
    ck_assert_int_eq(chmod(in("closed"), 0), 0);
    become_nobody();
    ck_assert_int_eq(look(in("closed/f")), -1);
    ck_assert_int_eq(why.error, EACCES);
}
END_TEST

static int64_t modified(int64_t seconds, long nanoseconds)
{
    struct stat facts = {.st_mtim = {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    return entry_of(&facts).modified_ms;
}

START_TEST(times)
{
    ck_assert_int_eq(modified(0, 0), 0);
    ck_assert_int_eq(modified(1700000000, 123999999), 1700000000123);
    ck_assert_int_eq(modified(-1, 999999999), 0);
    ck_assert_int_eq(modified(INT64_MIN, 0), 0);
    ck_assert_int_eq(modified(INT64_MAX, 0), INT64_MAX);
    ck_assert_int_eq(modified(INT64_MAX / 1000, 999999999), INT64_MAX);
}
END_TEST

RUN_SUITE("fs_stat", kinds, missing_is_an_answer, other_failures_are_told, times)
