#include "ctl/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl/interrupt.h"

static struct termios usual;
static volatile sig_atomic_t raw;
static volatile sig_atomic_t come; // TTY_ bits; handlers run in any thread, so the pipe tells too
static int woken[2] = {-1, -1};

static const int noted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP, SIGPIPE};
static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
enum { NOTED = sizeof noted / sizeof *noted, CRASHES = sizeof crashes / sizeof *crashes };
static struct sigaction before[NOTED];

static unsigned bit_of(int number)
{
    switch (number) {
    case SIGWINCH:
        return TTY_RESIZED;
    case SIGCONT:
        return TTY_CONTINUED;
    case SIGTSTP:
        return TTY_STOP;
    default:
        return TTY_END;
    }
}

static void note(int number)
{
    int error = errno;
    unsigned char bit = (unsigned char)bit_of(number);
    if (bit == TTY_END)
        interrupt_note(number);
    // A full pipe has something to read already; a byte that is lost then is in come.
    come = (sig_atomic_t)((unsigned)come | bit);
    (void)!write(woken[1], &bit, 1);
    errno = error;
}

static void crash(int number)
{
    tty_restore(); // tcsetattr is async-signal-safe (signal-safety(7))
    raise(number); // the handler was reset: the usual end follows
}

int tty_watch_signals(void)
{
    if (pipe2(woken, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    come = 0;
    for (size_t i = 0; i < NOTED; i++) {
        struct sigaction now = {.sa_handler = noted[i] == SIGPIPE ? SIG_IGN : note};
        sigemptyset(&now.sa_mask);
        sigaction(noted[i], NULL, &before[i]);
        bool keep = before[i].sa_handler == SIG_IGN && bit_of(noted[i]) == TTY_END; // nohup(1)
        if (!keep)
            sigaction(noted[i], &now, NULL);
    }
    for (size_t i = 0; i < CRASHES; i++) {
        struct sigaction old,
            now = {.sa_handler = crash, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
        sigemptyset(&now.sa_mask);
        if (sigaction(crashes[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
            sigaction(crashes[i], &now, NULL);
    }
    return woken[0];
}

void tty_unwatch_signals(void)
{
    if (woken[0] < 0)
        return;
    for (size_t i = 0; i < NOTED; i++)
        sigaction(noted[i], &before[i], NULL);
    io_close(&woken[0]);
    io_close(&woken[1]);
}

unsigned tty_signals(void)
{
    unsigned char bits[64];
    unsigned got = 0;
    for (ssize_t n; (n = read(woken[0], bits, sizeof bits)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            got |= bits[i];
    if (got) {
        got |= (unsigned)come;
        come = 0;
    }
    return got;
}

bool tty_make_raw(void)
{
    if (!isatty(STDIN_FILENO))
        return true;
    struct termios now;
    if (tcgetattr(STDIN_FILENO, &now) != 0)
        return false;
    if (!raw)
        usual = now;
    cfmakeraw(&now);
    raw = 1; // first: a signal in between restores what is there already
    int failed;
    do // stopped in the background, and continued with a signal that is noted
        failed = tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
    while (failed && errno == EINTR);
    raw = !failed;
    return !failed;
}

void tty_restore(void)
{
    if (!raw)
        return;
    while (tcsetattr(STDIN_FILENO, TCSADRAIN, &usual) != 0 && errno == EINTR)
        ;
    raw = 0;
}

void tty_suspend(void)
{
    bool was_raw = raw;
    tty_restore();
    raise(SIGSTOP);
    if (was_raw)
        (void)!tty_make_raw();
}

bool tty_size(unsigned *cols, unsigned *rows)
{
    const int descriptors[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        struct winsize size;
        if (isatty(descriptors[i]) && ioctl(descriptors[i], TIOCGWINSZ, &size) == 0 &&
            size.ws_col > 0 && size.ws_row > 0) {
            *cols = size.ws_col;
            *rows = size.ws_row;
            return true;
        }
    }
    return false;
}
