#include "hub/roster.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "check_main.h"

#define ONE "11111111-0000-4000-8000-000000000001"
#define TWO "22222222-0000-4000-8000-000000000002"
#define A   "aaaaaaaa-0000-4000-8000-00000000000a"
#define B   "bbbbbbbb-0000-4000-8000-00000000000b"

static struct roster *roster;
static struct fail why;
static const unsigned char bearer[DIGEST_BYTES] = "bearer", wrong[DIGEST_BYTES] = "wrong";

static struct moment at(int64_t ms)
{
    return (struct moment){.mono_ms = 100000 + ms, .unix_ms = 1700000000000 + ms};
}

static void put(const char *id, const char *name, int64_t generation)
{
    struct machine_record record = {.generation = generation,
                                    .bearer_expires_ms = at(1000000).unix_ms};
    snprintf(record.id, sizeof record.id, "%s", id);
    record.name = mem_string(name);
    record.public_key = mem_string(id);
    memcpy(record.bearer_hash, bearer, DIGEST_BYTES);
    roster_put(roster, &record);
}

static void start(bool open)
{
    log_set_level(LOG_OFF);
    roster = roster_new("workspace", open);
    put(ONE, "one", 1);
    put(TWO, "two", 1);
}

static enum verdict connect_at(const char *instance, int64_t ms)
{
    return roster_connect(roster, ONE, instance, bearer, at(ms));
}

static enum heard beat_at(const char *instance, int64_t ms)
{
    return roster_heartbeat(roster, ONE, instance, NULL, 1, false, at(ms));
}

static void note_online(void *context, struct machine *machine)
{
    *(bool *)context = machine->online;
}

static bool online_at(int64_t ms)
{
    bool online = false;
    roster_tick(roster, at(ms));
    roster_visit(roster, ONE, note_online, &online);
    return online;
}

START_TEST(a_machine_is_online_from_its_first_word_until_20_s_of_silence)
{
    start(false);
    ck_assert_int_eq(connect_at(A, 0), VERDICT_GRANTED);
    ck_assert(!online_at(0));
    ck_assert_int_eq(roster_hello(roster, ONE, A, "hello", 5, at(10)), HEARD);
    ck_assert(online_at(10));
    ck_assert_int_eq(beat_at(A, 5000), HEARD);
    ck_assert(online_at(24999));
    ck_assert(!online_at(25000));
    ck_assert_int_eq(beat_at(A, 30000), HEARD); // the same process again: nobody took its place
    ck_assert(online_at(30000));
    roster_free(roster);
}
END_TEST

START_TEST(a_second_process_waits_for_the_lease_of_the_first)
{
    start(false);
    ck_assert_int_eq(connect_at(A, 0), VERDICT_GRANTED);
    ck_assert_int_eq(connect_at(A, 1), VERDICT_GRANTED); // its second session
    ck_assert_int_eq(connect_at(B, 2), VERDICT_DUPLICATE);
    ck_assert_int_eq(beat_at(A, 10000), HEARD);
    ck_assert_int_eq(connect_at(B, 29999), VERDICT_DUPLICATE);
    ck_assert_int_eq(connect_at(B, 30000), VERDICT_GRANTED);
    ck_assert_int_eq(beat_at(A, 30001), HEARD_OTHER);
    ck_assert_int_eq(roster_hello(roster, ONE, A, "x", 1, at(30002)), HEARD_OTHER);
    ck_assert_int_eq(roster_goodbye(roster, ONE, A, 1, at(30003)), HEARD_OTHER);
    ck_assert_int_eq(beat_at(B, 30004), HEARD);
    roster_free(roster);
}
END_TEST

START_TEST(after_a_goodbye_the_next_process_comes_at_once_and_the_old_one_stays_gone)
{
    start(false);
    ck_assert_int_eq(connect_at(A, 0), VERDICT_GRANTED);
    ck_assert_int_eq(beat_at(A, 1), HEARD);
    ck_assert_int_eq(roster_goodbye(roster, ONE, A, 1, at(2)), HEARD);
    ck_assert(!online_at(2));
    ck_assert_int_eq(beat_at(A, 3), HEARD_OTHER);
    ck_assert(!online_at(3));
    ck_assert_int_eq(connect_at(B, 4), VERDICT_GRANTED);
    ck_assert_int_eq(roster_goodbye(roster, ONE, B, 1, at(5)), HEARD);
    ck_assert_int_eq(connect_at(B, 6), VERDICT_GRANTED);
    ck_assert_int_eq(beat_at(B, 7), HEARD);
    roster_free(roster);
}
END_TEST

START_TEST(reasons_to_refuse)
{
    start(false);
    ck_assert_int_eq(roster_connect(roster, "none", A, bearer, at(0)), VERDICT_UNKNOWN);
    ck_assert_int_eq(roster_connect(roster, ONE, A, wrong, at(0)), VERDICT_REPLACED);
    ck_assert_int_eq(connect_at("", 0), VERDICT_BAD_NAME);
    ck_assert_int_eq(connect_at(A, 1000001), VERDICT_EXPIRED);
    ck_assert(roster_revoke(roster, ONE, 5));
    ck_assert_int_eq(connect_at(A, 0), VERDICT_REVOKED);
    ck_assert_int_eq(beat_at(A, 1), HEARD_UNKNOWN);
    ck_assert(!roster_revoke(roster, "none", 5));
    for (int i = 0; i < VERDICTS; i++)
        ck_assert_ptr_nonnull(verdict_text(i));
    roster_free(roster);
}
END_TEST

START_TEST(revoking_and_enrolling_again_end_the_lease)
{
    start(false);
    ck_assert_int_eq(connect_at(A, 0), VERDICT_GRANTED);
    ck_assert_int_eq(beat_at(A, 1), HEARD);
    put(ONE, "one", 2);
    ck_assert(!online_at(1));
    // what the old process had under way does not keep the new one out
    ck_assert_int_eq(beat_at(A, 2), HEARD_OTHER);
    ck_assert_int_eq(connect_at(B, 2), VERDICT_GRANTED);
    put(ONE, "one", 3);
    ck_assert_int_eq(connect_at(B, 3), VERDICT_GRANTED); // nor the same one, with its new bearer
    ck_assert_int_eq(beat_at(B, 4), HEARD);
    put(ONE, "late", 1); // an older decision that comes late changes nothing
    char id[UUID_BYTES];
    ck_assert(!roster_resolve(roster, "late", id, &why));
    roster_free(roster);
}
END_TEST

START_TEST(after_a_restart_of_the_hub_a_connected_process_makes_itself_known)
{
    start(false);
    ck_assert_int_eq(beat_at(A, 0), HEARD);
    ck_assert(online_at(0));
    ck_assert_int_eq(connect_at(B, 1), VERDICT_DUPLICATE);
    roster_free(roster);
}
END_TEST

START_TEST(without_authorization_whoever_speaks_is_the_machine)
{
    start(true);
    ck_assert_int_eq(beat_at("", 0), HEARD);
    ck_assert(online_at(0));
    ck_assert_int_eq(beat_at(A, 30000), HEARD);
    ck_assert_int_eq(beat_at("", 30001), HEARD_OTHER); // the same process on its other address
    ck_assert_int_eq(beat_at(B, 30002), HEARD_OTHER);
    ck_assert_int_eq(beat_at(B, 60000), HEARD);
    // a link that ends and begins again in the same process
    ck_assert_int_eq(roster_goodbye(roster, ONE, B, 1, at(60001)), HEARD);
    ck_assert_int_eq(beat_at(B, 60002), HEARD_OTHER);
    ck_assert_int_eq(roster_hello(roster, ONE, B, "x", 1, at(60003)), HEARD);
    ck_assert_int_eq(beat_at(B, 60004), HEARD);
    roster_free(roster);
    start(false);
    ck_assert_int_eq(beat_at("", 0), HEARD_OTHER);
    roster_free(roster);
}
END_TEST

START_TEST(who_connects_too_often_is_held_back_without_harm_to_others)
{
    start(false);
    int granted = 0;
    while (connect_at(A, 0) == VERDICT_GRANTED && granted < 10000)
        granted++;
    ck_assert_int_eq(granted, HUB_CONNECT_BURST);
    ck_assert_int_eq(connect_at(A, 0), VERDICT_TOO_OFTEN);
    ck_assert_int_eq(roster_connect(roster, TWO, A, bearer, at(0)), VERDICT_GRANTED);
    ck_assert_int_eq(connect_at(A, 1000), VERDICT_GRANTED);
    roster_free(roster);
}
END_TEST

START_TEST(a_flood_is_cut_once_and_its_sender_kept_out)
{
    start(false);
    ck_assert_int_eq(connect_at(A, 0), VERDICT_GRANTED);
    ck_assert_int_eq(beat_at(A, 0), HEARD);
    int taken = 0;
    enum heard heard;
    while ((heard = roster_admit(roster, ONE, at(0))) == HEARD && taken < 10000)
        taken++;
    ck_assert_int_eq(taken, HUB_MESSAGE_BURST);
    ck_assert_int_eq(heard, HEARD_CUT);
    ck_assert_int_eq(roster_admit(roster, ONE, at(0)), HEARD_FLOOD);
    ck_assert(!online_at(0));
    ck_assert_int_eq(connect_at(A, 1), VERDICT_TOO_OFTEN);
    ck_assert_int_eq(beat_at(A, 2), HEARD_OTHER);
    ck_assert_int_eq(roster_admit(roster, TWO, at(0)), HEARD);
    ck_assert_int_eq(connect_at(A, HUB_BAN_MS), VERDICT_GRANTED);
    ck_assert_int_eq(roster_admit(roster, "none", at(0)), HEARD_UNKNOWN);
    roster_free(roster);
}
END_TEST

START_TEST(machines_are_found_by_id_its_beginning_or_name)
{
    start(false);
    put("11111111-0000-4000-8000-000000000009", "three", 1);
    put("33333333-0000-4000-8000-000000000003", "two", 1);
    char id[UUID_BYTES];
    ck_assert(roster_resolve(roster, ONE, id, &why));
    ck_assert_str_eq(id, ONE);
    ck_assert(roster_resolve(roster, "2222", id, &why));
    ck_assert_str_eq(id, TWO);
    ck_assert(roster_resolve(roster, "three", id, &why));
    ck_assert(!roster_resolve(roster, "222", id, &why)); // too short
    ck_assert(!roster_resolve(roster, "11111111", id, &why));
    ck_assert_ptr_nonnull(strstr(why.what, ONE));
    ck_assert(!roster_resolve(roster, "two", id, &why));
    ck_assert(!roster_resolve(roster, "", id, &why));
    roster_free(roster);
}
END_TEST

START_TEST(many_machines_keep_their_places)
{
    log_set_level(LOG_OFF);
    roster = roster_new("workspace", false);
    char id[UUID_BYTES], found[UUID_BYTES];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", i * 2654435761u);
        put(id, "x", 1);
    }
    ck_assert_uint_eq(roster_count(roster).machines, 2000);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", i * 2654435761u);
        ck_assert(roster_resolve(roster, id, found, &why));
        ck_assert_str_eq(id, found);
    }
    roster_free(roster);
}
END_TEST

CHECK_MAIN("roster", 300, a_machine_is_online_from_its_first_word_until_20_s_of_silence,
           a_second_process_waits_for_the_lease_of_the_first,
           after_a_goodbye_the_next_process_comes_at_once_and_the_old_one_stays_gone,
           reasons_to_refuse, revoking_and_enrolling_again_end_the_lease,
           after_a_restart_of_the_hub_a_connected_process_makes_itself_known,
           without_authorization_whoever_speaks_is_the_machine,
           who_connects_too_often_is_held_back_without_harm_to_others,
           a_flood_is_cut_once_and_its_sender_kept_out,
           machines_are_found_by_id_its_beginning_or_name, many_machines_keep_their_places)
