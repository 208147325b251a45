#include "config/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/blake3.h"
#include "base/io.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config_dir.h"
#include "config/secure_file.h"

static bool refuse(const struct secure_dir *config, struct fail *why)
{
    char *path = secure_dir_file(config, CONFIG_IDENTITY);
    fail_on_path(why, FAIL_INVALID,
                 "malformed identity, which is left alone (remove it to get a new one):", path);
    mem_free(path);
    return false;
}

static bool read_seed(const struct secure_dir *config, unsigned char seed[IDENTITY_SEED_BYTES],
                      struct fail *why)
{
    struct buffer data;
    if (!secure_file_read(config, CONFIG_IDENTITY, SECURE_SECRET, 4096, &data, NULL, why))
        return false;
    bool whole = data.size == IDENTITY_SEED_BYTES;
    if (whole)
        memcpy(seed, data.data, IDENTITY_SEED_BYTES);
    secure_file_forget(&data);
    return whole || refuse(config, why);
}

static bool make_seed(const struct secure_dir *config, unsigned char seed[IDENTITY_SEED_BYTES],
                      struct fail *why)
{
    random_bytes(seed, IDENTITY_SEED_BYTES);
    if (secure_file_write(config, CONFIG_IDENTITY, SECURE_CREATE, seed, IDENTITY_SEED_BYTES, why))
        return true;
    return why->error == EEXIST && read_seed(config, seed, why); // somebody else was faster
}

bool identity_derive(const unsigned char seed[IDENTITY_SEED_BYTES], char text[IDENTITY_TEXT_BYTES],
                     struct fail *why)
{
    unsigned char public[32];
    size_t size = sizeof public;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, IDENTITY_SEED_BYTES);
    bool derived = key && EVP_PKEY_get_raw_public_key(key, public, &size) == 1;
    EVP_PKEY_free(key);
    if (!derived || size != sizeof public)
        return fail_because(why, FAIL_UNSUPPORTED, "OpenSSL has no Ed25519 here");
    _Static_assert(IDENTITY_TEXT_BYTES == BASE64_TEXT_BYTES(sizeof public), "43 characters");
    base64_encode(BASE64_STANDARD, public, sizeof public, text);
    return true;
}

bool identity_public_key(const struct secure_dir *config, char text[IDENTITY_TEXT_BYTES],
                         struct fail *why)
{
    unsigned char seed[IDENTITY_SEED_BYTES];
    struct fail read_why;
    bool have = read_seed(config, seed, &read_why);
    if (!have && read_why.error == ENOENT)
        have = make_seed(config, seed, &read_why);
    if (!have && why)
        *why = read_why;
    bool derived = have && identity_derive(seed, text, why);
    explicit_bzero(seed, sizeof seed);
    return derived;
}

// A hash, because machine-id(5) asks not to spread the id itself.
static bool hash_machine_id(char hex[BLAKE3_HEX_BYTES])
{
    static const char purpose[] = "opengeni-agent machine identity";
    struct buffer id;
    buffer_init(&id, 4096);
    bool read = io_read_file(AT_FDCWD, "/etc/machine-id", &id) && id.size > 0;
    struct blake3 hash;
    blake3_init(&hash);
    blake3_update(&hash, purpose, sizeof purpose);
    blake3_update(&hash, id.data, id.size);
    blake3_final_hex(&hash, hex);
    buffer_fini(&id);
    return read;
}

bool identity_moved(const struct secure_dir *config)
{
    char hex[BLAKE3_HEX_BYTES];
    struct buffer known;
    struct fail why;
    if (config->fd < 0 || !hash_machine_id(hex))
        return false;
    if (secure_file_read(config, CONFIG_HOST, SECURE_SECRET, 4096, &known, NULL, &why)) {
        bool moved = strcmp(known.data, hex) != 0;
        secure_file_forget(&known);
        return moved;
    }
    if (why.error == ENOENT && faccessat(config->fd, CONFIG_IDENTITY, F_OK, 0) == 0 &&
        !secure_file_write(config, CONFIG_HOST, SECURE_CREATE, hex, strlen(hex), &why))
        log_debug("machine not remembered", "why", log_why(&why), NULL);
    return false;
}
