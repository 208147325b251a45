#include <string.h>

#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/buffer.h"
#include "base/io.h"
#include "base/limits.h"
#include "update/minisign.h"

#include <fcntl.h>

#include "check_main.h"

static struct buffer load(const char *name)
{
    struct buffer out;
    char *path = mem_printf(OG_SOURCE_DIR "/tests/vectors/update/%s", name);
    buffer_init(&out, 1 << 20);
    ck_assert_msg(io_read_file(AT_FDCWD, path, &out), "%s", path);
    mem_free(path);
    return out;
}

static struct minisign_key load_key(void)
{
    struct minisign_key key;
    struct buffer text = load("test-key.pub");
    ck_assert(minisign_key_parse(text.data, text.size, &key, NULL));
    buffer_fini(&text);
    return key;
}

static bool good(const struct minisign_key *key, const struct buffer *file,
                 const struct buffer *signature)
{
    struct fail why = {.kind = FAIL_NONE};
    bool yes =
        minisign_check_data(key, file->data, file->size, signature->data, signature->size, &why);
    ck_assert(yes || *why.what);
    return yes;
}

static const char *const files[] = {"agent-v1.0.1", "manifest.json"};

// Each file with each single byte changed, in it and in its signature.
START_TEST(a_changed_byte_is_noticed)
{
    static const char flips[] = {1, 0x20, 0x40};
    struct minisign_key key = load_key();
    struct buffer file = load(files[_i]);
    char *name = mem_printf("%s.minisig", files[_i]);
    struct buffer signature = load(name);
    size_t first_line = (size_t)(strchr(signature.data, '\n') - signature.data);
    ck_assert(good(&key, &file, &signature));
    for (size_t f = 0; f < sizeof flips; f++) {
        for (size_t i = 0; i < file.size; i++) {
            file.data[i] ^= flips[f];
            ck_assert_msg(!good(&key, &file, &signature), "byte %zu", i);
            file.data[i] ^= flips[f];
        }
        for (size_t i = first_line; i < signature.size - 1; i++) {
            signature.data[i] ^= flips[f];
            ck_assert_msg(!good(&key, &file, &signature), "byte %zu of the signature", i);
            signature.data[i] ^= flips[f];
        }
        for (size_t i = 0; i < sizeof key; i++) {
            ((char *)&key)[i] ^= flips[f];
            ck_assert_msg(!good(&key, &file, &signature), "byte %zu of the key", i);
            ((char *)&key)[i] ^= flips[f];
        }
    }
    ck_assert(good(&key, &file, &signature));
    file.size--;
    ck_assert(!good(&key, &file, &signature));
    file.size++;
    for (size_t size = 0; size < signature.size - 3; size++) {
        struct buffer part = {.data = signature.data, .size = size};
        ck_assert_msg(!good(&key, &file, &part), "%zu bytes", size);
    }
    buffer_fini(&file);
    buffer_fini(&signature);
    mem_free(name);
}
END_TEST

START_TEST(a_signature_of_another_file_does_not_fit)
{
    struct minisign_key key = load_key();
    struct buffer file = load("agent-v1.0.1"), signature = load("manifest.json.minisig");
    ck_assert(!good(&key, &file, &signature));
    buffer_fini(&file);
    buffer_fini(&signature);
}
END_TEST

// Made with the seed 00 01 .. 1f and the key id 01 .. 08, over "hello\n".
static const char hello_key[] = "RWQBAgMEBQYHCAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
#define HELLO_FIRST                                            \
    "RUQBAgMEBQYHCJW9EkMWxs6buKMtyf9iQstZnl/"                  \
    "JVX6bcNnk6YHUtSNV2t+uis8Y6wBHAirrTCY2AaaAft2KdItK60I8DOS" \
    "feAk="
#define HELLO_COMMENT "trusted comment: timestamp:1700000000\tfile:hello.txt\thashed"
#define HELLO_GLOBAL \
    "cWDXHhywEuf/LDpfnYyl4IoShwCIaVoBosg7LUWaL2JOFzD7w2rHIBToeDh4yT4UcfOxmztkzX/2XqwMjRgICQ=="

static bool hello(const char *key_text, const char *signature, struct fail *why)
{
    struct minisign_key key;
    ck_assert(minisign_key_parse(key_text, strlen(key_text), &key, NULL));
    return minisign_check_data(&key, "hello\n", 6, signature, strlen(signature), why);
}

START_TEST(line_ends_and_what_follows_do_not_matter)
{
    static const char *const texts[] = {
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n",
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL,
        "untrusted comment: x\r\n" HELLO_FIRST "\r\n" HELLO_COMMENT "\r\n" HELLO_GLOBAL "\r\n",
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\nmore\n",
        "untrusted comment: \n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(hello(hello_key, texts[i], NULL), "text %zu", i);
    char *two_lines = mem_printf("untrusted comment: minisign public key\r\n%s\r\n\r\n", hello_key);
    ck_assert(hello(two_lines, texts[0], NULL));
    mem_free(two_lines);
}
END_TEST

START_TEST(anything_else_is_no_signature)
{
    static const char *const texts[] = {
        "",
        "\n\n\n\n",
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n",
        HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n",
        "x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n",
        "untrusted comment: x\n" HELLO_FIRST "\nuntrusted comment: y\n" HELLO_GLOBAL "\n",
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT " \n" HELLO_GLOBAL "\n",
        "untrusted comment: x\n" HELLO_GLOBAL "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n",
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_FIRST "\n",
        "untrusted comment: x\n " HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!hello(hello_key, texts[i], NULL), "text %zu", i);
    char *huge = mem_array(10 << 20, 1);
    memset(huge, 'x', (10 << 20) - 1);
    ck_assert(!hello(hello_key, huge, NULL));
    mem_free(huge);
}
END_TEST

START_TEST(a_signature_without_a_digest_is_refused)
{
    struct fail why;
    static const char legacy[] = "untrusted comment: x\n"
                                 "RWQBAgMEBQYHCLCB8qZ4IxEGL9BaMuh6upuVa6ngpVI4rJA32UgutelhwQq7kVTch"
                                 "1z0fFcvy569zJn9RWfo5C2apY59"
                                 "1ftvWQY=\n"
                                 "trusted comment: timestamp:1700000000\tfile:hello.txt\n"
                                 "ylUgp+6el0+GZCcv1c4nYSEswttaCCExNG09kVSMZiORz6NxUINDXUnAWKW7Sa38/"
                                 "F+k5SbgKZsBir5v3fUWAQ==\n";
    ck_assert(!hello(hello_key, legacy, &why));
    ck_assert(strstr(why.what, "older kind"));
}
END_TEST

// The group's order, RFC 8032 section 5.1: a signature whose second half has it added is the same
// equation, and must not count as another valid signature.
START_TEST(a_second_spelling_of_a_signature_is_refused)
{
    static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a,       0x63,
                                            0x12, 0x58, 0xd6, 0x9c, 0xf7,       0xa2,
                                            0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    struct minisign_key key;
    struct minisign parsed;
    unsigned char digest[MINISIGN_DIGEST_BYTES];
    static const char text[] =
        "untrusted comment: x\n" HELLO_FIRST "\n" HELLO_COMMENT "\n" HELLO_GLOBAL "\n";
    ck_assert(minisign_key_parse(hello_key, strlen(hello_key), &key, NULL));
    ck_assert(minisign_parse(text, sizeof text - 1, &parsed, NULL));
    ck_assert(EVP_Digest("hello\n", 6, digest, NULL, EVP_blake2b512(), NULL) == 1);
    ck_assert(minisign_check(&key, &parsed, digest, NULL));
    for (unsigned i = 0, carry = 0; i < 32; i++) {
        carry += parsed.signature[32 + i] + (unsigned)order[i];
        parsed.signature[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    ck_assert(!minisign_check(&key, &parsed, digest, NULL));
}
END_TEST

START_TEST(a_key_is_a_key_or_nothing)
{
    struct minisign_key key;
    static const char *const bad[] = {
        "",
        "\n",
        "untrusted comment: x\n",
        "RWQBAgMEBQYHCAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG",
        "RUQBAgMEBQYHCAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "RWQBAgMEBQYHCAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4AAAA",
        "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!minisign_key_parse(bad[i], strlen(bad[i]), &key, NULL), "%s", bad[i]);
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("update_signature");
    tcase_set_timeout(all, 300);
    tcase_add_loop_test(all, a_changed_byte_is_noticed, 0, sizeof files / sizeof *files);
    tcase_add_test(all, a_signature_of_another_file_does_not_fit);
    tcase_add_test(all, line_ends_and_what_follows_do_not_matter);
    tcase_add_test(all, anything_else_is_no_signature);
    tcase_add_test(all, a_signature_without_a_digest_is_refused);
    tcase_add_test(all, a_second_spelling_of_a_signature_is_refused);
    tcase_add_test(all, a_key_is_a_key_or_nothing);
    return check_run_case("update_signature", all);
}
