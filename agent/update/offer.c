#include "update/offer.h"

#include <string.h>

#include "base/blake3.h"

int offer_bucket(const char *id, const char *salt)
{
    struct blake3 hash;
    unsigned char digest[BLAKE3_BYTES];
    uint64_t number = 0;
    blake3_init(&hash);
    blake3_update(&hash, id, strlen(id));
    blake3_update(&hash, salt, strlen(salt));
    blake3_final(&hash, digest);
    for (int i = 7; i >= 0; i--)
        number = number << 8 | digest[i];
    return (int)(number % 100);
}

enum offer offer_judge(const struct manifest *manifest, const struct version *current,
                       const char *id)
{
    if (version_compare(&manifest->version, current) <= 0 ||
        version_compare(&manifest->version, &manifest->min_supported) < 0)
        return OFFER_OLD;
    if (manifest->force || offer_bucket(id, manifest->cohort_salt) < manifest->rollout_percent)
        return OFFER_YES;
    return OFFER_LATER;
}
