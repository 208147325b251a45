#include "update/release.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

struct manifest *release_look(const struct release_source *source, struct fail *why)
{
    struct buffer text, signature;
    struct manifest *manifest = NULL;
    char *url = mem_printf("%s/agent/%s/manifest.json", source->base, source->channel);
    char *signature_url = mem_printf("%s.minisig", url);
    buffer_init(&text, UPDATE_MANIFEST_BYTES_MAX);
    buffer_init(&signature, UPDATE_SIGNATURE_BYTES_MAX);
    if (fetch_text(&source->from, url, &text, why) &&
        fetch_text(&source->from, signature_url, &signature, why) &&
        minisign_check_data(&source->key, text.data, text.size, signature.data, signature.size,
                            why))
        manifest = manifest_parse(text.data ? text.data : "", text.size, source->channel, why);
    buffer_fini(&text);
    buffer_fini(&signature);
    mem_free(url);
    mem_free(signature_url);
    return manifest;
}

static bool check(const struct release_source *source, const struct artifact *artifact,
                  const struct fetch_digests *digests, const struct buffer *signature,
                  struct fail *why)
{
    struct minisign parsed;
    if (artifact->size > 0 && digests->size != artifact->size)
        return fail_because(why, FAIL_PROTOCOL, "the artifact has %lld bytes instead of %lld",
                            (long long)digests->size, (long long)artifact->size);
    if (!minisign_parse(signature->data, signature->size, &parsed, why) ||
        !minisign_check(&source->key, &parsed, digests->blake2b, why))
        return false;
    return memcmp(digests->sha256, artifact->sha256, sizeof digests->sha256) == 0 ||
           fail_because(why, FAIL_PROTOCOL, "the artifact is not the one that the manifest names");
}

bool release_fetch(const struct release_source *source, const struct artifact *artifact, int fd,
                   bool *fetched, struct fail *why)
{
    struct fetch_digests digests;
    struct buffer signature;
    char *url = manifest_url(source->base, artifact->url);
    char *signature_url = manifest_url(source->base, artifact->minisig_url);
    int64_t max = UPDATE_ARTIFACT_BYTES_MAX;
    if (artifact->size > 0 && artifact->size < max)
        max = artifact->size;
    buffer_init(&signature, UPDATE_SIGNATURE_BYTES_MAX);
    *fetched = fetch_text(&source->from, signature_url, &signature, why) &&
               fetch_file(&source->from, url, max, fd, &digests, why);
    bool good = *fetched && check(source, artifact, &digests, &signature, why);
    buffer_fini(&signature);
    mem_free(url);
    mem_free(signature_url);
    return good;
}
