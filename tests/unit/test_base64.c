#include <string.h>

#include "base/base64.h"
#include "check_main.h"

START_TEST(encodes_the_vectors_of_rfc_4648_without_padding)
{
    static const char *expected[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t n = 0; n <= 6; n++) {
        char text[BASE64_TEXT_BYTES(6)];
        memset(text, 'x', sizeof text);
        base64_encode(BASE64_STANDARD, "foobar", n, text);
        ck_assert_str_eq(text, expected[n]);
        ck_assert_uint_eq(strlen(text) + 1, BASE64_TEXT_BYTES(n));
    }
}
END_TEST

START_TEST(the_alphabets_differ_in_two_characters)
{
    char text[8];
    base64_encode(BASE64_STANDARD, "\xfb\xff", 2, text);
    ck_assert_str_eq(text, "+/8");
    base64_encode(BASE64_URL, "\xfb\xff", 2, text);
    ck_assert_str_eq(text, "-_8");
}
END_TEST

static bool decodes(enum base64_alphabet alphabet, const char *text, const char *expected)
{
    char out[64];
    size_t size;
    if (!base64_decode(alphabet, text, strlen(text), out, &size))
        return false;
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_mem_eq(out, expected, size);
    return true;
}

START_TEST(decodes_with_and_without_padding)
{
    ck_assert(decodes(BASE64_STANDARD, "", ""));
    ck_assert(decodes(BASE64_STANDARD, "Zg", "f"));
    ck_assert(decodes(BASE64_STANDARD, "Zg==", "f"));
    ck_assert(decodes(BASE64_STANDARD, "Zm8=", "fo"));
    ck_assert(decodes(BASE64_URL, "Zm9vYmFy", "foobar"));
}
END_TEST

START_TEST(every_byte_survives_a_round_trip)
{
    unsigned char data[256], back[256];
    char text[BASE64_TEXT_BYTES(256)];
    size_t size;
    for (size_t i = 0; i < 256; i++)
        data[i] = (unsigned char)i;
    base64_encode(BASE64_URL, data, 256, text);
    ck_assert(base64_decode(BASE64_URL, text, strlen(text), back, &size));
    ck_assert_uint_eq(size, 256);
    ck_assert_mem_eq(back, data, 256);
}
END_TEST

START_TEST(refuses_what_is_no_base64)
{
    static const char *bad[] = {"Z",    "Zm9vY", "Zg=",  "Z===", "====", "Zh",        "Zm9",
                                "Zm 8", "Zm8\n", "Zm-_", "=Zg=", "Zg=x", "Zm\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!decodes(BASE64_STANDARD, bad[i], ""), "%s", bad[i]);
    ck_assert(!decodes(BASE64_URL, "Zm+/", ""));
    char out[4];
    size_t size;
    ck_assert(!base64_decode(BASE64_STANDARD, "Zg\0A", 4, out, &size));
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("base64");
    tcase_add_test(tc, encodes_the_vectors_of_rfc_4648_without_padding);
    tcase_add_test(tc, the_alphabets_differ_in_two_characters);
    tcase_add_test(tc, decodes_with_and_without_padding);
    tcase_add_test(tc, every_byte_survives_a_round_trip);
    tcase_add_test(tc, refuses_what_is_no_base64);
    return check_run_case("base64", tc);
}
