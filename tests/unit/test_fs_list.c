#include "scratch.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "files/list.h"

static struct fail why;
static struct buffer lines; // "kind path\n" of each entry
static size_t count, stop_after;
static struct entry last;
static size_t guesses; // entries that could not be looked at

static bool note(void *context, const char *path, size_t name_at, const struct entry *entry,
                 struct fail *fail)
{
    (void)context;
    ck_assert(name_at == 0 || path[name_at - 1] == '/');
    ck_assert_ptr_null(strchr(path + name_at, '/'));
    last = *entry;
    guesses += entry->modified_ms == 0;
    ck_assert(buffer_printf(&lines, "%d %s\n", (int)entry->kind, path));
    if (++count == stop_after)
        return fail_because(fail, FAIL_TOO_LARGE, "enough");
    return true;
}

static bool list_with(const char *path, struct list_options options)
{
    why = (struct fail){0};
    buffer_fini(&lines);
    buffer_init(&lines, 1 << 30);
    count = 0;
    if (!options.entries_max)
        options.entries_max = FS_LIST_ENTRIES_MAX;
    return directory_list(path, &options, note, NULL, &why);
}
#define LIST(path, ...) list_with(path, (struct list_options){__VA_ARGS__})

static bool listed(const char *expected)
{
    return strcmp(lines.size ? lines.data : "", expected) == 0;
}

static bool refused(const char *path, int error)
{
    return !LIST(path) && why.kind == FAIL_SYSTEM && why.error == error &&
           strcmp(why.what, "readdir") == 0 && strcmp(why.path, path) == 0;
}

START_TEST(every_kind_sorted_by_bytes)
{
    put(in("b"), "");
    make_dir(in("a"));
    ck_assert_int_eq(symlink("a", in("link")), 0);
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    put(in(".hidden"), "");
    put(in("\xff\xfe"), "");
    put(in("B"), "");
    put(in("prefix-of-more-than-eight-b"), "");
    put(in("prefix-of-more-than-eight-a"), "");
    put(in("prefix-o"), "");
    ck_assert(LIST(scratch));
    ck_assert(listed("1 .hidden\n1 B\n2 a\n1 b\n1 fifo\n3 link\n1 prefix-o\n"
                     "1 prefix-of-more-than-eight-a\n1 prefix-of-more-than-eight-b\n"
                     "1 \xff\xfe\n"));
}
END_TEST

START_TEST(facts_are_of_the_entry_itself)
{
    put(in("d"), "12345");
    ck_assert_int_eq(chmod(in("d"), 0644), 0);
    ck_assert(LIST(scratch));
    ck_assert_uint_eq(last.size, 5);
    ck_assert_uint_eq(last.mode, 33188);
    ck_assert_int_gt(last.modified_ms, 1600000000000);
}
END_TEST

START_TEST(recursive_is_pre_order_and_enters_no_link)
{
    make_dir(in("b"));
    make_dir(in("b/x"));
    put(in("b/x/f"), "");
    put(in("b/y"), "");
    ck_assert_int_eq(symlink("..", in("b/up")), 0);
    make_dir(in("a"));
    put(in("c"), "");
    ck_assert(LIST(scratch, .recursive = true));
    ck_assert(listed("2 a\n2 b\n3 b/up\n2 b/x\n1 b/x/f\n1 b/y\n1 c\n"));
    ck_assert(LIST(scratch));
    ck_assert(listed("2 a\n2 b\n1 c\n"));
    ck_assert_int_eq(symlink("b", in("link")), 0);
    ck_assert(LIST(in("link")) && listed("3 up\n2 x\n1 y\n"));
    ck_assert(LIST(in("b/")) && listed("3 up\n2 x\n1 y\n"));
    ck_assert(LIST(in("a")) && listed(""));
}
END_TEST

START_TEST(what_cannot_be_listed)
{
    put(in("f"), "");
    ck_assert(refused(in("missing"), ENOENT));
    ck_assert(refused(in("f"), ENOTDIR));
    ck_assert(refused(in("f/x"), ENOTDIR));
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    ck_assert(refused(in("fifo"), ENOTDIR));
    ck_assert_int_eq(symlink("loop", in("loop")), 0);
    ck_assert(refused(in("loop"), ELOOP));
    make_dir(in("closed"));
    ck_assert_int_eq(chmod(in("closed"), 0), 0);
    become_nobody();
    ck_assert(refused(in("closed"), EACCES));
}
END_TEST

START_TEST(closed_subdirectory_is_listed_not_entered)
{
    make_dir(in("closed"));
    put(in("closed/f"), "");
    make_dir(in("searchless"));
    put(in("searchless/f"), "");
    make_dir(in("searchless/d"));
    put(in("z"), "");
    ck_assert_int_eq(chmod(in("closed"), 0), 0);
    ck_assert_int_eq(chmod(in("searchless"), 0744), 0);
    become_nobody();
    ck_assert(LIST(scratch, .recursive = true));
    ck_assert(listed("2 closed\n2 searchless\n2 searchless/d\n1 searchless/f\n1 z\n"));
    ck_assert(LIST(in("searchless")) && listed("2 d\n1 f\n"));
}
END_TEST

static atomic_bool churning = true;

static void *churn(void *unused)
{
    char dir[128], file[128], other[128];
    for (int i = 0; churning; i++) {
        snprintf(dir, sizeof dir, "%s/d%d", scratch, i % 7);
        snprintf(file, sizeof file, "%s/d%d/f", scratch, i % 7);
        snprintf(other, sizeof other, "%s/d%d/e", scratch, i % 5);
        mkdir(dir, 0777);
        mkdir(other, 0777);
        close(open(file, O_CREAT | O_WRONLY, 0666));
        rename(file, other);
        unlink(file);
        rmdir(other);
        unlink(other);
        rmdir(dir);
    }
    return unused;
}

START_TEST(tree_that_changes_meanwhile)
{
    make_dir(in("closed"));
    ck_assert_int_eq(chmod(in("closed"), 0), 0);
    become_nobody();
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 500; i++)
        ck_assert_msg(LIST(scratch, .recursive = true), "%s: %s", why.what, strerror(why.error));
    ck_assert_uint_eq(guesses, 0); // what vanished is left out
    churning = false;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(limits)
{
    for (int i = 0; i < 10; i++)
        put(in("%d", i), "");
    ck_assert(LIST(scratch, .entries_max = 10));
    ck_assert(!LIST(scratch, .entries_max = 9) && why.kind == FAIL_TOO_LARGE);
    ck_assert_uint_eq(count, 0);
    stop_after = 4;
    ck_assert(!LIST(scratch) && why.kind == FAIL_TOO_LARGE && strcmp(why.what, "enough") == 0);
    ck_assert_uint_eq(count, 4);
    stop_after = 0;
    make_dir(in("d"));
    put(in("d/x"), "");
    ck_assert(LIST(scratch, .recursive = true, .entries_max = 12));
    ck_assert(!LIST(scratch, .recursive = true, .entries_max = 11));
    ck_assert_int_eq(why.kind, FAIL_TOO_LARGE);
}
END_TEST

START_TEST(cancelled)
{
    put(in("f"), "");
    struct cancel *cancel = cancel_new();
    ck_assert(LIST(scratch, .cancel = cancel));
    cancel_fire(cancel);
    ck_assert(!LIST(scratch, .cancel = cancel) && why.kind == FAIL_CANCELLED);
    cancel_unref(cancel);
}
END_TEST

static int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

// Deeper than any path, and than the descriptors that are kept. On the way back each directory has
// to be the right one: every file has another name, and comes after the subdirectory.
START_TEST(deep_tree)
{
    enum { DEPTH = 3000 };
    int before = open_descriptors(), dir = open(scratch, O_RDONLY | O_DIRECTORY);
    char name[16];
    for (int i = 0; i < DEPTH; i++) {
        snprintf(name, sizeof name, "f%d", i);
        ck_assert_int_eq(mkdirat(dir, "d", 0777), 0);
        close(openat(dir, name, O_CREAT | O_WRONLY, 0666));
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY);
        ck_assert_int_ge(next, 0);
        close(dir);
        dir = next;
    }
    close(dir);
    ck_assert_msg(LIST(scratch, .recursive = true), "%s: %s", why.what, strerror(why.error));
    ck_assert_uint_eq(count, 2 * DEPTH);
    ck_assert_uint_eq(guesses, 0);
    ck_assert_int_eq(open_descriptors(), before);
    // nftw(3) of the fixture cannot go that deep
    ck_assert_int_eq(chdir(scratch), 0);
    for (int i = 0; i < DEPTH; i++)
        ck_assert_int_eq(chdir("d"), 0);
    for (int i = DEPTH; i-- > 0;) {
        snprintf(name, sizeof name, "f%d", i);
        ck_assert_int_eq(chdir(".."), 0);
        ck_assert_int_eq(unlink(name), 0);
        ck_assert_int_eq(rmdir("d"), 0);
    }
}
END_TEST

START_TEST(a_hundred_thousand_entries)
{
    enum { N = 100000 };
    int dir = open(scratch, O_RDONLY | O_DIRECTORY);
    char name[32];
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "file-%06d", (i * 7919) % N);
        close(openat(dir, name, O_CREAT | O_WRONLY, 0666));
    }
    int64_t start = clock_mono_ms();
    ck_assert(LIST(scratch));
    if (getenv("OG_TIMES"))
        printf("list of %d entries: %d ms\n", N, (int)(clock_mono_ms() - start));
    ck_assert_uint_eq(count, N);
    const char *line = lines.data;
    for (int i = 0; i < N; i++, line += strlen("1 file-000000\n")) {
        snprintf(name, sizeof name, "1 file-%06d\n", i);
        ck_assert_mem_eq(line, name, strlen(name));
    }
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "file-%06d", i);
        unlinkat(dir, name, 0);
    }
    close(dir);
}
END_TEST

RUN_SUITE("fs_list", every_kind_sorted_by_bytes, facts_are_of_the_entry_itself,
          recursive_is_pre_order_and_enters_no_link, what_cannot_be_listed,
          closed_subdirectory_is_listed_not_entered, tree_that_changes_meanwhile, limits, cancelled,
          deep_tree, a_hundred_thousand_entries)
