#include "scratch.h"

#include <pthread.h>

#include "base/fail.h"
#include "files/mkdir.h"

static struct fail why;

static bool make(const char *path, bool parents, uint32_t mode)
{
    why = (struct fail){0};
    return directory_make(path, parents, mode, &why);
}

static bool refused(const char *path, bool parents, int error, const char *what)
{
    return !make(path, parents, 0) && why.error == error && strcmp(why.what, what) == 0 &&
           strcmp(why.path, path) == 0;
}

START_TEST(one_directory)
{
    umask(022);
    ck_assert(make(in("d"), false, 0));
    ck_assert_uint_eq(mode_of(in("d")), S_IFDIR | 0755);
    ck_assert(refused(in("d"), false, EEXIST, "mkdir"));
    ck_assert(refused(in("a/b"), false, ENOENT, "mkdir"));
}
END_TEST

START_TEST(with_parents)
{
    umask(022);
    ck_assert(make(in("a/b//c/"), true, 0));
    ck_assert_uint_eq(mode_of(in("a/b/c")), S_IFDIR | 0755);
    ck_assert(make(in("a/b/c"), true, 0));
    ck_assert(make(in("a/x/../y/."), true, 0));
    ck_assert(exists(in("a/y")));
    ck_assert(make("/", true, 0));
}
END_TEST

START_TEST(mode_is_exact_and_of_the_last_one)
{
    umask(022);
    ck_assert(make(in("a/b"), true, 0777));
    ck_assert_uint_eq(mode_of(in("a")) & 07777, 0755);
    ck_assert_uint_eq(mode_of(in("a/b")) & 07777, 0777);
    ck_assert(make(in("a/b"), true, 0700));
    ck_assert_uint_eq(mode_of(in("a/b")) & 07777, 0700);
    ck_assert(make(in("sticky"), false, 01777));
    ck_assert_uint_eq(mode_of(in("sticky")) & 07777, 01777);
}
END_TEST

START_TEST(something_else_in_the_way)
{
    put(in("f"), "x");
    ck_assert(refused(in("f"), true, EEXIST, "mkdir -p"));
    ck_assert(refused(in("f/x"), true, ENOTDIR, "mkdir -p"));
    ck_assert(refused(in("f/x/y"), true, ENOTDIR, "mkdir -p"));
    ck_assert_int_eq(symlink("nowhere", in("dangling")), 0);
    ck_assert(refused(in("dangling"), true, EEXIST, "mkdir -p"));
    make_dir(in("d"));
    ck_assert_int_eq(symlink("d", in("link")), 0);
    ck_assert(make(in("link"), true, 0));
    ck_assert(make(in("link/x"), true, 0) && exists(in("d/x")));
}
END_TEST

START_TEST(impossible_paths)
{
    char name[5001];
    memset(name, 'a', 5000);
    name[5000] = '\0';
    ck_assert(!make(in("new/%s", name), true, 0) && why.error == ENAMETOOLONG);
    ck_assert(!exists(in("new")));
    become_nobody();
    ck_assert(!make("/og-test/a/b", true, 0) && why.error == EACCES);
}
END_TEST

static void *make_deep(void *failures)
{
    char path[256];
    struct fail mine;
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "%s/%d/a/b/c", scratch, i);
        if (!directory_make(path, true, 0, &mine))
            __atomic_add_fetch((int *)failures, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

START_TEST(many_make_the_same_path)
{
    pthread_t threads[4];
    int failures = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, make_deep, &failures);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(failures, 0);
}
END_TEST

RUN_SUITE("fs_mkdir", one_directory, with_parents, mode_is_exact_and_of_the_last_one,
          something_else_in_the_way, impossible_paths, many_make_the_same_path)
