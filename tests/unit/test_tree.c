#include "check_main.h"
#include "process/tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "command_helper.h"
#include "process/child.h"
#include "process/mark.h"

// A command under test writes the pids of what it starts into files a, b, c, ... of its directory,
// and "ready" when all are there.
struct grove {
    char dir[64];
    struct arena arena;
    struct child child;
};

static void plant_argv(struct grove *grove, char *const *argv)
{
    (void)inherit_get();
    arena_init(&grove->arena, 4 << 20);
    snprintf(grove->dir, sizeof grove->dir, "/tmp/og-tree-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(grove->dir));
    struct child_setup setup = {.program = argv[0],
                                .argv = argv,
                                .search = environment_get(environ, "PATH"),
                                .cwd = grove->dir,
                                .script = -1};
    ck_assert(environment_overlay(&grove->arena, environ, NULL, 0, &setup.envp, NULL));
    ck_assert(child_start(&grove->child, &setup, NULL));
}

static void wait_ready(struct grove *grove)
{
    char path[96];
    snprintf(path, sizeof path, "%s/ready", grove->dir);
    (void)pid_from(path);
}

static void plant(struct grove *grove, const char *text)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "%s\nsleep 0.1; echo 1 >ready; wait; sleep 300", text);
    char *argv[] = {"/bin/bash", "-c", whole, NULL};
    plant_argv(grove, argv);
    wait_ready(grove);
}

static pid_t member(struct grove *grove, char name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%c", grove->dir, name);
    return pid_from(path);
}

static void uproot(struct grove *grove)
{
    child_end(&grove->child);
    char text[128];
    snprintf(text, sizeof text, "rm -rf %s", grove->dir);
    TRIAL_SHELL(trial, text);
    trial_run(&trial);
    trial_fini(&trial);
    arena_fini(&grove->arena);
}

static void kill_and_check(struct grove *grove, char last)
{
    pid_t pids[26];
    for (char name = 'a'; name <= last; name++) {
        pids[name - 'a'] = member(grove, name);
        ck_assert_msg(!is_dead(pids[name - 'a']), "%c died too early", name);
    }
    ck_assert_uint_eq(tree_kill(&grove->child.tree, 1, PATIENCE_MS), 0);
    for (char name = 'a'; name <= last; name++)
        ck_assert_msg(is_dead(pids[name - 'a']), "%c survived", name);
    ck_assert(is_dead(grove->child.tree.leader));
    uproot(grove);
}

START_TEST(every_way_to_leave_the_group_is_followed)
{
    static const char *const texts[] = {
        // still in the group
        "sleep 300 & echo $! >a",
        // a group of its own in the session
        "set -m; sleep 300 & echo $! >a",
        // a session of its own
        "setsid sh -c 'echo $$ >a; exec sleep 300' &",
        // forked twice: the parent is gone
        "(setsid sh -c 'echo $$ >a; exec sleep 300' &)",
        // the same without the mark, under a living parent
        "env -i setsid sh -c 'echo $$ >a; exec sleep 300' &",
        // without the mark and without a parent, in the session of one that has it
        "setsid sh -c '(env -i /bin/sh -c \"echo \\$\\$ >a; exec sleep 300\" &) ; sleep 300' &",
        // the same in a group of its own
        "setsid bash -c 'set -m; (env -i /bin/sh -c \"echo \\$\\$ >a; exec sleep 300\" &);"
        " sleep 300' &",
        // without the mark and without a parent, in the command's session
        "set -m; (env -i /bin/sh -c 'echo $$ >a; exec sleep 300' &)",
        // deaf
        "trap '' TERM HUP INT QUIT; nohup sleep 300 >/dev/null 2>&1 & echo $! >a",
        // stopped
        "setsid sh -c 'echo $$ >a; kill -STOP $$' &",
        // with a long environment before the mark
        "for i in $(seq 300); do export A$i=$(printf %0500d 0); done;"
        "(setsid sh -c 'echo $$ >a; exec sleep 300' &)",
    };
    struct grove grove;
    plant(&grove, texts[_i]);
    kill_and_check(&grove, 'a');
}
END_TEST

enum { WAYS = 11 };

START_TEST(tree_that_is_deep_and_wide_is_found_whole)
{
    struct grove grove;
    plant(&grove, "f() { if [ $1 = 0 ]; then exec sleep 300; fi; f $(($1 - 1)) & f $(($1 - 1)) &"
                  " wait; }; f 5 & echo $! >a; (setsid bash -c 'echo $$ >b; sleep 300 & sleep 300 &"
                  " wait' &)");
    kill_and_check(&grove, 'b');
}
END_TEST

START_TEST(nobody_else_is_hit)
{
    struct grove one, other;
    plant(&one, "setsid sleep 300 & echo $! >a");
    plant(&other, "setsid sleep 300 & echo $! >a");
    pid_t ours = fork();
    if (ours == 0) {
        pause();
        _exit(0);
    }
    pid_t stranger = member(&one, 'a');
    kill_and_check(&other, 'a');
    ck_assert(!is_dead(stranger));
    ck_assert(!is_dead(one.child.tree.leader));
    ck_assert(!is_dead(ours));
    kill(ours, SIGKILL);
    kill_and_check(&one, 'a');
}
END_TEST

START_TEST(several_trees_are_killed_in_one_go)
{
    enum { COUNT = 20 };
    static struct grove groves[COUNT];
    struct tree trees[COUNT];
    for (int i = 0; i < COUNT; i++) {
        plant(&groves[i], "(setsid sh -c 'echo $$ >a; exec sleep 300' &)");
        trees[i] = groves[i].child.tree;
    }
    ck_assert_uint_eq(tree_kill(trees, COUNT, PATIENCE_MS), 0);
    for (int i = 0; i < COUNT; i++) {
        ck_assert(is_dead(member(&groves[i], 'a')));
        ck_assert(is_dead(groves[i].child.tree.leader));
        uproot(&groves[i]);
    }
}
END_TEST

START_TEST(tree_without_a_held_leader_is_found_too)
{
    struct grove grove;
    plant(&grove, "env -i sleep 300 & echo $! >a; setsid sleep 300 & echo $! >b");
    struct tree tree = grove.child.tree;
    tree.held = false;
    ck_assert_uint_eq(tree_kill(&tree, 1, PATIENCE_MS), 0);
    ck_assert(is_dead(member(&grove, 'a')));
    ck_assert(is_dead(member(&grove, 'b')));
    uproot(&grove);
}
END_TEST

// The id of a leader that is gone now leads a group of somebody else.
START_TEST(process_that_took_over_the_leaders_id_is_spared)
{
    struct grove grove;
    plant(&grove, "sleep 300 & echo $! >a");
    struct tree past = grove.child.tree;
    past.held = false;
    past.number += 1000; // the marks of the living do not match
    past.since = past.since > 200 ? past.since - 200 : 0;
    past.until = past.since;
    ck_assert_uint_eq(tree_kill(&past, 1, 200), 0);
    ck_assert(!is_dead(member(&grove, 'a')));
    ck_assert(!is_dead(grove.child.tree.leader));
    kill_and_check(&grove, 'a');
}
END_TEST

// The environment of execve is there from its middle on.
static void wait_asleep(pid_t pid)
{
    char path[64], stat[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !strstr(stat, "(sleep) S");) {
        ck_assert_int_lt(clock_mono_ms(), end);
        clock_sleep_ms(1);
        FILE *file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_ptr_nonnull(fgets(stat, sizeof stat, file));
        fclose(file);
    }
}

START_TEST(mark_must_match_exactly)
{
    char mark[MARK_BYTES];
    struct tree tree;
    tree_begin(&tree);
    mark_make(tree.number, mark);
    ck_assert_uint_eq(strlen(mark), MARK_BYTES - 1);
    char other[MARK_BYTES + 2], longer[MARK_BYTES + 2];
    snprintf(other, sizeof other, "X%s", mark);
    snprintf(longer, sizeof longer, "%s", mark);
    longer[MARK_BYTES - 2] ^= 1; // another operation's number
    char *environments[][2] = {{other, NULL}, {longer, NULL}, {mark, NULL}};
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        char *argv[] = {"/bin/sleep", "300", NULL};
        pids[i] = fork();
        if (pids[i] == 0) {
            setsid();
            execve(argv[0], argv, environments[i]);
            _exit(1);
        }
    }
    for (int i = 0; i < 3; i++)
        wait_asleep(pids[i]);
    ck_assert_uint_eq(tree_kill(&tree, 1, PATIENCE_MS), 0);
    ck_assert(!is_dead(pids[0]));
    ck_assert(!is_dead(pids[1]));
    ck_assert(is_dead(pids[2]));
    kill(pids[0], SIGKILL);
    kill(pids[1], SIGKILL);
}
END_TEST

// --- storms, all bounded: each line of processes has one living member at a time

enum { LINES = 3, HOPS = 20000 };

static int hop(bool leave)
{
    int file = open("hops", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (int line = 0; line < LINES; line++)
        if (fork() == 0) {
            for (int hops = HOPS; hops > 0; hops--) {
                usleep(300);
                if (write(file, "x", 1) != 1)
                    _exit(1);
                pid_t next = fork();
                if (next > 0)
                    _exit(0);
                if (next == 0 && leave)
                    setsid();
            }
            _exit(0);
        }
    FILE *ready = fopen("ready", "we");
    fputs("1\n", ready);
    fclose(ready);
    sleep(300);
    return 0;
}

static off_t hops_made(const struct grove *grove)
{
    char path[96];
    snprintf(path, sizeof path, "%s/hops", grove->dir);
    struct stat status;
    return stat(path, &status) == 0 ? status.st_size : 0;
}

START_TEST(storm_of_forks_is_ended)
{
    char *argv[] = {"/proc/self/exe", _i ? "sessions" : "group", NULL};
    char self[256];
    ssize_t size = readlink(argv[0], self, sizeof self - 1);
    self[size] = '\0';
    argv[0] = self;
    struct grove grove;
    plant_argv(&grove, argv);
    wait_ready(&grove);
    while (hops_made(&grove) < 30)
        clock_sleep_ms(1);
    ck_assert_uint_eq(tree_kill(&grove.child.tree, 1, PATIENCE_MS), 0);
    off_t made = hops_made(&grove);
    clock_sleep_ms(200);
    ck_assert_int_eq(hops_made(&grove), made);
    ck_assert_int_lt(made, LINES * HOPS); // it did not just run out
    uproot(&grove);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "group") == 0)
        return hop(false);
    if (argc == 2 && strcmp(argv[1], "sessions") == 0)
        return hop(true);
    TCase *all = tcase_create("tree");
    tcase_set_timeout(all, 600);
    tcase_add_loop_test(all, every_way_to_leave_the_group_is_followed, 0, WAYS);
    tcase_add_test(all, tree_that_is_deep_and_wide_is_found_whole);
    tcase_add_test(all, nobody_else_is_hit);
    tcase_add_test(all, several_trees_are_killed_in_one_go);
    tcase_add_test(all, tree_without_a_held_leader_is_found_too);
    tcase_add_test(all, process_that_took_over_the_leaders_id_is_spared);
    tcase_add_test(all, mark_must_match_exactly);
    tcase_add_loop_test(all, storm_of_forks_is_ended, 0, 2);
    return check_run_case("tree", all);
}
