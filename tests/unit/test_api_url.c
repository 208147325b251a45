#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "config/api_url.h"

#include "check_main.h"

static const struct {
    const char *in, *out;
} good[] = {
    {"https://app.opengeni.ai/", "https://app.opengeni.ai"},
    {"HTTPS://App.OpenGeni.AI:443//", "https://app.opengeni.ai"},
    {" https://one.example/base/?q=1#f ", "https://one.example/base"},
    {"http://127.0.0.1:80", "http://127.0.0.1"},
    {"http://127.0.0.1:8000", "http://127.0.0.1:8000"},
    {"https://x/a/../b/", "https://x/b"},
    {"\t\nhttps://x\r\n ", "https://x"},
    {"https://x:", "https://x"},
    {"https://x:/p", "https://x/p"},
    {"https://x:00443", "https://x"},
    {"https://x:80", "https://x:80"},
    {"https://x:0", "https://x:0"},
    {"https://x:65535", "https://x:65535"},
    {"https://x.", "https://x."},
    {"https:\\\\x\\a\\b", "https://x/a/b"},
    {"https:x", "https://x"},
    {"https:////x//a//b", "https://x//a//b"},
    {"https://x/./a/.//b/..", "https://x/a"},
    {"https://x/a/%2e%2E/%2e/b", "https://x/b"},
    {"https://x/../../..", "https://x"},
    {"https://x/a/.../b", "https://x/a/.../b"},
    {"https://x/a/..", "https://x"},
    {"https://x/a b\"<>`{}|\xc3\xa4", "https://x/a%20b%22%3C%3E%60%7B%7D|%C3%A4"},
    {"https://x/%41", "https://x/%41"},
    {"https://x?q", "https://x"},
    {"https://x#@evil", "https://x"},
    {"https://x/a@b:c", "https://x/a@b:c"},
    {"https://xn--mnchen-3ya.example", "https://xn--mnchen-3ya.example"},
    {"http://127.1:8000", "http://127.0.0.1:8000"},
    {"http://0x7f.0.0.1", "http://127.0.0.1"},
    {"http://017700000001", "http://127.0.0.1"},
    {"http://4294967295", "http://255.255.255.255"},
    {"http://1.2.3.4.", "http://1.2.3.4"},
    {"http://1.2.3.four", "http://1.2.3.four"},
    {"http://[::1]:8000/", "http://[::1]:8000"},
    {"http://[0:0:0:0:0:0:0:1]", "http://[::1]"},
    {"http://[2001:DB8:0:0:1:0:0:1]", "http://[2001:db8::1:0:0:1]"},
    {"http://[1:0:2:0:3:0:4:0]", "http://[1:0:2:0:3:0:4:0]"},
    {"http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]"},
    {"http://[1::]", "http://[1::]"},
    {"http://[::]", "http://[::]"},
};

START_TEST(urls_come_out_in_one_spelling)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *url = NULL, *again = NULL;
        struct fail why = {0};
        ck_assert_msg(api_url_normalise(good[i].in, &url, &why), "%s: %s", good[i].in, why.what);
        ck_assert_str_eq(url, good[i].out);
        ck_assert(api_url_normalise(url, &again, &why));
        ck_assert_str_eq(again, url);
        mem_free(url);
        mem_free(again);
    }
}
END_TEST

static const char *const bad[] = {
    "",
    " ",
    "app.opengeni.ai",
    "localhost:8000",
    "ftp://x",
    "file:///x",
    "httpss://x",
    "https",
    "https:",
    "https://",
    "https:///",
    "https://?q",
    "https://#f",
    "https://:80",
    "https://user@x",
    "https://user:password@x",
    "https://@x",
    "https://x:65536",
    "https://x:99999999999999999999",
    "https://x:8a",
    "https://x:-1",
    "https://x y",
    "https://x\ny",
    "https://x/\x01y",
    "https://x\x7f",
    "https://m\xc3\xbcnchen.example",
    "https://x%41",
    "https://x<",
    "https://x^",
    "https://x|",
    "https://[::1",
    "https://[::1]x",
    "https://[]",
    "https://[",
    "https://[1::2::3]",
    "https://[fe80::1%25eth0]",
    "https://1.2.3.4.5",
    "https://256.1.1.1",
    "https://1.2.3.256",
    "https://4294967296",
    "https://1..2",
    "https://x.09",
    "https://1.2.3.08",
    "https://99999999999999",
};

START_TEST(what_is_no_usable_url_is_refused_with_a_reason)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *url = NULL;
        struct fail why = {0};
        bool accepted = api_url_normalise(bad[i], &url, &why);
        ck_assert_msg(!accepted, "%s -> %s", bad[i], url);
        ck_assert_uint_gt(strlen(why.what), 0);
        ck_assert_int_eq(why.kind, FAIL_INVALID);
    }
}
END_TEST

START_TEST(the_length_is_limited)
{
    for (size_t size = API_URL_BYTES_MAX - 1; size <= API_URL_BYTES_MAX + 1; size++) {
        char *text = mem_array(size + 1, 1), *url = NULL;
        memset(text, 'a', size);
        memcpy(text, "https://x/", 10);
        ck_assert_int_eq(api_url_normalise(text, &url, NULL), size <= API_URL_BYTES_MAX);
        mem_free(text);
        mem_free(url);
    }
    char host[400] = "https://";
    memset(host + 8, 'h', 300);
    char *url;
    ck_assert(!api_url_normalise(host, &url, NULL));
}
END_TEST

START_TEST(endpoints_keep_the_path_of_the_base)
{
    char *url = api_url_endpoint("https://x.example/base", "v1/enrollments/device/start");
    ck_assert_str_eq(url, "https://x.example/base/v1/enrollments/device/start");
    mem_free(url);
    url = api_url_endpoint("https://x", "/v1");
    ck_assert_str_eq(url, "https://x/v1");
    mem_free(url);
}
END_TEST

START_TEST(only_http_to_another_machine_is_in_clear)
{
    ck_assert(api_url_in_clear("http://one.example"));
    ck_assert(api_url_in_clear("http://10.0.0.1:8000/base"));
    ck_assert(api_url_in_clear("http://[2001:db8::1]:80"));
    ck_assert(api_url_in_clear("http://127.evil.example"));
    ck_assert(api_url_in_clear("http://localhost.example"));
    ck_assert(!api_url_in_clear("http://127.0.0.1:8000"));
    ck_assert(!api_url_in_clear("http://127.8.8.8"));
    ck_assert(!api_url_in_clear("http://localhost:3000/x"));
    ck_assert(!api_url_in_clear("http://hub.localhost"));
    ck_assert(!api_url_in_clear("http://[::1]:8000"));
    ck_assert(!api_url_in_clear("https://one.example"));
}
END_TEST

CHECK_MAIN("api_url", 300, urls_come_out_in_one_spelling,
           what_is_no_usable_url_is_refused_with_a_reason, the_length_is_limited,
           endpoints_keep_the_path_of_the_base, only_http_to_another_machine_is_in_clear)
