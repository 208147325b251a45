#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "check_main.h"

START_TEST(an_arena_gives_up_to_its_cap_and_no_more)
{
    struct arena arena;
    for (size_t cap = 0; cap <= 4096; cap += 16) {
        arena_init(&arena, cap);
        ck_assert_ptr_null(arena_alloc(&arena, cap + 1));
        void *all = cap ? arena_alloc(&arena, cap) : NULL;
        ck_assert(cap == 0 || all);
        ck_assert_ptr_null(arena_alloc(&arena, 1));
        arena_fini(&arena);
    }
    arena_init(&arena, SIZE_MAX);
    ck_assert_ptr_null(arena_array(&arena, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    arena_fini(&arena);
}
END_TEST

START_TEST(an_arena_keeps_what_it_gave_apart)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *pieces[300];
    for (size_t i = 0; i < 300; i++) {
        pieces[i] = arena_alloc(&arena, 1 + i * 7);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, 1 + i * 7);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < 1 + i * 7; k++)
            ck_assert_uint_eq(pieces[i][k], (unsigned char)i);
    ck_assert_str_eq(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    arena_fini(&arena);
}
END_TEST

START_TEST(a_buffer_never_passes_its_maximum)
{
    struct buffer buffer;
    for (size_t max = 0; max < 40; max++) {
        buffer_init(&buffer, max);
        for (size_t i = 0; i < max; i++)
            ck_assert(buffer_append(&buffer, "x", 1));
        ck_assert(!buffer_append(&buffer, "x", 1));
        ck_assert(!buffer_append_string(&buffer, "longer than all of it, surely longer"));
        ck_assert_uint_eq(buffer.size, max);
        buffer_fini(&buffer);
    }
}
END_TEST

START_TEST(a_buffer_gives_back_what_went_in)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    ck_assert(buffer_printf(&buffer, "%d,", 1));
    for (int i = 2; i < 1000; i++)
        ck_assert(buffer_printf(&buffer, "%d,", i));
    ck_assert_int_eq(strncmp(buffer.data, "1,2,3,", 6), 0);
    buffer_consume(&buffer, 2);
    ck_assert_int_eq(strncmp(buffer.data, "2,3,", 4), 0);
    buffer_consume(&buffer, buffer.size);
    ck_assert_uint_eq(buffer.size, 0);
    ck_assert_str_eq(buffer.data, "");
    buffer_fini(&buffer);
}
END_TEST

START_TEST(utf8_is_told_from_what_only_looks_like_it)
{
    static const char *const good[] = {
        "", "a", "ż", "日本", "🚀", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "a\xc5",
                                      "\xe6\x97",
                                      "\xff"};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert(utf8_valid(good[i], strlen(good[i])));
        ck_assert_ptr_eq(utf8_repair(&arena, good[i]), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!utf8_valid(bad[i], strlen(bad[i])), "case %zu", i);
        const char *repaired = utf8_repair(&arena, bad[i]);
        ck_assert(utf8_valid(repaired, strlen(repaired)));
        ck_assert_ptr_nonnull(strstr(repaired, "\xef\xbf\xbd"));
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(a_cut_never_splits_a_character)
{
    const char *text = "aż日🚀z";
    for (size_t max = 0; max <= strlen(text) + 2; max++) {
        size_t n = utf8_cut(text, max);
        ck_assert_uint_le(n, max);
        ck_assert(utf8_valid(text, n));
        ck_assert(max - n < 4 || n == strlen(text));
    }
}
END_TEST

START_TEST(tokens_are_struck_out_of_texts)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"bearer oge_c2VjcmV0c2VjcmV0.c2ln ends", "bearer oge_*** ends"},
        {"oget_abcdefgh", "oget_***"},
        {"ogs_abcdefgh.ijk, ogr_ABCDEFGH-_", "ogs_***, ogr_***"},
        {"og_abcdefghi", "og_abcdefghi"},
        {"oge_short", "oge_short"},
        {"dogs_are_nice_animals", "dogs_***"},
        {"opengeni", "opengeni"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", cases[i].in);
        log_redact(text);
        ck_assert_str_eq(text, cases[i].out);
    }
}
END_TEST

// Told apart by their addresses, which are as far apart as makes them likely to be confused.
START_TEST(events_that_alternate_are_each_written_a_few_times)
{
    enum { EVENTS = 5, APART = 8 * 1024, ROUNDS = 50 };
    static char events[EVENTS][APART];
    char line[256];
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    ck_assert(file && before >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    log_set_level(LOG_INFO);
    for (int i = 0; i < EVENTS; i++)
        snprintf(events[i], APART, "event %d", i);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < EVENTS; i++)
            log_info(events[i], NULL);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    int lines = 0;
    while (fgets(line, sizeof line, file))
        lines += strstr(line, "event") != NULL;
    ck_assert_int_eq(lines, EVENTS * LOG_EVENTS_PER_MINUTE);
    fclose(file);
}
END_TEST

START_TEST(a_failure_reads_like_a_sentence)
{
    struct fail why;
    char text[FAIL_TEXT_BYTES];
    ck_assert(!fail_errno(&why, ENOENT, "read", "/x"));
    ck_assert_str_eq(fail_text(&why, text, sizeof text),
                     "read /x: No such file or directory (os error 2)");
    ck_assert(!fail_because(&why, FAIL_INVALID, "exec: %s command", "empty"));
    ck_assert_str_eq(fail_text(&why, text, sizeof text), "exec: empty command");
    char path[FAIL_PATH_BYTES * 2];
    memset(path, 0xc5, sizeof path - 1);
    path[sizeof path - 1] = '\0';
    ck_assert(!fail_errno(&why, EIO, "read", path));
    ck_assert_uint_lt(strlen(why.path), FAIL_PATH_BYTES);
}
END_TEST

START_TEST(a_uuid_has_its_form)
{
    char uuid[UUID_BYTES];
    for (int i = 0; i < 100; i++) {
        random_uuid(uuid);
        ck_assert_uint_eq(strlen(uuid), 36);
        ck_assert_int_eq(uuid[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", uuid[19]));
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_lt(random_below(7), 7);
    ck_assert_uint_eq(random_below(0), 0);
}
END_TEST

CHECK_MAIN("base", 300, an_arena_gives_up_to_its_cap_and_no_more, an_arena_keeps_what_it_gave_apart,
           a_buffer_never_passes_its_maximum, a_buffer_gives_back_what_went_in,
           utf8_is_told_from_what_only_looks_like_it, a_cut_never_splits_a_character,
           tokens_are_struck_out_of_texts, events_that_alternate_are_each_written_a_few_times,
           a_failure_reads_like_a_sentence, a_uuid_has_its_form)
