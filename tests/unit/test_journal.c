// What a link remembers of requests: reply subjects, request ids, replies without a session.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "check_main.h"
#include "link/outbox.h"
#include "link/reply_memory.h"
#include "link/settled.h"

START_TEST(a_reply_subject_is_seen_once_a_minute)
{
    struct reply_memory *memory = reply_memory_new();
    ck_assert(!reply_memory_seen(memory, "_INBOX.a", 1000));
    ck_assert(reply_memory_seen(memory, "_INBOX.a", 1001));
    ck_assert(!reply_memory_seen(memory, "_INBOX.b", 1001));
    ck_assert(reply_memory_seen(memory, "_INBOX.a", 1000 + REPLY_MEMORY_MS - 1));
    ck_assert(!reply_memory_seen(memory, "_INBOX.a", 1000 + REPLY_MEMORY_MS));
    ck_assert(reply_memory_seen(memory, "_INBOX.a", 1000 + REPLY_MEMORY_MS + 1));
    reply_memory_free(memory);
}
END_TEST

START_TEST(a_flood_of_subjects_is_bounded_and_recent_ones_are_kept)
{
    struct reply_memory *memory = reply_memory_new();
    char subject[32];
    for (int i = 0; i < 200000; i++) {
        snprintf(subject, sizeof subject, "_INBOX.%d", i);
        ck_assert(!reply_memory_seen(memory, subject, 1000 + i / 10));
    }
    for (int i = 200000 - 4096; i < 200000; i++) {
        snprintf(subject, sizeof subject, "_INBOX.%d", i);
        ck_assert(reply_memory_seen(memory, subject, 21001));
    }
    reply_memory_free(memory);
}
END_TEST

static enum settled_state begin(struct settled *settled, const char *id, int64_t now, char *reply)
{
    void *stored = NULL;
    size_t size = 0;
    enum settled_state state = settled_begin(settled, id, strlen(id), now, &stored, &size);
    if (state == SETTLED_DONE) {
        memcpy(reply, stored, size);
        reply[size] = '\0';
        mem_free(stored);
    }
    return state;
}

START_TEST(an_id_runs_once_and_its_reply_is_kept_for_a_while)
{
    struct settled *settled = settled_new();
    char reply[64];
    ck_assert_int_eq(begin(settled, "a", 0, reply), SETTLED_NEW);
    ck_assert_int_eq(begin(settled, "a", 1, reply), SETTLED_RUNNING);
    ck_assert_int_eq(begin(settled, "b", 1, reply), SETTLED_NEW);
    settled_end(settled, "a", 1, 10, "done", 4);
    ck_assert_int_eq(begin(settled, "a", 10 + SETTLED_KEEP_MS, reply), SETTLED_DONE);
    ck_assert_str_eq(reply, "done");
    ck_assert_int_eq(begin(settled, "b", 10 + SETTLED_KEEP_MS, reply), SETTLED_RUNNING);
    ck_assert_int_eq(begin(settled, "a", 11 + SETTLED_KEEP_MS, reply), SETTLED_NEW);
    settled_forget(settled, "b", 1);
    ck_assert_int_eq(begin(settled, "b", 0, reply), SETTLED_NEW);
    settled_free(settled);
}
END_TEST

START_TEST(the_oldest_replies_make_room)
{
    struct settled *settled = settled_new();
    char id[16], reply[64];
    for (int i = 0; i < SETTLED_ENTRIES_MAX + 10; i++) {
        snprintf(id, sizeof id, "%d", i);
        ck_assert_int_eq(begin(settled, id, 0, reply), SETTLED_NEW);
        settled_end(settled, id, strlen(id), 0, "r", 1);
    }
    ck_assert_int_eq(begin(settled, "0", 0, reply), SETTLED_NEW);
    ck_assert_int_eq(begin(settled, "10", 0, reply), SETTLED_DONE);
    size_t large = SETTLED_BYTES_MAX / 2 + 1;
    char *data = mem_array(1, large);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(begin(settled, i ? "x" : "y", 0, reply), SETTLED_NEW);
        settled_end(settled, i ? "x" : "y", 1, 0, data, large);
    }
    ck_assert_int_eq(begin(settled, "y", 0, reply), SETTLED_NEW);
    mem_free(data);
    settled_free(settled);
}
END_TEST

static bool collect(void *text, const struct letter *letter)
{
    snprintf((char *)text + strlen(text), 100, "%s=%.*s;", letter->subject, (int)letter->size,
             (const char *)letter->data);
    return true;
}

static bool refuse(void *text, const struct letter *letter)
{
    (void)text, (void)letter;
    return false;
}

START_TEST(late_replies_leave_in_order_while_somebody_may_wait)
{
    struct outbox *outbox = outbox_new();
    char text[200] = "";
    outbox_put(outbox, "a", "1", 1, 100);
    outbox_put(outbox, "b", "2", 1, 50);
    outbox_put(outbox, "c", "3", 1, 100);
    outbox_empty(outbox, 40, refuse, text); // the session went meanwhile: all are kept
    outbox_empty(outbox, 60, collect, text);
    ck_assert_str_eq(text, "a=1;c=3;");
    outbox_empty(outbox, 60, collect, text);
    ck_assert_str_eq(text, "a=1;c=3;");
    char *large = mem_array(1, LATE_REPLIES_BYTES_MAX);
    outbox_put(outbox, "large", large, LATE_REPLIES_BYTES_MAX, 100);
    outbox_put(outbox, "too much", "x", 1, 100);
    *text = '\0';
    outbox_empty(outbox, 60, refuse, text);
    ck_assert(!outbox_is_empty(outbox));
    outbox_free(outbox);
    mem_free(large);
}
END_TEST

CHECK_MAIN("journal", 300, a_reply_subject_is_seen_once_a_minute,
           a_flood_of_subjects_is_bounded_and_recent_ones_are_kept,
           an_id_runs_once_and_its_reply_is_kept_for_a_while, the_oldest_replies_make_room,
           late_replies_leave_in_order_while_somebody_may_wait)
