#include "hub/limiter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "hub/bucket.h"

struct entry {
    char address[64];
    struct bucket bucket;
};

struct limiter {
    pthread_mutex_t lock;
    struct bucket_rate rate;
    struct entry entries[HUB_LIMITER_ADDRESSES];
};

struct limiter *limiter_new(double burst, double per_second)
{
    struct limiter *limiter = mem_new(struct limiter);
    pthread_mutex_init(&limiter->lock, NULL);
    limiter->rate = (struct bucket_rate){burst, per_second};
    return limiter;
}

void limiter_free(struct limiter *limiter)
{
    if (!limiter)
        return;
    pthread_mutex_destroy(&limiter->lock);
    mem_free(limiter);
}

// Of an IPv6 address only the network counts: whoever has one address has 2^64.
void limiter_network(const char *address, char network[64])
{
    struct in6_addr six;
    snprintf(network, 64, "%s", address);
    if (inet_pton(AF_INET6, address, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
        return;
    memset(six.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &six, network, 64);
}

// The entry of the address; a new one takes the place of the one that has rested longest.
static struct entry *find(struct limiter *limiter, const char *network)
{
    struct entry *oldest = &limiter->entries[0];
    for (size_t i = 0; i < HUB_LIMITER_ADDRESSES; i++) {
        struct entry *entry = &limiter->entries[i];
        if (strcmp(entry->address, network) == 0)
            return entry;
        if (entry->bucket.at_ms < oldest->bucket.at_ms)
            oldest = entry;
    }
    *oldest = (struct entry){0};
    snprintf(oldest->address, sizeof oldest->address, "%s", network);
    return oldest;
}

bool limiter_take(struct limiter *limiter, const char *address, int64_t now_ms)
{
    char network[64];
    limiter_network(address, network);
    pthread_mutex_lock(&limiter->lock);
    bool taken = bucket_take(&find(limiter, network)->bucket, &limiter->rate, 1, now_ms);
    pthread_mutex_unlock(&limiter->lock);
    return taken;
}
