#include "link/running.h"

#include "base/clock.h"

void running_init(struct running *running)
{
    *running = (struct running){0};
    pthread_mutex_init(&running->lock, NULL);
}

void running_fini(struct running *running)
{
    pthread_mutex_destroy(&running->lock);
}

void running_enter(struct running *running, struct running_entry *entry, const char *name)
{
    *entry = (struct running_entry){.name = name, .since_ms = clock_wall_ms()};
    pthread_mutex_lock(&running->lock);
    entry->previous = running->newest;
    *(running->newest ? &running->newest->next : &running->oldest) = entry;
    running->newest = entry;
    running->count++;
    pthread_mutex_unlock(&running->lock);
}

void running_leave(struct running *running, struct running_entry *entry)
{
    pthread_mutex_lock(&running->lock);
    *(entry->previous ? &entry->previous->next : &running->oldest) = entry->next;
    *(entry->next ? &entry->next->previous : &running->newest) = entry->previous;
    running->count--;
    pthread_mutex_unlock(&running->lock);
}

size_t running_list(struct running *running, struct running_shown *list, size_t room)
{
    size_t stored = 0;
    pthread_mutex_lock(&running->lock);
    for (struct running_entry *at = running->oldest; at && stored < room; at = at->next)
        list[stored++] = (struct running_shown){at->name, at->since_ms};
    pthread_mutex_unlock(&running->lock);
    return stored;
}
