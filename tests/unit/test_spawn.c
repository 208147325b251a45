#include "check_main.h"
#include "process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "command_helper.h"
#include "process/inherit.h"

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/og-spawn-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void drop_dir(void)
{
    char *argv[] = {"rm", "-rf", dir, NULL};
    struct trial trial;
    trial_init(&trial, argv);
    trial_run(&trial);
    trial_fini(&trial);
}

static void put_file(const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

static void run(struct trial *trial)
{
    trial_run(trial);
    ck_assert_int_eq(trial->result.exit_code, 0);
}

static struct fail failure(struct trial *trial)
{
    struct fail why = {0};
    int before = open_descriptors();
    ck_assert(!command_run(&trial->command, &trial->result, &why));
    ck_assert_int_eq(open_descriptors(), before);
    ck_assert(!has_children());
    arena_fini(&trial->arena);
    return why;
}

START_TEST(child_has_default_signals_and_an_empty_mask)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    char *argv[] = {"grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    run(&trial);
    ck_assert_str_eq(out_text(&trial), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    trial_fini(&trial);
}
END_TEST

START_TEST(sigpipe_kills_a_child_although_we_ignore_it)
{
    (void)inherit_get();
    signal(SIGPIPE, SIG_IGN); // after the state was recorded, as libraries do
    char *argv[] = {"bash", "-c", "yes | head -n 1; echo ${PIPESTATUS[0]}", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    run(&trial);
    ck_assert_str_eq(out_text(&trial), "y\n141\n");
    trial_fini(&trial);
}
END_TEST

START_TEST(children_can_be_waited_for_although_we_were_started_with_sigchld_ignored)
{
    signal(SIGCHLD, SIG_IGN);
    TRIAL_SHELL(trial, "exit 7");
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, 7);
    trial_fini(&trial);
}
END_TEST

START_TEST(child_has_only_the_three_standard_descriptors)
{
    int leaked = open("/etc/passwd", O_RDONLY); // not close-on-exec
    ck_assert_int_ge(leaked, 3);
    TRIAL_SHELL(trial, "cd /proc/self/fd && echo *"); // the glob's own descriptor is the fourth
    run(&trial);
    ck_assert_str_eq(out_text(&trial), "0 1 2 3\n");
    trial_fini(&trial);
    close(leaked);
}
END_TEST

START_TEST(kept_descriptor_becomes_the_fourth_whatever_its_number)
{
    for (int round = 0; round < 2; round++) {
        int file = memfd_create("kept", MFD_CLOEXEC);
        ck_assert_int_eq(write(file, "kept", 4), 4);
        int number = round ? fcntl(file, F_DUPFD_CLOEXEC, 40) : dup3(file, 3, O_CLOEXEC);
        TRIAL_SHELL(trial, "cat /proc/self/fd/3");
        trial.command.setup.script = number < 0 ? file : number;
        run(&trial);
        ck_assert_str_eq(out_text(&trial), "kept");
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(child_leads_its_own_session_and_has_no_terminal)
{
    TRIAL_SHELL(trial, "read -r pid c s parent group session tty rest </proc/self/stat;"
                       "echo $(($$ - group)) $(($$ - session)) $tty; cat </dev/tty");
    trial_run(&trial);
    ck_assert_str_eq(out_text(&trial), "0 0 0\n");
    ck_assert_int_ne(trial.result.exit_code, 0);
    trial_fini(&trial);
}
END_TEST

START_TEST(child_gets_the_terminal_it_is_given)
{
    int master, slave, pidfd;
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    char *argv[] = {"/bin/sh", "-c", "echo there >/dev/tty", NULL};
    struct spawn spawn = {.program = argv[0],
                          .argv = argv,
                          .envp = environ,
                          .stdio = {slave, slave, slave},
                          .keep = -1,
                          .terminal = true};
    pid_t pid;
    struct fail why;
    ck_assert(spawn_start(&spawn, &pid, &pidfd, &why));
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    char text[64] = "";
    ck_assert_int_gt(read(master, text, sizeof text - 1), 0);
    ck_assert_str_eq(text, "there\r\n");
}
END_TEST

START_TEST(child_has_the_open_file_limit_we_were_started_with)
{
    struct rlimit files = {300, 600};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    inherit_raise_files();
    getrlimit(RLIMIT_NOFILE, &files);
    ck_assert_int_eq(files.rlim_cur, 600);
    TRIAL_SHELL(trial, "ulimit -Sn; ulimit -Hn");
    run(&trial);
    ck_assert_str_eq(out_text(&trial), "300\n600\n");
    trial_fini(&trial);
}
END_TEST

// Only root may go below 0.
static void set_own_oom_score(const char *text)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (write(fd, text, strlen(text)) < 0)
        exit(0);
    close(fd);
}

START_TEST(children_die_of_lack_of_memory_just_before_us)
{
    static const char *const scores[][2] = {
        {"0", "1\n"}, {"-100", "0\n"}, {"999", "1000\n"}, {"1000", "1000\n"}, {"17", "18\n"}};
    set_own_oom_score(scores[_i][0]);
    TRIAL_SHELL(trial, "cat /proc/self/oom_score_adj");
    run(&trial);
    ck_assert_str_eq(out_text(&trial), scores[_i][1]);
    trial_fini(&trial);
}
END_TEST

START_TEST(missing_program_is_named_and_nothing_runs)
{
    char *argv[] = {"no-such-program-xyz", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    struct fail why = failure(&trial);
    ck_assert_int_eq(why.kind, FAIL_SYSTEM);
    ck_assert_int_eq(why.error, ENOENT);
    ck_assert_str_eq(why.what, "spawn");
    ck_assert_str_eq(why.path, "no-such-program-xyz");

    argv[0] = "/no/such/program";
    trial_init(&trial, argv);
    why = failure(&trial);
    ck_assert_int_eq(why.error, ENOENT);

    argv[0] = "";
    trial_init(&trial, argv);
    why = failure(&trial);
    ck_assert_int_eq(why.error, ENOENT);
}
END_TEST

START_TEST(long_program_name_is_cut_in_the_error)
{
    char name[4000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    char *argv[] = {name, NULL};
    struct trial trial;
    trial_init(&trial, argv);
    struct fail why = failure(&trial);
    ck_assert_int_eq(why.error, ENOENT);
    ck_assert_uint_eq(strlen(why.path), EXEC_NAME_BYTES_MAX);

    name[0] = '/';
    trial_init(&trial, argv);
    why = failure(&trial);
    ck_assert_int_eq(why.error, ENAMETOOLONG);
}
END_TEST

START_TEST(directory_that_cannot_be_entered_is_named)
{
    make_dir();
    char *argv[] = {"true", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    char missing[PATH_MAX];
    snprintf(missing, sizeof missing, "%s/missing", dir);
    trial.command.setup.cwd = missing;
    struct fail why = failure(&trial);
    ck_assert_int_eq(why.error, ENOENT);
    ck_assert_str_eq(why.what, "working directory");
    ck_assert_str_eq(why.path, missing);
    drop_dir();
}
END_TEST

START_TEST(script_without_interpreter_line_is_not_given_to_a_shell)
{
    make_dir();
    put_file("script", "echo no\n", 0755);
    char *argv[] = {"./script", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    trial.command.setup.cwd = dir;
    ck_assert_int_eq(failure(&trial).error, ENOEXEC);
    argv[0] = "script";
    trial_init(&trial, argv);
    trial.command.setup.search = dir;
    ck_assert_int_eq(failure(&trial).error, ENOEXEC);
    drop_dir();
}
END_TEST

START_TEST(search_takes_the_first_that_can_be_executed)
{
    make_dir();
    char path[3 * PATH_MAX], sub[PATH_MAX];
    snprintf(sub, sizeof sub, "%s/sub", dir);
    mkdir(sub, 0755);
    put_file("echo", "#!/bin/sh\necho first\n", 0644); // not executable
    put_file("sub/echo", "#!/bin/sh\necho second\n", 0755);
    snprintf(path, sizeof path, "/missing:%s:%s:/bin", dir, sub);
    char *argv[] = {"echo", "third", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    trial.command.setup.search = path;
    run(&trial);
    ck_assert_str_eq(out_text(&trial), "second\n");
    trial_fini(&trial);

    // A directory of that name is no program.
    snprintf(path, sizeof path, "%s/sub/echo", dir);
    unlink(path);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s:/bin", sub);
    trial_init(&trial, argv);
    trial.command.setup.search = path;
    run(&trial);
    ck_assert_str_eq(out_text(&trial), "third\n");
    trial_fini(&trial);
    drop_dir();
}
END_TEST

START_TEST(relative_places_of_a_search_are_below_the_childs_directory)
{
    make_dir();
    char sub[PATH_MAX];
    snprintf(sub, sizeof sub, "%s/sub", dir);
    mkdir(sub, 0755);
    put_file("here", "#!/bin/sh\necho dot\n", 0755);
    put_file("sub/here", "#!/bin/sh\necho sub\n", 0755);
    static const char *const searches[][2] = {{"", "dot\n"},
                                              {".", "dot\n"},
                                              {"/missing:", "dot\n"},
                                              {":/bin", "dot\n"},
                                              {"sub", "sub\n"}};
    char *argv[] = {"here", NULL};
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++) {
        struct trial trial;
        trial_init(&trial, argv);
        trial.command.setup.search = searches[i][0];
        trial.command.setup.cwd = dir;
        run(&trial);
        ck_assert_str_eq(out_text(&trial), searches[i][1]);
        trial_fini(&trial);
    }
    drop_dir();
}
END_TEST

START_TEST(file_that_may_not_be_executed_is_a_refusal_rather_than_missing)
{
    make_dir();
    put_file("tool", "#!/bin/sh\n", 0644);
    char *argv[] = {"tool", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    trial.command.setup.search = dir;
    ck_assert_int_eq(failure(&trial).error, EACCES);
    drop_dir();
}
END_TEST

START_TEST(overlong_place_in_a_search_is_passed_over)
{
    static char search[3 * PATH_MAX];
    memset(search, '/', 2 * PATH_MAX);
    snprintf(search + 2 * PATH_MAX, PATH_MAX, ":/bin");
    char *argv[] = {"true", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    trial.command.setup.search = search;
    run(&trial);
    trial_fini(&trial);
}
END_TEST

static void *start_sleep(void *pid)
{
    int null_fd = inherit_get()->null_fd, pidfd;
    char *argv[] = {"/bin/sleep", "300", NULL};
    struct spawn spawn = {.program = argv[0],
                          .argv = argv,
                          .envp = environ,
                          .stdio = {null_fd, null_fd, null_fd},
                          .keep = -1};
    ck_assert(spawn_start(&spawn, pid, &pidfd, NULL));
    close(pidfd);
    return NULL;
}

START_TEST(child_dies_with_the_thread_that_started_it)
{
    pthread_t thread;
    pid_t pid = 0;
    pthread_create(&thread, NULL, start_sleep, &pid);
    pthread_join(thread, NULL);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("spawn");
    tcase_set_timeout(all, 600);
    tcase_add_test(all, child_has_default_signals_and_an_empty_mask);
    tcase_add_test(all, sigpipe_kills_a_child_although_we_ignore_it);
    tcase_add_test(all, children_can_be_waited_for_although_we_were_started_with_sigchld_ignored);
    tcase_add_test(all, child_has_only_the_three_standard_descriptors);
    tcase_add_test(all, kept_descriptor_becomes_the_fourth_whatever_its_number);
    tcase_add_test(all, child_leads_its_own_session_and_has_no_terminal);
    tcase_add_test(all, child_gets_the_terminal_it_is_given);
    tcase_add_test(all, child_has_the_open_file_limit_we_were_started_with);
    tcase_add_loop_test(all, children_die_of_lack_of_memory_just_before_us, 0, 5);
    tcase_add_test(all, missing_program_is_named_and_nothing_runs);
    tcase_add_test(all, long_program_name_is_cut_in_the_error);
    tcase_add_test(all, directory_that_cannot_be_entered_is_named);
    tcase_add_test(all, script_without_interpreter_line_is_not_given_to_a_shell);
    tcase_add_test(all, search_takes_the_first_that_can_be_executed);
    tcase_add_test(all, relative_places_of_a_search_are_below_the_childs_directory);
    tcase_add_test(all, file_that_may_not_be_executed_is_a_refusal_rather_than_missing);
    tcase_add_test(all, overlong_place_in_a_search_is_passed_over);
    tcase_add_test(all, child_dies_with_the_thread_that_started_it);
    return check_run_case("spawn", all);
}
