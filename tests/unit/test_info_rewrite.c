#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "check_main.h"
#include "relay/info_rewrite.h"

static struct buffer out;
static size_t used;
static struct fail why;

static enum info_rewrite rewrite(const char *data, size_t size)
{
    buffer_fini(&out);
    buffer_init(&out, 1u << 20);
    used = 0;
    why = (struct fail){0};
    return info_rewrite(data, size, &out, &used, &why);
}

static void becomes(const char *in, const char *expected)
{
    ck_assert_int_eq(rewrite(in, strlen(in)), INFO_REWRITTEN);
    ck_assert_str_eq(out.data, expected);
}

static void invalid(const char *in, const char *reason)
{
    ck_assert_int_eq(rewrite(in, strlen(in)), INFO_INVALID);
    ck_assert_ptr_nonnull(strstr(why.what, reason));
}

START_TEST(true_becomes_false_and_nothing_else_changes)
{
    becomes(
        "INFO {\"server_id\":\"A\",\"tls_required\":true,\"tls_available\":true,"
        "\"max_payload\":1048576,\"connect_urls\":[\"h:4222\"],\"x\":{\"tls_required\":true}}\r\n",
        "INFO {\"server_id\":\"A\",\"tls_required\":false,\"tls_available\":false,"
        "\"max_payload\":1048576,\"connect_urls\":[\"h:4222\"],\"x\":{\"tls_required\":true}}\r\n");
    becomes("INFO {\"tls_required\":true}\r\n", "INFO {\"tls_required\":false}\r\n");
    becomes("INFO {\"tls_available\":true,\"a\":1}\r\n",
            "INFO {\"tls_available\":false,\"a\":1}\r\n");
}
END_TEST

START_TEST(a_line_without_tls_stays_as_it_is)
{
    becomes("INFO {\"a\" : 1,  \"tls_required\": false, \"n\": 1.50}\r\n",
            "INFO {\"a\" : 1,  \"tls_required\": false, \"n\": 1.50}\r\n");
}
END_TEST

START_TEST(every_spelling_a_server_uses_is_read)
{
    becomes("info\t{}  \n", "INFO {}\r\n");
    becomes("INFO   {} \r\n", "INFO {}\r\n");
}
END_TEST

START_TEST(what_follows_the_line_is_left_alone)
{
    const char *in = "INFO {\"tls_required\":true} \r\nPING\r\n";
    ck_assert_int_eq(rewrite(in, strlen(in)), INFO_REWRITTEN);
    ck_assert_str_eq(out.data, "INFO {\"tls_required\":false}\r\n");
    ck_assert_str_eq(in + used, "PING\r\n");
}
END_TEST

START_TEST(a_line_may_arrive_byte_by_byte)
{
    const char *in = "INFO {\"tls_required\":true}\r\n";
    for (size_t i = 0; i < strlen(in); i++)
        ck_assert_int_eq(rewrite(in, i), INFO_INCOMPLETE);
    ck_assert_int_eq(rewrite(in, strlen(in)), INFO_REWRITTEN);
}
END_TEST

START_TEST(anything_else_is_refused_with_its_own_words)
{
    invalid("-ERR 'maximum connections exceeded'\r\n", "maximum connections exceeded");
    invalid("SSH-2.0-OpenSSH\033[31m\r\n", "SSH-2.0-OpenSSH[31m");
    invalid("\r\n", "no NATS server");
    invalid("INFO\r\n", "no NATS server");
    invalid("INFORMATION {}\r\n", "no NATS server");
    invalid("INFO {\r\n", "no JSON object");
    invalid("INFO []\r\n", "no JSON object");
    invalid("INFO {} {}\r\n", "no JSON object");
    invalid("INFO {\"a\":\"\xff\"}\r\n", "no JSON object");
}
END_TEST

// A line of exactly size bytes.
static char *line_of(size_t size, const char *tls)
{
    char *line = malloc(size + 1);
    size_t n = (size_t)snprintf(line, size, "INFO {\"tls_required\":%s,\"x\":\"", tls);
    memset(line + n, 'x', size - n);
    memcpy(line + size - 4, "\"}\r\n", 4);
    line[size] = '\0';
    return line;
}

START_TEST(the_longest_line_is_taken_and_one_byte_more_is_not)
{
    char *line = line_of(TUNNEL_INFO_BYTES_MAX, "false");
    ck_assert_int_eq(rewrite(line, TUNNEL_INFO_BYTES_MAX - 1), INFO_INCOMPLETE);
    ck_assert_int_eq(rewrite(line, TUNNEL_INFO_BYTES_MAX), INFO_REWRITTEN);
    ck_assert_uint_eq(out.size, TUNNEL_INFO_BYTES_MAX);
    free(line);
    line = line_of(TUNNEL_INFO_BYTES_MAX + 1, "false");
    ck_assert_int_eq(rewrite(line, TUNNEL_INFO_BYTES_MAX), INFO_INVALID);
    ck_assert_int_eq(rewrite(line, TUNNEL_INFO_BYTES_MAX + 1), INFO_INVALID);
    free(line);
    line = line_of(TUNNEL_INFO_BYTES_MAX, "true"); // "false" is a byte longer
    ck_assert_int_eq(rewrite(line, TUNNEL_INFO_BYTES_MAX), INFO_INVALID);
    free(line);
    line = line_of(TUNNEL_INFO_BYTES_MAX - 1, "true");
    ck_assert_int_eq(rewrite(line, TUNNEL_INFO_BYTES_MAX - 1), INFO_REWRITTEN);
    ck_assert_uint_eq(out.size, TUNNEL_INFO_BYTES_MAX);
    free(line);
}
END_TEST

CHECK_MAIN("info_rewrite", 300, true_becomes_false_and_nothing_else_changes,
           a_line_without_tls_stays_as_it_is, every_spelling_a_server_uses_is_read,
           what_follows_the_line_is_left_alone, a_line_may_arrive_byte_by_byte,
           anything_else_is_refused_with_its_own_words,
           the_longest_line_is_taken_and_one_byte_more_is_not)
