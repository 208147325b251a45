#include "process/mark.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/limits.h"
#include "command_helper.h"

static int proc;

static pid_t start_with(char *const *envp)
{
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {"/bin/sleep", "300", NULL};
        execve(argv[0], argv, envp);
        _exit(1);
    }
    // The environment is there from the middle of execve on: wait until it sleeps.
    char path[64], stat[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (!strstr(stat, "(sleep) S")) {
        clock_sleep_ms(1);
        FILE *file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_ptr_nonnull(fgets(stat, sizeof stat, file));
        fclose(file);
    }
    return pid;
}

static uint64_t number_with(char *const *envp)
{
    proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pid_t pid = start_with(envp);
    uint64_t number = mark_of(proc, pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(proc);
    return number;
}

START_TEST(mark_is_found_wherever_it_is)
{
    char mark[MARK_BYTES];
    mark_make(0x123456789abcdef0, mark);
    ck_assert_uint_eq(strlen(mark), MARK_BYTES - 1);
    ck_assert_uint_eq(number_with((char *[]){mark, NULL}), 0x123456789abcdef0);
    ck_assert_uint_eq(number_with((char *[]){mark, "A=b", NULL}), 0x123456789abcdef0);
    ck_assert_uint_eq(number_with((char *[]){"A=b", mark, NULL}), 0x123456789abcdef0);
}
END_TEST

START_TEST(mark_is_found_across_chunks)
{
    static char pad[2 * MARK_CHUNK_BYTES];
    char mark[MARK_BYTES];
    mark_make(77, mark);
    memset(pad, 'x', sizeof pad);
    pad[1] = '=';
    for (int before = 0; before <= MARK_BYTES + 3; before += 3) {
        pad[MARK_CHUNK_BYTES - before] = '\0';
        ck_assert_uint_eq(number_with((char *[]){pad, mark, "B=c", NULL}), 77);
        pad[MARK_CHUNK_BYTES - before] = 'x';
    }
}
END_TEST

START_TEST(what_only_looks_like_a_mark_is_none)
{
    char mark[MARK_BYTES], text[MARK_BYTES + 8];
    mark_make(5, mark);
    snprintf(text, sizeof text, "X%s", mark);
    ck_assert_uint_eq(number_with((char *[]){text, NULL}), 0);
    snprintf(text, sizeof text, "%s0", mark);
    ck_assert_uint_eq(number_with((char *[]){text, NULL}), 0);
    snprintf(text, sizeof text, "%.*s", MARK_BYTES - 2, mark);
    ck_assert_uint_eq(number_with((char *[]){text, NULL}), 0);
    snprintf(text, sizeof text, "%s", mark);
    text[20] ^= 1; // another agent
    ck_assert_uint_eq(number_with((char *[]){text, NULL}), 0);
    ck_assert_uint_eq(number_with((char *[]){NULL}), 0);
    ck_assert_uint_eq(number_with((char *[]){text, mark, NULL}), 5);
}
END_TEST

START_TEST(a_mark_without_an_end_is_none)
{
    static char text[3 * MARK_CHUNK_BYTES];
    mark_make(5, text);
    memset(text + strlen(text), 'a', sizeof text - strlen(text) - 1);
    char mark[MARK_BYTES];
    mark_make(6, mark);
    ck_assert_uint_eq(number_with((char *[]){text, NULL}), 0);
    ck_assert_uint_eq(number_with((char *[]){text, mark, NULL}), 6);
}
END_TEST

START_TEST(process_that_is_gone_has_no_mark)
{
    proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_uint_eq(mark_of(proc, 0x7fffffff), 0);
    ck_assert_uint_eq(mark_of(proc, 1), 0);
}
END_TEST

CHECK_MAIN("mark", 300, mark_is_found_wherever_it_is, mark_is_found_across_chunks,
           what_only_looks_like_a_mark_is_none, a_mark_without_an_end_is_none,
           process_that_is_gone_has_no_mark)
