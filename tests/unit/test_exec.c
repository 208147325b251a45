#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "command_helper.h"
#include "ops_helper.h"
#include "process/inherit.h"

static Og__ExecRequest request;
static Og__ExecRequest__EnvEntry entries[4], *entry_list[4];

static void prepare(struct bench *bench, bool shell, size_t count, char **words)
{
    og__exec_request__init(&request);
    request.shell = shell;
    request.n_command = count;
    request.command = words;
    request.env = entry_list;
    bench->request.op_case = OG__CONTROL_REQUEST__OP_EXEC;
    bench->request.exec = &request;
}

static void add_env(char *key, char *value)
{
    Og__ExecRequest__EnvEntry *entry = &entries[request.n_env];
    og__exec_request__env_entry__init(entry);
    entry->key = key;
    entry->value = value;
    entry_list[request.n_env++] = entry;
}

static Og__ExecResponse *run(struct bench *bench)
{
    bench->response = (Og__ControlResponse)OG__CONTROL_RESPONSE__INIT;
    bench_check(bench, op_exec(&bench->op, &bench->request, &bench->response, &bench->why));
    ck_assert_int_eq(bench->response.result_case, OG__CONTROL_RESPONSE__RESULT_EXEC);
    return bench->response.exec;
}

static const struct fail *refused(struct bench *bench)
{
    bench->why = (struct fail){0};
    ck_assert(!op_exec(&bench->op, &bench->request, &bench->response, &bench->why));
    return &bench->why;
}

#define WORDS(...)         ((char *[]){__VA_ARGS__})
#define SHELL(bench, text) prepare(bench, true, 1, WORDS((char *)(text)))
START_TEST(result_has_both_streams_and_the_exit_code)
{
    struct bench bench;
    bench_init(&bench);
    SHELL(&bench, "printf hi; printf err >&2; exit 3");
    Og__ExecResponse *exec = run(&bench);
    ck_assert_int_eq(exec->exit_code, 3);
    ck_assert_bytes(exec->stdout, "hi");
    ck_assert_bytes(exec->stderr, "err");
    ck_assert(!exec->timed_out);
    bench_fini(&bench);
}
END_TEST

START_TEST(empty_command_is_refused_before_all_else)
{
    struct bench bench;
    bench_init(&bench);
    prepare(&bench, true, 0, NULL);
    request.cwd = "missing";
    const struct fail *why = refused(&bench);
    ck_assert_int_eq(why->kind, FAIL_INVALID);
    ck_assert_str_eq(why->what, "exec: empty command");
    bench_fini(&bench);
}
END_TEST

START_TEST(shell_words_are_joined_by_single_spaces)
{
    struct bench bench;
    bench_init(&bench);
    char *words[] = {"echo", "a  b"};
    prepare(&bench, true, 2, words);
    ck_assert_bytes(run(&bench)->stdout, "a b\n");
    bench_fini(&bench);
}
END_TEST

START_TEST(words_without_a_shell_are_not_touched)
{
    struct bench bench;
    bench_init(&bench);
    char *words[] = {"printf", "%s|", "a b", "$HOME", ""};
    prepare(&bench, false, 5, words);
    ck_assert_bytes(run(&bench)->stdout, "a b|$HOME||");
    bench_fini(&bench);
}
END_TEST

START_TEST(missing_program_is_not_found)
{
    struct bench bench;
    bench_init(&bench);
    char *words[] = {"no-such-program-xyz"};
    prepare(&bench, false, 1, words);
    const struct fail *why = refused(&bench);
    ck_assert_int_eq(why->kind, FAIL_SYSTEM);
    ck_assert_int_eq(why->error, ENOENT);
    ck_assert_str_eq(why->what, "spawn");
    ck_assert_str_eq(why->path, "no-such-program-xyz");
    bench_fini(&bench);
}
END_TEST

START_TEST(shell_text_never_shows_up_in_errors)
{
    struct bench bench;
    bench_init(&bench);
    bench.host.shell = "/no/such/shell";
    SHELL(&bench, "echo secret");
    const struct fail *why = refused(&bench);
    ck_assert_int_eq(why->error, ENOENT);
    ck_assert_str_eq(why->path, "/no/such/shell");
    ck_assert_ptr_null(strstr(why->what, "secret"));
    bench_fini(&bench);
}
END_TEST

START_TEST(program_is_searched_in_the_path_of_the_request)
{
    struct bench bench;
    bench_init(&bench);
    put_text(&bench, "echo", "#!/bin/sh\n/bin/echo mine\n", 0755);
    char *words[] = {"echo"};
    prepare(&bench, false, 1, words);
    add_env("PATH", bench.root);
    ck_assert_bytes(run(&bench)->stdout, "mine\n");
    bench_fini(&bench);
}
END_TEST

START_TEST(relative_program_is_below_the_working_directory)
{
    struct bench bench;
    bench_init(&bench);
    char path[128];
    snprintf(path, sizeof path, "%s/sub", bench.root);
    mkdir(path, 0755);
    put_text(&bench, "sub/run.sh", "#!/bin/sh\necho ran\n", 0755);
    char *words[] = {"./run.sh"};
    prepare(&bench, false, 1, words);
    request.cwd = "sub";
    ck_assert_bytes(run(&bench)->stdout, "ran\n");
    bench_fini(&bench);
}
END_TEST

START_TEST(working_directory_follows_the_rules_of_paths)
{
    struct bench bench;
    bench_init(&bench);
    char sub[128], upward[] = "../../../../../..";
    snprintf(sub, sizeof sub, "%s/sub", bench.root);
    mkdir(sub, 0755);
    char *table[][2] = {
        {"", bench.root}, {"sub", sub}, {"/tmp", "/tmp"}, {"~", bench.home}, {upward, "/"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        SHELL(&bench, "printf %s \"$(pwd -P)\"");
        request.cwd = table[i][0];
        ck_assert_bytes(run(&bench)->stdout, table[i][1]);
    }
    bench_fini(&bench);
}
END_TEST

START_TEST(missing_working_directory_is_named_rather_than_the_program)
{
    struct bench bench;
    bench_init(&bench);
    static const char *const cwds[] = {"~/x", "~nobody", "/missing/deep"};
    for (size_t i = 0; i < 3; i++) {
        SHELL(&bench, "true");
        request.cwd = (char *)cwds[i];
        const struct fail *why = refused(&bench);
        ck_assert_int_eq(why->error, ENOENT);
        ck_assert_str_eq(why->what, "exec working directory");
        ck_assert_ptr_nonnull(strstr(why->path, cwds[i] + 1));
    }
    bench_fini(&bench);
}
END_TEST

START_TEST(file_as_working_directory_is_refused)
{
    struct bench bench;
    bench_init(&bench);
    put_text(&bench, "file", "x", 0644);
    SHELL(&bench, "true");
    request.cwd = "file";
    const struct fail *why = refused(&bench);
    ck_assert_int_eq(why->kind, FAIL_NOT_DIR);
    char path[128];
    snprintf(path, sizeof path, "%s/file", bench.root);
    ck_assert_str_eq(why->path, path);
    bench_fini(&bench);
}
END_TEST

START_TEST(environment_of_the_request_wins_and_ours_is_scrubbed)
{
    setenv("OPENGENI_ENROLL_TOKEN", "secret", 1);
    setenv("NOTIFY_SOCKET", "/run/x", 1);
    struct bench bench;
    bench_init(&bench);
    SHELL(&bench, "echo \"$OPENGENI_ENROLL_TOKEN.$NOTIFY_SOCKET.$X\"");
    ck_assert_bytes(run(&bench)->stdout, "..\n");
    SHELL(&bench, "echo \"$OPENGENI_ENROLL_TOKEN.$X\"");
    add_env("OPENGENI_ENROLL_TOKEN", "mine");
    add_env("X", "y=z");
    ck_assert_bytes(run(&bench)->stdout, "mine.y=z\n");
    bench_fini(&bench);
}
END_TEST

START_TEST(bad_environment_names_are_refused)
{
    struct bench bench;
    bench_init(&bench);
    static char *const names[] = {"", "A=B"};
    for (size_t i = 0; i < 2; i++) {
        SHELL(&bench, "echo x >ran");
        add_env(names[i], "v");
        ck_assert_int_eq(refused(&bench)->kind, FAIL_INVALID);
    }
    char path[128];
    snprintf(path, sizeof path, "%s/ran", bench.root);
    ck_assert_int_ne(access(path, F_OK), 0);
    bench_fini(&bench);
}
END_TEST

static char *padded_text(const char *text, size_t size)
{
    char *padded = malloc(size + 1);
    size_t used = strlen(text);
    memcpy(padded, text, used);
    memset(padded + used, '#', size - used);
    padded[size] = '\0';
    return padded;
}

START_TEST(shell_text_of_any_length_runs)
{
    static const size_t sizes[] = {EXEC_ARG_BYTES_MAX - 1, EXEC_ARG_BYTES_MAX,
                                   EXEC_ARG_BYTES_MAX + 1, 200000, 1000000};
    static const char *const shells[] = {"/bin/sh", "/bin/bash"};
    struct bench bench;
    bench_init(&bench);
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char expected[64];
            snprintf(expected, sizeof expected, "%s 0 in\n", shells[s]);
            bench.host.shell = shells[s];
            char *text = padded_text("read x; echo $0 $# $x; exit 4 #", sizes[i]);
            SHELL(&bench, text);
            request.stdin.data = (uint8_t *)"in\nmore";
            request.stdin.len = 7;
            Og__ExecResponse *exec = run(&bench);
            ck_assert_int_eq(exec->exit_code, 4);
            ck_assert_bytes(exec->stdout, expected);
            free(text);
        }
    bench_fini(&bench);
}
END_TEST

START_TEST(long_shell_text_writes_a_file_exactly)
{
    struct bench bench;
    bench_init(&bench);
    struct buffer script;
    buffer_init(&script, 300000);
    ck_assert(buffer_append_string(&script, "printf %s '"));
    for (int i = 0; i < 50000; i++)
        ck_assert(buffer_append_string(&script, "QUJD"));
    ck_assert(
        buffer_append_string(&script, "' | base64 -d > f && wc -c <f && ls /proc/self/fd | wc -l"));
    SHELL(&bench, script.data);
    Og__ExecResponse *exec = run(&bench);
    ck_assert_int_eq(exec->exit_code, 0);
    ck_assert_bytes(exec->stdout, "150000\n4\n");
    buffer_fini(&script);
    bench_fini(&bench);
}
END_TEST

START_TEST(argument_that_is_too_long_is_a_system_error)
{
    struct bench bench;
    bench_init(&bench);
    char *text = padded_text("", EXEC_ARG_BYTES_MAX + 1);
    char *words[] = {"printf", text};
    prepare(&bench, false, 2, words);
    ck_assert_int_eq(refused(&bench)->error, E2BIG);
    free(text);
    bench_fini(&bench);
}
END_TEST

START_TEST(input_is_given_and_bash_without_input_ends_at_once)
{
    struct bench bench;
    bench_init(&bench);
    char *words[] = {"/bin/bash"};
    prepare(&bench, true, 1, words);
    Og__ExecResponse *exec = run(&bench);
    ck_assert_int_eq(exec->exit_code, 0);
    ck_assert_uint_eq(exec->stdout.len + exec->stderr.len, 0);

    char *data = padded_text("", 400000);
    SHELL(&bench, "cat");
    request.stdin.data = (uint8_t *)data;
    request.stdin.len = 400000;
    exec = run(&bench);
    ck_assert_uint_eq(exec->stdout.len, 400000);
    ck_assert_mem_eq(exec->stdout.data, data, 400000);
    free(data);
    bench_fini(&bench);
}
END_TEST

// --- time, cancelling, policy

START_TEST(timed_out_command_returns_what_it_printed_and_says_so)
{
    struct bench bench;
    bench_init(&bench);
    static const struct {
        const char *text, *out, *err;
    } table[] = {
        {"sleep 300", "", "timed out"},
        {"echo out; sleep 300", "out\n", "timed out"},
        {"echo warn >&2; sleep 300", "", "warn\ntimed out"},
        {"printf half >&2; sleep 300", "", "half\ntimed out"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        SHELL(&bench, table[i].text);
        request.timeout_ms = 1000; // time enough for the first words on a slow machine
        Og__ExecResponse *exec = run(&bench);
        ck_assert(exec->timed_out);
        ck_assert_int_eq(exec->exit_code, -1);
        ck_assert_bytes(exec->stdout, table[i].out);
        ck_assert_bytes(exec->stderr, table[i].err);
    }
    bench_fini(&bench);
}
END_TEST

static bool ends_with(ProtobufCBinaryData data, const char *text)
{
    size_t size = strlen(text);
    return data.len >= size && memcmp(data.data + data.len - size, text, size) == 0;
}

START_TEST(timed_out_command_with_too_much_output_is_cut_rather_than_refused)
{
    static const char *const texts[] = {"yes", "yes >&2", "yes & yes >&2",
                                        "head -c 90 /dev/zero; yes >&2",
                                        "head -c 90 /dev/zero >&2; yes"};
    static const size_t limits[] = {1048576, 2000, 200, 100};
    struct bench bench;
    bench_init(&bench);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t j = 0; j < sizeof limits / sizeof *limits; j++) {
            SHELL(&bench, texts[i]);
            request.timeout_ms = 100;
            bench.op.reply_max = limits[j];
            Og__ExecResponse *exec = run(&bench);
            ck_assert(exec->timed_out);
            ck_assert(exec->stderr.len == 9 || ends_with(exec->stderr, "\ntimed out"));
            ck_assert(ends_with(exec->stderr, "timed out"));
        }
    bench_fini(&bench);
}
END_TEST

START_TEST(short_and_long_times)
{
    struct bench bench;
    bench_init(&bench);
    SHELL(&bench, "sleep 300");
    request.timeout_ms = 1;
    ck_assert(run(&bench)->timed_out);
    SHELL(&bench, "true");
    request.timeout_ms = UINT32_MAX;
    Og__ExecResponse *exec = run(&bench);
    ck_assert(!exec->timed_out);
    ck_assert_int_eq(exec->exit_code, 0);
    bench_fini(&bench);
}
END_TEST

static void *fire(void *cancel)
{
    clock_sleep_ms(200);
    cancel_fire(cancel);
    return NULL;
}

START_TEST(cancelled_command_is_an_error)
{
    struct bench bench;
    bench_init(&bench);
    SHELL(&bench, "sleep 300");
    pthread_t thread;
    pthread_create(&thread, NULL, fire, bench.op.cancel);
    ck_assert_int_eq(refused(&bench)->kind, FAIL_CANCELLED);
    pthread_join(thread, NULL);
    // Again, with the request to stop already there: nothing runs.
    SHELL(&bench, "echo x >ran");
    ck_assert_int_eq(refused(&bench)->kind, FAIL_CANCELLED);
    char path[128];
    snprintf(path, sizeof path, "%s/ran", bench.root);
    ck_assert_int_ne(access(path, F_OK), 0);
    bench_fini(&bench);
}
END_TEST

START_TEST(limits_are_refused_after_the_other_checks)
{
    struct bench bench;
    bench_init(&bench);
    Og__OperationResourcePolicy policy = OG__OPERATION_RESOURCE_POLICY__INIT;
    bench.request.resource_policy = &policy;
    SHELL(&bench, "echo ran");
    ck_assert_bytes(run(&bench)->stdout, "ran\n"); // an empty policy

    policy.memory_max_case = OG__OPERATION_RESOURCE_POLICY__MEMORY_MAX_MEMORY_MAX_BYTES;
    policy.memory_max_bytes = 64 << 20;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_UNSUPPORTED);
    policy.memory_max_bytes = 0;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_INVALID);
    policy.memory_max_bytes = 5;
    policy.memory_high_case = OG__OPERATION_RESOURCE_POLICY__MEMORY_HIGH_MEMORY_HIGH_BYTES;
    policy.memory_high_bytes = 6;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_INVALID);
    policy.memory_high_bytes = 5;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_UNSUPPORTED);
    policy.memory_high_bytes = 0;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_INVALID);

    policy = (Og__OperationResourcePolicy)OG__OPERATION_RESOURCE_POLICY__INIT;
    policy.cpu_max_case = OG__OPERATION_RESOURCE_POLICY__CPU_MAX_CPU_MAX_MILLICORES;
    policy.cpu_max_millicores = 0;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_INVALID);
    policy.cpu_max_millicores = 500;
    ck_assert_int_eq(refused(&bench)->kind, FAIL_UNSUPPORTED);
    request.cwd = "missing";
    ck_assert_int_eq(refused(&bench)->error, ENOENT);
    request.n_command = 0;
    ck_assert_str_eq(refused(&bench)->what, "exec: empty command");
    bench_fini(&bench);
}
END_TEST

// --- size

START_TEST(output_that_cannot_be_sent_is_told_with_its_size)
{
    struct bench bench;
    bench_init(&bench);
    SHELL(&bench, "head -c 2000000 /dev/zero; echo x >ran");
    const struct fail *why = refused(&bench);
    ck_assert_int_eq(why->kind, FAIL_TOO_LARGE);
    ck_assert_uint_gt(why->size, 2000000);
    ck_assert_uint_lt(why->size, 2000200);
    ck_assert_uint_eq(why->size_max, 1048576);
    ck_assert_uint_eq(why->output, 2000000);
    char path[128];
    snprintf(path, sizeof path, "%s/ran", bench.root);
    ck_assert_int_eq(access(path, F_OK), 0); // it ran to its end
    SHELL(&bench, "head -c 900000 /dev/zero");
    ck_assert_uint_eq(run(&bench)->stdout.len, 900000);
    bench_fini(&bench);
}
END_TEST

START_TEST(reply_of_exactly_the_limit_is_sent)
{
    struct bench bench;
    bench_init(&bench);
    SHELL(&bench, "head -c 5000 /dev/zero; head -c 3000 /dev/zero >&2");
    Og__ExecResponse *exec = run(&bench);
    exec->duration_ms = 0;
    // The duration takes zero to two bytes more on a reasonable machine, three on a slow one.
    size_t size = bench.op.id_size + encode_size(&bench.response.base);
    bench.op.reply_max = size - 1;
    const struct fail *why = refused(&bench);
    ck_assert_int_eq(why->kind, FAIL_TOO_LARGE);
    ck_assert_uint_ge(why->size, size);
    ck_assert_uint_le(why->size, size + 4);
    bench.op.reply_max = size + 4;
    ck_assert_uint_eq(run(&bench)->stdout.len, 5000);
    bench_fini(&bench);
}
END_TEST

START_TEST(full_arena_is_an_error_wherever_it_happens)
{
    struct bench bench;
    bench_init(&bench);
    bool worked = false;
    for (size_t cap = 0; cap < 8192 && !worked; cap += 48) {
        struct arena arena;
        arena_init(&arena, cap);
        bench.op.arena = &arena;
        char *words[] = {"printf", "'%1000s'", "x"};
        prepare(&bench, true, 3, words);
        request.cwd = ".";
        add_env("A", "b");
        bench.why = (struct fail){0};
        bench.response = (Og__ControlResponse)OG__CONTROL_RESPONSE__INIT;
        worked = op_exec(&bench.op, &bench.request, &bench.response, &bench.why);
        if (!worked)
            ck_assert_int_eq(bench.why.error, ENOMEM);
        arena_fini(&arena);
    }
    ck_assert(worked);
    bench_fini(&bench);
}
END_TEST

START_TEST(background_jobs_die_where_the_owner_wants_it)
{
    struct bench bench;
    bench_init(&bench);
    for (int kill_them = 0; kill_them < 2; kill_them++) {
        bench.host.kill_background_jobs = kill_them;
        SHELL(&bench, "sleep 300 >/dev/null 2>&1 & printf %s $!");
        Og__ExecResponse *exec = run(&bench);
        char number[16] = "";
        memcpy(number, exec->stdout.data, exec->stdout.len);
        clock_sleep_ms(50);
        ck_assert_int_eq(is_dead(to_pid(number)), kill_them);
        kill(to_pid(number), SIGKILL);
    }
    bench_fini(&bench);
}
END_TEST

CHECK_MAIN("exec", 600, result_has_both_streams_and_the_exit_code,
           empty_command_is_refused_before_all_else, shell_words_are_joined_by_single_spaces,
           words_without_a_shell_are_not_touched, missing_program_is_not_found,
           shell_text_never_shows_up_in_errors, program_is_searched_in_the_path_of_the_request,
           relative_program_is_below_the_working_directory,
           working_directory_follows_the_rules_of_paths,
           missing_working_directory_is_named_rather_than_the_program,
           file_as_working_directory_is_refused,
           environment_of_the_request_wins_and_ours_is_scrubbed, bad_environment_names_are_refused,
           shell_text_of_any_length_runs, long_shell_text_writes_a_file_exactly,
           argument_that_is_too_long_is_a_system_error,
           input_is_given_and_bash_without_input_ends_at_once,
           timed_out_command_returns_what_it_printed_and_says_so,
           timed_out_command_with_too_much_output_is_cut_rather_than_refused, short_and_long_times,
           cancelled_command_is_an_error, limits_are_refused_after_the_other_checks,
           output_that_cannot_be_sent_is_told_with_its_size, reply_of_exactly_the_limit_is_sent,
           full_arena_is_an_error_wherever_it_happens, background_jobs_die_where_the_owner_wants_it)
