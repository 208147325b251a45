// opengeni-ctl as a program, against a real server and a stand-in for an agent.
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/random.h"
#include "check_main.h"
#include "ctl_rig.h"

#define M RIG_PATH

static void start(void)
{
    rig_start(0);
}

static void start_fenced(void)
{
    rig_start(RIG_FENCED_ONLY);
}

static void start_with_token(void)
{
    rig_start(RIG_WITH_TOKEN);
}

static void start_with_tls(void)
{
    rig_start(RIG_WITH_TLS);
}

static void status_is(const struct run *run, int status)
{
    ck_assert_msg(run->status == status, "status %d, wanted %d: %s%s", run->status, status,
                  run->out, run->err);
}

static void err_has(const struct run *run, const char *text)
{
    ck_assert_msg(strstr(run->err, text) != NULL, "no \"%s\" in: %s", text, run->err);
}

// --- exec

START_TEST(arguments_reach_the_command_as_they_are)
{
    struct run run = rig_run(NULL, "exec", "-C", "/dir", "-e", "A=b=c", M, "args", "a  b", "-l",
                             "--json", "", NULL);
    status_is(&run, 0);
    ck_assert_str_eq(run.out, "shell=0 cwd=/dir timeout=0 env=b=c [a  b] [-l] [--json] []");
}
END_TEST

START_TEST(two_dashes_before_the_command_are_no_part_of_it)
{
    struct run run = rig_run(NULL, "exec", "--timeout", "1.5", "--", M, "--", "args", "--", NULL);
    status_is(&run, 0);
    ck_assert_str_eq(run.out, "shell=0 cwd= timeout=1500 env= [--]");
}
END_TEST

START_TEST(a_shell_text_is_one_argument)
{
    struct run run = rig_run(NULL, "exec", "-c", M, "args", NULL);
    ck_assert_str_eq(run.out, "shell=1 cwd= timeout=0 env=");
    run = rig_run(NULL, "exec", "-c", M, "echo", "a", NULL);
    status_is(&run, 125);
    err_has(&run, "one argument");
}
END_TEST

START_TEST(input_and_both_outputs_pass_unchanged)
{
    unsigned char data[100000];
    random_bytes(data, sizeof data);
    data[0] = '\0';
    rig_write_file("in", data, sizeof data);
    struct run run = rig_run(rig_file("in"), "exec", M, "cat", NULL);
    status_is(&run, 0);
    ck_assert_uint_eq(run.out_size, sizeof data);
    ck_assert_mem_eq(run.out, data, sizeof data);
    ck_assert_str_eq(run.err, "to the other\n");
    run = rig_run(rig_file("in"), "exec", "-n", M, "cat", NULL);
    ck_assert_uint_eq(run.out_size, 0);
}
END_TEST

START_TEST(input_that_fits_into_no_message_is_refused)
{
    static const char zeros[1200000];
    rig_write_file("in", zeros, sizeof zeros);
    struct run run = rig_run(rig_file("in"), "exec", M, "cat", NULL);
    status_is(&run, 125);
    err_has(&run, "does not fit into one message of 1048576 bytes");
    // Less than a message, but not with everything else in it.
    rig_write_file("in", zeros, 1048576 - 10);
    run = rig_run(rig_file("in"), "exec", M, "cat", NULL);
    status_is(&run, 125);
    ck_assert_int_eq(rig.requests, 0);
}
END_TEST

static const struct {
    const char *words[2];
    int status;
    const char *err;
} endings[] = {
    {{"exit", "0"}, 0, ""},
    {{"exit", "7"}, 7, ""},
    {{"exit", "-1"}, 255, "signal"},
    {{"sleep", "9"}, 124, "timed out\n"},
    {{"nothing", "x"}, 127, "No such file"},
    {{"denied", "x"}, 126, "Permission denied"},
    {{"large", "x"}, 125, "into a file"},
};

START_TEST(the_exit_status_tells_how_a_command_ended)
{
    struct run run = rig_run(NULL, "exec", M, endings[_i].words[0], endings[_i].words[1], NULL);
    status_is(&run, endings[_i].status);
    err_has(&run, endings[_i].err);
}
END_TEST

START_TEST(a_program_gets_output_that_is_no_text_as_base64)
{
    rig_write_file("in", "\xff\n", 2);
    struct run run = rig_run(rig_file("in"), "exec", "--json", M, "cat", NULL);
    json_t *out = json_loads(run.out, 0, NULL);
    ck_assert_str_eq(json_string_value(json_object_get(out, "stdout_base64")), "/wo");
    ck_assert_str_eq(json_string_value(json_object_get(out, "stderr")), "to the other\n");
    ck_assert_int_eq(json_integer_value(json_object_get(out, "exit_code")), 0);
    json_decref(out);
}
END_TEST

START_TEST(a_machine_that_vanishes_ends_the_wait_for_a_command)
{
    rig.mute_after_exec = true;
    struct run run = rig_run(NULL, "exec", M, "cat", NULL);
    status_is(&run, 125);
    err_has(&run, "has not answered a ping");
    ck_assert_int_eq(rig.execs, 1);
}
END_TEST

START_TEST(a_command_that_died_with_its_agent_is_not_run_again)
{
    rig.restart_after_exec = true;
    struct run run = rig_run(NULL, "exec", M, "cat", NULL);
    status_is(&run, 125);
    err_has(&run, "restarted while at work");
    ck_assert_int_eq(rig.execs, 1);
}
END_TEST

// --- failures on the way

START_TEST(what_the_agent_was_too_busy_to_begin_is_sent_again)
{
    rig.busy = 2;
    struct run run = rig_run(NULL, "exec", M, "exit", "0", NULL);
    status_is(&run, 0);
    ck_assert_int_eq(rig.requests, 3);
}
END_TEST

START_TEST(but_not_for_ever)
{
    rig.busy = 1000;
    struct run run = rig_run(NULL, "-v", "stat", M, "x", NULL);
    status_is(&run, 1);
    err_has(&run, "[DRAINING retryable]");
    ck_assert_int_eq(rig.requests, 3);
}
END_TEST

START_TEST(nothing_else_is_ever_sent_twice)
{
    rig.silent = true;
    struct run run = rig_run(NULL, "--timeout", "0.3", "mkdir", M, "x", NULL);
    status_is(&run, 124);
    err_has(&run, "no answer within 0.3 s");
    ck_assert_int_eq(rig.requests, 1);
}
END_TEST

START_TEST(a_machine_where_nobody_listens_is_offline)
{
    struct run run = rig_run(NULL, "--generation", "0.2.0", "stat", "w/m", "x", NULL);
    status_is(&run, 3);
    err_has(&run, "w/m: offline: nobody listens on agent.w.m.rpc");
}
END_TEST

START_TEST(a_server_that_is_not_there_is_named)
{
    struct run run = rig_run(NULL, "-s", "127.0.0.1:1", "ping", M, NULL);
    status_is(&run, 4);
    err_has(&run, "127.0.0.1:1: nobody answers there");
}
END_TEST

START_TEST(answers_that_make_no_sense_are_failures)
{
    static const struct {
        const char *bytes;
        size_t size;
    } replies[] = {{"\xff\xff", 2}, {"", 0}, {"\x0a\x01x\x52\x00", 5}, {"hello", 5}};
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        rig.raw_reply = replies[i].bytes;
        rig.raw_size = replies[i].size;
        static const char *const commands[] = {"ls", "metrics", "ping"};
        for (size_t k = 0; k < 3; k++) {
            struct run run = rig_run(NULL, commands[k], "--json", M, k == 2 ? "-c1" : NULL, NULL);
            status_is(&run, 1);
        }
    }
}
END_TEST

START_TEST(an_error_cannot_steer_the_terminal)
{
    struct run run = rig_run(NULL, "stat", M, "a\033[2J\nb", NULL);
    status_is(&run, 1);
    ck_assert_ptr_null(strchr(run.err, '\033'));
    err_has(&run, "a[2Jb does not exist");
}
END_TEST

START_TEST(the_token_comes_from_a_file)
{
    struct run run = rig_run(NULL, "ping", "-c1", M, NULL);
    status_is(&run, 4);
    err_has(&run, "--token-file");
    rig_write_file("token", RIG_TOKEN "\n", sizeof RIG_TOKEN);
    run = rig_run(NULL, "ping", "-c1", "--token-file", rig_file("token"), M, NULL);
    status_is(&run, 0);
    rig_write_file("token", "wrong\n", 6);
    run = rig_run(NULL, "ping", "-c1", "--token-file", rig_file("token"), M, NULL);
    status_is(&run, 4);
    err_has(&run, "refuses the token");
    ck_assert_ptr_null(strstr(run.err, "wrong"));
}
END_TEST

START_TEST(a_server_that_wants_tls_is_reached_by_either_scheme)
{
    struct run run = rig_run(NULL, "ping", "-c1", M, NULL);
    status_is(&run, 0);
    char url[64];
    snprintf(url, sizeof url, "tls://localhost:%d", rig.port);
    run = rig_run(NULL, "-s", url, "ping", "-c1", M, NULL);
    status_is(&run, 0);
}
END_TEST

// --- machines

static struct run run_announced(int pid)
{
    while (waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOHANG | WNOWAIT) == 0 && kill(pid, 0) == 0) {
        siginfo_t info = {0};
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
        if (info.si_pid == pid)
            break;
        rig_announce();
        clock_sleep_ms(50);
    }
    return rig_await(pid);
}

START_TEST(a_machine_is_found_by_what_it_says)
{
    static char *const names[] = {"stand-in", "aaaaaaaa", RIG_AGENT};
    for (size_t i = 0; i < 3; i++) {
        struct run run =
            run_announced(rig_begin(NULL, "ping", "-c1", "--wait", "20", names[i], NULL));
        status_is(&run, 0);
        ck_assert_ptr_nonnull(strstr(run.out, "stand-in: answer 1"));
    }
}
END_TEST

START_TEST(machines_are_listed_with_what_is_known)
{
    struct run run = run_announced(rig_begin(NULL, "machines", "--wait", "0.5", "--json", NULL));
    status_is(&run, 0);
    json_t *all = json_loads(run.out, 0, NULL), *one = json_array_get(all, 0);
    ck_assert_uint_eq(json_array_size(all), 1);
    ck_assert_str_eq(json_string_value(json_object_get(one, "name")), "stand-in");
    ck_assert_str_eq(json_string_value(json_object_get(one, "generation")), "both");
    ck_assert_str_eq(json_string_value(json_object_get(one, "instance")), RIG_INSTANCE);
    ck_assert(json_real_value(json_object_get(one, "load1")) == 0.25);
    json_decref(all);
    run = run_announced(rig_begin(NULL, "machines", "--wait", "0.5", NULL));
    ck_assert_ptr_nonnull(strstr(run.out, "aaaaaaaa  stand-in  w-1        both        online"));
}
END_TEST

START_TEST(no_machine_is_said_so)
{
    struct run run = rig_run(NULL, "machines", "--wait", "0.2", NULL);
    status_is(&run, 0);
    err_has(&run, "no machine has spoken");
    run = rig_run(NULL, "ls", "--wait", "0.2", "nobody", NULL);
    status_is(&run, 3);
    err_has(&run, "no machine called \"nobody\"");
}
END_TEST

START_TEST(an_address_that_nobody_has_is_looked_for_among_the_fenced_ones)
{
    struct run run = run_announced(rig_begin(NULL, "exec", "-n", M, "exit", "3", NULL));
    status_is(&run, 3);
    run = run_announced(rig_begin(NULL, "ping", "-c1", M, NULL));
    status_is(&run, 0);
}
END_TEST

// --- files

static unsigned char content[3 << 20];

static const size_t sizes[] = {0, 1, 524287, 524288, 524289, sizeof content};

static int entries_in_root(void)
{
    struct run run = rig_run(NULL, "ls", "-a", M, NULL);
    int count = 0;
    for (const char *c = run.out; *c; c++)
        count += *c == '\n';
    return count; // with .out and .err of the run
}

START_TEST(files_of_any_size_go_and_come_back_unchanged)
{
    size_t size = sizes[_i];
    random_bytes(content, sizeof content);
    rig_write_file("local", content, size);
    ck_assert_int_eq(chmod(rig_file("local"), 0750), 0);
    struct run run = rig_run(NULL, "put", M, rig_file("local"), "remote", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "get", M, "remote", rig_file("back"), NULL);
    status_is(&run, 0);
    struct stat remote, back;
    ck_assert_int_eq(stat(rig_file("remote"), &remote), 0);
    ck_assert_int_eq(stat(rig_file("back"), &back), 0);
    ck_assert_int_eq(remote.st_mode & 0777, 0750);
    ck_assert_int_eq(back.st_mode & 0777, 0750);
    ck_assert_int_eq(entries_in_root(), 5); // local, remote, back: no unfinished file is left
    run = rig_run(NULL, "cat", M, "back", NULL);
    ck_assert_uint_eq(run.out_size, size);
    ck_assert_mem_eq(run.out, content, size);
}
END_TEST

START_TEST(standard_input_and_output_can_stand_for_files)
{
    rig_write_file("in", "text", 4);
    struct run run = rig_run(rig_file("in"), "put", "-m", "600", M, "-", "remote", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "get", M, "remote", "-", NULL);
    ck_assert_str_eq(run.out, "text");
    struct stat st;
    ck_assert_int_eq(stat(rig_file("remote"), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    run = rig_run(rig_file("in"), "put", M, "-", ".", NULL);
    status_is(&run, 1);
    err_has(&run, "name the file in it");
}
END_TEST

START_TEST(a_directory_at_either_end_gets_a_file_of_the_same_name)
{
    ck_assert_int_eq(mkdir(rig_file("there"), 0755), 0);
    ck_assert_int_eq(mkdir(rig_file("here"), 0755), 0);
    ck_assert_int_eq(symlink("there", rig_file("link")), 0);
    rig_write_file("local", "text", 4);
    struct run run = rig_run(NULL, "put", "--json", M, rig_file("local"), "link", NULL);
    status_is(&run, 0);
    ck_assert_ptr_nonnull(strstr(run.out, "\"remote\": \"link/local\""));
    run = rig_run(NULL, "get", M, "there/local", rig_file("here"), NULL);
    status_is(&run, 0);
    ck_assert_int_eq(access(rig_file("here/local"), F_OK), 0);
}
END_TEST

START_TEST(a_file_that_is_replaced_keeps_its_permissions)
{
    rig_write_file("local", "new", 3);
    rig_write_file("remote", "old", 3);
    ck_assert_int_eq(chmod(rig_file("remote"), 0666), 0); // more than the umask lets through
    struct run run = rig_run(NULL, "put", M, rig_file("local"), rig_file("remote"), NULL);
    status_is(&run, 0);
    struct stat st;
    ck_assert_int_eq(stat(rig_file("remote"), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0666);
    ck_assert_int_eq(st.st_size, 3);
}
END_TEST

START_TEST(a_transfer_that_fails_leaves_the_old_file_and_nothing_else)
{
    rig_write_file("local", content, sizeof content);
    rig_write_file("remote", "old", 3);
    rig.fail_writes_after = 2;
    struct run run = rig_run(NULL, "put", M, rig_file("local"), "remote", NULL);
    status_is(&run, 1);
    err_has(&run, "No space left");
    run = rig_run(NULL, "cat", M, "remote", NULL);
    ck_assert_str_eq(run.out, "old");
    rig.short_reads_from = 600000;
    run = rig_run(NULL, "get", M, "local", rig_file("remote"), NULL);
    status_is(&run, 1);
    err_has(&run, "changed while it was read");
    run = rig_run(NULL, "cat", M, "remote", NULL);
    ck_assert_str_eq(run.out, "old");
    ck_assert_int_eq(entries_in_root(), 4);
}
END_TEST

START_TEST(a_link_is_written_through_only_when_asked)
{
    rig_write_file("local", "new", 3);
    rig_write_file("real", "older", 5);
    ck_assert_int_eq(symlink("real", rig_file("remote")), 0);
    struct run run = rig_run(NULL, "put", M, rig_file("local"), "remote", NULL);
    status_is(&run, 1);
    err_has(&run, "--in-place");
    run = rig_run(NULL, "put", "-i", M, rig_file("local"), "remote", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "cat", M, "real", NULL);
    ck_assert_str_eq(run.out, "new");
}
END_TEST

START_TEST(what_is_no_regular_file_is_never_replaced)
{
    rig_write_file("local", "new", 3);
    ck_assert_int_eq(mkfifo(rig_file("remote"), 0600), 0);
    struct run run = rig_run(NULL, "put", M, rig_file("local"), "remote", NULL);
    status_is(&run, 1);
    err_has(&run, "no regular file");
    struct stat st;
    ck_assert_int_eq(lstat(rig_file("remote"), &st), 0);
    ck_assert(S_ISFIFO(st.st_mode));
    ck_assert_int_eq(rig.writes, 0);
}
END_TEST

START_TEST(pieces_become_smaller_where_large_ones_do_not_fit)
{
    random_bytes(content, sizeof content);
    rig_write_file("remote", content, sizeof content);
    rig.reads_fit = 100000;
    struct run run = rig_run(NULL, "cat", M, "remote", NULL);
    status_is(&run, 0);
    ck_assert_uint_eq(run.out_size, sizeof content);
    ck_assert_mem_eq(run.out, content, sizeof content);
}
END_TEST

// Starts a put that takes its data from a pipe, gives it the first piece and waits for its arrival.
static int begin_put(int *fd)
{
    ck_assert_int_eq(mkfifo(rig_file(".pipe"), 0600), 0);
    int pid = rig_begin(NULL, "put", M, rig_file(".pipe"), "remote", NULL);
    *fd = open(rig_file(".pipe"), O_WRONLY | O_CLOEXEC);
    ck_assert(io_write_all(*fd, content, sizeof content));
    while (rig.writes == 0)
        clock_sleep_ms(5);
    return pid;
}

START_TEST(an_interrupted_transfer_takes_its_unfinished_file_away)
{
    int fd, pid = begin_put(&fd);
    kill(pid, SIGTERM);
    struct run run = rig_await(pid);
    status_is(&run, 256 + SIGTERM);
    close(fd);
    ck_assert_int_eq(entries_in_root(), 3); // the pipe
}
END_TEST

START_TEST(a_transfer_outlives_a_restart_of_the_server)
{
    int fd, pid = begin_put(&fd);
    rig_restart_server();
    bool taken = io_write_all(fd, content, sizeof content);
    close(fd);
    struct run run = rig_await(pid);
    status_is(&run, 0);
    ck_assert(taken);
    struct stat st;
    ck_assert_int_eq(stat(rig_file("remote"), &st), 0);
    ck_assert_int_eq(st.st_size, 2 * sizeof content);
}
END_TEST

START_TEST(names_here_need_not_be_text_but_names_there_do)
{
    rig_write_file("na\xefve", "text", 4);
    struct run run = rig_run(NULL, "put", "--json", M, rig_file("na\xefve"), "remote", NULL);
    status_is(&run, 0);
    ck_assert_ptr_nonnull(strstr(run.out, "\"remote\": \"remote\""));
    ck_assert_ptr_nonnull(strstr(run.out, "\"local_base64\": \""));
    run = rig_run(NULL, "ls", M, "na\xefve", NULL);
    status_is(&run, 1);
    err_has(&run, "not UTF-8");
    run = rig_run(NULL, "exec", M, "args", "\xff", NULL);
    status_is(&run, 125);
    err_has(&run, "not UTF-8");
}
END_TEST

START_TEST(directories_are_listed_in_order_without_hidden_names)
{
    rig_write_file("b", "", 0);
    rig_write_file("a\033x", "1234", 4);
    rig_write_file(".hidden", "", 0);
    struct run run = rig_run(NULL, "ls", M, NULL);
    status_is(&run, 0);
    ck_assert_str_eq(run.out, "ax\nb\n");
    run = rig_run(NULL, "ls", "-l", M, "b", NULL);
    ck_assert_int_eq(strncmp(run.out, "-rw-r--r--  0  ", 15), 0);
    run = rig_run(NULL, "ls", "--json", M, ".", NULL);
    json_t *out = json_loads(run.out, 0, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(out, ".")), 5);
    json_decref(out);
    run = rig_run(NULL, "ls", M, "nothing", "b", NULL);
    status_is(&run, 1);
    ck_assert_ptr_nonnull(strstr(run.out, "b\n")); // the others are still listed
}
END_TEST

START_TEST(small_file_commands_do_what_they_say)
{
    struct run run = rig_run(NULL, "mkdir", M, "d", "e", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "mkdir", M, "d", NULL);
    status_is(&run, 1);
    run = rig_run(NULL, "mv", M, "d", "e", NULL);
    status_is(&run, 1);
    run = rig_run(NULL, "mv", "-f", M, "d", "e", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "rm", M, "nothing", "e", NULL);
    status_is(&run, 1);
    ck_assert_int_ne(access(rig_file("e"), F_OK), 0);
    run = rig_run(NULL, "rm", "-f", M, "e", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "stat", "--json", M, "nothing", NULL);
    status_is(&run, 1);
    ck_assert_str_eq(run.out, "{\n  \"nothing\": null\n}\n");
}
END_TEST

// --- git, metrics, bench, help

START_TEST(git_status_is_told_in_short_and_the_rest_as_it_comes)
{
    struct run run = rig_run(NULL, "git", M, "repo", "status", NULL);
    status_is(&run, 0);
    ck_assert_str_eq(run.out, "## main...origin/main [ahead 2]\n M a b\n");
    run = rig_run(NULL, "git", M, "repo", "log", "-3", NULL);
    status_is(&run, 5);
    ck_assert_str_eq(run.out, "op=3 args=1 first=-3 cwd=repo\n");
    run = rig_run(NULL, "git", M, "repo", "rev-parse", "HEAD", NULL);
    ck_assert_str_eq(run.out, "op=15 args=2 first=rev-parse cwd=repo\n");
}
END_TEST

START_TEST(metrics_are_shown_for_people_and_programs)
{
    struct run run = rig_run(NULL, "metrics", M, NULL);
    ck_assert_ptr_nonnull(strstr(run.out, "memory  1.0G of 2.0G (50%)"));
    run = rig_run(NULL, "metrics", "--json", M, NULL);
    ck_assert_ptr_nonnull(strstr(run.out, "\"cpu_percent\": 12.5"));
}
END_TEST

START_TEST(a_benchmark_measures_everything_and_cleans_up)
{
    struct run run = rig_run(NULL, "bench", "-n", "40", "-C", rig.root, "--only",
                             "ping,stat,list,read", "--json", M, NULL);
    status_is(&run, 0);
    json_t *out = json_loads(run.out, 0, NULL);
    static const char *const measures[] = {"raw_echo", "ping", "stat", "list", "read_512k"};
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        ck_assert_int_gt(
            json_integer_value(json_object_get(json_object_get(out, measures[i]), "p50")), 0);
    json_decref(out);
    run = rig_run(NULL, "bench", "-n", "1", "--only", "ping,nothing", M, NULL);
    status_is(&run, 2);
}
END_TEST

START_TEST(wrong_usage_points_to_the_help)
{
    static const char *const wrong[][3] = {{"nonsense"},
                                           {"ls"},
                                           {"ls", "--nothing", M},
                                           {"cat", M},
                                           {"--generation", "1", "ls"},
                                           {"get", M},
                                           {"ping", "-c-1"},
                                           {"put", M, "x"},
                                           {"click", M, "1"},
                                           {"screenshot", M, "x"},
                                           {"move", "--button=left", M},
                                           {"key", M},
                                           {NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run run = rig_run(NULL, wrong[i][0], wrong[i][1], wrong[i][2], NULL);
        status_is(&run, 2);
        ck_assert(strstr(run.err, "help") || strstr(run.err, "Usage"));
    }
    struct run run = rig_run(NULL, "help", "exec", NULL);
    status_is(&run, 0);
    ck_assert_ptr_nonnull(strstr(run.out, "Usage: opengeni-ctl exec"));
    run = rig_run(NULL, "exec", "--help", NULL);
    status_is(&run, 0);
    run = rig_run(NULL, "--version", NULL);
    ck_assert_str_eq(run.out, "opengeni-ctl " OG_VERSION "\n");
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*set_up)(void), double seconds)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, set_up, rig_stop);
    tcase_set_timeout(tcase, seconds);
    suite_add_tcase(suite, tcase);
    return tcase;
}

int main(void)
{
    umask(022);
    Suite *suite = suite_create("ctl_commands");
    TCase *all = add_case(suite, "commands", start, 120);
    tcase_add_test(all, arguments_reach_the_command_as_they_are);
    tcase_add_test(all, two_dashes_before_the_command_are_no_part_of_it);
    tcase_add_test(all, a_shell_text_is_one_argument);
    tcase_add_test(all, input_and_both_outputs_pass_unchanged);
    tcase_add_test(all, input_that_fits_into_no_message_is_refused);
    tcase_add_loop_test(all, the_exit_status_tells_how_a_command_ended, 0,
                        sizeof endings / sizeof *endings);
    tcase_add_test(all, a_program_gets_output_that_is_no_text_as_base64);
    tcase_add_test(all, a_machine_that_vanishes_ends_the_wait_for_a_command);
    tcase_add_test(all, a_command_that_died_with_its_agent_is_not_run_again);
    tcase_add_test(all, what_the_agent_was_too_busy_to_begin_is_sent_again);
    tcase_add_test(all, but_not_for_ever);
    tcase_add_test(all, nothing_else_is_ever_sent_twice);
    tcase_add_test(all, a_machine_where_nobody_listens_is_offline);
    tcase_add_test(all, a_server_that_is_not_there_is_named);
    tcase_add_test(all, answers_that_make_no_sense_are_failures);
    tcase_add_test(all, an_error_cannot_steer_the_terminal);
    tcase_add_test(all, a_machine_is_found_by_what_it_says);
    tcase_add_test(all, machines_are_listed_with_what_is_known);
    tcase_add_test(all, no_machine_is_said_so);
    tcase_add_loop_test(all, files_of_any_size_go_and_come_back_unchanged, 0,
                        sizeof sizes / sizeof *sizes);
    tcase_add_test(all, standard_input_and_output_can_stand_for_files);
    tcase_add_test(all, a_directory_at_either_end_gets_a_file_of_the_same_name);
    tcase_add_test(all, a_file_that_is_replaced_keeps_its_permissions);
    tcase_add_test(all, a_transfer_that_fails_leaves_the_old_file_and_nothing_else);
    tcase_add_test(all, a_link_is_written_through_only_when_asked);
    tcase_add_test(all, what_is_no_regular_file_is_never_replaced);
    tcase_add_test(all, pieces_become_smaller_where_large_ones_do_not_fit);
    tcase_add_test(all, an_interrupted_transfer_takes_its_unfinished_file_away);
    tcase_add_test(all, a_transfer_outlives_a_restart_of_the_server);
    tcase_add_test(all, names_here_need_not_be_text_but_names_there_do);
    tcase_add_test(all, directories_are_listed_in_order_without_hidden_names);
    tcase_add_test(all, small_file_commands_do_what_they_say);
    tcase_add_test(all, git_status_is_told_in_short_and_the_rest_as_it_comes);
    tcase_add_test(all, metrics_are_shown_for_people_and_programs);
    tcase_add_test(all, a_benchmark_measures_everything_and_cleans_up);
    tcase_add_test(all, wrong_usage_points_to_the_help);
    tcase_add_test(add_case(suite, "token", start_with_token, 60), the_token_comes_from_a_file);
    tcase_add_test(add_case(suite, "tls", start_with_tls, 60),
                   a_server_that_wants_tls_is_reached_by_either_scheme);
    tcase_add_test(add_case(suite, "fenced", start_fenced, 60),
                   an_address_that_nobody_has_is_looked_for_among_the_fenced_ones);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
