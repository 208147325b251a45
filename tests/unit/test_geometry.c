// Sizes of virtual screens as people write them, and what a dead X server leaves behind.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check_main.h"
#include "desktop_virtual/authority.h"
#include "desktop_virtual/geometry.h"
#include "desktop_virtual/stale.h"

static const struct {
    const char *text;
    unsigned width, height;
    bool as_is;
} sizes[] = {
    {"1024x768", 1024, 768, true},
    {"1920X1080", 1920, 1080, true},
    {"64x64", 64, 64, true},
    {"16384x16384", 16384, 16384, true},
    {"1920", 1920, 800, false},
    {"x600", 1280, 600, false},
    {"1024x", 1024, 800, false},
    {"junk", 1280, 800, false},
    {"", 1280, 800, false},
    {"1024x768x24", 1024, 768, false},
    {"63x64", 1280, 800, false},
    {"1024x16385", 1280, 800, false},
    {"99999999999x600", 1280, 600, false},
    {"-5x600", 1280, 600, false},
    {"1e3x600", 1280, 600, false},
    {"0x0", 1280, 800, false},
};

START_TEST(a_size_is_taken_as_far_as_it_makes_sense)
{
    struct geometry got;
    ck_assert_msg(geometry_read(sizes[_i].text, &got) == sizes[_i].as_is, "%s", sizes[_i].text);
    ck_assert_uint_eq(got.width, sizes[_i].width);
    ck_assert_uint_eq(got.height, sizes[_i].height);
}
END_TEST

START_TEST(every_start_has_a_cookie_of_its_own_for_the_owner_alone)
{
    char directory[] = "/tmp/og-virtual-XXXXXX", path[64], cookies[2][64];
    struct fail why;
    struct stat st;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/auth", directory);
    for (int i = 0; i < 2; i++) {
        ck_assert(authority_write(path, &why));
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
        FILE *file = fopen(path, "r");
        ck_assert_uint_eq(fread(cookies[i], 1, sizeof cookies[i], file), 2 + 2 + 2 + 20 + 18);
        fclose(file);
        ck_assert_mem_eq(cookies[i], "\377\377\0\0\0\0\0\22MIT-MAGIC-COOKIE-1\0\20", 28);
    }
    ck_assert(memcmp(cookies[0] + 28, cookies[1] + 28, 16) != 0);
    unlink(path);
    ck_assert(!authority_write("/nonexistent/auth", &why));
    rmdir(directory);
}
END_TEST

enum { NUMBER = 4711 }; // that no X server has here

START_TEST(remnants_of_a_dead_server_go_and_a_living_one_stays)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char lock[32];
    mkdir("/tmp/.X11-unix", 01777);
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/.X11-unix/X%d", NUMBER);
    snprintf(lock, sizeof lock, "/tmp/.X%d-lock", NUMBER);
    unlink(address.sun_path);
    ck_assert(stale_clear(NUMBER));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    close(open(lock, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ck_assert(!stale_clear(NUMBER));
    ck_assert_int_eq(access(lock, F_OK), 0);
    close(fd);
    ck_assert(stale_clear(NUMBER));
    ck_assert_int_ne(access(lock, F_OK), 0);
    ck_assert_int_ne(access(address.sun_path, F_OK), 0);
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("geometry");
    tcase_add_loop_test(all, a_size_is_taken_as_far_as_it_makes_sense, 0,
                        sizeof sizes / sizeof *sizes);
    tcase_add_test(all, every_start_has_a_cookie_of_its_own_for_the_owner_alone);
    tcase_add_test(all, remnants_of_a_dead_server_go_and_a_living_one_stays);
    return check_run_case("geometry", all);
}
