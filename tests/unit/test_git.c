// Runs the real git in fresh repositories.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "ops_helper.h"

static Og__GitRequest request;

static void start(struct bench *bench)
{
    // Nothing of the person who runs the tests.
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("GIT_CONFIG_SYSTEM", "/dev/null", 1);
    static const char *const names[] = {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME",
                                        "GIT_COMMITTER_EMAIL"};
    for (size_t i = 0; i < 4; i++)
        setenv(names[i], "test", 1);
    bench_init(bench);
    bench->request.op_case = OG__CONTROL_REQUEST__OP_GIT;
    bench->request.git = &request;
}

static Og__GitResponse *git(struct bench *bench, Og__GitOp op, const char *const *args)
{
    og__git_request__init(&request);
    request.op = op;
    request.args = (char **)args;
    for (const char *const *arg = args; *arg; arg++)
        request.n_args++;
    bench->response = (Og__ControlResponse)OG__CONTROL_RESPONSE__INIT;
    bench_check(bench, op_git(&bench->op, &bench->request, &bench->response, &bench->why));
    ck_assert_int_eq(bench->response.result_case, OG__CONTROL_RESPONSE__RESULT_GIT);
    return bench->response.git;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define RAW(bench, ...) \
    ck_assert_int_eq(git(bench, OG__GIT_OP__GIT_OP_RAW, ARGS(__VA_ARGS__))->exit_code, 0)
#define STATUS(bench, ...) git(bench, OG__GIT_OP__GIT_OP_STATUS, ARGS(__VA_ARGS__))

START_TEST(fresh_repository_is_clean_and_has_a_branch)
{
    struct bench bench;
    start(&bench);
    RAW(&bench, "init", "-q", "-b", "main");
    Og__GitResponse *response = STATUS(&bench);
    ck_assert_int_eq(response->exit_code, 0);
    ck_assert_ptr_nonnull(response->status);
    ck_assert_str_eq(response->status->branch, "main");
    bench_fini(&bench);
}
END_TEST

START_TEST(files_are_reported_with_their_names)
{
    struct bench bench;
    start(&bench);
    RAW(&bench, "init", "-q", "-b", "main");
    put_text(&bench, "home/keep", "", 0644);
    put_text(&bench, "a b", "text\n", 0644);
    RAW(&bench, "add", ".");
    RAW(&bench, "commit", "-qm", "first");
    RAW(&bench, "mv", "a b", "c d");
    put_text(&bench, "my file.txt", "x", 0644);
    put_text(&bench, "\xc3\xbc\t\"x", "x", 0644);
    Og__GitStatus *status = STATUS(&bench)->status;
    ck_assert(!status->clean);
    ck_assert_uint_eq(status->n_files, 3);
    ck_assert_str_eq(status->files[0]->path, "c d");
    ck_assert_str_eq(status->files[0]->code, "R.");
    ck_assert(status->files[0]->staged);
    ck_assert_str_eq(status->files[1]->path, "my file.txt");
    ck_assert_str_eq(status->files[1]->code, "??");
    ck_assert(!status->files[1]->staged);
    ck_assert_str_eq(status->files[2]->path, "\xc3\xbc\t\"x");
    bench_fini(&bench);
}
END_TEST

START_TEST(conflict_and_detached_head_are_seen)
{
    struct bench bench;
    start(&bench);
    RAW(&bench, "init", "-q", "-b", "main");
    put_text(&bench, "home/keep", "", 0644);
    put_text(&bench, "f", "one\n", 0644);
    RAW(&bench, "add", ".");
    RAW(&bench, "commit", "-qm", "first");
    RAW(&bench, "checkout", "-qb", "other");
    put_text(&bench, "f", "two\n", 0644);
    RAW(&bench, "commit", "-qam", "second");
    RAW(&bench, "checkout", "-q", "main");
    put_text(&bench, "f", "three\n", 0644);
    RAW(&bench, "commit", "-qam", "third");
    ck_assert_int_eq(git(&bench, OG__GIT_OP__GIT_OP_RAW, ARGS("merge", "other"))->exit_code, 1);
    Og__GitStatus *status = STATUS(&bench)->status;
    ck_assert(!status->clean);
    ck_assert_str_eq(status->files[0]->code, "UU");
    ck_assert_str_eq(status->files[0]->path, "f");
    RAW(&bench, "merge", "--abort");
    RAW(&bench, "checkout", "-q", "--detach");
    status = STATUS(&bench)->status;
    ck_assert_str_eq(status->branch, "(detached)");
    ck_assert(status->clean);
    bench_fini(&bench);
}
END_TEST

START_TEST(output_that_is_not_lines_is_not_parsed)
{
    struct bench bench;
    start(&bench);
    RAW(&bench, "init", "-q", "-b", "main");
    ck_assert_ptr_null(STATUS(&bench, "-z")->status);
    ck_assert_ptr_null(STATUS(&bench, "--null")->status);
    ck_assert_ptr_nonnull(STATUS(&bench, "--", "-z")->status);
    ck_assert_ptr_null(git(&bench, OG__GIT_OP__GIT_OP_DIFF, ARGS())->status);
    bench_fini(&bench);
}
END_TEST

START_TEST(failure_of_git_is_a_result)
{
    struct bench bench;
    start(&bench);
    Og__GitResponse *response = STATUS(&bench);
    ck_assert_int_eq(response->exit_code, 128); // no repository
    ck_assert_uint_gt(response->stderr.len, 0);
    ck_assert_ptr_null(response->status);
    ck_assert_int_eq(git(&bench, (Og__GitOp)77, ARGS("--version"))->exit_code, 0);
    ck_assert_int_eq(git(&bench, OG__GIT_OP__GIT_OP_UNSPECIFIED, ARGS("--version"))->exit_code, 0);
    ck_assert_int_eq(git(&bench, (Og__GitOp)-1, ARGS("--version"))->exit_code, 0);
    bench_fini(&bench);
}
END_TEST

START_TEST(every_operation_is_the_git_command_of_its_name)
{
    static const char *const lines[] = {
        [OG__GIT_OP__GIT_OP_UNSPECIFIED] = "x\n",
        [OG__GIT_OP__GIT_OP_STATUS] = "status --porcelain=v2 --branch x\n",
        [OG__GIT_OP__GIT_OP_DIFF] = "diff x\n",
        [OG__GIT_OP__GIT_OP_LOG] = "log x\n",
        [OG__GIT_OP__GIT_OP_ADD] = "add x\n",
        [OG__GIT_OP__GIT_OP_COMMIT] = "commit x\n",
        [OG__GIT_OP__GIT_OP_BRANCH] = "branch x\n",
        [OG__GIT_OP__GIT_OP_CHECKOUT] = "checkout x\n",
        [OG__GIT_OP__GIT_OP_PULL] = "pull x\n",
        [OG__GIT_OP__GIT_OP_PUSH] = "push x\n",
        [OG__GIT_OP__GIT_OP_RAW] = "x\n",
    };
    struct bench bench;
    start(&bench);
    put_text(&bench, "git", "#!/bin/sh\necho \"$@\"\n", 0755);
    char path[128];
    snprintf(path, sizeof path, "PATH=%s", bench.root);
    char *environment[] = {path, NULL};
    bench.host.environment = environment;
    for (size_t op = 0; op < sizeof lines / sizeof *lines; op++)
        if (lines[op])
            ck_assert_bytes(git(&bench, (Og__GitOp)op, ARGS("x"))->stdout, lines[op]);
    bench_fini(&bench);
}
END_TEST

START_TEST(git_is_told_not_to_ask_unless_the_machine_says_otherwise)
{
    struct bench bench;
    start(&bench);
    put_text(&bench, "git", "#!/bin/sh\necho \"$GIT_TERMINAL_PROMPT.$GIT_OPTIONAL_LOCKS\"\n", 0755);
    char path[128];
    snprintf(path, sizeof path, "PATH=%s", bench.root);
    char *plain[] = {path, NULL};
    bench.host.environment = plain;
    ck_assert_bytes(STATUS(&bench)->stdout, "0.0\n");
    ck_assert_bytes(git(&bench, OG__GIT_OP__GIT_OP_LOG, ARGS())->stdout, "0.\n");
    char *chosen[] = {path, "GIT_TERMINAL_PROMPT=1", "GIT_OPTIONAL_LOCKS=1", NULL};
    bench.host.environment = chosen;
    ck_assert_bytes(STATUS(&bench)->stdout, "1.1\n");
    bench_fini(&bench);
}
END_TEST

START_TEST(missing_git_and_missing_directory_are_told_apart)
{
    struct bench bench;
    start(&bench);
    og__git_request__init(&request);
    request.op = OG__GIT_OP__GIT_OP_STATUS;
    char path[128];
    snprintf(path, sizeof path, "PATH=%s", bench.root);
    char *environment[] = {path, NULL};
    bench.host.environment = environment;
    ck_assert(!op_git(&bench.op, &bench.request, &bench.response, &bench.why));
    ck_assert_int_eq(bench.why.error, ENOENT);
    ck_assert_str_eq(bench.why.what, "spawn");
    ck_assert_str_eq(bench.why.path, "git");
    request.cwd = "missing";
    ck_assert(!op_git(&bench.op, &bench.request, &bench.response, &bench.why));
    ck_assert_str_eq(bench.why.what, "git working directory");
    bench_fini(&bench);
}
END_TEST

START_TEST(limits_and_requests_to_stop_count_here_too)
{
    struct bench bench;
    start(&bench);
    og__git_request__init(&request);
    Og__OperationResourcePolicy policy = OG__OPERATION_RESOURCE_POLICY__INIT;
    policy.cpu_max_case = OG__OPERATION_RESOURCE_POLICY__CPU_MAX_CPU_MAX_MILLICORES;
    policy.cpu_max_millicores = 1;
    bench.request.resource_policy = &policy;
    ck_assert(!op_git(&bench.op, &bench.request, &bench.response, &bench.why));
    ck_assert_int_eq(bench.why.kind, FAIL_UNSUPPORTED);
    bench.request.resource_policy = NULL;
    cancel_fire(bench.op.cancel);
    ck_assert(!op_git(&bench.op, &bench.request, &bench.response, &bench.why));
    ck_assert_int_eq(bench.why.kind, FAIL_CANCELLED);
    bench_fini(&bench);
}
END_TEST

START_TEST(push_that_needs_a_password_fails_rather_than_waits)
{
    struct bench bench;
    start(&bench);
    RAW(&bench, "init", "-q", "-b", "main");
    // Nobody listens there; what matters is that nothing asks.
    Og__GitResponse *response =
        git(&bench, OG__GIT_OP__GIT_OP_PUSH, ARGS("https://127.0.0.1:1/x.git", "main"));
    ck_assert_int_ne(response->exit_code, 0);
    bench_fini(&bench);
}
END_TEST

START_TEST(output_that_cannot_be_sent_is_told)
{
    struct bench bench;
    start(&bench);
    RAW(&bench, "init", "-q", "-b", "main");
    bench.op.reply_max = 100;
    og__git_request__init(&request);
    request.op = OG__GIT_OP__GIT_OP_RAW;
    request.n_args = 2;
    request.args = (char *[]){"help", "-a"};
    ck_assert(!op_git(&bench.op, &bench.request, &bench.response, &bench.why));
    ck_assert_int_eq(bench.why.kind, FAIL_TOO_LARGE);
    ck_assert_uint_gt(bench.why.output, 100);
    bench_fini(&bench);
}
END_TEST

CHECK_MAIN("git", 300, fresh_repository_is_clean_and_has_a_branch,
           files_are_reported_with_their_names, conflict_and_detached_head_are_seen,
           output_that_is_not_lines_is_not_parsed, failure_of_git_is_a_result,
           every_operation_is_the_git_command_of_its_name,
           git_is_told_not_to_ask_unless_the_machine_says_otherwise,
           missing_git_and_missing_directory_are_told_apart,
           limits_and_requests_to_stop_count_here_too,
           push_that_needs_a_password_fails_rather_than_waits, output_that_cannot_be_sent_is_told)
