#include "scratch.h"

#include <pthread.h>

#include "base/fail.h"
#include "files/move.h"

static struct fail why;

static bool move(const char *from, const char *to, bool overwrite)
{
    why = (struct fail){0};
    return file_move(from, to, overwrite, &why);
}

START_TEST(to_a_free_place)
{
    put(in("a"), "x");
    ck_assert(move(in("a"), in("b"), false));
    ck_assert(!exists(in("a")) && holds(in("b"), "x"));
    ck_assert(move(in("b"), in("c"), true));
    ck_assert(holds(in("c"), "x"));
}
END_TEST

static bool occupied(const char *from, const char *to)
{
    return !move(from, to, false) && why.kind == FAIL_EXISTS && why.error == 0 &&
           strcmp(why.path, to) == 0;
}

START_TEST(nothing_is_overwritten_unasked)
{
    put(in("a"), "a");
    put(in("b"), "b");
    ck_assert(occupied(in("a"), in("b")));
    ck_assert(holds(in("a"), "a") && holds(in("b"), "b"));
    ck_assert_int_eq(symlink("nowhere", in("dangling")), 0);
    ck_assert(occupied(in("a"), in("dangling")));
    ck_assert(S_ISLNK(mode_of(in("dangling"))));
    ck_assert(occupied(in("a"), in("a")));
    make_dir(in("d"));
    ck_assert(occupied(in("a"), in("d")));
}
END_TEST

START_TEST(overwrite_is_rename)
{
    put(in("a"), "a");
    put(in("b"), "b");
    ck_assert(move(in("a"), in("a"), true));
    ck_assert(move(in("a"), in("b"), true) && holds(in("b"), "a"));
    make_dir(in("d"));
    make_dir(in("e"));
    ck_assert(move(in("d"), in("e"), true));
    make_dir(in("full"));
    put(in("full/x"), "x");
    ck_assert(!move(in("e"), in("full"), true) && why.error == ENOTEMPTY);
    ck_assert(!move(in("b"), in("e"), true) && why.error == EISDIR);
    ck_assert(!move(in("e"), in("b"), true) && why.error == ENOTDIR);
    ck_assert(!move(in("full"), in("full/sub"), true) && why.error == EINVAL);
    ck_assert(!move(in("full"), in("full/sub"), false) && why.error == EINVAL);
}
END_TEST

START_TEST(missing_ends)
{
    put(in("a"), "a");
    ck_assert(!move(in("missing"), in("b"), false) && why.error == ENOENT);
    ck_assert(!move(in("a"), in("no/b"), false) && why.error == ENOENT);
    ck_assert_str_eq(why.what, "move");
    char both[256];
    snprintf(both, sizeof both, "%s -> %s", in("a"), in("no/b"));
    ck_assert_str_eq(why.path, both);
    ck_assert(!move("/proc/version", in("b"), true) && why.error == EXDEV);
}
END_TEST

enum { RACERS = 100 };
static int winners, exists_count;

static void *race(void *number)
{
    char from[256], to[256];
    snprintf(from, sizeof from, "%s/from-%d", scratch, (int)(intptr_t)number);
    snprintf(to, sizeof to, "%s/to", scratch);
    struct fail mine = {0};
    if (file_move(from, to, false, &mine))
        __atomic_add_fetch(&winners, 1, __ATOMIC_RELAXED);
    else if (mine.kind == FAIL_EXISTS)
        __atomic_add_fetch(&exists_count, 1, __ATOMIC_RELAXED);
    return NULL;
}

START_TEST(one_of_a_hundred_wins)
{
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++)
        put(in("from-%d", i), "x");
    for (int i = 0; i < RACERS; i++)
        pthread_create(&threads[i], NULL, race, (void *)(intptr_t)i);
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(winners, 1);
    ck_assert_int_eq(exists_count, RACERS - 1);
}
END_TEST

RUN_SUITE("fs_move", to_a_free_place, nothing_is_overwritten_unasked, overwrite_is_rename,
          missing_ends, one_of_a_hundred_wins)
