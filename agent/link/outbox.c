#include "link/outbox.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

struct letter {
    struct letter *next;
    int64_t until_ms;
    size_t size;
    char *subject;
    void *data;
};

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

void outbox_put(struct outbox *outbox, const char *subject, const void *data, size_t size,
                int64_t until_ms)
{
    pthread_mutex_lock(&outbox->lock);
    if (size <= LATE_REPLIES_BYTES_MAX - outbox->bytes) {
        struct letter *letter = mem_new(struct letter);
        *letter = (struct letter){.until_ms = until_ms,
                                  .size = size,
                                  .subject = mem_string(subject),
                                  .data = mem_copy(data, size)};
        *outbox->last = letter;
        outbox->last = &letter->next;
        outbox->bytes += size;
    }
    pthread_mutex_unlock(&outbox->lock);
}

void outbox_empty(struct outbox *outbox, int64_t now_ms,
                  void (*send)(void *argument, const char *subject, const void *data, size_t size),
                  void *argument)
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
        if (now_ms <= letter->until_ms)
            send(argument, letter->subject, letter->data, letter->size);
        letter_free(letter);
    }
}
