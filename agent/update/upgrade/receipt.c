#include "upgrade/receipt.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/secret.h"
#include "config/document.h"
#include "config/secure_file.h"
#include "update/version.h"

bool receipt_is_uuid(const char *text)
{
    if (strlen(text) != UUID_BYTES - 1)
        return false;
    for (size_t i = 0; i < UUID_BYTES - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    }
    return true;
}

bool receipt_is_sha256(const char *text)
{
    return strlen(text) == RECEIPT_SHA256_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == RECEIPT_SHA256_BYTES - 1;
}

static bool check(const struct receipt *receipt, struct fail *why)
{
    struct version version;
    return (receipt_is_uuid(receipt->operation_id) &&
            version_parse(receipt->target_version, &version) &&
            !strchr(receipt->target_version, '+') && receipt_is_sha256(receipt->binary_sha256)) ||
           fail_because(why, FAIL_INVALID, "this is no receipt of an update");
}

static bool take(const json_t *object, const char *key, char *out, size_t room, struct fail *why)
{
    const char *text = NULL;
    if (!document_text(object, key, REQUIRED, &text, why))
        return false;
    if (strlen(text) >= room)
        return fail_because(why, FAIL_INVALID, "\"%s\" is too long", key);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

bool receipt_parse(const char *text, size_t size, struct receipt *receipt, struct fail *why)
{
    struct receipt read = {"", "", ""};
    *receipt = read;
    json_t *object = document_parse(text, size, CONFIG_VALUES_MAX, why);
    if (!object)
        return false;
    bool good =
        take(object, "operation_id", read.operation_id, sizeof read.operation_id, why) &&
        take(object, "target_version", read.target_version, sizeof read.target_version, why) &&
        take(object, "binary_sha256", read.binary_sha256, sizeof read.binary_sha256, why) &&
        check(&read, why);
    json_decref(object);
    if (good)
        *receipt = read;
    return good;
}

bool receipt_read(const struct secure_dir *config, struct receipt *receipt, struct fail *why)
{
    struct buffer text;
    *receipt = (struct receipt){"", "", ""};
    if (!secure_file_read(config, RECEIPT_FILE, SECURE_SECRET, CONFIG_DOCUMENT_BYTES_MAX, &text,
                          NULL, why))
        return why->error == ENOENT;
    bool good = receipt_parse(text.data ? text.data : "", text.size, receipt, why);
    secure_file_forget(&text);
    return good;
}

bool receipt_write(const struct secure_dir *config, const struct receipt *receipt, struct fail *why)
{
    if (!check(receipt, why))
        return false;
    json_t *object =
        json_pack("{s:s, s:s, s:s}", "operation_id", receipt->operation_id, "target_version",
                  receipt->target_version, "binary_sha256", receipt->binary_sha256);
    char *text = document_write(object, CONFIG_DOCUMENT_BYTES_MAX);
    json_decref(object);
    bool good =
        text ? secure_file_write(config, RECEIPT_FILE, SECURE_REPLACE, text, strlen(text), why)
             : fail_because(why, FAIL_SYSTEM, "the receipt cannot be written");
    secret_free(text);
    return good;
}
