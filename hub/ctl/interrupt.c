#include "ctl/interrupt.h"

#include <signal.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/limits.h"

static volatile sig_atomic_t noted;
static bool put_off;

static void note(int number)
{
    noted = number;
}

void interrupt_note(int number)
{
    noted = number;
}

void interrupt_watch(void)
{
    static bool watched; // others may have put their own handlers over ours since
    if (watched)
        return;
    watched = true;
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now, old;
        now = (struct sigaction){.sa_handler = note, .sa_flags = (int)SA_RESETHAND};
        sigemptyset(&now.sa_mask);
        // Ignored before us (nohup): stays ignored.
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &now, NULL);
    }
}

bool interrupted(void)
{
    return noted && !put_off;
}

void interrupt_put_off(bool yes)
{
    put_off = yes;
}

bool interrupt_pending(void)
{
    return noted != 0;
}

void interrupt_sleep(int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    for (int64_t left; !interrupted() && (left = until - clock_mono_ms()) > 0;)
        clock_sleep_ms(left < CTL_WAIT_SLICE_MS ? left : CTL_WAIT_SLICE_MS);
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
