#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "config/config_dir.h"
#include "config/instance_lock.h"

#include "config_rig.h"

// A process that holds the lock until it is killed.
static pid_t start_holder(void)
{
    int ready[2];
    char sign;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int fd;
        pid_t other;
        sign = instance_lock_take(&rig_config, &fd, &other, NULL) == LOCK_TAKEN ? 'y' : 'n';
        if (write(ready[1], &sign, 1) == 1)
            pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &sign, 1), 1);
    ck_assert_int_eq(sign, 'y');
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void stop_holder(pid_t holder)
{
    ck_assert_int_gt(holder, 0);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
}

START_TEST(the_lock_is_taken_once_and_names_its_holder)
{
    struct fail why;
    pid_t other;
    int fd;
    pid_t holder = start_holder();
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)holder);
    ck_assert(holds(rig_in(CONFIG_LOCK), pid)); // and nothing else
    ck_assert_int_eq(rig_mode(CONFIG_LOCK), 0600);
    ck_assert_int_eq(instance_lock_take(&rig_config, &fd, &other, &why), LOCK_HELD);
    ck_assert_int_eq(other, holder);
    ck_assert_int_eq(fd, -1);
    ck_assert(holds(rig_in(CONFIG_LOCK), pid));
    stop_holder(holder);
    ck_assert_int_eq(instance_lock_take(&rig_config, &fd, &other, &why), LOCK_TAKEN);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    ck_assert(holds(rig_in(CONFIG_LOCK), pid));
    close(fd);
}
END_TEST

START_TEST(looking_tells_the_holder_and_takes_nothing)
{
    struct fail why;
    pid_t other;
    ck_assert_int_eq(instance_lock_probe(&rig_config, &other, &why), LOCK_FREE);
    ck_assert(!exists(rig_in(CONFIG_LOCK)));
    pid_t holder = start_holder();
    ck_assert_int_eq(instance_lock_probe(&rig_config, &other, &why), LOCK_HELD);
    ck_assert_int_eq(other, holder);
    stop_holder(holder);
    ck_assert_int_eq(instance_lock_probe(&rig_config, &other, &why), LOCK_FREE);
    ck_assert_int_eq(other, 0);
}
END_TEST

START_TEST(somebody_who_looks_does_not_keep_the_agent_from_starting)
{
    struct fail why;
    pid_t other;
    int fd;
    pid_t watcher = fork();
    ck_assert_int_ge(watcher, 0);
    while (watcher == 0)
        if (instance_lock_probe(&rig_config, &other, &why) == LOCK_FAILED)
            _exit(1);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(instance_lock_take(&rig_config, &fd, &other, &why), LOCK_TAKEN);
        close(fd);
    }
    stop_holder(watcher);
}
END_TEST

START_TEST(a_holder_without_a_pid_is_unknown)
{
    struct fail why;
    pid_t other;
    int fd;
    static const char *const texts[] = {"", "x", "12x", "-5", "99999999999999999999"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rig_write(CONFIG_LOCK, texts[i]);
        int file = open(rig_in(CONFIG_LOCK), O_RDWR);
        ck_assert_int_eq(flock(file, LOCK_EX), 0);
        ck_assert_int_eq(instance_lock_take(&rig_config, &fd, &other, &why), LOCK_HELD);
        ck_assert_int_eq(other, 0);
        close(file);
    }
}
END_TEST

START_TEST(what_cannot_be_locked_is_told)
{
    struct fail why;
    pid_t other;
    int fd;
    ck_assert_int_eq(symlink("elsewhere", rig_in(CONFIG_LOCK)), 0);
    ck_assert_int_eq(instance_lock_take(&rig_config, &fd, &other, &why), LOCK_FAILED);
    ck_assert_str_eq(why.path, rig_in(CONFIG_LOCK));
    ck_assert(!exists(rig_in("elsewhere")));
}
END_TEST

START_TEST(a_waiter_takes_over_or_ends_when_told)
{
    struct fail why;
    int fd;
    pid_t holder = start_holder();
    struct cancel *cancel = cancel_new();
    cancel_fire(cancel);
    ck_assert_int_eq(instance_lock_wait(&rig_config, cancel, &fd, &why), LOCK_HELD);
    cancel_unref(cancel);

    cancel = cancel_new();
    pid_t killer = fork();
    ck_assert_int_ge(killer, 0);
    if (killer == 0) {
        clock_sleep_ms(100);
        kill(holder, SIGKILL);
        _exit(0);
    }
    int64_t start = clock_mono_ms();
    ck_assert_int_eq(instance_lock_wait(&rig_config, cancel, &fd, &why), LOCK_TAKEN);
    ck_assert_int_lt(clock_mono_ms() - start, 30000);
    close(fd);
    cancel_unref(cancel);
    while (wait(NULL) > 0)
        ;
}
END_TEST

RIG_MAIN("instance_lock", the_lock_is_taken_once_and_names_its_holder,
         looking_tells_the_holder_and_takes_nothing,
         somebody_who_looks_does_not_keep_the_agent_from_starting,
         a_holder_without_a_pid_is_unknown, what_cannot_be_locked_is_told,
         a_waiter_takes_over_or_ends_when_told)
