// Any bytes as a manifest: refused with a reason, or within the bounds that its readers rely on.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "update/offer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct manifest *manifest)
{
    struct version again, low = {{0}, "0"};
    require(version_parse(manifest->version_text, &again));
    require(version_compare(&again, &manifest->version) == 0);
    require(version_compare(&low, &manifest->version) <= 0);
    require(!strpbrk(manifest->version_text, "/ %\n") && manifest->version_text[0] != '.');
    require(manifest->rollout_percent >= 0 && manifest->rollout_percent <= 100);
    require(manifest->artifact_count <= UPDATE_ARTIFACTS_MAX);
    for (size_t i = 0; i < manifest->artifact_count; i++) {
        const struct artifact *one = &manifest->artifacts[i];
        require(manifest_artifact(manifest, one->target, NULL) == one);
        char *url = manifest_url("https://x", one->url);
        require(*url && !strpbrk(url, " \r\n"));
        mem_free(url);
    }
    offer_judge(manifest, &low, "unenrolled");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fail why = {.kind = FAIL_NONE};
    struct manifest *manifest = manifest_parse((const char *)data, size, "stable", &why);
    require(manifest || *why.what);
    if (manifest)
        check(manifest);
    manifest_free(manifest);
    return 0;
}
