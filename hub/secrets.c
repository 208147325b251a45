#include "hub/secrets.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/random.h"
#include "hub/data_dir.h"
#include "hub/private_file.h"

static_assert(BASE64_TEXT_BYTES(DIGEST_BYTES) <= SECRETS_PASSWORD_BYTES, "a password is a digest");

// One line of base64url, after prefix. Prefixes make tokens known to the log, which strikes them.
static bool load_line(const struct data_dir *dir, const char *name, const char *prefix, char *text,
                      size_t room, struct fail *why)
{
    unsigned char random[DIGEST_BYTES];
    char encoded[BASE64_TEXT_BYTES(DIGEST_BYTES)], line[SECRETS_TOKEN_BYTES + 1];
    random_bytes(random, sizeof random);
    base64_encode(BASE64_URL, random, sizeof random, encoded);
    int size = snprintf(line, sizeof line, "%s%s\n", prefix, encoded);
    assert(size > 0 && (size_t)size < sizeof line && (size_t)size <= room);

    struct buffer file;
    buffer_init(&file, HUB_SECRET_FILE_BYTES);
    struct fail missing;
    bool created, done = private_file_read(dir->fd, name, &file, &missing);
    if (!done && missing.error == ENOENT)
        done = private_file_create(dir->fd, name, line, (size_t)size, &created, why) &&
               private_file_read(dir->fd, name, &file, why);
    else if (!done && why)
        *why = missing;
    if (done &&
        (file.size != (size_t)size || memcmp(file.data, prefix, strlen(prefix)) != 0 ||
         strspn(file.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") !=
             file.size - 1))
        done = fail_because(why, FAIL_INVALID,
                            "%s/%s is damaged: bring it back from a backup, or delete it "
                            "to get a new one",
                            dir->path, name);
    if (done)
        snprintf(text, room, "%.*s", (int)file.size - 1, file.data);
    if (file.data)
        explicit_bzero(file.data, file.size);
    buffer_fini(&file);
    explicit_bzero(random, sizeof random);
    explicit_bzero(encoded, sizeof encoded);
    explicit_bzero(line, sizeof line);
    return done;
}

bool secrets_load(struct secrets *secrets, const struct data_dir *dir, struct fail *why)
{
    char text[SECRETS_TOKEN_BYTES];
    unsigned char key[DIGEST_BYTES + 1], password[DIGEST_BYTES];
    size_t size;
    *secrets = (struct secrets){0};
    if (!load_line(dir, "hub.key", "", text, sizeof text, why) ||
        !load_line(dir, "admin.token", "oga_", secrets->admin_token, sizeof secrets->admin_token,
                   why) ||
        !load_line(dir, "control.token", "ogc_", secrets->control_token,
                   sizeof secrets->control_token, why))
        return false;
    if (!base64_decode(BASE64_URL, text, strlen(text), key, &size) || size != DIGEST_BYTES)
        return fail_because(why, FAIL_INVALID, "%s/hub.key is damaged: bring it back from a backup",
                            dir->path);
    const struct {
        const char *label;
        unsigned char *out;
    } derived[] = {
        {"enrolment", secrets->enrolment}, {"relay producer", secrets->producer},
        {"relay viewer", secrets->viewer}, {"nats account", secrets->nats_account},
        {"nats password", password},
    };
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++)
        digest_hmac(key, derived[i].label, strlen(derived[i].label), derived[i].out);
    base64_encode(BASE64_URL, password, sizeof password, secrets->nats_password);
    explicit_bzero(key, sizeof key);
    explicit_bzero(text, sizeof text);
    explicit_bzero(password, sizeof password);
    return true;
}

void secrets_wipe(struct secrets *secrets)
{
    explicit_bzero(secrets, sizeof *secrets);
}
