#include <sys/wait.h>

#include "config/config_dir.h"
#include "config/identity.h"

#include "config_rig.h"

static void put_seed(size_t size)
{
    unsigned char seed[64];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (unsigned char)i;
    chmod(put_bytes(rig_in(CONFIG_IDENTITY), seed, size), 0600);
}

START_TEST(a_known_seed_gives_the_known_key)
{
    struct fail why;
    char text[IDENTITY_TEXT_BYTES];
    put_seed(32);
    ck_assert(identity_public_key(&rig_config, text, &why));
    ck_assert_str_eq(text, "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg");
}
END_TEST

START_TEST(it_is_made_once_and_kept)
{
    struct fail why;
    char first[IDENTITY_TEXT_BYTES], again[IDENTITY_TEXT_BYTES];
    ck_assert(identity_public_key(&rig_config, first, &why));
    ck_assert_uint_eq(strlen(first), 43);
    struct stat st;
    ck_assert_int_eq(stat(rig_in(CONFIG_IDENTITY), &st), 0);
    ck_assert_int_eq(st.st_size, 32);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    ck_assert(identity_public_key(&rig_config, again, &why));
    ck_assert_str_eq(first, again);
    ck_assert_int_eq(unlink(rig_in(CONFIG_IDENTITY)), 0);
    ck_assert(identity_public_key(&rig_config, again, &why));
    ck_assert_str_ne(first, again);
}
END_TEST

START_TEST(a_malformed_identity_is_refused_and_left_alone)
{
    const size_t sizes[] = {0, 1, 31, 33, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct fail why;
        struct stat st;
        char text[IDENTITY_TEXT_BYTES];
        put_seed(sizes[i]);
        ck_assert(!identity_public_key(&rig_config, text, &why));
        ck_assert_ptr_nonnull(strstr(why.what, "malformed"));
        ck_assert_str_eq(why.path, rig_in(CONFIG_IDENTITY));
        ck_assert_int_eq(stat(rig_in(CONFIG_IDENTITY), &st), 0);
        ck_assert_uint_eq(st.st_size, sizes[i]);
    }
}
END_TEST

START_TEST(all_who_start_at_once_get_the_same)
{
    enum { PROCESSES = 12 };
    for (int round = 0; round < 10; round++) {
        int results[2], start[2];
        ck_assert_int_eq(pipe(results), 0);
        ck_assert_int_eq(pipe(start), 0);
        unlink(rig_in(CONFIG_IDENTITY));
        for (int i = 0; i < PROCESSES; i++) {
            pid_t child = fork();
            ck_assert_int_ge(child, 0);
            if (child == 0) {
                char text[IDENTITY_TEXT_BYTES], go;
                struct fail why;
                close(start[1]);
                if (read(start[0], &go, 1) != 0 || !identity_public_key(&rig_config, text, &why))
                    memset(text, '?', sizeof text);
                _exit(write(results[1], text, sizeof text) != sizeof text);
            }
        }
        close(start[1]); // all go
        char first[IDENTITY_TEXT_BYTES], text[IDENTITY_TEXT_BYTES];
        for (int i = 0; i < PROCESSES; i++) {
            ck_assert_int_eq(read(results[0], text, sizeof text), sizeof text);
            if (i == 0)
                memcpy(first, text, sizeof text);
            ck_assert_str_eq(text, first);
            ck_assert_int_ne(text[0], '?');
        }
        while (wait(NULL) > 0)
            ;
        close(results[0]);
        close(results[1]);
        close(start[0]);
    }
}
END_TEST

START_TEST(a_directory_on_another_machine_is_noticed)
{
    struct fail why;
    char text[IDENTITY_TEXT_BYTES];
    if (access("/etc/machine-id", R_OK) != 0)
        return;
    ck_assert(!identity_moved(&rig_config));
    ck_assert(!exists(rig_in(CONFIG_HOST))); // nothing to remember yet
    ck_assert(identity_public_key(&rig_config, text, &why));
    ck_assert(!identity_moved(&rig_config));
    ck_assert(exists(rig_in(CONFIG_HOST)));
    ck_assert(!identity_moved(&rig_config));
    rig_write(CONFIG_HOST, "0123456789");
    ck_assert(identity_moved(&rig_config));
    ck_assert(identity_moved(&rig_config));
}
END_TEST

START_TEST(without_a_directory_nothing_is_made)
{
    struct secure_dir missing;
    struct fail why;
    char text[IDENTITY_TEXT_BYTES];
    ck_assert(secure_dir_open(&missing, in("missing"), false, &why));
    ck_assert(!identity_public_key(&missing, text, &why));
    ck_assert_int_eq(why.error, ENOENT);
    ck_assert(!identity_moved(&missing));
    secure_dir_fini(&missing);
}
END_TEST

RIG_MAIN("identity", a_known_seed_gives_the_known_key, it_is_made_once_and_kept,
         a_malformed_identity_is_refused_and_left_alone, all_who_start_at_once_get_the_same,
         a_directory_on_another_machine_is_noticed, without_a_directory_nothing_is_made)
