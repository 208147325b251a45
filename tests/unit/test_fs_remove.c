#include "scratch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/fail.h"
#include "files/remove.h"

static struct fail why;

static bool remove_with(const char *path, struct remove_options options)
{
    why = (struct fail){0};
    return file_remove(path, &options, &why);
}
#define REMOVE(path, ...) remove_with(path, (struct remove_options){__VA_ARGS__})

START_TEST(single_things)
{
    put(in("f"), "");
    make_dir(in("d"));
    ck_assert_int_eq(symlink("keep", in("link")), 0);
    make_dir(in("keep"));
    put(in("keep/x"), "");
    ck_assert_int_eq(mkfifo(in("fifo"), 0666), 0);
    ck_assert(REMOVE(in("f")) && !exists(in("f")));
    ck_assert(REMOVE(in("d")) && !exists(in("d")));
    ck_assert(REMOVE(in("fifo"), .recursive = true) && !exists(in("fifo")));
    ck_assert(REMOVE(in("link"), .recursive = true) && !exists(in("link")));
    ck_assert(exists(in("keep/x")));
}
END_TEST

START_TEST(what_cannot_be_removed)
{
    ck_assert(!REMOVE(in("missing")) && why.error == ENOENT);
    ck_assert_str_eq(why.what, "remove");
    ck_assert(!REMOVE(in("missing"), .recursive = true) && why.error == ENOENT);
    make_dir(in("d"));
    put(in("d/f"), "");
    ck_assert(!REMOVE(in("d")) && why.error == ENOTEMPTY);
    ck_assert(!REMOVE(in("d/f/x"), .recursive = true) && why.error == ENOTDIR);
    char name[5001];
    memset(name, 'a', 5000);
    name[5000] = '\0';
    ck_assert(!REMOVE(in("%s", name), .recursive = true) && why.error == ENAMETOOLONG);
}
END_TEST

START_TEST(tree_with_links_out)
{
    make_dir(in("outside"));
    put(in("outside/x"), "");
    make_dir(in("d"));
    make_dir(in("d/sub"));
    make_dir(in("d/sub/deep"));
    put(in("d/sub/f"), "");
    ck_assert_int_eq(symlink("/etc", in("d/etc")), 0);
    ck_assert_int_eq(symlink("../outside", in("d/outside")), 0);
    ck_assert_int_eq(symlink("../../../outside", in("d/sub/deep/outside")), 0);
    ck_assert(REMOVE(in("d"), .recursive = true));
    ck_assert(!exists(in("d")) && exists(in("outside/x")) && exists("/etc/passwd"));
}
END_TEST

START_TEST(trailing_slash_does_not_lead_through_a_link)
{
    make_dir(in("outside"));
    put(in("outside/x"), "");
    ck_assert_int_eq(symlink("outside", in("link")), 0);
    ck_assert(!REMOVE(in("link/"), .recursive = true));
    ck_assert(exists(in("outside/x")));
    ck_assert(REMOVE(in("outside//"), .recursive = true) && !exists(in("outside")));
}
END_TEST

static bool refused(const char *path, const char *keep)
{
    return !REMOVE(path, .recursive = true, .keep = keep) && why.kind == FAIL_INVALID &&
           why.error == 0;
}

START_TEST(root_and_workspace_are_kept)
{
    // As nobody, so that a failure of this test harms nothing.
    make_dir(in("w"));
    put(in("w/x"), "");
    become_nobody();
    ck_assert(refused("/", NULL));
    ck_assert(refused("//", NULL));
    ck_assert(refused("/.", NULL));
    ck_assert(refused("/tmp/..", NULL));
    ck_assert(refused("/proc/self/root/", NULL) || why.error == ENOTDIR);
    ck_assert(refused(in("w"), in("w")));
    ck_assert(refused(in("w/"), in("w")));
    ck_assert(refused(in("../%s/w", scratch + strlen("/tmp/")), in("w")));
    ck_assert(refused(in("w/."), NULL));
    ck_assert(refused(in("w/../w/.."), NULL));
    ck_assert(exists(in("w/x")));
}
END_TEST

// As somebody may have prepared it for chroot(2). The mount is read-only and in a namespace of its
// own, so that a failure of this test harms nothing.
START_TEST(root_inside_the_tree_is_kept)
{
    make_dir(in("d"));
    make_dir(in("d/root"));
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("/", in("d/root"), NULL, MS_BIND, NULL) < 0)
        return;
    ck_assert_int_eq(mount(NULL, in("d/root"), NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
    become_nobody();
    ck_assert(refused(in("d"), NULL));
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(umount(in("d/root")), 0);
}
END_TEST

START_TEST(closed_directories)
{
    make_dir(in("d"));
    become_nobody();
    make_dir(in("d2"));
    make_dir(in("d2/empty"));
    chmod(in("d2/empty"), 0);
    ck_assert(REMOVE(in("d2"), .recursive = true) && !exists(in("d2")));
    make_dir(in("d3"));
    make_dir(in("d3/full"));
    put(in("d3/full/x"), "");
    chmod(in("d3/full"), 0);
    ck_assert(!REMOVE(in("d3"), .recursive = true) && why.error == EACCES);
    chmod(in("d3/full"), 0700);
    make_dir(in("alone"));
    chmod(in("alone"), 0);
    ck_assert(REMOVE(in("alone"), .recursive = true));
}
END_TEST

START_TEST(deep_tree)
{
    enum { DEPTH = 3000 };
    make_dir(in("deep"));
    int dir = open(in("deep"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < DEPTH; i++) {
        ck_assert_int_eq(mkdirat(dir, "d", 0777), 0);
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        close(openat(dir, name, O_CREAT | O_WRONLY, 0666));
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY);
        close(dir);
        dir = next;
    }
    close(dir);
    ck_assert_msg(REMOVE(in("deep"), .recursive = true), "%s", strerror(why.error));
    ck_assert(!exists(in("deep")));
}
END_TEST

// More names than are held at a time.
START_TEST(many_entries)
{
    make_dir(in("many"));
    int dir = open(in("many"), O_RDONLY | O_DIRECTORY);
    char name[256];
    for (int i = 0; i < 6000; i++) {
        snprintf(name, sizeof name, "%0240d", i);
        if (i % 100 == 0)
            mkdirat(dir, name, 0777);
        else
            close(openat(dir, name, O_CREAT | O_WRONLY, 0666));
    }
    close(dir);
    ck_assert(REMOVE(in("many"), .recursive = true) && !exists(in("many")));
}
END_TEST

static atomic_bool swapping = true;

enum { VICTIMS = 40 };

// Turns the directories d/0, d/1, ... into links to "outside", one after the other.
static void *swap(void *unused)
{
    char victim[128], aside[128], outside[128];
    snprintf(outside, sizeof outside, "%s/outside", scratch);
    for (int i = 0; swapping; i++) {
        snprintf(victim, sizeof victim, "%s/d/%d", scratch, i % VICTIMS);
        snprintf(aside, sizeof aside, "%s/aside/%d", scratch, i);
        if (rename(victim, aside) == 0)
            (void)!symlink(outside, victim);
    }
    return unused;
}

START_TEST(nobody_leads_a_removal_elsewhere)
{
    make_dir(in("aside"));
    make_dir(in("outside"));
    put(in("outside/x"), "");
    pthread_t thread;
    pthread_create(&thread, NULL, swap, NULL);
    for (int round = 0; round < 100; round++) {
        mkdir(in("d"), 0777);
        for (int i = 0; i < VICTIMS; i++) {
            mkdir(in("d/%d", i), 0777);
            close(open(in("d/%d/f", i), O_CREAT | O_WRONLY, 0666));
        }
        (void)!REMOVE(in("d"), .recursive = true);
        ck_assert(exists(in("outside/x")));
    }
    swapping = false;
    pthread_join(thread, NULL);
}
END_TEST

static void *refill(void *unused)
{
    char path[128];
    for (int i = 0; swapping; i++) {
        snprintf(path, sizeof path, "%s/d/%d", scratch, i % 3);
        close(open(path, O_CREAT | O_WRONLY, 0666));
    }
    return unused;
}

START_TEST(directory_that_is_refilled_ends_somehow)
{
    pthread_t thread;
    pthread_create(&thread, NULL, refill, NULL);
    for (int i = 0; i < 100; i++) {
        mkdir(in("d"), 0777);
        if (!REMOVE(in("d"), .recursive = true))
            ck_assert(why.error == ENOTEMPTY || why.error == ENOENT);
    }
    swapping = false;
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(two_remove_the_same_tree)
{
    for (int round = 0; round < 50; round++) {
        make_dir(in("d"));
        for (int i = 0; i < 20; i++) {
            make_dir(in("d/%d", i));
            put(in("d/%d/f", i), "");
        }
        pid_t child = fork();
        if (child == 0)
            _exit(REMOVE(in("d"), .recursive = true) || why.error == ENOENT ? 0 : 1);
        bool removed = REMOVE(in("d"), .recursive = true) || why.error == ENOENT;
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        ck_assert(removed);
        ck_assert(!exists(in("d")));
    }
}
END_TEST

START_TEST(cancelled)
{
    make_dir(in("d"));
    put(in("d/f"), "");
    struct cancel *cancel = cancel_new();
    cancel_fire(cancel);
    ck_assert(!REMOVE(in("d"), .recursive = true, .cancel = cancel));
    ck_assert_int_eq(why.kind, FAIL_CANCELLED);
    ck_assert(exists(in("d/f")));
    cancel_unref(cancel);
}
END_TEST

RUN_SUITE("fs_remove", single_things, what_cannot_be_removed, tree_with_links_out,
          trailing_slash_does_not_lead_through_a_link, root_and_workspace_are_kept,
          root_inside_the_tree_is_kept, closed_directories, deep_tree, many_entries,
          nobody_leads_a_removal_elsewhere, directory_that_is_refilled_ends_somehow,
          two_remove_the_same_tree, cancelled)
