// The main program of a unit test: runs the given tests, each in a process of its own.
#pragma once

#include <check.h>
#include <stdlib.h>

// Runs a case that holds more than plain tests; returns what main returns.
static inline int check_run_case(const char *name, TCase *all)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

// setup and teardown run around each test; NULL: nothing does.
static inline int check_run(const char *name, double seconds, SFun setup, SFun teardown,
                            const TTest *const *tests, size_t count)
{
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, seconds);
    tcase_add_checked_fixture(all, setup, teardown);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(all, tests[i]);
    return check_run_case(name, all);
}

#define CHECK_MAIN_WITH(name, seconds, setup, teardown, ...)                                   \
    int main(void)                                                                             \
    {                                                                                          \
        const TTest *const tests[] = {__VA_ARGS__};                                            \
        return check_run(name, seconds, setup, teardown, tests, sizeof tests / sizeof *tests); \
    }
#define CHECK_MAIN(name, seconds, ...) CHECK_MAIN_WITH(name, seconds, NULL, NULL, __VA_ARGS__)
