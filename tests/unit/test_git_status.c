#include "ops/git_status.h"

#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "check_main.h"

static struct arena arena;

static Og__GitStatus *parse(const char *text)
{
    arena_init(&arena, 1 << 20);
    Og__GitStatus *status = git_status_parse(&arena, text, strlen(text));
    ck_assert_ptr_nonnull(status);
    return status;
}

static void is_file(const Og__GitStatus *status, size_t index, const char *path, const char *code,
                    bool staged)
{
    ck_assert_uint_lt(index, status->n_files);
    ck_assert_str_eq(status->files[index]->path, path);
    ck_assert_str_eq(status->files[index]->code, code);
    ck_assert_int_eq(status->files[index]->staged, staged);
}

#define HASHES "0123456789012345678901234567890123456789 0123456789012345678901234567890123456789"

START_TEST(headers_become_branch_and_distance)
{
    Og__GitStatus *status = parse("# branch.oid 123\n# branch.head my branch\n"
                                  "# branch.upstream origin/main\n# branch.ab +3 -12\n");
    ck_assert_str_eq(status->branch, "my branch");
    ck_assert_str_eq(status->upstream, "origin/main");
    ck_assert_int_eq(status->ahead, 3);
    ck_assert_int_eq(status->behind, 12);
    ck_assert(status->clean);
    ck_assert_uint_eq(status->n_files, 0);
    arena_fini(&arena);
}
END_TEST

START_TEST(missing_headers_leave_empty_fields)
{
    Og__GitStatus *status = parse("# branch.oid (initial)\n# branch.head (detached)");
    ck_assert_str_eq(status->branch, "(detached)");
    ck_assert_str_eq(status->upstream, "");
    ck_assert_int_eq(status->ahead, 0);
    ck_assert_int_eq(status->behind, 0);
    arena_fini(&arena);
    status = parse("");
    ck_assert_str_eq(status->branch, "");
    ck_assert(status->clean);
    arena_fini(&arena);
}
END_TEST

START_TEST(changed_files_keep_spaces_and_tell_what_is_staged)
{
    Og__GitStatus *status = parse("1 .M N... 100644 100644 100644 " HASHES " a b  c.txt\n"
                                  "1 A. N... 000000 100644 100644 " HASHES " new\n"
                                  "1 MM S.M. 160000 160000 160000 " HASHES " sub/x\n");
    ck_assert(!status->clean);
    ck_assert_uint_eq(status->n_files, 3);
    is_file(status, 0, "a b  c.txt", ".M", false);
    is_file(status, 1, "new", "A.", true);
    is_file(status, 2, "sub/x", "MM", true);
    arena_fini(&arena);
}
END_TEST

START_TEST(renamed_file_has_its_new_name)
{
    Og__GitStatus *status =
        parse("2 R. N... 100644 100644 100644 " HASHES " R100 c d\ta b\n"
              "2 C. N... 100644 100644 100644 " HASHES " C75 \"x\\ty\"\t\"z\\tw\"\n");
    ck_assert_uint_eq(status->n_files, 2);
    is_file(status, 0, "c d", "R.", true);
    is_file(status, 1, "x\ty", "C.", true);
    arena_fini(&arena);
}
END_TEST

START_TEST(unmerged_file_is_not_clean_and_not_staged)
{
    Og__GitStatus *status = parse("u UU N... 100644 100644 100644 100644 " HASHES
                                  " 0123456789012345678901234567890123456789 in conflict\n");
    ck_assert(!status->clean);
    is_file(status, 0, "in conflict", "UU", false);
    arena_fini(&arena);
}
END_TEST

START_TEST(untracked_file_is_reported_and_ignored_one_is_not)
{
    Og__GitStatus *status = parse("? my file.txt\n! build dir/\n? \"\\303\\274\\t\\\"x\"\n");
    ck_assert_uint_eq(status->n_files, 2);
    is_file(status, 0, "my file.txt", "??", false);
    is_file(status, 1, "\xc3\xbc\t\"x", "??", false);
    arena_fini(&arena);
}
END_TEST

START_TEST(lines_that_are_not_understood_are_passed_over)
{
    Og__GitStatus *status = parse(
        "\n1\n1 \n1 M\n1 .M\n1 .M \n1 .M N... 100644\n1 .M N... 1 1 1 h h \n2 R. x\nu UU\n?\n? "
        "\n?? x\n M x\n## main\n# branch.ab +x\n# branch.ab 3 4\n# stash 1\nx y z\n"
        "1 .MM N... 1 1 1 h h p\n# branch.head\n");
    ck_assert_uint_eq(status->n_files, 0);
    ck_assert(status->clean);
    ck_assert_int_eq(status->ahead, 0);
    ck_assert_str_eq(status->branch, "");
    arena_fini(&arena);
}
END_TEST

START_TEST(huge_numbers_are_bounded)
{
    Og__GitStatus *status = parse("# branch.ab +99999999999999999999 -2147483648\n");
    ck_assert_int_eq(status->ahead, INT32_MAX);
    ck_assert_int_eq(status->behind, INT32_MAX);
    arena_fini(&arena);
}
END_TEST

START_TEST(texts_are_made_valid_utf8)
{
    Og__GitStatus *status =
        parse("# branch.head b\xff\n# branch.upstream \xc3\n? a\xfe\n? \"\\377\\376x\"\n"
              "1 \xff\xff N... 1 1 1 h h p\n");
    ck_assert_str_eq(status->branch, "b\xef\xbf\xbd");
    ck_assert_str_eq(status->upstream, "\xef\xbf\xbd");
    ck_assert_uint_eq(status->n_files, 3);
    ck_assert_str_eq(status->files[0]->path, "a\xef\xbf\xbd");
    for (size_t i = 0; i < 3; i++) {
        ck_assert(utf8_valid(status->files[i]->path, strlen(status->files[i]->path)));
        ck_assert(utf8_valid(status->files[i]->code, strlen(status->files[i]->code)));
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(quoted_text_is_unquoted_as_git_quotes_it)
{
    static const char *const table[][2] = {
        {"plain", "plain"},
        {"\"\"", ""},
        {"\"", "\""},
        {"", ""},
        {"\"a\\a\\b\\f\\n\\r\\t\\v\\\"\\\\z\"", "a\a\b\f\n\r\t\v\"\\z"},
        {"\"\\101\\012\\377\"", "A\n\377"},
        {"\"\\000x\"", "\\000x"}, // no name contains a NUL
        {"\"\\400\"", "\\400"},   // no byte
        {"\"\\12\"", "\\12"},     // too short
        {"\"\\q\\\"", "\\q\\"},   // no such escape, and one without an end
        {"\"open", "\"open"},
    };
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        ck_assert_str_eq(git_unquote(&arena, table[i][0], strlen(table[i][0])), table[i][1]);
    arena_fini(&arena);
}
END_TEST

START_TEST(full_arena_is_noticed)
{
    static const char text[] = "# branch.head main\n# branch.ab +1 -1\n? a\n? \"b\\303\"\n";
    bool parsed = false;
    for (size_t cap = 0; cap < 4096 && !parsed; cap += 16) {
        arena_init(&arena, cap);
        parsed = git_status_parse(&arena, text, strlen(text)) != NULL;
        arena_fini(&arena);
    }
    ck_assert(parsed);
}
END_TEST

CHECK_MAIN("git_status", 300, headers_become_branch_and_distance,
           missing_headers_leave_empty_fields, changed_files_keep_spaces_and_tell_what_is_staged,
           renamed_file_has_its_new_name, unmerged_file_is_not_clean_and_not_staged,
           untracked_file_is_reported_and_ignored_one_is_not,
           lines_that_are_not_understood_are_passed_over, huge_numbers_are_bounded,
           texts_are_made_valid_utf8, quoted_text_is_unquoted_as_git_quotes_it,
           full_arena_is_noticed)
