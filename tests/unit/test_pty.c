#include "pty/pty.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "check_main.h"
#include "process/environment.h"
#include "process/inherit.h"

extern char **environ;

static struct arena arena;
static struct pty pty;
static struct fail why;
static char seen[1 << 16];
static size_t seen_size;

static struct pty_setup setup_of(char *const *argv)
{
    (void)inherit_get(); // takes a descriptor for good
    arena_init(&arena, 1 << 20);
    struct pty_setup setup = {.program = argv[0],
                              .search = environment_get(environ, "PATH"),
                              .cwd = "/",
                              .argv = argv,
                              .cols = 80,
                              .rows = 24};
    ck_assert(environment_overlay(&arena, environ, NULL, 0, &setup.envp, NULL));
    return setup;
}

static void start(const char *script)
{
    char *argv[] = {"/bin/sh", "-c", (char *)script, NULL};
    struct pty_setup setup = setup_of(argv);
    ck_assert_msg(pty_start(&pty, &setup, &why), "%s", why.what);
}

// Reads until the text has come; false when the terminal or the patience ends first.
static bool sees(const char *text)
{
    int64_t until = clock_mono_ms() + 20000;
    while (clock_mono_ms() < until) {
        if (memmem(seen, seen_size, text, strlen(text)))
            return true;
        struct pollfd fd = {.fd = pty.master, .events = POLLIN};
        if (poll(&fd, 1, 100) <= 0)
            continue;
        ssize_t n = read(pty.master, seen + seen_size, sizeof seen - seen_size);
        if (n > 0)
            seen_size += (size_t)n;
        else if (n == 0 || errno != EAGAIN)
            break;
    }
    return memmem(seen, seen_size, text, strlen(text)) != NULL;
}

static int wait_for_end(void)
{
    int code = -1;
    struct pollfd fd = {.fd = pty.child.pidfd, .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 20000), 1);
    ck_assert(pty_ended(&pty, &code));
    return code;
}

static void finish(void)
{
    pty_kill(&pty);
    pty_end(&pty);
    ck_assert_int_lt(pty.master, 0);
    ck_assert_int_lt(waitpid(-1, NULL, WNOHANG), 0); // no child is left, not even a dead one
    arena_fini(&arena);
}

static size_t descriptors(void)
{
    size_t n = 0;
    DIR *all = opendir("/proc/self/fd");
    while (readdir(all))
        n++;
    closedir(all);
    return n;
}

START_TEST(a_program_leads_a_session_on_its_own_terminal)
{
    start(
        "tty; ps -o pid= -o sid= -o tpgid= -p $$ | awk '{print ($1==$2 && $2==$3) ? \"led\" : $0}';"
        "stty -a");
    ck_assert(sees("/dev/pts/"));
    ck_assert(sees("led"));
    ck_assert(sees(" iutf8"));
    ck_assert_int_eq(wait_for_end(), 0);
    finish();
}
END_TEST

START_TEST(the_exit_code_is_the_programs_and_1_for_a_signal)
{
    int code;
    start("sleep 0.2; exit 3");
    ck_assert(!pty_ended(&pty, &code));
    ck_assert_int_eq(wait_for_end(), 3);
    ck_assert(pty_ended(&pty, &code)); // as often as it is asked
    finish();
    start("kill -KILL $$");
    ck_assert_int_eq(wait_for_end(), 1);
    finish();
}
END_TEST

START_TEST(a_size_of_0_keeps_what_is_and_the_largest_is_taken)
{
    start("trap 'echo size $(stty size)' WINCH; echo ready; while :; do sleep 0.05; done");
    ck_assert(sees("ready"));
    ck_assert(pty_resize(&pty, 0, 50, &why));
    ck_assert(sees("size 50 80"));
    ck_assert(pty_resize(&pty, 100, 0, &why));
    ck_assert(sees("size 50 100"));
    ck_assert(pty_resize(&pty, 65535, 65535, &why));
    ck_assert(sees("size 65535 65535"));
    ck_assert(pty_resize(&pty, 0, 0, &why));
    struct winsize size;
    ck_assert_int_eq(ioctl(pty.master, TIOCGWINSZ, &size), 0);
    ck_assert_uint_eq(size.ws_col, 65535);
    finish();
    ck_assert(!pty_resize(&pty, 80, 24, &why)); // it is gone
    ck_assert_int_eq(why.error, EBADF);
}
END_TEST

START_TEST(what_cannot_be_started_leaves_nothing)
{
    char *missing[] = {"/definitely/not", NULL}, *no_program[] = {"no-such-shell-anywhere", NULL},
         *directory[] = {"/", NULL}, *shell[] = {"/bin/sh", NULL};
    struct {
        char **argv;
        const char *cwd;
        int error;
    } cases[] = {{missing, "/", ENOENT},
                 {no_program, "/", ENOENT},
                 {directory, "/", EACCES},
                 {shell, "/no/such/directory", ENOENT},
                 {shell, "/etc/passwd", ENOTDIR}};
    start("exit 0"); // whatever is made once is there now
    wait_for_end();
    finish();
    size_t before = descriptors();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pty_setup setup = setup_of(cases[i].argv);
        setup.cwd = cases[i].cwd;
        why = (struct fail){0};
        ck_assert(!pty_start(&pty, &setup, &why));
        ck_assert_msg(why.error == cases[i].error, "case %zu: %s", i, strerror(why.error));
        ck_assert_int_lt(pty.master, 0);
        arena_fini(&arena);
    }
    ck_assert_uint_eq(descriptors(), before);
    ck_assert_int_lt(waitpid(-1, NULL, WNOHANG), 0);
}
END_TEST

START_TEST(without_descriptors_it_is_an_error)
{
    start("exit 0");
    wait_for_end();
    finish();
    char *argv[] = {"/bin/sh", NULL};
    struct pty_setup setup = setup_of(argv);
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit limit, none;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    for (int room = 0; room < 3; room++) { // for none, the master, and both ends
        none.rlim_cur = (rlim_t)(lowest + 1 + room);
        setrlimit(RLIMIT_NOFILE, &none);
        bool started = pty_start(&pty, &setup, &why);
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert(!started);
        ck_assert_int_eq(why.error, EMFILE);
    }
    close(lowest);
    arena_fini(&arena);
}
END_TEST

START_TEST(a_hangup_reaches_the_shell_and_what_is_in_front)
{
    char *argv[] = {"/bin/sh", "-i", NULL};
    struct pty_setup setup = setup_of(argv);
    ck_assert(pty_start(&pty, &setup, &why));
    const char text[] = "sh -c 'trap \"echo hung-$((1+3)); exit\" HUP; echo in-$((1+1))-front; "
                        "while :; do sleep 0.05; done'\n";
    ck_assert_int_eq(write(pty.master, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    ck_assert(sees("in-2-front"));
    pty_hang_up(&pty);
    ck_assert(sees("hung-4"));
    wait_for_end();
    finish();
}
END_TEST

START_TEST(a_program_that_ignores_the_hangup_is_killed)
{
    int code;
    start("trap '' HUP TERM; echo stubborn; while :; do sleep 0.05; done");
    ck_assert(sees("stubborn"));
    pty_hang_up(&pty);
    clock_sleep_ms(100);
    ck_assert(!pty_ended(&pty, &code));
    finish();
}
END_TEST

START_TEST(the_shell_is_one_that_can_run)
{
    char *good[] = {"SHELL=/bin/sh", NULL}, *missing[] = {"SHELL=/no/shell", NULL},
         *relative[] = {"SHELL=sh", NULL}, *directory_text[] = {"SHELL=/etc/passwd", NULL},
         *none[] = {NULL};
    ck_assert_str_eq(pty_shell(good), "/bin/sh");
    char **const others[] = {missing, relative, directory_text, none};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *shell = pty_shell(others[i]);
        ck_assert_int_eq(shell[0], '/');
        ck_assert_int_eq(access(shell, X_OK), 0);
    }
}
END_TEST

CHECK_MAIN("pty", 300, a_program_leads_a_session_on_its_own_terminal,
           the_exit_code_is_the_programs_and_1_for_a_signal,
           a_size_of_0_keeps_what_is_and_the_largest_is_taken,
           what_cannot_be_started_leaves_nothing, without_descriptors_it_is_an_error,
           a_hangup_reaches_the_shell_and_what_is_in_front,
           a_program_that_ignores_the_hangup_is_killed, the_shell_is_one_that_can_run)
