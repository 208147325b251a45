// The file operations as a request sees them: paths, replies, sizes.
#include "scratch.h"

#include <time.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "ops/op.h"
#include "proto/encode.h"

enum { PAYLOAD = 1 << 20, ID_SIZE = 38 };

static struct arena arena;
static size_t arena_cap = 256 << 20;
static struct fail why;
static Og__ControlResponse response;
static size_t reply_max = PAYLOAD;
static bool homeless;

// Runs the operation in the scratch directory. The member of the response, or NULL.
static const void *run(op_run operation, Og__ControlRequest__OpCase which, void *message)
{
    static char home[128];
    snprintf(home, sizeof home, "%s/home", scratch);
    struct op_host host = {.workspace_root = scratch, .home = homeless ? NULL : home};
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = which;
    request.fs_read = message;
    arena_fini(&arena);
    arena_init(&arena, arena_cap);
    og__control_response__init(&response);
    why = (struct fail){0};
    struct op op = {.host = &host, .arena = &arena, .reply_max = reply_max, .id_size = ID_SIZE};
    if (!operation(&op, &request, &response, &why)) {
        ck_assert_int_ne(why.kind, FAIL_NONE);
        return NULL;
    }
    ck_assert_uint_le(ID_SIZE + encode_size(&response.base), reply_max);
    return response.fs_read;
}

// READ(.path = "x") and so on: the response's member, NULL when the operation failed.
#define OPERATION(name, NAME, Name)                                                        \
    static const Og__Fs##Name##Response *fs_##name(Og__Fs##Name##Request in)               \
    {                                                                                      \
        Og__Fs##Name##Request empty = OG__FS_##NAME##_REQUEST__INIT;                       \
        in.base = empty.base;                                                              \
        const void *out = run(op_fs_##name, OG__CONTROL_REQUEST__OP_FS_##NAME, &in);       \
        ck_assert(!out || response.result_case == OG__CONTROL_RESPONSE__RESULT_FS_##NAME); \
        return out;                                                                        \
    }
OPERATION(read, READ, Read)
OPERATION(write, WRITE, Write)
OPERATION(list, LIST, List)
OPERATION(mkdir, MKDIR, Mkdir)
OPERATION(move, MOVE, Move)
OPERATION(stat, STAT, Stat)
OPERATION(remove, REMOVE, Remove)
#define READ(...)   fs_read((Og__FsReadRequest){__VA_ARGS__})
#define WRITE(...)  fs_write((Og__FsWriteRequest){__VA_ARGS__})
#define LIST(...)   fs_list((Og__FsListRequest){__VA_ARGS__})
#define MKDIR(...)  fs_mkdir((Og__FsMkdirRequest){__VA_ARGS__})
#define MOVE(...)   fs_move((Og__FsMoveRequest){__VA_ARGS__})
#define STAT(...)   fs_stat((Og__FsStatRequest){__VA_ARGS__})
#define REMOVE(...) fs_remove((Og__FsRemoveRequest){__VA_ARGS__})
#define BYTES(text)                         \
    {                                       \
        sizeof(text) - 1, (uint8_t *)(text) \
    }

START_TEST(paths_start_at_the_workspace_root)
{
    make_dir(in("home"));
    const Og__FsWriteResponse *wrote = WRITE(.path = "f", .content = BYTES("text"));
    ck_assert(wrote && wrote->bytes_written == 4 && holds(in("f"), "text"));
    ck_assert(WRITE(.path = "~/probe", .content = BYTES("x")) && holds(in("home/probe"), "x"));
    ck_assert(WRITE(.path = "~x", .content = BYTES("y")) && holds(in("~x"), "y"));
    ck_assert_ptr_nonnull(READ(.path = "./home/../f"));
    ck_assert_int_eq(why.error, 0);
    homeless = true;
    ck_assert(!READ(.path = "~/probe") && why.kind == FAIL_INVALID && why.error == 0);
}
END_TEST

START_TEST(read_carries_content_and_size)
{
    put(in("f"), "0123456789");
    const Og__FsReadResponse *read = READ(.path = "f", .offset = 3, .length = 4);
    ck_assert(read && read->content.len == 4 && memcmp(read->content.data, "3456", 4) == 0);
    ck_assert_uint_eq(read->total_size, 10);
    read = READ(.path = "f", .offset = 1ull << 63, .length = 1);
    ck_assert(read && read->content.len == 0 && read->total_size == 10);
    ck_assert(!READ(.path = "missing") && why.error == ENOENT);
    ck_assert_str_eq(why.path, in("missing"));
}
END_TEST

// Of a file of this size the whole reply has exactly the allowed size.
static size_t size_that_fits(void)
{
    size_t size = PAYLOAD - 256;
    for (;; size++) {
        put_bytes(in("probe"), "", 0);
        ck_assert_int_eq(truncate(in("probe"), size), 0);
        ck_assert_ptr_nonnull(READ(.path = "probe"));
        if (ID_SIZE + encode_size(&response.base) == PAYLOAD)
            return size;
    }
}

START_TEST(reply_may_be_as_large_as_the_message)
{
    size_t size = size_that_fits();
    for (size_t over = 1; over < 100000; over = over * 10 + 7) {
        ck_assert_int_eq(truncate(in("probe"), size + over), 0);
        ck_assert(!READ(.path = "probe") && why.kind == FAIL_TOO_LARGE);
        ck_assert_uint_eq(why.size, PAYLOAD + over);
        ck_assert_uint_eq(why.size_max, PAYLOAD);
    }
    ck_assert_int_eq(truncate(in("probe"), 1ll << 40), 0);
    ck_assert(!READ(.path = "probe") && why.kind == FAIL_TOO_LARGE);
    ck_assert_uint_gt(why.size, 1ull << 40);
    ck_assert_uint_lt(arena.used, 4096);
    const Og__FsReadResponse *read = READ(.path = "probe", .offset = 7, .length = 512 << 10);
    ck_assert(read && read->content.len == 512 << 10 && read->total_size == 1ull << 40);
}
END_TEST

START_TEST(stat_names_the_file)
{
    put(in("f"), "12345");
    chmod(in("f"), 0644);
    const Og__FsStatResponse *stat = STAT(.path = "./f");
    ck_assert(stat && stat->exists && stat->entry);
    ck_assert_str_eq(stat->entry->name, "f");
    ck_assert_str_eq(stat->entry->path, "./f");
    ck_assert_int_eq(stat->entry->kind, OG__FS_ENTRY_KIND__FS_ENTRY_KIND_FILE);
    ck_assert_uint_eq(stat->entry->size, 5);
    ck_assert_uint_eq(stat->entry->mode, 33188);
    stat = STAT(.path = "");
    ck_assert_str_eq(stat->entry->name, strrchr(scratch, '/') + 1);
    ck_assert_str_eq(stat->entry->path, "");
    stat = STAT(.path = "/");
    ck_assert_str_eq(stat->entry->name, "");
    ck_assert_int_eq(stat->entry->kind, OG__FS_ENTRY_KIND__FS_ENTRY_KIND_DIRECTORY);
}
END_TEST

START_TEST(stat_of_nothing_is_an_answer)
{
    put(in("f"), "");
    for (size_t i = 0; i < 2; i++) {
        const Og__FsStatResponse *stat = STAT(.path = i ? "missing" : "f/x");
        ck_assert(stat && !stat->exists && !stat->entry);
    }
    ck_assert_int_eq(symlink("nowhere", in("dangling")), 0);
    const Og__FsStatResponse *stat = STAT(.path = "dangling");
    ck_assert_int_eq(stat->entry->kind, OG__FS_ENTRY_KIND__FS_ENTRY_KIND_SYMLINK);
}
END_TEST

START_TEST(list_of_every_kind)
{
    make_dir(in("d"));
    put(in("d/file"), "");
    make_dir(in("d/sub"));
    ck_assert_int_eq(symlink("file", in("d/link")), 0);
    ck_assert_int_eq(mkfifo(in("d/fifo"), 0666), 0);
    put(in("d/.hidden"), "");
    put(in("d/\xff\xfe"), "");
    const Og__FsListResponse *list = LIST(.path = "d");
    ck_assert(list && list->n_entries == 6);
    const char *names[] = {".hidden", "fifo", "file", "link", "sub", "\ufffd\ufffd"};
    const int kinds[] = {1, 1, 1, 3, 2, 1};
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(list->entries[i]->name, names[i]);
        ck_assert_str_eq(list->entries[i]->path, names[i]);
        ck_assert_int_eq(list->entries[i]->kind, kinds[i]);
    }
}
END_TEST

START_TEST(recursive_list_has_relative_paths)
{
    make_dir(in("d"));
    make_dir(in("d/\xffsub"));
    put(in("d/\xffsub/\xfex"), "");
    make_dir(in("d/sub"));
    put(in("d/sub/y"), "");
    ck_assert_int_eq(symlink("..", in("d/sub/up")), 0);
    const Og__FsListResponse *list = LIST(.path = "d", .recursive = true);
    ck_assert(list && list->n_entries == 5);
    const char *paths[] = {"sub", "sub/up", "sub/y", "\ufffdsub", "\ufffdsub/\ufffdx"};
    const char *names[] = {"sub", "up", "y", "\ufffdsub", "\ufffdx"};
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(list->entries[i]->path, paths[i]);
        ck_assert_str_eq(list->entries[i]->name, names[i]);
    }
    list = LIST(.path = "d/sub/..//sub/");
    ck_assert(list && list->n_entries == 2);
    put(in("d/empty"), "");
    ck_assert(!LIST(.path = "d/empty") && why.error == ENOTDIR);
    make_dir(in("d/none"));
    list = LIST(.path = "d/none");
    ck_assert(list && list->n_entries == 0);
}
END_TEST

START_TEST(list_that_does_not_fit)
{
    for (int i = 0; i < 300; i++)
        put(in("file-%03d", i), "");
    ck_assert_ptr_nonnull(LIST(.path = ""));
    size_t size = ID_SIZE + encode_size(&response.base);
    reply_max = size;
    ck_assert_ptr_nonnull(LIST(.path = ""));
    for (reply_max = size - 1; reply_max > 100; reply_max -= 97) {
        ck_assert(!LIST(.path = "") && why.kind == FAIL_TOO_LARGE);
        ck_assert_uint_gt(why.size, reply_max);
        ck_assert_uint_eq(why.size_max, reply_max);
    }
}
END_TEST

static bool ran(const void *out)
{
    ck_assert(out || why.error == ENOMEM);
    return out;
}

START_TEST(full_arena_is_an_error_of_every_operation)
{
    put(in("f"), "0123456789");
    bool list = false, read = false, stat = false;
    for (arena_cap = 0; arena_cap < 20000 && !(list && read && stat); arena_cap += 16) {
        list = ran(LIST(.path = ""));
        read = ran(READ(.path = "f"));
        stat = ran(STAT(.path = "f"));
    }
    ck_assert(list && read && stat);
    arena_cap = 0;
    ck_assert(!WRITE(.path = "new") && why.error == ENOMEM && !exists(in("new")));
    ck_assert(!REMOVE(.path = "f") && why.error == ENOMEM && exists(in("f")));
}
END_TEST

START_TEST(directories_and_moves)
{
    ck_assert(MKDIR(.path = "a/b", .parents = true, .mode = 0700) && mode_of(in("a/b")) == 040700);
    ck_assert(!MKDIR(.path = "a/b") && why.error == EEXIST);
    ck_assert(!MKDIR(.path = "x/y") && why.error == ENOENT);
    put(in("from"), "x");
    ck_assert(MOVE(.from = "from", .to = "a/to") && holds(in("a/to"), "x"));
    put(in("from"), "y");
    ck_assert(!MOVE(.from = "from", .to = "a/to") && why.kind == FAIL_EXISTS);
    ck_assert_str_eq(why.path, in("a/to"));
    ck_assert(MOVE(.from = "from", .to = "a/to", .overwrite = true) && holds(in("a/to"), "y"));
}
END_TEST

START_TEST(removal_spares_the_workspace_root)
{
    become_nobody(); // so that a failure of this test harms nothing
    put(in("f"), "");
    make_dir(in("d"));
    put(in("d/x"), "");
    const char *refused[] = {"", ".", "d/..", scratch, "/", "/tmp/.."};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ck_assert_msg(!REMOVE(.path = (char *)refused[i], .recursive = true) &&
                          why.kind == FAIL_INVALID,
                      "%s", refused[i]);
    ck_assert(!REMOVE(.path = "") && why.kind == FAIL_INVALID);
    ck_assert(exists(in("f")) && exists(in("d/x")));
    ck_assert(REMOVE(.path = "f") && !exists(in("f")));
    ck_assert(!REMOVE(.path = "f") && why.error == ENOENT);
    ck_assert(!REMOVE(.path = "d") && why.error == ENOTEMPTY);
    ck_assert(REMOVE(.path = "d", .recursive = true) && !exists(in("d")));
}
END_TEST

// Prints how long the operations take, when asked to; here it only checks that they work.
START_TEST(times)
{
    enum { ROUNDS = 200 };
    make_dir(in("small"));
    for (int i = 0; i < 10; i++)
        put(in("small/file-%d", i), "x");
    put_bytes(in("large"), "", 0);
    char *data = mem_array(1, 512 << 10);
    put_bytes(in("large"), data, 512 << 10);
    mem_free(data);
    double took[3] = {1e9, 1e9, 1e9}; // the fastest, in microseconds
    for (int round = 0; round < ROUNDS; round++)
        for (int which = 0; which < 3; which++) {
            struct timespec start, end;
            clock_gettime(CLOCK_MONOTONIC, &start);
            const void *out = which == 0 ? (const void *)STAT(.path = "large")
                              : which == 1
                                  ? (const void *)LIST(.path = "small")
                                  : (const void *)READ(.path = "large", .length = 512 << 10);
            clock_gettime(CLOCK_MONOTONIC, &end);
            ck_assert_ptr_nonnull(out);
            double us = (end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3;
            if (us < took[which])
                took[which] = us;
        }
    if (getenv("OG_TIMES"))
        printf("stat %.1f us, list of 10 %.1f us, read of 512 KiB %.1f us\n", took[0], took[1],
               took[2]);
}
END_TEST

RUN_SUITE("fs_ops", paths_start_at_the_workspace_root, read_carries_content_and_size,
          reply_may_be_as_large_as_the_message, stat_names_the_file, stat_of_nothing_is_an_answer,
          list_of_every_kind, recursive_list_has_relative_paths, list_that_does_not_fit,
          full_arena_is_an_error_of_every_operation, directories_and_moves,
          removal_spares_the_workspace_root, times)
