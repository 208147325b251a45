// What the lowest layer does one below a limit, at it and one above.
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "check_main.h"

static char *letters(size_t size)
{
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    return text;
}

// How many of the letters a failure keeps, as what it says and as the path it names.
static void keeps(size_t size, size_t *what, size_t *path)
{
    struct fail why;
    char *text = letters(size);
    fail_on_path(&why, FAIL_SYSTEM, text, text);
    *what = strlen(why.what);
    *path = strlen(why.path);
    fail_because(&why, FAIL_INVALID, "%s", text);
    ck_assert_uint_eq(strlen(why.what), *what);
    free(text);
}

START_TEST(a_failure_cuts_what_has_no_room)
{
    for (size_t size = FAIL_WHAT_BYTES - 2; size <= FAIL_WHAT_BYTES; size++) {
        size_t what, path;
        keeps(size, &what, &path);
        ck_assert_uint_eq(what, size < FAIL_WHAT_BYTES ? size : FAIL_WHAT_BYTES - 1);
        ck_assert_uint_eq(path, size);
    }
    for (size_t size = FAIL_PATH_BYTES - 2; size <= FAIL_PATH_BYTES; size++) {
        size_t what, path;
        keeps(size, &what, &path);
        ck_assert_uint_eq(path, size < FAIL_PATH_BYTES ? size : FAIL_PATH_BYTES - 1);
    }
    ck_assert_uint_gt(FAIL_PATH_BYTES, PATH_MAX);
}
END_TEST

START_TEST(a_cut_failure_ends_with_a_whole_character)
{
    struct fail why;
    char *text = letters(FAIL_WHAT_BYTES - 2);
    for (int more = 0; more < 3; more++) {
        char said[FAIL_WHAT_BYTES + 8];
        int n = snprintf(said, sizeof said, "%s\xc3\xa9", text + more);
        fail_because(&why, FAIL_INVALID, "%s", said);
        size_t kept = n < FAIL_WHAT_BYTES ? (size_t)n : (size_t)n - 2;
        ck_assert_uint_eq(strlen(why.what), kept);
    }
    free(text);
}
END_TEST

// What the log writes for one event with a value of that many letters.
static size_t logged(size_t size, char *line, size_t room)
{
    int ends[2], standard_error = dup(STDERR_FILENO);
    char *value = letters(size);
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_error("full", "value", value, NULL);
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
    close(ends[1]);
    ssize_t n = read(ends[0], line, room);
    close(ends[0]);
    free(value);
    ck_assert_int_gt(n, 0);
    return (size_t)n;
}

START_TEST(a_log_line_is_cut_and_still_a_line)
{
    char line[2 * LOG_LINE_BYTES];
    size_t around = logged(1, line, sizeof line) - 1, longest = LOG_LINE_BYTES - 1;
    for (size_t size = longest - 1; size <= longest + 1; size++) {
        size_t n = logged(size - around, line, sizeof line);
        ck_assert_uint_eq(n, size < longest ? size : longest);
        ck_assert_ptr_eq(memchr(line, '\n', n), line + n - 1);
    }
    ck_assert_uint_eq(logged(10 * LOG_LINE_BYTES, line, sizeof line), longest);
}
END_TEST

START_TEST(an_event_is_logged_so_often_and_then_counted)
{
    int ends[2], standard_error = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    for (int i = 1; i <= LOG_EVENTS_PER_MINUTE + 1; i++) {
        char line[256];
        dup2(ends[1], STDERR_FILENO);
        log_info("again", NULL);
        dup2(standard_error, STDERR_FILENO);
        ssize_t n = read(ends[0], line, sizeof line);
        ck_assert_msg((n > 0) == (i <= LOG_EVENTS_PER_MINUTE), "event %d", i);
    }
    close(standard_error);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(a_file_larger_than_its_room_is_refused)
{
    enum { ROOM = 40000 }; // more than one read
    for (size_t size = ROOM - 1; size <= ROOM + 1; size++) {
        int fd = memfd_create("limits", MFD_CLOEXEC);
        char *text = letters(size);
        ck_assert(io_write_all(fd, text, size));
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        struct buffer out;
        buffer_init(&out, ROOM);
        bool whole = io_read_to_end(fd, &out);
        int error = errno;
        ck_assert_msg(whole == (size <= ROOM), "%zu bytes", size);
        ck_assert(whole || error == EFBIG);
        ck_assert(!whole || out.size == size);
        buffer_fini(&out);
        free(text);
        close(fd);
    }
}
END_TEST

CHECK_MAIN("limits", 300, a_failure_cuts_what_has_no_room,
           a_cut_failure_ends_with_a_whole_character, a_log_line_is_cut_and_still_a_line,
           an_event_is_logged_so_often_and_then_counted, a_file_larger_than_its_room_is_refused)
