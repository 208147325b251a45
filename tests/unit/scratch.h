// A directory of its own for each test, removed afterwards, and short ways to fill it.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"

static char scratch[64];

static inline void scratch_setup(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/og-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    chmod(scratch, 0755);
}

static inline int scratch_remove_one(const char *path, const struct stat *facts, int type,
                                     struct FTW *walk)
{
    (void)facts, (void)type, (void)walk;
    return remove(path);
}

static inline void scratch_teardown(void)
{
    if (seteuid(getuid()) == 0)
        nftw(scratch, scratch_remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

// A path in the directory, in one of eight rooms that take turns.
__attribute__((format(printf, 1, 2))) static inline const char *in(const char *format, ...)
{
    static char rooms[8][8192];
    static unsigned turn;
    char *room = rooms[turn++ % 8];
    int n = snprintf(room, sizeof rooms[0], "%s/", scratch);
    va_list args;
    va_start(args, format);
    vsnprintf(room + n, sizeof rooms[0] - n, format, args);
    va_end(args);
    return room;
}

static inline const char *put_bytes(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    close(fd);
    return path;
}

static inline const char *put(const char *path, const char *text)
{
    return put_bytes(path, text, strlen(text));
}

static inline const char *make_dir(const char *path)
{
    ck_assert_msg(mkdir(path, 0777) == 0, "%s: %s", path, strerror(errno));
    return path;
}

static inline bool exists(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0;
}

static inline mode_t mode_of(const char *path)
{
    struct stat facts;
    ck_assert_msg(lstat(path, &facts) == 0, "%s: %s", path, strerror(errno));
    return facts.st_mode;
}

static inline bool holds(const char *path, const char *text)
{
    char room[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, room, sizeof room);
    close(fd);
    return n == (ssize_t)strlen(text) && memcmp(room, text, n) == 0;
}

// Permissions bind only those who are not root. The test goes on as nobody, in its own process.
static inline void become_nobody(void)
{
    enum { NOBODY = 65534 };
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chown(scratch, NOBODY, NOBODY), 0);
    ck_assert_int_eq(setegid(NOBODY), 0);
    ck_assert_int_eq(seteuid(NOBODY), 0);
}

#define RUN_SUITE(name, ...) \
    CHECK_MAIN_WITH(name, 300, scratch_setup, scratch_teardown, __VA_ARGS__)
