#include "update/manifest.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "config/document.h"

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *found;
    if (c >= 'A' && c <= 'F')
        c = (char)(c - 'A' + 'a');
    found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

static bool parse_digest(const char *text, unsigned char digest[MANIFEST_DIGEST_BYTES])
{
    if (strlen(text) != (size_t)2 * MANIFEST_DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < MANIFEST_DIGEST_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

// Printable ASCII without spaces, which is all that a URL may hold.
static bool plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool take_url(const json_t *object, const char *key, char **out, struct fail *why)
{
    const char *text = NULL;
    if (!document_text(object, key, REQUIRED, &text, why))
        return false;
    if (!*text || strlen(text) > API_URL_BYTES_MAX || !plain(text))
        return fail_because(why, FAIL_INVALID, "\"%s\" is no URL", key);
    *out = mem_string(text);
    return true;
}

static bool take_artifact(const json_t *object, struct artifact *artifact, struct fail *why)
{
    const char *target = NULL, *sha256 = NULL;
    if (!json_is_object(object))
        return fail_because(why, FAIL_INVALID, "an artifact is no object");
    if (!document_text(object, "target", REQUIRED, &target, why) ||
        !document_text(object, "sha256", REQUIRED, &sha256, why) ||
        !document_number(object, "size", OPTIONAL, 0, INT64_MAX, &artifact->size, why) ||
        !take_url(object, "url", &artifact->url, why) ||
        !take_url(object, "minisig_url", &artifact->minisig_url, why))
        return false;
    artifact->target = mem_string(target);
    return parse_digest(sha256, artifact->sha256) ||
           fail_because(why, FAIL_INVALID, "\"sha256\" is no digest");
}

static const struct artifact *find(const struct manifest *manifest, const char *target)
{
    for (size_t i = 0; i < manifest->artifact_count; i++)
        if (strcmp(manifest->artifacts[i].target, target) == 0)
            return &manifest->artifacts[i];
    return NULL;
}

static bool take_artifacts(const json_t *list, struct manifest *manifest, struct fail *why)
{
    size_t count = json_array_size(list);
    if (count > UPDATE_ARTIFACTS_MAX)
        return fail_because(why, FAIL_INVALID, "too many artifacts");
    manifest->artifacts = mem_array(count + 1, sizeof *manifest->artifacts);
    for (size_t i = 0; i < count; i++) {
        struct artifact one = {.target = NULL};
        bool good = take_artifact(json_array_get(list, i), &one, why);
        bool twice = good && find(manifest, one.target);
        manifest->artifacts[manifest->artifact_count++] = one;
        if (twice)
            return fail_because(why, FAIL_INVALID, "a target is named twice");
        if (!good)
            return false;
    }
    return true;
}

static bool take_version(const json_t *object, const char *key, struct version *version,
                         const char **text, struct fail *why)
{
    return document_text(object, key, REQUIRED, text, why) &&
           (version_parse(*text, version) ||
            fail_because(why, FAIL_INVALID, "\"%s\" is no version", key));
}

static bool take_texts(const json_t *object, const char *wanted, struct manifest *manifest,
                       struct fail *why)
{
    const char *channel = NULL, *salt = "", *notes = "";
    if (!document_text(object, "channel", REQUIRED, &channel, why) ||
        !document_text(object, "cohort_salt", OPTIONAL, &salt, why) ||
        !document_text(object, "notes_url", OPTIONAL, &notes, why))
        return false;
    manifest->channel = mem_string(channel);
    manifest->cohort_salt = mem_string(salt);
    manifest->notes_url = mem_string(notes);
    return strcmp(channel, wanted) == 0 ||
           fail_because(why, FAIL_INVALID, "it is of another channel than %.32s", wanted);
}

static bool take(const json_t *object, const char *channel, struct manifest *manifest,
                 struct fail *why)
{
    const char *version = NULL, *min = NULL;
    const json_t *artifacts = NULL;
    int64_t percent = 100;
    if (!take_texts(object, channel, manifest, why) ||
        !take_version(object, "version", &manifest->version, &version, why) ||
        !take_version(object, "min_supported", &manifest->min_supported, &min, why) ||
        !document_number(object, "rollout_percent", OPTIONAL, 0, UINT32_MAX, &percent, why) ||
        !document_number(object, "signed_at_ms", OPTIONAL, INT64_MIN, INT64_MAX,
                         &manifest->signed_at_ms, why) ||
        !document_flag(object, "force", OPTIONAL, &manifest->force, why) ||
        !document_list(object, "artifacts", REQUIRED, &artifacts, why))
        return false;
    memcpy(manifest->version_text, version, strlen(version) + 1); // version_parse bounds it
    manifest->rollout_percent = percent > 100 ? 100 : (int)percent;
    return take_artifacts(artifacts, manifest, why);
}

struct manifest *manifest_parse(const char *text, size_t size, const char *channel,
                                struct fail *why)
{
    if (size > UPDATE_MANIFEST_BYTES_MAX) {
        fail_because(why, FAIL_INVALID, "the manifest is too long");
        return NULL;
    }
    json_t *object = document_parse(text, size, CONFIG_VALUES_MAX, why);
    if (!object)
        return NULL;
    struct manifest *manifest = mem_new(struct manifest);
    if (!take(object, channel, manifest, why)) {
        manifest_free(manifest);
        manifest = NULL;
    }
    json_decref(object);
    return manifest;
}

void manifest_free(struct manifest *manifest)
{
    if (!manifest)
        return;
    for (size_t i = 0; i < manifest->artifact_count; i++) {
        mem_free(manifest->artifacts[i].target);
        mem_free(manifest->artifacts[i].url);
        mem_free(manifest->artifacts[i].minisig_url);
    }
    mem_free(manifest->artifacts);
    mem_free(manifest->channel);
    mem_free(manifest->cohort_salt);
    mem_free(manifest->notes_url);
    mem_free(manifest);
}

const struct artifact *manifest_artifact(const struct manifest *manifest, const char *target,
                                         struct fail *why)
{
    const struct artifact *artifact = find(manifest, target);
    if (!artifact)
        fail_because(why, FAIL_MISSING, "version %s is not offered for %s", manifest->version_text,
                     target);
    return artifact;
}

char *manifest_url(const char *base, const char *url)
{
    if (strstr(url, "://"))
        return mem_string(url);
    return mem_printf("%s/%s", base, url + strspn(url, "/"));
}
