#include "hub/bucket.h"

bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, double amount,
                 int64_t now_ms)
{
    if (bucket->at_ms == 0) {
        bucket->level = rate->burst;
    } else if (now_ms > bucket->at_ms) {
        bucket->level += (double)(now_ms - bucket->at_ms) / 1000 * rate->per_second;
        if (bucket->level > rate->burst)
            bucket->level = rate->burst;
    }
    bucket->at_ms = now_ms > 0 ? now_ms : 1;
    if (bucket->level < amount && bucket->level < rate->burst)
        return false;
    bucket->level = amount < bucket->level ? bucket->level - amount : 0;
    return true;
}
