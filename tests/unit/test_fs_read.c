#include "scratch.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/fail.h"
#include "files/read.h"

static struct arena arena;
static struct fail why;
static struct file_content content;

enum { MAX = 1 << 20 };

static bool get(const char *path, uint64_t offset, uint64_t length)
{
    arena_fini(&arena);
    arena_init(&arena, 64 << 20);
    return file_read(&arena, path, offset, length, MAX, &content, &why);
}

static bool got(const char *text, uint64_t total)
{
    return content.total == total && content.size == strlen(text) &&
           (content.size == 0 || memcmp(content.data, text, content.size) == 0);
}

START_TEST(ranges_are_clipped_to_the_file)
{
    const char *file = put(in("f"), "0123456789");
    ck_assert(get(file, 0, 0) && got("0123456789", 10));
    ck_assert(get(file, 3, 4) && got("3456", 10));
    ck_assert(get(file, 4, 0) && got("456789", 10));
    ck_assert(get(file, 10, 5) && got("", 10));
    ck_assert(get(file, 1ull << 63, 1) && got("", 10));
    ck_assert(get(file, UINT64_MAX, UINT64_MAX) && got("", 10));
    ck_assert(get(file, 8, UINT64_MAX) && got("89", 10));
    ck_assert(get(file, 0, 1ull << 63) && got("0123456789", 10));
}
END_TEST

START_TEST(empty_file)
{
    ck_assert(get(put(in("f"), ""), 0, 0) && got("", 0));
    ck_assert(get(in("f"), 5, 5) && got("", 0));
}
END_TEST

START_TEST(ranges_reassemble_a_large_file)
{
    size_t size = 3 << 20, part = 512 << 10;
    char *data = mem_array(1, size), *back = mem_array(1, size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    const char *file = put_bytes(in("f"), data, size);
    for (size_t at = 0; at < size; at += part) {
        ck_assert(get(file, at, part));
        ck_assert_uint_eq(content.size, part);
        ck_assert_uint_eq(content.total, size);
        memcpy(back + at, content.data, part);
    }
    ck_assert_mem_eq(data, back, size);
    ck_assert(!get(file, 0, 0));
    ck_assert_int_eq(why.kind, FAIL_TOO_LARGE);
    ck_assert_uint_eq(why.size, size);
    ck_assert_uint_eq(arena.used, 0);
    mem_free(data);
    mem_free(back);
}
END_TEST

START_TEST(exactly_the_maximum_is_allowed)
{
    char *data = mem_array(1, MAX + 1);
    put_bytes(in("f"), data, MAX + 1);
    ck_assert(get(in("f"), 0, MAX) && content.size == MAX && content.total == MAX + 1);
    ck_assert(get(in("f"), 2, 0) && content.size == MAX - 1);
    ck_assert(!get(in("f"), 0, 0) && why.kind == FAIL_TOO_LARGE && why.size == MAX + 1);
    mem_free(data);
}
END_TEST

START_TEST(sparse_file_beyond_memory)
{
    int fd = open(in("f"), O_WRONLY | O_CREAT, 0666);
    ck_assert_int_eq(ftruncate(fd, 1ll << 40), 0);
    ck_assert_int_eq(pwrite(fd, "end", 3, (1ll << 40) - 3), 3);
    close(fd);
    ck_assert(get(in("f"), (1ull << 40) - 3, 10) && got("end", 1ull << 40));
}
END_TEST

START_TEST(procfs_is_read_to_its_end)
{
    ck_assert(get("/proc/self/status", 0, 0));
    ck_assert_uint_gt(content.size, 100);
    ck_assert_uint_eq(content.total, content.size);
    ck_assert(get("/proc/version", 0, 0));
    char whole[4096];
    size_t size = content.size;
    ck_assert_uint_lt(size, sizeof whole);
    memcpy(whole, content.data, size);
    ck_assert(get("/proc/version", 3, 7));
    ck_assert_uint_eq(content.size, 7);
    ck_assert_uint_eq(content.total, size);
    ck_assert_mem_eq(content.data, whole + 3, 7);
    ck_assert(get("/proc/version", size, 7) && got("", size));
}
END_TEST

START_TEST(sysfs_tells_the_true_size)
{
    if (!exists("/sys/kernel/mm/transparent_hugepage/enabled"))
        return;
    ck_assert(get("/sys/kernel/mm/transparent_hugepage/enabled", 0, 0));
    ck_assert_uint_gt(content.size, 0);
    ck_assert_uint_eq(content.total, content.size);
}
END_TEST

static bool refused_with(const char *path, uint64_t length, int error)
{
    why = (struct fail){0};
    return !get(path, 0, length) && why.kind == FAIL_SYSTEM && why.error == error &&
           strcmp(why.what, "read") == 0 && strncmp(why.path, path, 4000) == 0;
}

START_TEST(what_cannot_be_read)
{
    ck_assert(refused_with(in("missing"), 0, ENOENT));
    ck_assert(refused_with("/proc", 0, EISDIR));
    ck_assert(refused_with(scratch, 10, EISDIR));
    put(in("f"), "x");
    ck_assert(refused_with(in("f/x"), 0, ENOTDIR));
    ck_assert_int_eq(symlink("loop", in("loop")), 0);
    ck_assert(refused_with(in("loop"), 0, ELOOP));
    ck_assert_int_eq(symlink("nowhere", in("dangling")), 0);
    ck_assert(refused_with(in("dangling"), 0, ENOENT));
    char name[5001];
    memset(name, 'a', 5000);
    name[5000] = '\0';
    ck_assert(refused_with(in("%s", name), 0, ENAMETOOLONG));
    name[256] = '\0';
    ck_assert(refused_with(in("%s", name), 0, ENAMETOOLONG));
    become_nobody();
    ck_assert(refused_with("/etc/shadow", 0, EACCES));
}
END_TEST

START_TEST(link_is_followed)
{
    put(in("f"), "text");
    ck_assert_int_eq(symlink("f", in("link")), 0);
    ck_assert(get(in("link"), 0, 0) && got("text", 4));
}
END_TEST

START_TEST(fifo_and_socket_are_refused_at_once)
{
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    ck_assert(refused_with(in("fifo"), 0, EINVAL));
    ck_assert(refused_with(in("fifo"), 16, EINVAL));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", in("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert(refused_with(in("socket"), 16, EINVAL));
    close(fd);
}
END_TEST

static void *open_to_write(void *path)
{
    int *fd = mem_new(int);
    *fd = open(path, O_WRONLY);
    return fd;
}

// A writer that waits for its reader must not take a refused read for it.
START_TEST(refused_fifo_does_not_wake_its_writer)
{
    char *path = mem_string(in("fifo"));
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    pthread_t thread;
    pthread_create(&thread, NULL, open_to_write, path);
    usleep(50000);
    ck_assert(refused_with(path, 16, EINVAL));
    usleep(50000);
    void *fd = NULL;
    ck_assert_int_eq(pthread_tryjoin_np(thread, &fd), EBUSY);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    pthread_join(thread, &fd);
    close(*(int *)fd);
    close(reader);
    mem_free(fd);
    mem_free(path);
}
END_TEST

START_TEST(device_needs_a_length)
{
    ck_assert(refused_with("/dev/zero", 0, EINVAL));
    ck_assert(get("/dev/zero", 0, 16));
    ck_assert_uint_eq(content.size, 16);
    ck_assert_mem_eq(content.data, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    ck_assert_uint_eq(content.total, 16);
    ck_assert(get("/dev/null", 0, 16) && got("", 0));
    ck_assert(!get("/dev/zero", 0, UINT64_MAX));
    ck_assert(!get("/dev/zero", UINT64_MAX, 5));
    ck_assert(!get("/dev/zero", 0, 1ull << 40) && why.kind == FAIL_TOO_LARGE);
}
END_TEST

START_TEST(terminal_without_input_does_not_wait)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert(!get(ptsname(master), 0, 16));
    ck_assert_int_eq(why.error, EAGAIN);
    ck_assert_int_eq(write(master, "hi\n", 3), 3);
    ck_assert(get(ptsname(master), 0, 16) && got("hi\n", 3));
    close(slave);
    close(master);
}
END_TEST

START_TEST(full_arena_is_an_error)
{
    put(in("f"), "0123456789012345678901234567890123456789");
    struct arena tiny;
    arena_init(&tiny, 16);
    ck_assert(!file_read(&tiny, in("f"), 0, 0, MAX, &content, &why) && why.error == ENOMEM);
    ck_assert(!file_read(&tiny, "/proc/self/status", 0, 0, MAX, &content, &why) &&
              why.error == ENOMEM);
    ck_assert(!file_read(&arena, "/proc/self/status", 0, 0, 8, &content, &why) &&
              why.kind == FAIL_TOO_LARGE);
    arena_fini(&tiny);
}
END_TEST

static void *cut_and_grow(void *path)
{
    for (int i = 0; i < 4000; i++)
        ck_assert_int_eq(truncate(path, i % 2 ? 0 : 300000), 0);
    return NULL;
}

START_TEST(file_that_changes_meanwhile)
{
    char *path = mem_string(put(in("f"), ""));
    pthread_t thread;
    pthread_create(&thread, NULL, cut_and_grow, path);
    while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
        ck_assert(get(path, 0, 0));
        ck_assert_uint_le(content.size, 300000);
    }
    mem_free(path);
}
END_TEST

RUN_SUITE("fs_read", ranges_are_clipped_to_the_file, empty_file, ranges_reassemble_a_large_file,
          exactly_the_maximum_is_allowed, sparse_file_beyond_memory, procfs_is_read_to_its_end,
          sysfs_tells_the_true_size, what_cannot_be_read, link_is_followed,
          fifo_and_socket_are_refused_at_once, refused_fifo_does_not_wake_its_writer,
          device_needs_a_length, terminal_without_input_does_not_wait, full_arena_is_an_error,
          file_that_changes_meanwhile)
