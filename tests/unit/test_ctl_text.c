// What people read: tables, sizes, permissions; and the names that are made of names.
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "check_main.h"
#include "ctl/columns.h"
#include "ctl/paths.h"
#include "ctl/units.h"
#include "proto/opengeni_agent.pb-c.h"

static char *printed; // of a stream that has been closed
static size_t printed_size;

static FILE *screen(void)
{
    return open_memstream(&printed, &printed_size);
}

START_TEST(columns_line_up_whatever_the_script_of_their_cells)
{
    ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
    static const char *const heads[] = {"NAME", "-SIZE", "KIND", NULL};
    struct columns *table = columns_new(heads);
    const char *const cells[] = {"Größe", "1", "file", "文字", "1234567", "d"};
    for (size_t i = 0; i < 6; i++)
        columns_add(table, cells[i]);
    FILE *out = screen();
    columns_print(table, out);
    fclose(out);
    columns_free(table);
    ck_assert_str_eq(printed, "NAME      SIZE  KIND\n"
                              "Größe        1  file\n"
                              "文字   1234567  d\n");
    free(printed);
}
END_TEST

START_TEST(a_cell_cannot_steer_the_terminal)
{
    static const char *const heads[] = {"", NULL};
    struct columns *table = columns_new(heads);
    columns_add(table, "a\033[2Jb\r\nc\x7f");
    FILE *out = screen();
    columns_print(table, out);
    fclose(out);
    columns_free(table);
    ck_assert_str_eq(printed, "a[2Jbc\n");
    free(printed);
}
END_TEST

START_TEST(names_fill_the_terminal_column_by_column)
{
    char *names[] = {"a", "bb", "ccc", "d", "e"};
    FILE *out = screen();
    columns_names(names, 5, 13, out);
    fclose(out);
    ck_assert_str_eq(printed, "a    ccc  e\nbb   d\n");
    free(printed);
    out = screen();
    columns_names(names, 5, 1, out); // narrower than any name
    fclose(out);
    ck_assert_str_eq(printed, "a\nbb\nccc\nd\ne\n");
    free(printed);
}
END_TEST

START_TEST(sizes_have_three_digits_at_most)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0"},           {1023, "1023"},     {1024, "1.0K"},
                 {10188, "9.9K"},    {10189, "10K"},     {1024 * 1024 - 1, "1.0M"},
                 {5u << 20, "5.0M"}, {UINT64_MAX, "16E"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ck_assert_str_eq(unit_size_text(sizes[i].bytes), sizes[i].text);
}
END_TEST

START_TEST(permissions_look_as_in_ls)
{
    int file = OG__FS_ENTRY_KIND__FS_ENTRY_KIND_FILE;
    ck_assert_str_eq(unit_mode_text(0100644, file), "-rw-r--r--");
    ck_assert_str_eq(unit_mode_text(0104755, file), "-rwsr-xr-x");
    ck_assert_str_eq(unit_mode_text(0102644, file), "-rw-r-Sr--");
    ck_assert_str_eq(unit_mode_text(0041777, OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY),
                     "drwxrwxrwt");
    ck_assert_str_eq(unit_mode_text(S_IFIFO | 0600, file), "prw-------");
    ck_assert_str_eq(unit_mode_text(0777, OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK), "lrwxrwxrwx");
}
END_TEST

START_TEST(ages_have_one_unit_and_times_are_standard)
{
    ck_assert_str_eq(unit_iso_time_text(0), "1970-01-01T00:00:00Z");
    ck_assert_str_eq(unit_age_text(999), "now");
    ck_assert_str_eq(unit_age_text(3 * 86400 * 1000ll), "3d");
}
END_TEST

START_TEST(a_copy_in_a_directory_is_called_as_its_origin)
{
    static const char *const cases[][3] = {
        {"dir", "/etc/hosts", "dir/hosts"},
        {"dir/", "hosts", "dir/hosts"},
        {"/", "a/b//", "/b"},
        {"dir", "/", "dir/file"},
        {"dir", "a/..", "dir/file"},
        {"dir", "~", "dir/file"},
        {".", ".profile", "./.profile"},
        {"", "x", "/x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = path_in(cases[i][0], path_name(cases[i][1]));
        ck_assert_str_eq(path, cases[i][2]);
        mem_free(path);
    }
}
END_TEST

START_TEST(a_temporary_name_is_beside_the_file_and_fits)
{
    char *path = path_temporary("a/b/c.txt");
    ck_assert_int_eq(strncmp(path, "a/b/.c.txt.", 11), 0);
    ck_assert_int_eq(strlen(path), strlen("a/b/.c.txt.0123456789abcdef.tmp"));
    mem_free(path);
    char name[256];
    for (size_t i = 0; i < 255; i += 3)
        memcpy(name + i, "\xe2\x82\xac", 3); // cut between characters
    name[255] = '\0';
    path = path_temporary(name);
    ck_assert_int_le(strlen(path), 255);
    ck_assert(utf8_valid(path, strlen(path)));
    mem_free(path);
}
END_TEST

CHECK_MAIN("ctl_text", 300, columns_line_up_whatever_the_script_of_their_cells,
           a_cell_cannot_steer_the_terminal, names_fill_the_terminal_column_by_column,
           sizes_have_three_digits_at_most, permissions_look_as_in_ls,
           ages_have_one_unit_and_times_are_standard, a_copy_in_a_directory_is_called_as_its_origin,
           a_temporary_name_is_beside_the_file_and_fits)
