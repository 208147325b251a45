#include "relay/redials.h"

#include <stddef.h>

#include "base/limits.h"

// Of the stream thread.
static struct redial *first, **last = &first;
static unsigned running;

static void let_one_run(void)
{
    if (!first || running >= REDIALS_MAX)
        return;
    struct redial *redial = first;
    first = redial->next;
    if (!first)
        last = &first;
    redial->waiting = false;
    redial->running = true;
    running++;
    redial->turn(redial);
}

void redial_begin(struct redial *redial, void (*turn)(struct redial *redial))
{
    if (redial->waiting || redial->running)
        return;
    redial->turn = turn;
    redial->waiting = true;
    redial->next = NULL;
    *last = redial;
    last = &redial->next;
    let_one_run();
}

static void leave_queue(struct redial *redial)
{
    struct redial **at = &first;
    while (*at != redial)
        at = &(*at)->next;
    *at = redial->next;
    if (!*at)
        last = at;
    redial->waiting = false;
}

void redial_end(struct redial *redial)
{
    if (redial->waiting)
        leave_queue(redial);
    if (!redial->running)
        return;
    redial->running = false;
    running--;
    let_one_run();
}
