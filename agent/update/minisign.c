#include "update/minisign.h"

#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/base64.h"
#include "base/limits.h"

static const char untrusted[] = "untrusted comment:";
static const char trusted[] = "trusted comment: ";

enum { ALGORITHM_BYTES = 2, LINE_BYTES_MAX = 100 }; // 74 bytes in base64 are the longest

struct line {
    const char *text;
    size_t size;
};

// Takes the next line off the text, without its end. False when there is none.
static bool next_line(const char **text, size_t *size, struct line *line)
{
    if (*size == 0)
        return false;
    const char *end = memchr(*text, '\n', *size);
    size_t whole = end ? (size_t)(end - *text) : *size;
    *line = (struct line){*text, whole};
    if (line->size > 0 && line->text[line->size - 1] == '\r')
        line->size--;
    whole += end != NULL;
    *text += whole;
    *size -= whole;
    return true;
}

static bool starts_with(const struct line *line, const char *prefix)
{
    size_t size = strlen(prefix);
    return line->size >= size && memcmp(line->text, prefix, size) == 0;
}

// Base64 of exactly that many bytes.
static bool decode(const struct line *line, unsigned char *out, size_t size)
{
    unsigned char bytes[LINE_BYTES_MAX];
    size_t count;
    if (line->size > LINE_BYTES_MAX ||
        !base64_decode(BASE64_STANDARD, line->text, line->size, bytes, &count) || count != size)
        return false;
    memcpy(out, bytes, size);
    return true;
}

bool minisign_key_parse(const char *text, size_t size, struct minisign_key *key, struct fail *why)
{
    unsigned char bytes[ALGORITHM_BYTES + MINISIGN_ID_BYTES + MINISIGN_KEY_BYTES];
    struct line line, last = {NULL, 0};
    if (size > UPDATE_SIGNATURE_BYTES_MAX)
        return fail_because(why, FAIL_INVALID, "the public key is too long");
    while (next_line(&text, &size, &line))
        if (line.size > 0 && !starts_with(&line, untrusted))
            last = line;
    if (!last.text || !decode(&last, bytes, sizeof bytes) || memcmp(bytes, "Ed", 2) != 0)
        return fail_because(why, FAIL_INVALID, "this is no public key of minisign");
    memcpy(key->id, bytes + ALGORITHM_BYTES, sizeof key->id);
    memcpy(key->key, bytes + ALGORITHM_BYTES + MINISIGN_ID_BYTES, sizeof key->key);
    return true;
}

static bool malformed(struct fail *why)
{
    return fail_because(why, FAIL_INVALID, "this is no signature of minisign");
}

static bool take_signature(const struct line *line, struct minisign *out, struct fail *why)
{
    unsigned char bytes[ALGORITHM_BYTES + MINISIGN_ID_BYTES + MINISIGN_SIGNATURE_BYTES];
    if (!decode(line, bytes, sizeof bytes))
        return malformed(why);
    if (memcmp(bytes, "Ed", ALGORITHM_BYTES) == 0)
        return fail_because(why, FAIL_INVALID,
                            "the signature is of the older kind, without a digest");
    if (memcmp(bytes, "ED", ALGORITHM_BYTES) != 0)
        return malformed(why);
    memcpy(out->id, bytes + ALGORITHM_BYTES, sizeof out->id);
    memcpy(out->signature, bytes + ALGORITHM_BYTES + MINISIGN_ID_BYTES, sizeof out->signature);
    return true;
}

bool minisign_parse(const char *text, size_t size, struct minisign *out, struct fail *why)
{
    struct line lines[4] = {{NULL, 0}};
    *out = (struct minisign){.comment = NULL};
    if (size > UPDATE_SIGNATURE_BYTES_MAX)
        return fail_because(why, FAIL_INVALID, "the signature is too long");
    for (size_t i = 0; i < 4; i++)
        if (!next_line(&text, &size, &lines[i]))
            return malformed(why);
    if (!take_signature(&lines[1], out, why))
        return false;
    if (!starts_with(&lines[0], untrusted) || !starts_with(&lines[2], trusted) ||
        !decode(&lines[3], out->global, sizeof out->global))
        return malformed(why);
    out->comment = lines[2].text + strlen(trusted);
    out->comment_size = lines[2].size - strlen(trusted);
    return true;
}

// libcrypto takes no signature whose second half is not reduced (RFC 8032, 5.1.7).
static bool verify(const unsigned char *key, const unsigned char *signature, const void *data,
                   size_t size)
{
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, MINISIGN_KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = public && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
                EVP_DigestVerify(context, signature, MINISIGN_SIGNATURE_BYTES, data, size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    return good;
}

bool minisign_check(const struct minisign_key *key, const struct minisign *signature,
                    const unsigned char digest[MINISIGN_DIGEST_BYTES], struct fail *why)
{
    unsigned char both[MINISIGN_SIGNATURE_BYTES + UPDATE_SIGNATURE_BYTES_MAX];
    if (memcmp(key->id, signature->id, sizeof key->id) != 0)
        return fail_because(why, FAIL_INVALID, "signed with another key");
    if (!signature->comment || signature->comment_size > UPDATE_SIGNATURE_BYTES_MAX)
        return malformed(why);
    if (!verify(key->key, signature->signature, digest, MINISIGN_DIGEST_BYTES))
        return fail_because(why, FAIL_INVALID, "the signature does not fit the file");
    memcpy(both, signature->signature, MINISIGN_SIGNATURE_BYTES);
    memcpy(both + MINISIGN_SIGNATURE_BYTES, signature->comment, signature->comment_size);
    return verify(key->key, signature->global, both,
                  MINISIGN_SIGNATURE_BYTES + signature->comment_size) ||
           fail_because(why, FAIL_INVALID, "the signature's comment has been changed");
}

bool minisign_check_data(const struct minisign_key *key, const void *data, size_t size,
                         const char *signature, size_t signature_size, struct fail *why)
{
    struct minisign parsed;
    unsigned char digest[MINISIGN_DIGEST_BYTES];
    return minisign_parse(signature, signature_size, &parsed, why) &&
           (EVP_Digest(data, size, digest, NULL, EVP_blake2b512(), NULL) == 1 ||
            fail_because(why, FAIL_SYSTEM, "BLAKE2b-512 is not available")) &&
           minisign_check(key, &parsed, digest, why);
}
