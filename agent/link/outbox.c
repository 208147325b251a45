#include "link/outbox.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

struct outbox {
    pthread_mutex_t lock;
    struct letter *first, **last;
    size_t bytes;
};

struct outbox *outbox_new(void)
{
    struct outbox *outbox = mem_new(struct outbox);
    pthread_mutex_init(&outbox->lock, NULL);
    outbox->last = &outbox->first;
    return outbox;
}

static void letter_free(struct letter *letter)
{
    mem_free(letter->subject);
    mem_free(letter->data);
    mem_free(letter);
}

void outbox_free(struct outbox *outbox)
{
    if (!outbox)
        return;
    while (outbox->first) {
        struct letter *letter = outbox->first;
        outbox->first = letter->next;
        letter_free(letter);
    }
    pthread_mutex_destroy(&outbox->lock);
    mem_free(outbox);
}

// What a letter costs.
static size_t weight(const struct letter *letter)
{
    return sizeof *letter + strlen(letter->subject) + letter->size;
}

// Takes the letter over; frees it when there is no room. Lock held.
static void keep(struct outbox *outbox, struct letter *letter)
{
    if (weight(letter) > LATE_REPLIES_BYTES_MAX - outbox->bytes) {
        letter_free(letter);
        return;
    }
    letter->next = NULL;
    *outbox->last = letter;
    outbox->last = &letter->next;
    outbox->bytes += weight(letter);
}

void outbox_put(struct outbox *outbox, const char *subject, const void *data, size_t size,
                int64_t until_ms)
{
    struct letter *letter = mem_new(struct letter);
    *letter = (struct letter){.until_ms = until_ms,
                              .size = size,
                              .subject = mem_string(subject),
                              .data = mem_copy(data, size)};
    pthread_mutex_lock(&outbox->lock);
    keep(outbox, letter);
    pthread_mutex_unlock(&outbox->lock);
}

bool outbox_is_empty(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    bool empty = !outbox->first;
    pthread_mutex_unlock(&outbox->lock);
    return empty;
}

void outbox_empty(struct outbox *outbox, int64_t now_ms,
                  bool (*send)(void *argument, const struct letter *letter), void *argument)
{
    pthread_mutex_lock(&outbox->lock);
    struct letter *letters = outbox->first;
    outbox->first = NULL;
    outbox->last = &outbox->first;
    outbox->bytes = 0;
    pthread_mutex_unlock(&outbox->lock);
    while (letters) {
        struct letter *letter = letters;
        letters = letter->next;
        if (now_ms > letter->until_ms || send(argument, letter)) {
            letter_free(letter);
            continue;
        }
        pthread_mutex_lock(&outbox->lock);
        keep(outbox, letter);
        pthread_mutex_unlock(&outbox->lock);
    }
}
