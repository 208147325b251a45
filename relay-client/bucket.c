#include "relay/bucket.h"

void bucket_init(struct bucket *bucket, int64_t rate, int64_t burst, int64_t now_ms)
{
    *bucket = (struct bucket){.rate = rate, .burst = burst, .level = burst, .at_ms = now_ms};
}

static void refill(struct bucket *bucket, int64_t now_ms)
{
    int64_t gone = now_ms - bucket->at_ms, missing = bucket->burst - bucket->level;
    if (gone <= 0)
        return;
    bucket->at_ms = now_ms;
    if (gone >= missing * 1000 / bucket->rate + 1) // the product below cannot overflow then
        bucket->level = bucket->burst;
    else
        bucket->level += gone * bucket->rate / 1000;
}

size_t bucket_room(struct bucket *bucket, size_t size, int64_t now_ms)
{
    if (bucket->rate == 0)
        return size;
    refill(bucket, now_ms);
    if (bucket->level <= 0)
        return 0;
    return (int64_t)size < bucket->level ? size : (size_t)bucket->level;
}

void bucket_take(struct bucket *bucket, size_t size)
{
    if (bucket->rate != 0)
        bucket->level -= (int64_t)size;
}

int64_t bucket_wait_ms(const struct bucket *bucket, size_t size)
{
    int64_t wanted = (int64_t)size < bucket->burst ? (int64_t)size : bucket->burst;
    if (bucket->rate == 0 || bucket->level >= wanted)
        return 0;
    return ((wanted - bucket->level) * 1000 + bucket->rate - 1) / bucket->rate;
}
