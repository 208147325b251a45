#include "check_main.h"
#include "process/guardian.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "command_helper.h"
#include "process/mark.h"
#include "process/tree.h"

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/og-guardian-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static pid_t number_in(const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return pid_from(path);
}

static void drop_dir(void)
{
    char text[128];
    snprintf(text, sizeof text, "rm -rf %s", dir);
    TRIAL_SHELL(trial, text);
    trial_run(&trial);
    trial_fini(&trial);
}

static void *run_text(void *text)
{
    TRIAL_SHELL(trial, text);
    trial.command.setup.cwd = dir;
    trial_run(&trial);
    trial_fini(&trial);
    char path[96];
    snprintf(path, sizeof path, "%s/ended", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    return NULL;
}

// An agent in miniature: a guardian, then commands on threads of their own.
static pid_t start_agent(char *const *texts, int count)
{
    pid_t agent = fork();
    if (agent != 0)
        return agent;
    setsid();
    if (!guardian_start(NULL))
        _exit(1);
    pthread_t thread;
    for (int i = 0; i < count; i++)
        pthread_create(&thread, NULL, run_text, texts[i]);
    for (;;)
        pause();
}

static pid_t find_guardian(pid_t agent)
{
    char text[128];
    snprintf(text, sizeof text, "pgrep -P %d -x agent-guardian", (int)agent);
    pid_t pid = 0;
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; pid == 0 && clock_mono_ms() < end;) {
        TRIAL_SHELL(trial, text);
        trial_run(&trial);
        pid = to_pid(out_text(&trial));
        trial_fini(&trial);
    }
    return pid;
}

START_TEST(nothing_survives_an_agent_that_is_killed)
{
    make_dir();
    char *texts[] = {"sleep 300 & echo $! >a; echo $$ >b; wait",
                     "nohup sleep 300 >/dev/null 2>&1 & echo $! >c; wait",
                     "(setsid sh -c 'echo $$ >d; exec sleep 300' &); exec env -i sleep 300",
                     "trap '' HUP TERM; env -i sleep 300 & echo $! >e; wait",
                     "setsid sh -c 'echo $$ >f; kill -STOP $$' & wait"};
    pid_t agent = start_agent(texts, 5);
    pid_t pids[6];
    for (int i = 0; i < 6; i++)
        pids[i] = number_in((char[]){(char)('a' + i), '\0'});
    pid_t guardian = find_guardian(agent);
    ck_assert_int_gt(guardian, 1);
    kill(agent, _i ? SIGABRT : SIGKILL);
    ck_assert_int_eq(waitpid(agent, NULL, 0), agent);
    for (int i = 0; i < 6; i++)
        ck_assert_msg(dies(pids[i]), "%c survived", 'a' + i);
    ck_assert(dies(guardian));
    drop_dir();
}
END_TEST

START_TEST(guardian_is_hard_to_end_and_holds_nothing)
{
    make_dir();
    int leaked = open("/etc/passwd", O_RDONLY);
    ck_assert_int_ge(leaked, 0);
    char *texts[] = {"echo 1 >a; sleep 300"};
    pid_t agent = start_agent(texts, 1);
    (void)number_in("a");
    pid_t guardian = find_guardian(agent);
    ck_assert_int_gt(guardian, 1);
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGUSR1, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        kill(guardian, signals[i]);
    clock_sleep_ms(100);
    ck_assert(!is_dead(guardian));

    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)guardian);
    DIR *fds = opendir(path);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(fds));)
        count += entry->d_name[0] != '.';
    closedir(fds);
    ck_assert_int_eq(count, 5); // /dev/null three times, a pipe, the agent
    ck_assert_int_ne(getsid(guardian), getsid(agent));
    kill(agent, SIGKILL);
    waitpid(agent, NULL, 0);
    ck_assert(dies(guardian));
    drop_dir();
}
END_TEST

START_TEST(clean_end_kills_nobody)
{
    ck_assert(guardian_start(NULL));
    char mark[MARK_BYTES];
    struct tree tree;
    tree_begin(&tree);
    mark_make(tree.number, mark);
    ck_assert_int_ge(guardian_claim(&tree), 0);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        char *argv[] = {"/bin/sleep", "300", NULL}, *envp[] = {mark, NULL};
        execve(argv[0], argv, envp);
        _exit(1);
    }
    clock_sleep_ms(100);
    guardian_stop();
    ck_assert(!is_dead(child));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    ck_assert(!has_children()); // the guardian has been waited for
    guardian_stop();            // a second time does nothing
}
END_TEST

START_TEST(what_a_finished_command_left_behind_is_not_the_guardians)
{
    make_dir();
    char *texts[] = {"sleep 300 >/dev/null 2>&1 & echo $! >a",
                     "while [ ! -e ended ]; do sleep 0.05; done; echo 1 >b; sleep 300"};
    pid_t agent = start_agent(texts, 2);
    pid_t job = number_in("a");
    (void)number_in("b");
    pid_t guardian = find_guardian(agent);
    kill(agent, SIGKILL);
    waitpid(agent, NULL, 0);
    ck_assert(dies(guardian));
    ck_assert(!is_dead(job));
    kill(job, SIGKILL);
    drop_dir();
}
END_TEST

START_TEST(number_of_guarded_commands_is_bounded)
{
    struct tree tree;
    tree_begin(&tree);
    ck_assert_int_eq(guardian_claim(&tree), -1); // no guardian yet
    guardian_started(-1, &tree);
    guardian_release(-1);
    ck_assert(guardian_start(NULL));
    int last = -1;
    for (int i = 0; i < GUARDIAN_TREES_MAX; i++) {
        last = guardian_claim(&tree);
        ck_assert_int_ge(last, 0);
    }
    ck_assert_int_eq(guardian_claim(&tree), -1);
    guardian_release(last);
    ck_assert_int_eq(guardian_claim(&tree), last);
    ck_assert_int_eq(guardian_claim(&tree), -1);
    // Commands run all the same.
    TRIAL_SHELL(trial, "echo fine");
    trial_run(&trial);
    ck_assert_str_eq(out_text(&trial), "fine\n");
    trial_fini(&trial);
    guardian_stop();
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("guardian");
    tcase_set_timeout(all, 600);
    tcase_add_loop_test(all, nothing_survives_an_agent_that_is_killed, 0, 2);
    tcase_add_test(all, guardian_is_hard_to_end_and_holds_nothing);
    tcase_add_test(all, clean_end_kills_nobody);
    tcase_add_test(all, what_a_finished_command_left_behind_is_not_the_guardians);
    tcase_add_test(all, number_of_guarded_commands_is_bounded);
    return check_run_case("guardian", all);
}
