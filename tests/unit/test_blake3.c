#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/blake3.h"
#include "check_main.h"

// Inputs are the bytes 0, 1, ... 250, 0, 1, ... as in the test vectors of the specification.
static const struct {
    size_t size;
    const char *hex;
} vectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
    {2, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63"},
    {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98"},
    {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee"},
    {127, "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd640d"},
    {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef"},
    {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
    {2047, "58830fbf51a4423c573b164471690570e544cfe793bead46225664796b4b1467"},
    {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
    {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"},
    {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
    {3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"},
    {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"},
    {4097, "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995"},
    {8191, "bae8dc916e8643c6cf024097237cde1cba35c05b5d84c02834cb6b886edb76d9"},
    {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63"},
    {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"},
    {9216, "e5ef79624045ef3e98fd23342e61d7eb965997b32928f9de591cd0d465a223fb"},
    {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
    {16385, "1dabe216be2578830263b049de1639f39f05a4da616b9b78c7a5e4e41662fd1f"},
    {24577, "c55871748aff66772182ab92572d802164b31aa75e44e8b9911dceeaa16646eb"},
    {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
    {65536, "68d647e619a930e7b1082f74f334b0c65a315725569bdc123f0ee11881717bfe"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
    {1048577, "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33"},
};
enum { VECTORS = sizeof vectors / sizeof *vectors, INPUT_MAX = 1048577 };

static unsigned char *input;

static void setup(void)
{
    input = mem_array(INPUT_MAX, 1);
    for (size_t i = 0; i < INPUT_MAX; i++)
        input[i] = (unsigned char)(i % 251);
}

static void teardown(void)
{
    mem_free(input);
}

START_TEST(matches_the_published_vectors)
{
    struct blake3 hash;
    char hex[BLAKE3_HEX_BYTES];
    blake3_init(&hash);
    blake3_update(&hash, input, vectors[_i].size);
    blake3_final_hex(&hash, hex);
    ck_assert_str_eq(hex, vectors[_i].hex);
}
END_TEST

START_TEST(pieces_of_any_size_give_the_same_digest)
{
    srandom(7);
    for (int turn = 0; turn < 20; turn++) {
        struct blake3 hash;
        char hex[BLAKE3_HEX_BYTES];
        blake3_init(&hash);
        for (size_t at = 0; at < vectors[_i].size;) {
            size_t most = turn % 2 ? 300 : 20000, n = 1 + (size_t)random() % most;
            if (n > vectors[_i].size - at)
                n = vectors[_i].size - at;
            blake3_update(&hash, input + at, n);
            at += n;
        }
        blake3_final_hex(&hash, hex);
        ck_assert_str_eq(hex, vectors[_i].hex);
    }
}
END_TEST

START_TEST(a_digest_in_between_disturbs_nothing)
{
    struct blake3 hash;
    unsigned char digest[BLAKE3_BYTES], direct[BLAKE3_BYTES];
    blake3_init(&hash);
    for (size_t at = 0; at < 40960; at += 512) {
        blake3_final(&hash, digest);
        blake3_digest(input, at, direct);
        ck_assert_mem_eq(digest, direct, BLAKE3_BYTES);
        blake3_update(&hash, input + at, 512);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("blake3");
    tcase_set_timeout(tc, 300);
    tcase_add_unchecked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, matches_the_published_vectors, 0, VECTORS);
    tcase_add_loop_test(tc, pieces_of_any_size_give_the_same_digest, 0, VECTORS);
    tcase_add_test(tc, a_digest_in_between_disturbs_nothing);
    return check_run_case("blake3", tc);
}
