#include "desktop_x11/xauth.h"

#include <stdio.h>
#include <string.h>

#include "check_main.h"

struct file {
    uint8_t bytes[4096];
    size_t size;
};

static void put16(struct file *file, unsigned value)
{
    file->bytes[file->size++] = (uint8_t)(value >> 8);
    file->bytes[file->size++] = (uint8_t)value;
}

static void put_text(struct file *file, const char *text)
{
    put16(file, (unsigned)strlen(text));
    memcpy(file->bytes + file->size, text, strlen(text));
    file->size += strlen(text);
}

static void put_record(struct file *file, unsigned family, const char *address, const char *number,
                       const char *method, const char *data)
{
    put16(file, family);
    put_text(file, address);
    put_text(file, number);
    put_text(file, method);
    put_text(file, data);
}

static const char method[] = "MIT-MAGIC-COOKIE-1";

static const char *cookies_of(const struct file *file, unsigned display, size_t max)
{
    static char out[512];
    struct xauth_cookie cookies[8];
    size_t count = xauth_cookies(file->bytes, file->size, display, "here", cookies, max);
    ck_assert_uint_le(count, max);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%.*s", i ? "," : "",
                 (int)cookies[i].size, (const char *)cookies[i].bytes);
    return out;
}

START_TEST(cookies_of_this_display_are_found_the_best_first)
{
    struct file file = {.size = 0};
    put_record(&file, 256, "elsewhere", "0", method, "renamed");
    put_record(&file, 256, "here", "1", method, "other-display");
    put_record(&file, 65535, "", "", method, "wild");
    put_record(&file, 0, "\x7f\1\1\1", "0", method, "internet");
    put_record(&file, 256, "here", "0", "XDM-AUTHORIZATION-1", "xdm");
    put_record(&file, 256, "here", "0", method, "mine");
    ck_assert_str_eq(cookies_of(&file, 0, 8), "mine,renamed,wild");
    ck_assert_str_eq(cookies_of(&file, 0, 1), "mine");
    ck_assert_str_eq(cookies_of(&file, 1, 8), "other-display,wild");
    ck_assert_str_eq(cookies_of(&file, 2, 8), "wild");
}
END_TEST

START_TEST(a_file_cut_anywhere_gives_what_was_whole)
{
    struct file file = {.size = 0};
    put_record(&file, 256, "here", "0", method, "first");
    size_t whole = file.size;
    put_record(&file, 256, "here", "0", method, "second");
    size_t all = file.size;
    for (size_t size = 0; size <= all; size++) {
        file.size = size;
        ck_assert_str_eq(cookies_of(&file, 0, 8), size < whole ? ""
                                                  : size < all ? "first"
                                                               : "first,second");
    }
}
END_TEST

START_TEST(data_of_unusual_size_is_passed_over)
{
    char large[XAUTH_COOKIE_MAX + 2];
    memset(large, 'x', sizeof large);
    large[XAUTH_COOKIE_MAX + 1] = '\0';
    struct file file = {.size = 0};
    put_record(&file, 256, "here", "0", method, "");
    put_record(&file, 256, "here", "0", method, large);
    put_record(&file, 256, "here", "0", method, "good");
    ck_assert_str_eq(cookies_of(&file, 0, 8), "good");
}
END_TEST

CHECK_MAIN("xauth", 300, cookies_of_this_display_are_found_the_best_first,
           a_file_cut_anywhere_gives_what_was_whole, data_of_unusual_size_is_passed_over)
