#include "process/shell.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "command_helper.h"

START_TEST(posix_shell_is_taken_as_it_is)
{
    ck_assert_str_eq(shell_usable("/bin/bash"), "/bin/bash");
    ck_assert_str_eq(shell_usable("/bin/sh"), "/bin/sh");
}
END_TEST

START_TEST(shell_that_cannot_be_run_is_replaced)
{
    static const char *const values[] = {NULL,          "",       "/missing/bash", "bash",
                                         "/etc/passwd", "./bash", "/bin/\xff\xfe"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        ck_assert_str_eq(shell_usable(values[i]), "/bin/sh");
}
END_TEST

START_TEST(shell_that_speaks_another_language_is_replaced)
{
    static const char *const names[] = {"fish",   "csh",  "tcsh", "nu", "xonsh",
                                        "elvish", "pwsh", "rc",   "es", "nologin"};
    char dir[] = "/tmp/og-shell-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        ck_assert_int_eq(symlink("/bin/sh", path), 0);
        ck_assert_str_eq(shell_usable(path), "/bin/sh");
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/mysh", dir);
    ck_assert_int_eq(symlink("/bin/sh", path), 0);
    ck_assert_str_eq(shell_usable(path), path);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(shell_is_chosen_once)
{
    setenv("SHELL", "/bin/bash", 1);
    ck_assert_str_eq(shell_choose(), "/bin/bash");
    setenv("SHELL", "/bin/dash", 1);
    ck_assert_str_eq(shell_choose(), "/bin/bash");
}
END_TEST

// --- a text behaves the same whether it is an argument or a script

static void run(struct trial *trial, const char *shell, const char *text, bool script)
{
    static char *argv[4];
    argv[0] = (char *)shell;
    argv[1] = "-c";
    argv[2] = (char *)(script ? shell_loader(shell) : text);
    argv[3] = NULL;
    trial_init(trial, argv);
    trial->command.input = "first\nsecond\n";
    trial->command.input_size = 13;
    if (script)
        ck_assert(shell_script(text, &trial->command.setup.script));
    trial_run(trial);
    if (script)
        close(trial->command.setup.script);
}

START_TEST(script_behaves_as_an_argument_does)
{
    static const char *const texts[] = {
        "echo $0 $# \"$@\" $-",
        "read a; echo got $a; cat",
        "exit 5",
        "false",
        "kill -9 $$",
        "if",
        "set -e; false; echo not reached",
        "no-such-command-xyz 2>/dev/null",
        "trap 'echo bye' EXIT; exit 3",
        "f() { echo $0 $1; }; f x\nf y\n\n",
        "cat <<X\n$0\nX\n",
        "# only a comment",
        "",
    };
    static const char *const shells[] = {"/bin/bash", "/bin/dash", "/bin/zsh",
                                         "/bin/ksh",  "/bin/mksh", "/bin/busybox"};
    for (size_t s = 0; s < sizeof shells / sizeof *shells; s++) {
        if (access(shells[s], X_OK) != 0 || strcmp(shells[s], "/bin/busybox") == 0)
            continue;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            struct trial a, b;
            run(&a, shells[s], texts[i], false);
            run(&b, shells[s], texts[i], true);
            ck_assert_msg(a.result.exit_code == b.result.exit_code, "%s: %d, %d", texts[i],
                          a.result.exit_code, b.result.exit_code);
            ck_assert_str_eq(out_text(&a), out_text(&b));
            trial_fini(&a);
            trial_fini(&b);
        }
    }
}
END_TEST

START_TEST(script_leaves_no_descriptor_to_commands)
{
    static const char *const shells[] = {"/bin/bash", "/bin/dash"};
    for (size_t s = 0; s < 2; s++) {
        struct trial trial;
        run(&trial, shells[s], "ls /proc/self/fd", true);
        ck_assert_str_eq(out_text(&trial), "0\n1\n2\n3\n"); // 3 is the listing's own
        trial_fini(&trial);
    }
}
END_TEST

START_TEST(zsh_reads_a_script_without_changing_its_name)
{
    ck_assert_ptr_nonnull(strstr(shell_loader("/usr/bin/zsh"), "eval"));
    ck_assert_ptr_null(strstr(shell_loader("/usr/bin/bash"), "eval"));
}
END_TEST

CHECK_MAIN("shell", 300, posix_shell_is_taken_as_it_is, shell_that_cannot_be_run_is_replaced,
           shell_that_speaks_another_language_is_replaced, shell_is_chosen_once,
           script_behaves_as_an_argument_does, script_leaves_no_descriptor_to_commands,
           zsh_reads_a_script_without_changing_its_name)
