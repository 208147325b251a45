// Which server, and how its address is read.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "ctl/address.h"
#include "ctl/fault.h"
#include "ctl/server.h"

static struct address address;
static struct fault fault;

static const struct {
    const char *text;
    enum address_scheme scheme;
    const char *host;
    unsigned port;
    const char *path;
} good[] = {
    {"host", ADDRESS_NATS, "host", 4222, "/"},
    {"host:1", ADDRESS_NATS, "host", 1, "/"},
    {"nats://127.0.0.1:4223", ADDRESS_NATS, "127.0.0.1", 4223, "/"},
    {"tls://a.b/", ADDRESS_TLS, "a.b", 4222, "/"},
    {"ws://[::1]", ADDRESS_WS, "::1", 80, "/"},
    {"WSS://[::1]:65535/nats?x=1", ADDRESS_WSS, "::1", 65535, "/nats?x=1"},
};

START_TEST(addresses_are_read)
{
    ck_assert(address_parse(good[_i].text, &address, &fault));
    ck_assert_int_eq(address.scheme, good[_i].scheme);
    ck_assert_str_eq(address.host, good[_i].host);
    ck_assert_uint_eq(address.port, good[_i].port);
    ck_assert_str_eq(address.path, good[_i].path);
}
END_TEST

static const char *const wrong[] = {"",          "http://host", "nats://",   "host:",  "host:0",
                                    "host:x",    "host:65536",  "[::1",      "[::1]x", "[]",
                                    "://host:1", "host:123456", "nats://:42"};

START_TEST(what_is_no_address_is_refused)
{
    ck_assert(!address_parse(wrong[_i], &address, &fault));
    ck_assert_int_eq(fault.kind, FAULT_SERVER);
}
END_TEST

START_TEST(a_secret_in_an_address_is_refused_and_not_repeated)
{
    ck_assert(!address_parse("nats://hunter2@host", &address, &fault));
    ck_assert_ptr_null(strstr(fault.text, "hunter2"));
    ck_assert_ptr_nonnull(strstr(fault.text, "--token-file"));
}
END_TEST

START_TEST(the_token_is_the_first_line_of_its_file)
{
    char path[] = "/tmp/og-token-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "secret\r\nrest\n", 13), 13);
    struct server server;
    bool ok = server_find(&server, "somewhere", path, &fault);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    struct server none;
    bool empty = server_find(&none, NULL, path, &fault);
    close(fd);
    unlink(path);
    ck_assert(ok && !empty);
    ck_assert_str_eq(server.url, "somewhere");
    ck_assert_str_eq(server.token, "secret");
    server_fini(&server);
}
END_TEST

START_TEST(the_environment_names_the_server_when_no_option_does)
{
    setenv("OPENGENI_SERVER", "nats://there:1", 1);
    unsetenv("OPENGENI_TOKEN_FILE");
    struct server server;
    ck_assert(server_find(&server, NULL, NULL, &fault));
    ck_assert_str_eq(server.url, "nats://there:1");
    ck_assert_ptr_null(server.token);
    server_fini(&server);
    setenv("OPENGENI_TOKEN_FILE", "/nonexistent/token", 1);
    ck_assert(!server_find(&server, "here", NULL, &fault));
    ck_assert_ptr_nonnull(strstr(fault.text, "/nonexistent/token"));
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("server");
    tcase_add_loop_test(all, addresses_are_read, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(all, what_is_no_address_is_refused, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(all, a_secret_in_an_address_is_refused_and_not_repeated);
    tcase_add_test(all, the_token_is_the_first_line_of_its_file);
    tcase_add_test(all, the_environment_names_the_server_when_no_option_does);
    return check_run_case("ctl_server", all);
}
