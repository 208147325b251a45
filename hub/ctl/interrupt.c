#include "ctl/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t noted;

static void note(int number)
{
    noted = number;
}

void interrupt_watch(void)
{
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now, old;
        now = (struct sigaction){.sa_handler = note, .sa_flags = SA_RESETHAND};
        sigemptyset(&now.sa_mask);
        // Ignored before us (nohup): stays ignored.
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &now, NULL);
    }
}

bool interrupted(void)
{
    return noted != 0;
}

void interrupt_obey(void)
{
    if (!noted)
        return;
    struct sigaction now = {.sa_handler = SIG_DFL};
    sigemptyset(&now.sa_mask);
    sigaction(noted, &now, NULL);
    raise(noted);
}
