#include "process/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cancel.h"
#include "base/random.h"
#include "command_helper.h"

START_TEST(output_streams_and_exit_code_are_told_apart)
{
    TRIAL_SHELL(trial, "printf hi; printf err >&2; exit 3");
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, 3);
    ck_assert_str_eq(out_text(&trial), "hi");
    ck_assert_str_eq(err_text(&trial), "err");
    ck_assert(!trial.result.timed_out && !trial.result.cancelled);
    ck_assert_uint_eq(trial.result.output_size, 5);
    trial_fini(&trial);
}
END_TEST

START_TEST(signal_that_ends_the_leader_is_minus_one)
{
    TRIAL_SHELL(trial, "kill -9 $$");
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, -1);
    ck_assert(!trial.result.timed_out && !trial.result.cancelled);
    trial_fini(&trial);
    TRIAL_SHELL(inner, "sh -c 'kill -9 $$'; echo $?");
    trial_run(&inner);
    ck_assert_int_eq(inner.result.exit_code, 0);
    ck_assert_str_eq(out_text(&inner), "137\n");
    trial_fini(&inner);
}
END_TEST

START_TEST(command_without_input_reads_its_end_at_once)
{
    TRIAL_SHELL(trial, "cat; readlink /proc/self/fd/0");
    trial_run(&trial);
    ck_assert_str_eq(out_text(&trial), "/dev/null\n");
    trial_fini(&trial);
}
END_TEST

static void feed_random(struct trial *trial, size_t size)
{
    char *data = malloc(size);
    random_bytes(data, size);
    trial->command.input = data;
    trial->command.input_size = size;
}

START_TEST(input_and_output_larger_than_pipes_do_not_block_each_other)
{
    TRIAL_SHELL(trial, "tee /dev/stderr");
    feed_random(&trial, 3000000);
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, 0);
    ck_assert_uint_eq(trial.result.out.size, 3000000);
    ck_assert_uint_eq(trial.result.err.size, 3000000);
    ck_assert_mem_eq(trial.result.out.data, trial.command.input, 3000000);
    ck_assert_mem_eq(trial.result.err.data, trial.command.input, 3000000);
    free((void *)trial.command.input);
    trial_fini(&trial);
}
END_TEST

START_TEST(command_may_write_much_before_it_reads)
{
    TRIAL_SHELL(trial, "head -c 1000000 /dev/zero; cat >&2");
    feed_random(&trial, 1000000);
    trial_run(&trial);
    ck_assert_uint_eq(trial.result.out.size, 1000000);
    ck_assert_mem_eq(trial.result.err.data, trial.command.input, 1000000);
    free((void *)trial.command.input);
    trial_fini(&trial);
}
END_TEST

START_TEST(command_need_not_read_its_input)
{
    static const char *const texts[] = {"exit 4", "exec <&-; sleep 0.2; exit 4",
                                        "head -c 10 >/dev/null; exit 4"};
    for (size_t i = 0; i < 3; i++) {
        TRIAL_SHELL(trial, texts[i]);
        feed_random(&trial, 1000000);
        trial_run(&trial);
        ck_assert_int_eq(trial.result.exit_code, 4);
        free((void *)trial.command.input);
        trial_fini(&trial);
    }
}
END_TEST

static int64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

START_TEST(waiting_takes_no_processor_time)
{
    static const char *const texts[] = {"exec <&-; sleep 1", "exec >&- 2>&-; sleep 1",
                                        "sleep 1; cat >/dev/null", "sleep 4 & exit 0"};
    for (size_t i = 0; i < 4; i++) {
        TRIAL_SHELL(trial, texts[i]);
        feed_random(&trial, 1000000);
        int64_t before = cpu_ms();
        trial_run(&trial);
        ck_assert_int_lt(cpu_ms() - before, 500);
        free((void *)trial.command.input);
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(command_that_closes_its_output_is_still_waited_for)
{
    TRIAL_SHELL(trial, "exec >&- 2>&-; sleep 0.3; exit 6");
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, 6);
    ck_assert_int_ge(trial.result.duration_ms, 250);
    trial_fini(&trial);
}
END_TEST

START_TEST(output_beyond_the_limit_is_counted_and_the_command_completes)
{
    TRIAL_SHELL(trial, "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 2");
    trial.command.output_max = 400000;
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, 2);
    ck_assert_uint_eq(trial.result.out.size + trial.result.err.size, 400000);
    ck_assert_uint_eq(trial.result.output_size, 600000);
    trial_fini(&trial);
}
END_TEST

START_TEST(output_of_exactly_the_limit_is_kept_whole)
{
    for (size_t extra = 0; extra < 2; extra++) {
        TRIAL_SHELL(trial, "head -c 99999 /dev/zero; printf x");
        trial.command.output_max = 100000 - extra;
        trial_run(&trial);
        ck_assert_uint_eq(trial.result.out.size, 100000 - extra);
        ck_assert_uint_eq(trial.result.output_size, 100000);
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(no_output_at_all_may_be_kept)
{
    TRIAL_SHELL(trial, "echo hello");
    trial.command.output_max = 0;
    trial_run(&trial);
    ck_assert_uint_eq(trial.result.out.size, 0);
    ck_assert_uint_eq(trial.result.output_size, 6);
    trial_fini(&trial);
}
END_TEST

// --- time and cancelling

START_TEST(time_limit_stops_the_command_and_keeps_its_output)
{
    TRIAL_SHELL(trial, "echo early; echo warned >&2; echo $$; sleep 300; echo late");
    trial.command.timeout_ms = 1500; // time enough for the first words on a slow machine
    trial_run(&trial);
    ck_assert(trial.result.timed_out && !trial.result.cancelled);
    ck_assert_int_eq(trial.result.exit_code, -1);
    ck_assert_int_ge(trial.result.duration_ms, 1499);
    int pid = 0;
    ck_assert_int_eq(sscanf(out_text(&trial), "early\n%d\n", &pid), 1);
    ck_assert(is_dead(pid));
    ck_assert_str_eq(err_text(&trial), "warned\n");
    ck_assert(!has_children());
    trial_fini(&trial);
}
END_TEST

START_TEST(flood_of_output_does_not_hide_the_time)
{
    TRIAL_SHELL(trial, "exec yes");
    trial.command.timeout_ms = 1000;
    trial.command.output_max = 1000;
    trial_run(&trial);
    ck_assert(trial.result.timed_out);
    ck_assert_uint_eq(trial.result.out.size, 1000);
    ck_assert_uint_gt(trial.result.output_size, 1000);
    trial_fini(&trial);
}
END_TEST

START_TEST(largest_time_limit_is_no_limit_in_practice)
{
    TRIAL_SHELL(trial, "exit 0");
    trial.command.timeout_ms = UINT32_MAX;
    trial_run(&trial);
    ck_assert_int_eq(trial.result.exit_code, 0);
    ck_assert(!trial.result.timed_out);
    trial_fini(&trial);
}
END_TEST

struct firing {
    struct cancel *cancel;
    int64_t after_ms;
    const char *when; // a file to appear first
};

static void *fire(void *argument)
{
    struct firing *firing = argument;
    if (firing->when)
        (void)pid_from(firing->when);
    clock_sleep_ms(firing->after_ms);
    cancel_fire(firing->cancel);
    return NULL;
}

static void run_cancelled(struct trial *trial, int64_t after_ms, const char *when)
{
    struct firing firing = {cancel_new(), after_ms, when};
    trial->command.cancel_fd = cancel_fd(firing.cancel);
    pthread_t thread;
    pthread_create(&thread, NULL, fire, &firing);
    trial_run(trial);
    pthread_join(thread, NULL);
    cancel_unref(firing.cancel);
}

START_TEST(cancelling_stops_the_whole_tree)
{
    char dir[] = "/tmp/og-command-XXXXXX", text[512], path[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(
        text, sizeof text,
        "cd %s; sleep 300 & echo $! >a; setsid sh -c 'echo $$ >b; trap \"\" TERM HUP; sleep 300 &"
        " echo $! >c; wait' & (setsid sleep 300 & echo $! >d); sleep 0.3; echo 1 >ready; wait",
        dir);
    TRIAL_SHELL(trial, text);
    snprintf(path, sizeof path, "%s/ready", dir);
    run_cancelled(&trial, 0, path);
    ck_assert(trial.result.cancelled && !trial.result.timed_out);
    ck_assert_int_eq(trial.result.exit_code, -1);
    for (char name = 'a'; name <= 'd'; name++) {
        snprintf(path, sizeof path, "%s/%c", dir, name);
        ck_assert_msg(is_dead(pid_from(path)), "%c", name);
        unlink(path);
    }
    trial_fini(&trial);
    snprintf(path, sizeof path, "%s/ready", dir);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(cancel_that_came_before_stops_the_command_at_once)
{
    TRIAL_SHELL(trial, "sleep 300");
    struct cancel *cancel = cancel_new();
    cancel_fire(cancel);
    trial.command.cancel_fd = cancel_fd(cancel);
    trial_run(&trial);
    ck_assert(trial.result.cancelled);
    cancel_unref(cancel);
    trial_fini(&trial);
}
END_TEST

START_TEST(command_that_has_stopped_itself_is_killed)
{
    TRIAL_SHELL(trial, "kill -STOP $$; echo continued");
    trial.command.timeout_ms = 200;
    trial_run(&trial);
    ck_assert(trial.result.timed_out);
    ck_assert_str_eq(out_text(&trial), "");
    ck_assert(!has_children());
    trial_fini(&trial);
}
END_TEST

// --- what is left behind

START_TEST(background_job_with_its_own_output_lives_on)
{
    bool held = true; // or it seems so on a machine so busy that a shell takes that long
    for (int tries = 0; held && tries < 5; tries++) {
        TRIAL_SHELL(trial, "sleep 300 >/dev/null 2>&1 & echo $!");
        trial_run(&trial);
        int pid = to_pid(out_text(&trial));
        ck_assert_int_eq(trial.result.exit_code, 0);
        held = trial.result.duration_ms >= EXEC_HOLD_MS;
        clock_sleep_ms(100);
        ck_assert(!is_dead(pid));
        kill(pid, SIGKILL);
        trial_fini(&trial);
    }
    ck_assert(!held);
}
END_TEST

START_TEST(background_job_that_holds_the_output_delays_the_result_for_a_while_only)
{
    TRIAL_SHELL(trial, "setsid sleep 300 & echo $!; exit 3");
    trial_run(&trial);
    int pid = to_pid(out_text(&trial));
    ck_assert_int_eq(trial.result.exit_code, 3);
    ck_assert_int_ge(trial.result.duration_ms, EXEC_HOLD_MS - 10);
    ck_assert(!trial.result.timed_out && !trial.result.cancelled);
    ck_assert(!is_dead(pid));
    kill(pid, SIGKILL);
    trial_fini(&trial);
}
END_TEST

START_TEST(output_of_a_background_job_that_ends_soon_is_complete)
{
    TRIAL_SHELL(trial, "(sleep 0.3; echo later) & echo now");
    trial_run(&trial);
    ck_assert_str_eq(out_text(&trial), "now\nlater\n");
    trial_fini(&trial);
}
END_TEST

START_TEST(stopping_during_the_delay_kills_what_is_left_but_keeps_the_result)
{
    for (int by_time = 0; by_time < 2; by_time++) {
        TRIAL_SHELL(trial, "setsid sleep 300 & echo $!; exit 3");
        if (by_time) {
            trial.command.timeout_ms = EXEC_HOLD_MS / 2;
            trial_run(&trial);
        } else {
            run_cancelled(&trial, EXEC_HOLD_MS / 2, NULL);
        }
        ck_assert_int_eq(trial.result.exit_code, 3);
        ck_assert(!trial.result.timed_out && !trial.result.cancelled);
        ck_assert(is_dead(to_pid(out_text(&trial))));
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(background_jobs_die_where_they_are_not_to_live)
{
    static const char *const texts[] = {"sleep 300 >/dev/null 2>&1 & echo $!",
                                        "sleep 300 & echo $!", "setsid sleep 300 & echo $!",
                                        "nohup sleep 300 >/dev/null 2>&1 & echo $!"};
    for (size_t i = 0; i < 4; i++) {
        TRIAL_SHELL(trial, texts[i]);
        trial.command.kill_background = true;
        trial_run(&trial);
        ck_assert_int_eq(trial.result.exit_code, 0);
        ck_assert(is_dead(to_pid(out_text(&trial))));
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(process_substitution_may_finish_where_background_jobs_do_not_live)
{
    char *argv[] = {"bash", "-c", "seq 1 200000 > >(tail -n 1)", NULL};
    for (int i = 0; i < 20; i++) {
        struct trial trial;
        trial_init(&trial, argv);
        trial.command.kill_background = true;
        trial_run(&trial);
        ck_assert_str_eq(out_text(&trial), "200000\n");
        trial_fini(&trial);
    }
}
END_TEST

// --- in number

START_TEST(thousand_commands_leave_no_descriptor_and_no_zombie)
{
    int before = 0;
    for (int i = 0; i < 1000; i++) {
        char *argv[] = {"true", NULL};
        struct trial trial;
        trial_init(&trial, argv);
        if (i % 100 == 99) {
            trial.command.setup.cwd = "/missing";
            ck_assert(!command_run(&trial.command, &trial.result, NULL));
            arena_fini(&trial.arena);
            continue;
        }
        trial_run(&trial);
        ck_assert_int_eq(trial.result.exit_code, 0);
        trial_fini(&trial);
        if (i == 0)
            before = open_descriptors();
    }
    ck_assert_int_eq(open_descriptors(), before);
    ck_assert(!has_children());
}
END_TEST

static void *sleep_one(void *failed)
{
    char *argv[] = {"sleep", "1", NULL};
    struct trial trial;
    trial_init(&trial, argv);
    trial_run(&trial);
    if (trial.result.exit_code != 0)
        *(int *)failed = 1;
    trial_fini(&trial);
    return NULL;
}

START_TEST(three_hundred_commands_run_at_once)
{
    enum { COUNT = 300 };
    static pthread_t threads[COUNT];
    static int failed[COUNT];
    int64_t start = clock_mono_ms();
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sleep_one, &failed[i]), 0);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(failed[i], 0);
    }
    ck_assert_int_lt(clock_mono_ms() - start, 60000);
    ck_assert(!has_children());
}
END_TEST

START_TEST(lack_of_descriptors_is_an_error_and_leaves_nothing)
{
    struct rlimit files = {100, 100};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    TRIAL_SHELL(trial, "echo fine");
    trial_run(&trial);
    command_result_fini(&trial.result);
    int before = open_descriptors(), taken[100], count = 0;
    while ((taken[count] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
        count++;
    for (int spare = 0; spare < 5; spare++) {
        struct fail why = {0};
        if (command_run(&trial.command, &trial.result, &why))
            command_result_fini(&trial.result);
        else
            ck_assert_int_eq(why.error, EMFILE);
        close(taken[--count]);
    }
    while (count > 0)
        close(taken[--count]);
    ck_assert_int_eq(open_descriptors(), before);
    ck_assert(!has_children());
    trial_run(&trial);
    ck_assert_str_eq(out_text(&trial), "fine\n");
    trial_fini(&trial);
}
END_TEST

CHECK_MAIN("command", 600, output_streams_and_exit_code_are_told_apart,
           signal_that_ends_the_leader_is_minus_one, command_without_input_reads_its_end_at_once,
           input_and_output_larger_than_pipes_do_not_block_each_other,
           command_may_write_much_before_it_reads, command_need_not_read_its_input,
           waiting_takes_no_processor_time, command_that_closes_its_output_is_still_waited_for,
           output_beyond_the_limit_is_counted_and_the_command_completes,
           output_of_exactly_the_limit_is_kept_whole, no_output_at_all_may_be_kept,
           time_limit_stops_the_command_and_keeps_its_output,
           flood_of_output_does_not_hide_the_time, largest_time_limit_is_no_limit_in_practice,
           cancelling_stops_the_whole_tree, cancel_that_came_before_stops_the_command_at_once,
           command_that_has_stopped_itself_is_killed, background_job_with_its_own_output_lives_on,
           background_job_that_holds_the_output_delays_the_result_for_a_while_only,
           output_of_a_background_job_that_ends_soon_is_complete,
           stopping_during_the_delay_kills_what_is_left_but_keeps_the_result,
           background_jobs_die_where_they_are_not_to_live,
           process_substitution_may_finish_where_background_jobs_do_not_live,
           thousand_commands_leave_no_descriptor_and_no_zombie, three_hundred_commands_run_at_once,
           lack_of_descriptors_is_an_error_and_leaves_nothing)
