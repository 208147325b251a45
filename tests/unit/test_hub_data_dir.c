#include "hub/data_dir.h"

#include <sys/wait.h>

#include "base/buffer.h"
#include "base/fail.h"
#include "hub/private_file.h"
#include "hub/secrets.h"
#include "scratch.h"

static struct fail why;
static struct data_dir dir;

START_TEST(it_is_made_for_its_owner_alone)
{
    umask(0);
    ck_assert(data_dir_open(&dir, in("a/b/hub"), true, &why));
    ck_assert_int_eq(mode_of(in("a/b/hub")) & 0777, 0700);
    struct secrets secrets;
    ck_assert(secrets_load(&secrets, &dir, &why));
    ck_assert_int_eq(mode_of(in("a/b/hub/hub.key")) & 0777, 0600);
    ck_assert_int_eq(mode_of(in("a/b/hub/admin.token")) & 0777, 0600);
    ck_assert_int_eq(mode_of(in("a/b/hub/control.token")) & 0777, 0600);
    data_dir_close(&dir);
}
END_TEST

START_TEST(a_missing_one_is_not_made_unless_asked)
{
    ck_assert(!data_dir_open(&dir, in("none"), false, &why));
    ck_assert_int_eq(why.error, ENOENT);
    ck_assert(!exists(in("none")));
}
END_TEST

START_TEST(one_that_others_may_write_is_refused)
{
    make_dir(in("d"));
    chmod(in("d"), 0770);
    ck_assert(!data_dir_open(&dir, in("d"), true, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "chmod 700"));
    chmod(in("d"), 0702);
    ck_assert(!data_dir_open(&dir, in("d"), true, &why));
}
END_TEST

START_TEST(one_that_others_may_read_is_closed_to_them)
{
    make_dir(in("d"));
    chmod(in("d"), 0755);
    ck_assert(data_dir_open(&dir, in("d"), false, &why));
    ck_assert_int_eq(mode_of(in("d")) & 0777, 0700);
    data_dir_close(&dir);
}
END_TEST

START_TEST(a_foreign_one_is_refused)
{
    make_dir(in("d"));
    chmod(in("d"), 0755);
    if (geteuid() != 0)
        return; // nobody else's directory can be made
    ck_assert_int_eq(chown(in("d"), 12345, 12345), 0);
    become_nobody();
    ck_assert(!data_dir_open(&dir, in("d"), false, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "12345"));
}
END_TEST

START_TEST(root_becomes_the_owner)
{
    if (geteuid() != 0)
        return;
    make_dir(in("d"));
    ck_assert_int_eq(chown(in("d"), 12345, 12345), 0);
    chmod(scratch, 0755);
    chmod(scratch, 0700); // as /var/lib/private, where only root gets through
    ck_assert(data_dir_open(&dir, in("d"), false, &why));
    ck_assert_int_eq(geteuid(), 12345);
    ck_assert_int_eq(setreuid(-1, 0), -1); // for good
    ck_assert_int_eq(mkdir(in("other"), 0700), -1);
    struct stat st; // not access(2), which asks what a program without our rights could do
    ck_assert_int_eq(stat(in("d"), &st), 0);
    struct secrets secrets;
    ck_assert(secrets_load(&secrets, &dir, &why));
    data_dir_close(&dir);
}
END_TEST

START_TEST(only_one_hub_serves_from_it)
{
    ck_assert(data_dir_open(&dir, in("d"), true, &why));
    ck_assert(data_dir_lock(&dir, &why));
    pid_t child = fork();
    if (child == 0) {
        struct data_dir other;
        bool refused = data_dir_open(&other, in("d"), false, &why) &&
                       !data_dir_lock(&other, &why) && why.kind == FAIL_BUSY;
        char pid[32];
        snprintf(pid, sizeof pid, "%d", (int)getppid());
        _exit(refused && strstr(why.what, pid) ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    data_dir_close(&dir);
}
END_TEST

START_TEST(secrets_stay_the_same_and_differ_from_each_other)
{
    struct secrets first, second;
    ck_assert(data_dir_open(&dir, in("d"), true, &why));
    ck_assert(secrets_load(&first, &dir, &why));
    ck_assert(secrets_load(&second, &dir, &why));
    ck_assert_mem_eq(&first, &second, sizeof first);
    ck_assert_mem_ne(first.enrolment, first.producer, DIGEST_BYTES);
    ck_assert_mem_ne(first.producer, first.viewer, DIGEST_BYTES);
    ck_assert_str_ne(first.admin_token, first.control_token);
    ck_assert_int_eq(strncmp(first.admin_token, "oga_", 4), 0);
    unlink(in("d/admin.token")); // how an admin replaces it
    ck_assert(secrets_load(&second, &dir, &why));
    ck_assert_str_ne(first.admin_token, second.admin_token);
    ck_assert_mem_eq(first.enrolment, second.enrolment, DIGEST_BYTES);
    data_dir_close(&dir);
}
END_TEST

START_TEST(a_damaged_key_is_refused_and_left_alone)
{
    struct secrets secrets;
    ck_assert(data_dir_open(&dir, in("d"), true, &why));
    static const char *const damaged[] = {"", "short\n",
                                          "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!\n"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert(private_file_write(dir.fd, "hub.key", damaged[i], strlen(damaged[i]), &why));
        ck_assert(!secrets_load(&secrets, &dir, &why));
        ck_assert(holds(in("d/hub.key"), damaged[i]));
    }
    unlink(in("d/hub.key"));
    ck_assert_int_eq(symlink(in("elsewhere"), in("d/hub.key")), 0);
    ck_assert(!secrets_load(&secrets, &dir, &why));
    unlink(in("d/hub.key"));
    ck_assert(secrets_load(&secrets, &dir, &why));
    chmod(in("d/hub.key"), 0644);
    ck_assert(!secrets_load(&secrets, &dir, &why));
    data_dir_close(&dir);
}
END_TEST

START_TEST(of_two_makers_of_a_file_one_wins)
{
    bool created;
    ck_assert(data_dir_open(&dir, in("d"), true, &why));
    ck_assert(private_file_create(dir.fd, "f", "first", 5, &created, &why));
    ck_assert(created);
    ck_assert(private_file_create(dir.fd, "f", "second", 6, &created, &why));
    ck_assert(!created);
    ck_assert(holds(in("d/f"), "first"));
    data_dir_close(&dir);
}
END_TEST

RUN_SUITE("data_dir", it_is_made_for_its_owner_alone, a_missing_one_is_not_made_unless_asked,
          one_that_others_may_write_is_refused, one_that_others_may_read_is_closed_to_them,
          a_foreign_one_is_refused, root_becomes_the_owner, only_one_hub_serves_from_it,
          secrets_stay_the_same_and_differ_from_each_other, a_damaged_key_is_refused_and_left_alone,
          of_two_makers_of_a_file_one_wins)
