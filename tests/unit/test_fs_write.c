#include "scratch.h"

#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "files/write.h"

static struct fail why;

static bool write_text(const char *path, const char *text, struct write_options options)
{
    why = (struct fail){0};
    return file_write(path, text, strlen(text), &options, &why);
}
#define WRITE(path, text, ...) write_text(path, text, (struct write_options){__VA_ARGS__})

START_TEST(makes_and_replaces)
{
    ck_assert(WRITE(in("f"), "longer text"));
    ck_assert(WRITE(in("f"), "text"));
    ck_assert(holds(in("f"), "text"));
    ck_assert(WRITE(in("f"), ""));
    ck_assert(holds(in("f"), ""));
}
END_TEST

START_TEST(appends)
{
    ck_assert(WRITE(in("f"), "a", .append = true));
    ck_assert(WRITE(in("f"), "", .append = true));
    ck_assert(WRITE(in("f"), "b", .append = true));
    ck_assert(holds(in("f"), "ab"));
    ck_assert(WRITE(in("empty"), "", .append = true));
    ck_assert(holds(in("empty"), ""));
}
END_TEST

START_TEST(missing_parents)
{
    ck_assert(!WRITE(in("a/b/f"), "x"));
    ck_assert_int_eq(why.error, ENOENT);
    ck_assert_str_eq(why.what, "open");
    ck_assert(WRITE(in("a/b/f"), "x", .create_parents = true));
    ck_assert(WRITE(in("a/b/f"), "y", .create_parents = true));
    ck_assert(holds(in("a/b/f"), "y"));
    ck_assert(!WRITE(in("a/b/f/g/h"), "x", .create_parents = true));
    ck_assert_int_eq(why.error, ENOTDIR);
    ck_assert_str_eq(why.what, "mkdir -p");
}
END_TEST

START_TEST(mode_is_for_new_files_only)
{
    umask(022);
    ck_assert(WRITE(in("plain"), "x") && mode_of(in("plain")) == (S_IFREG | 0644));
    ck_assert(WRITE(in("secret"), "x", .mode = 0600) && mode_of(in("secret")) == (S_IFREG | 0600));
    ck_assert(WRITE(in("tool"), "x", .mode = 0777) && mode_of(in("tool")) == (S_IFREG | 0755));
    ck_assert(WRITE(in("tool"), "y", .mode = 0600) && mode_of(in("tool")) == (S_IFREG | 0755));
    ck_assert(WRITE(in("typed"), "x", .mode = 0100640));
    ck_assert_uint_eq(mode_of(in("typed")), S_IFREG | 0640);
}
END_TEST

START_TEST(link_and_inode_stay)
{
    put(in("target"), "old");
    ck_assert_int_eq(symlink("target", in("link")), 0);
    ck_assert_int_eq(link(in("target"), in("hard")), 0);
    ck_assert(WRITE(in("link"), "new"));
    ck_assert(S_ISLNK(mode_of(in("link"))));
    ck_assert(holds(in("target"), "new") && holds(in("hard"), "new"));
    ck_assert_int_eq(symlink("made", in("dangling")), 0);
    ck_assert(WRITE(in("dangling"), "x") && holds(in("made"), "x"));
}
END_TEST

START_TEST(what_cannot_be_written)
{
    ck_assert(!WRITE(scratch, "x") && why.error == EISDIR);
    ck_assert(!WRITE(in("x/"), "x") && why.error == EISDIR);
    ck_assert(!WRITE("/dev/full", "x"));
    ck_assert_int_eq(why.error, ENOSPC);
    ck_assert_str_eq(why.what, "write");
    ck_assert_str_eq(why.path, "/dev/full");
    ck_assert(WRITE("/dev/null", "x"));
    char name[5001];
    memset(name, 'a', 5000);
    name[5000] = '\0';
    ck_assert(!WRITE(in("%s", name), "x", .create_parents = true) && why.error == ENAMETOOLONG);
    ck_assert(!WRITE(in("new/%s", name), "x", .create_parents = true) && why.error == ENAMETOOLONG);
    ck_assert(!exists(in("new")));
}
END_TEST

START_TEST(fifo_without_reader_does_not_wait)
{
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    ck_assert(!WRITE(in("fifo"), "x") && why.error == ENXIO);
}
END_TEST

static void *read_slowly(void *path)
{
    size_t *total = mem_new(size_t);
    char room[8192];
    int fd = open(path, O_RDONLY);
    for (ssize_t n; (n = read(fd, room, sizeof room)) > 0; *total += n)
        usleep(500);
    close(fd);
    return total;
}

START_TEST(fifo_takes_more_than_it_holds)
{
    char *path = mem_string(in("fifo"));
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    pthread_t thread;
    pthread_create(&thread, NULL, read_slowly, path);
    size_t size = 300000;
    void *data = mem_array(1, size), *total;
    struct write_options options = {0};
    while (!file_write(path, data, size, &options, &why))
        ck_assert_int_eq(why.error, ENXIO);
    pthread_join(thread, &total);
    ck_assert_uint_eq(*(size_t *)total, size);
    mem_free(total);
    mem_free(data);
    mem_free(path);
}
END_TEST

START_TEST(vanished_reader_is_an_error)
{
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    int reader = open(in("fifo"), O_RDONLY | O_NONBLOCK);
    int writer = open(in("fifo"), O_WRONLY | O_NONBLOCK);
    close(reader);
    ck_assert(!WRITE(in("fifo"), "x"));
    ck_assert(why.error == EPIPE || why.error == ENXIO);
    close(writer);
}
END_TEST

START_TEST(secrets_get_private_parents)
{
    umask(022);
    make_dir(in("old"));
    ck_assert(WRITE(in("old/new/deep/f"), "x", .create_parents = true, .mode = 0600));
    ck_assert_uint_eq(mode_of(in("old")) & 0777, 0755);
    ck_assert_uint_eq(mode_of(in("old/new")) & 0777, 0700);
    ck_assert_uint_eq(mode_of(in("old/new/deep")) & 0777, 0700);
    ck_assert(WRITE(in("open/f"), "x", .create_parents = true, .mode = 0640));
    ck_assert_uint_eq(mode_of(in("open")) & 0777, 0755);
}
END_TEST

START_TEST(secrets_follow_only_own_links)
{
    put(in("target"), "old");
    ck_assert_int_eq(symlink("target", in("own")), 0);
    ck_assert(WRITE(in("own"), "new", .mode = 0600) && holds(in("target"), "new"));
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(symlink("target", in("foreign")), 0);
    ck_assert_int_eq(lchown(in("foreign"), 12345, 12345), 0);
    ck_assert(!WRITE(in("foreign"), "stolen", .mode = 0600) && why.error == ELOOP);
    ck_assert(holds(in("target"), "new"));
    ck_assert(WRITE(in("foreign"), "public") && holds(in("target"), "public"));
}
END_TEST

RUN_SUITE("fs_write", makes_and_replaces, appends, missing_parents, mode_is_for_new_files_only,
          link_and_inode_stay, what_cannot_be_written, fifo_without_reader_does_not_wait,
          fifo_takes_more_than_it_holds, vanished_reader_is_an_error, secrets_get_private_parents,
          secrets_follow_only_own_links)
