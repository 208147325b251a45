#include "scratch.h"

#include <sys/wait.h>

#include "base/alloc.h"
#include "files/digest.h"
#include "files/sha256.h"

static const char *digest_of(const void *data, size_t size, size_t step)
{
    static char hex[DIGEST_HEX_BYTES];
    unsigned char digest[SHA256_BYTES];
    struct sha256 hash;
    sha256_init(&hash);
    for (size_t at = 0; at < size; at += step)
        sha256_add(&hash, (const char *)data + at, size - at < step ? size - at : step);
    sha256_end(&hash, digest);
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return hex;
}

// FIPS 180-4 examples, and a million times "a"
START_TEST(known_digests)
{
    ck_assert_str_eq(digest_of("", 0, 1),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_str_eq(digest_of("abc", 3, 3),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_str_eq(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 5),
                     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = mem_array(1, 1000000);
    memset(million, 'a', 1000000);
    ck_assert_str_eq(digest_of(million, 1000000, 977),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    mem_free(million);
}
END_TEST

START_TEST(pieces_make_no_difference)
{
    char data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31);
    for (size_t size = 0; size < sizeof data; size++) {
        char whole[DIGEST_HEX_BYTES];
        snprintf(whole, sizeof whole, "%s", digest_of(data, size, sizeof data));
        ck_assert_str_eq(digest_of(data, size, 1), whole);
        ck_assert_str_eq(digest_of(data, size, 63), whole);
    }
}
END_TEST

START_TEST(running_program)
{
    char hex[DIGEST_HEX_BYTES], expected[DIGEST_HEX_BYTES] = "", path[32];
    int ends[2];
    digest_self(hex);
    snprintf(path, sizeof path, "/proc/%d/exe", (int)getpid());
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execlp("sha256sum", "sha256sum", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], expected, sizeof expected - 1), sizeof expected - 1);
    waitpid(child, NULL, 0);
    ck_assert_str_eq(hex, expected);
    close(ends[0]);
}
END_TEST

START_TEST(unreadable_descriptor)
{
    char hex[DIGEST_HEX_BYTES];
    int dir = open(scratch, O_RDONLY);
    ck_assert(!digest_descriptor(dir, hex));
    ck_assert_int_eq(errno, EISDIR);
    close(dir);
}
END_TEST

RUN_SUITE("sha256", known_digests, pieces_make_no_difference, running_program,
          unreadable_descriptor)
