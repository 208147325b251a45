// Where local programs connect to what the client shows.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check_main.h"
#include "ctl/fault.h"
#include "ctl/listener.h"

static struct fault fault;

START_TEST(a_port_that_is_taken_is_told)
{
    struct listener first, second;
    ck_assert(listener_open(&first, NULL, 0, &fault));
    ck_assert_uint_gt(first.port, 0);
    ck_assert(!listener_open(&second, NULL, first.port, &fault));
    ck_assert_str_eq(fault.text, "listen on 127.0.0.1: Address already in use");
    listener_close(&second);
    listener_close(&first);
}
END_TEST

START_TEST(a_socket_that_a_dead_program_left_is_replaced_and_nothing_else)
{
    char dir[] = "/tmp/og-listener-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(left, (struct sockaddr *)&at, sizeof at), 0);
    close(left);

    struct listener first, second;
    struct stat st;
    ck_assert(listener_open(&first, path, 0, &fault));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    int caller = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(caller, (struct sockaddr *)&at, sizeof at), 0);
    int fd = listener_accept(&first);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(listener_accept(&first), -1);
    close(fd);
    close(caller);
    ck_assert(!listener_open(&second, path, 0, &fault)); // one that lives stays
    ck_assert_ptr_nonnull(strstr(fault.text, path));
    ck_assert_int_eq(stat(path, &st), 0);
    listener_close(&first);
    ck_assert_int_ne(stat(path, &st), 0);

    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert(!listener_open(&first, path, 0, &fault));
    ck_assert_int_eq(stat(path, &st), 0);
    unlink(path);
    rmdir(dir);
}
END_TEST

CHECK_MAIN("ctl_listener", 300, a_port_that_is_taken_is_told,
           a_socket_that_a_dead_program_left_is_replaced_and_nothing_else)
