#include "picture/crew.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/limits.h"

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    unsigned hands;  // with the caller
    unsigned called; // how many threads may join this round
    unsigned busy;   // threads that are at it
    uint64_t round;
    bool ending;
    pthread_t *threads;

    void (*work)(void *, unsigned, size_t);
    void *context;
    size_t count;
    atomic_size_t next;
};

struct hand {
    struct crew *crew;
    unsigned number;
};

static void take_part(struct crew *crew, unsigned hand)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&crew->next, 1, memory_order_relaxed);
        if (i >= crew->count)
            return;
        crew->work(crew->context, hand, i);
    }
}

static void *run_hand(void *hand_)
{
    struct hand hand = *(struct hand *)hand_;
    struct crew *crew = hand.crew;
    mem_free(hand_);
    uint64_t seen = 0;
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (!crew->ending && (crew->round == seen || hand.number > crew->called))
            pthread_cond_wait(&crew->start, &crew->lock);
        if (crew->ending)
            break;
        seen = crew->round;
        crew->busy++;
        pthread_mutex_unlock(&crew->lock);
        take_part(crew, hand.number);
        pthread_mutex_lock(&crew->lock);
        if (--crew->busy == 0)
            pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

struct crew *crew_new(unsigned hands)
{
    struct crew *crew = mem_new(struct crew);
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->start, NULL);
    pthread_cond_init(&crew->done, NULL);
    crew->hands = 1;
    crew->threads = mem_array(hands, sizeof *crew->threads);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WORKER_STACK_BYTES);
    while (crew->hands < hands) {
        struct hand *hand = mem_new(struct hand);
        *hand = (struct hand){crew, crew->hands};
        if (pthread_create(&crew->threads[crew->hands], &attributes, run_hand, hand) != 0) {
            mem_free(hand);
            break; // fewer hands do the same work
        }
        crew->hands++;
    }
    pthread_attr_destroy(&attributes);
    return crew;
}

void crew_free(struct crew *crew)
{
    if (!crew)
        return;
    pthread_mutex_lock(&crew->lock);
    assert(crew->busy == 0);
    crew->ending = true;
    pthread_cond_broadcast(&crew->start);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 1; i < crew->hands; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->start);
    pthread_cond_destroy(&crew->done);
    pthread_mutex_destroy(&crew->lock);
    mem_free(crew->threads);
    mem_free(crew);
}

unsigned crew_hands(const struct crew *crew)
{
    return crew->hands;
}

void crew_run(struct crew *crew, size_t count, void (*work)(void *, unsigned, size_t),
              void *context)
{
    if (count == 1 || crew->hands == 1) { // not worth waking anyone
        for (size_t i = 0; i < count; i++)
            work(context, 0, i);
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->work = work;
    crew->context = context;
    crew->count = count;
    atomic_store(&crew->next, 0);
    crew->called = count < crew->hands ? (unsigned)count - 1 : crew->hands - 1;
    crew->round++;
    pthread_cond_broadcast(&crew->start);
    pthread_mutex_unlock(&crew->lock);

    take_part(crew, 0);

    pthread_mutex_lock(&crew->lock);
    crew->called = 0; // whoever has not woken up yet need not any more
    while (crew->busy > 0)
        pthread_cond_wait(&crew->done, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}
