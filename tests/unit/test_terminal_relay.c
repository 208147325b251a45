// Terminals while the relay fails in every way: nothing is lost, nothing typed twice, nobody waits.
#include "terminal_rig.h"

// Shows something at once: its opener need not wait for that.
#define ECHOES COMMAND("sh", "-c", "echo up; exec cat")

// Prints 1, 2, 3... with a pause now and then, and ends with "done".
enum { COUNTED = 300 };
#define COUNTER                                                                    \
    COMMAND("sh", "-c",                                                            \
            "stty -echo; i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; " \
            "[ $((i % 10)) = 0 ] && sleep 0.05; done; echo done; read x")

static void has_every_line_once(const char *id)
{
    char line[32];
    const char *at = relay_look(&rig.relay, id)->text.data;
    for (int i = 1; i <= COUNTED; i++) {
        snprintf(line, sizeof line, "line %d\r\n", i);
        const char *found = strstr(at, line);
        ck_assert_msg(found != NULL, "no %s", line);
        ck_assert_msg(found == at, "%s comes too late", line);
        at = found + strlen(line);
    }
}

static void sequence_never_goes_back(const struct relay_channel *channel)
{
    for (size_t i = 1; i < channel->frame_count; i++)
        ck_assert_uint_le(channel->frames[i].seq, channel->next_seq);
}

START_TEST(a_cut_connection_loses_no_line_and_doubles_none)
{
    const char *id = OPENED(COUNTER);
    SEES(id, "line 50\r\n");
    types(id, "a");
    types(id, "b");
    ck_assert(
        relay_raw(&rig.relay, id, FAKE_PING, "both", 4)); // what came before it has been taken
    ck_assert(relay_wait_pong(&rig.relay, id, "both"));
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->resume, 2);
    SEES(id, "line 150\r\n");
    ck_assert(relay_raw(&rig.relay, id, FAKE_CLOSE, "\3\351", 2)); // a clean close, 1001
    ck_assert(relay_wait_opens(&rig.relay, id, 3));
    SEES(id, "done");
    has_every_line_once(id);
    sequence_never_goes_back(relay_look(&rig.relay, id));
}
END_TEST

START_TEST(the_tail_is_sent_again_as_it_was)
{
    const char *id = OPENED(COMMAND("sh", "-c", "echo prompt; read x; echo later"));
    SEES(id, "prompt");
    const struct relay_channel *channel = relay_look(&rig.relay, id);
    struct relay_frame first = channel->frames[0];
    relay_stop_listening(&rig.relay);
    ck_assert(relay_wait_gone(&rig.relay, id));
    size_t before = channel->frame_count;
    relay_listen_again(&rig.relay);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    ck_assert(relay_wait_frames(&rig.relay, id, before + 1));
    channel = relay_look(&rig.relay, id);
    ck_assert_uint_eq(channel->frames[before].seq, first.seq);
    ck_assert_int_eq(channel->frames[before].time, first.time);
    ck_assert_uint_eq(channel->frames[before].size, first.size);
    types(id, "\n");
    SEES(id, "later");
}
END_TEST

START_TEST(a_restarted_relay_has_everybody_back_soon)
{
    enum { MANY = 16 };
    const char *ids[MANY];
    char kept[MANY][TERMINAL_ID_BYTES];
    for (int i = 0; i < MANY; i++)
        ids[i] = memcpy(kept[i], OPENED(ECHOES), TERMINAL_ID_BYTES);
    for (int round = 0; round < 3; round++) {
        relay_stop_listening(&rig.relay);
        clock_sleep_ms(500 * round);
        relay_listen_again(&rig.relay);
        for (int i = 0; i < MANY; i++)
            ck_assert(relay_wait_opens(&rig.relay, ids[i], 2 + (unsigned)round));
    }
}
END_TEST

START_TEST(without_a_relay_a_program_goes_on_and_its_newest_output_is_kept)
{
    const char *id = OPENED(COMMAND("sh", "-c",
                                    "echo up; read x; head -c 5242880 /dev/zero | tr '\\0' x; "
                                    "touch through; read x; echo newest; read x"));
    SEES(id, "up");
    relay_stop_listening(&rig.relay);
    ck_assert(relay_wait_gone(&rig.relay, id));
    ck_assert(rig_write(id, "\n", 1).good);
    for (int i = 0; i < 3000 && access(in("through"), F_OK) != 0; i++)
        clock_sleep_ms(20);
    ck_assert_int_eq(access(in("through"), F_OK), 0);
    ck_assert(rig_resize(id, 90, 40).good);
    ck_assert(rig_write(id, "\n", 1).good);
    relay_listen_again(&rig.relay);
    SEES(id, "newest");
    const char *text = relay_look(&rig.relay, id)->text.data;
    const char *notice = strstr(text, " bytes of output were dropped]\r\n");
    ck_assert_ptr_nonnull(notice);
    ck_assert_ptr_null(strstr(notice + 1, " bytes of output were dropped]"));
    size_t kept = strspn(strstr(notice, "\n") + 1, "x");
    ck_assert_uint_gt(kept, (1 << 20) - 100);
    ck_assert_uint_le(kept, 1 << 20);
}
END_TEST

START_TEST(an_exit_without_a_relay_frees_the_scope_and_dials_no_more)
{
    const char *id = OPENED(.scope_id = "s", COMMAND("sh", "-c", "read x"));
    relay_stop_listening(&rig.relay);
    ck_assert(relay_wait_gone(&rig.relay, id));
    ck_assert(rig_write(id, "\n", 1).good);
    ck_assert(rig_wait_none());
    clock_sleep_ms(100);
    relay_listen_again(&rig.relay);
    clock_sleep_ms(1500);
    ck_assert_uint_eq(relay_look(&rig.relay, id)->opens, 1);
    ck_assert_str_ne(OPENED(.scope_id = "s"), id);
}
END_TEST

START_TEST(a_close_without_a_relay_is_answered_at_once)
{
    const char *id = OPENED(COMMAND("sleep", mark("21")));
    relay_stop_listening(&rig.relay);
    ck_assert(relay_wait_gone(&rig.relay, id));
    ck_assert_int_eq(rig_close(id).exit_code, -1);
    ck_assert(rig_wait_processes(mark("21"), 0));
    relay_listen_again(&rig.relay);
}
END_TEST

START_TEST(every_key_of_a_reloaded_page_counts)
{
    const char *id = OPENED(COMMAND("sh", "-c", "stty -echo -icanon; echo up; exec cat"));
    SEES(id, "up");
    for (uint64_t seq = 0; seq < 57; seq++)
        ck_assert(relay_frame(&rig.relay, id, seq, 1000 + (int64_t)seq, "a", 1));
    for (uint64_t seq = 0; seq < 10; seq++) // another page, which counts from the start
        ck_assert(relay_frame(&rig.relay, id, seq, 5000 + (int64_t)seq, "b", 1));
    ck_assert(relay_frame(&rig.relay, id, 900, 6000, "c\n", 2)); // a gap
    SEES(id, "c\r\n");
    const char *text = strstr(relay_look(&rig.relay, id)->text.data, "up");
    ck_assert_ptr_nonnull(strstr(text, "aaabbbbbbbbbbc"));
    size_t a = 0, b = 0;
    for (text += 2; *text; text++)
        a += *text == 'a', b += *text == 'b';
    ck_assert_uint_eq(a, 57);
    ck_assert_uint_eq(b, 10);
}
END_TEST

START_TEST(a_replayed_key_is_not_typed_twice)
{
    const char *id = OPENED(COMMAND("sh", "-c", "stty -echo -icanon; echo up; exec cat"));
    SEES(id, "up");
    for (uint64_t seq = 0; seq < 4; seq++)
        ck_assert(relay_frame(&rig.relay, id, seq, 1000, "k", 1));
    SEES(id, "kkkk");
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    ck_assert(relay_frame(&rig.relay, id, 2, 1000, "k", 1));
    ck_assert(relay_frame(&rig.relay, id, 3, 1000, "k", 1));
    ck_assert(relay_frame(&rig.relay, id, 3, 2000, "l", 1)); // same number, another key
    ck_assert(relay_frame(&rig.relay, id, 4, 2000, "\n", 1));
    SEES(id, "l\r\n");
    ck_assert_ptr_nonnull(strstr(relay_look(&rig.relay, id)->text.data, "up\r\nkkkkl\r\n"));
}
END_TEST

START_TEST(keys_with_numbers_at_the_end_of_their_range_count)
{
    const char *id = OPENED(COMMAND("sh", "-c", "stty -echo; echo up; exec cat"));
    SEES(id, "up");
    ck_assert(relay_frame(&rig.relay, id, UINT64_MAX, 5, "last\n", 5));
    SEES(id, "last");
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->resume, 0); // there is no next one to ask for
    ck_assert(relay_frame(&rig.relay, id, UINT64_MAX, 5, "last\n", 5)); // so that is replayed
    ck_assert(relay_frame(&rig.relay, id, UINT64_MAX - 1, 5, "before\n", 7));
    SEES(id, "before");
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 3));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->resume, UINT64_MAX);
    ck_assert(relay_frame(&rig.relay, id, 0, 5, "again\n", 6));
    SEES(id, "again");
    ck_assert_str_eq(strstr(relay_look(&rig.relay, id)->text.data, "up") + 4,
                     "last\r\nbefore\r\nagain\r\n");
}
END_TEST

START_TEST(frames_of_another_channel_are_ignored)
{
    const char *id = OPENED(COMMAND("sh", "-c", "stty -echo -icanon; echo up; exec cat"));
    static const unsigned char foreign[] = {3, 0x0a, 4, 'c', 'h', '-', '0', 0x1a, 3, 'b', 'a', 'd'};
    static const unsigned char nobodys[] = {3, 0x10, 7, 0x1a, 3, 'g', 'o', '\n'};
    SEES(id, "up");
    ck_assert(relay_raw(&rig.relay, id, FAKE_BINARY, foreign, sizeof foreign));
    ck_assert(relay_raw(&rig.relay, id, FAKE_BINARY, nobodys, sizeof nobodys));
    SEES(id, "go\r\n");
    ck_assert_ptr_null(strstr(relay_look(&rig.relay, id)->text.data, "bad"));
}
END_TEST

START_TEST(garbage_is_ignored)
{
    const char *id = OPENED(COMMAND("sh", "-c", "stty -echo -icanon; echo up; exec cat"));
    SEES(id, "up");
    static const struct {
        const char *data;
        size_t size;
    } garbage[] = {{"", 0},
                   {"\0", 1},
                   {"\11xx", 3},
                   {"\3\32\11x", 4},
                   {"\2\10\1", 3},
                   {"\1\12\0", 3},
                   {"\5\22\0", 3},
                   {"\3\377\377", 3},
                   {"\4\377", 2},
                   {"\3\12\200", 3},
                   {"\3\32\377\377\377\377\377\377\377\377\377\1", 12}};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        ck_assert(relay_raw(&rig.relay, id, FAKE_BINARY, garbage[i].data, garbage[i].size));
    ck_assert(relay_raw(&rig.relay, id, FAKE_TEXT, "\3\32\3bad", 6));
    ck_assert(relay_raw(&rig.relay, id, 0x02, "\3\32\3", 3)); // a valid one in three pieces
    ck_assert(relay_raw(&rig.relay, id, FAKE_PING, "p", 1));
    ck_assert(relay_raw(&rig.relay, id, 0x00, "ok", 2));
    ck_assert(relay_raw(&rig.relay, id, 0x80, "\n", 1));
    SEES(id, "ok\r\n");
    ck_assert_ptr_null(strstr(relay_look(&rig.relay, id)->text.data, "bad"));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->opens, 1);
}
END_TEST

START_TEST(a_relays_ping_is_answered_and_a_dead_relay_dialled_again)
{
    rig.silence_ms = 1500;
    rig_set_url(rig.url, "t");
    const char *id = OPENED(ECHOES);
    ck_assert(relay_raw(&rig.relay, id, FAKE_PING, "are you there?", 14));
    ck_assert(relay_wait_pong(&rig.relay, id, "are you there?"));
    relay_set(&rig.relay, &rig.relay.deaf, true);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    ck_assert_uint_gt(relay_look(&rig.relay, id)->pings, 0);
    relay_set(&rig.relay, &rig.relay.deaf, false);
    types(id, "alive\n");
    SEES(id, "alive\r\nalive");
}
END_TEST

START_TEST(a_message_too_large_is_a_lost_connection)
{
    const char *id = OPENED(ECHOES);
    char *large = calloc(1, 16 << 20);
    (void)relay_raw(&rig.relay, id, FAKE_BINARY, large, 5 << 20);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    (void)relay_raw(&rig.relay, id, FAKE_BINARY, large, 16 << 20);
    free(large);
    ck_assert(relay_wait_opens(&rig.relay, id, 3));
    types(id, "alive\n");
    SEES(id, "alive\r\nalive");
}
END_TEST

// --- the first registration

static void opening_fails(enum fail_kind kind, const char *text)
{
    struct outcome outcome = OPEN(COMMAND("sleep", mark("22")));
    ck_assert(!outcome.good);
    ck_assert_int_eq(outcome.why.kind, kind);
    char all[FAIL_TEXT_BYTES];
    fail_text(&outcome.why, all, sizeof all);
    ck_assert_msg(strstr(all, text) != NULL, "\"%s\" does not say \"%s\"", all, text);
    ck_assert(rig_wait_none());
    ck_assert_uint_eq(rig_processes(mark("22")), 0);
}

START_TEST(a_withheld_answer_fails_the_opening)
{
    rig.patience_ms = 1000;
    rig_set_url(rig.url, "t");
    relay_set(&rig.relay, &rig.relay.withhold_answer, true);
    opening_fails(FAIL_STREAM_DOWN, "did not answer");
}
END_TEST

START_TEST(a_refusal_fails_the_opening_with_its_text)
{
    relay_refuse(&rig.relay, 1, "agent token: token is expired");
    opening_fails(FAIL_STREAM, "agent token: token is expired");
    relay_set(&rig.relay, &rig.relay.first_is_frame, true);
    opening_fails(FAIL_STREAM, "the relay answered");
    ck_assert_uint_eq(relay_dials(&rig.relay), 2);
}
END_TEST

START_TEST(an_absent_relay_fails_the_opening)
{
    relay_stop_listening(&rig.relay);
    opening_fails(FAIL_STREAM_DOWN, "Connection refused");
    relay_listen_again(&rig.relay);
    ck_assert_uint_eq(relay_dials(&rig.relay), 0);
}
END_TEST

START_TEST(an_unusable_address_fails_the_opening_without_a_dial)
{
    rig_set_url("", "t");
    opening_fails(FAIL_STREAM, "no relay");
    rig_set_url("ftp://127.0.0.1/", "t");
    opening_fails(FAIL_STREAM, "neither ws nor wss");
    ck_assert_uint_eq(relay_dials(&rig.relay), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", rig.relay.port);
    rig_set_url(url, "t");
    const char *id = OPENED(ECHOES);
    ck_assert_ptr_nonnull(strstr(relay_look(&rig.relay, id)->request, "GET /stream?ws="));
}
END_TEST

// --- refused later

START_TEST(a_refused_terminal_lives_and_comes_back_with_new_credentials)
{
    const char *id = OPENED(ECHOES);
    relay_refuse(&rig.relay, 1, "agent token: token is expired");
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    clock_sleep_ms(200);
    ck_assert(rig_write(id, "still\n", 6).good);
    rig_set_url(rig.url, "ogr_new");
    ck_assert(relay_wait_opens(&rig.relay, id, 3));
    ck_assert_str_eq(relay_look(&rig.relay, id)->token, "ogr_new");
    SEES(id, "still\r\nstill");
}
END_TEST

START_TEST(a_terminal_that_is_refused_on_all_sides_ends_sooner)
{
    rig.refused_ms = 20000;
    rig_set_url(rig.url, "t");
    const char *id = OPENED(ECHOES);
    relay_refuse(&rig.relay, 1000, "agent token: machine is revoked");
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    clock_sleep_ms(20000 / CHANNEL_DISOWNED_PART);
    rig_set_url(rig.url, "t"); // has it dial at once
    ck_assert(relay_wait_opens(&rig.relay, id, 3));
    clock_sleep_ms(100);
    ck_assert(rig_write(id, "still\n", 6).good); // only the relay says no
    relay_disown(rig.link, true);
    rig_set_url(rig.url, "t");
    ck_assert(rig_wait_none());
    ck_assert_int_eq(rig_write(id, "x", 1).why.kind, FAIL_MISSING);
}
END_TEST

START_TEST(asking_for_a_scope_again_dials_at_once)
{
    const char *id = OPENED(.scope_id = "s", ECHOES);
    relay_refuse(&rig.relay, 1, "no"); // the next attempt is up to 30 s away then
    relay_cut(&rig.relay, id);
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    clock_sleep_ms(200);
    ck_assert_str_eq(OPENED(.scope_id = "s"), id);
    ck_assert(relay_is_connected(&rig.relay, id));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->opens, 3);
}
END_TEST

START_TEST(with_an_old_relay_the_newer_terminal_keeps_its_place)
{
    relay_set(&rig.relay, &rig.relay.one_per_port, true);
    const char *older = OPENED(ECHOES);
    const char *newer = OPENED(ECHOES);
    ck_assert(relay_wait_gone(&rig.relay, older));
    clock_sleep_ms(2000); // the dial of one that is dropped comes within 500 ms
    ck_assert_uint_eq(relay_look(&rig.relay, newer)->opens, 1);
    ck_assert_uint_le(relay_look(&rig.relay, older)->opens, 2);
    ck_assert(relay_is_connected(&rig.relay, newer));
    ck_assert(rig_write(older, "meanwhile\n", 10).good);
    ck_assert(rig_close(newer).good);
    SEES(older, "meanwhile");
}
END_TEST

// --- flow

START_TEST(a_flood_arrives_whole_and_in_order)
{
    enum { COUNT = 300000 };
    const char *id = OPENED(COMMAND("sh", "-c", "stty -opost; seq 1 300000; echo end"));
    char line[32];
    ck_assert(relay_wait_text_size(&rig.relay, id, 1988895 + 4));
    SEES(id, "\n300000\nend\n");
    const char *at = relay_look(&rig.relay, id)->text.data;
    for (int i = 1; i <= COUNT; i++) {
        int n = snprintf(line, sizeof line, "%d\n", i);
        ck_assert_msg(strncmp(at, line, (size_t)n) == 0, "%d is not where it should be", i);
        at += n;
    }
    const struct relay_channel *channel = relay_look(&rig.relay, id);
    for (size_t i = 0; i < channel->frame_count; i++)
        ck_assert_uint_le(channel->frames[i].size, 65536);
    ck_assert_uint_eq(channel->duplicates, 0);
}
END_TEST

START_TEST(a_large_paste_is_delivered_and_one_nobody_reads_does_no_harm)
{
    enum { PASTE = 190000 };
    char *paste = malloc(3 << 20);
    for (size_t i = 0; i < 3 << 20; i++)
        paste[i] = i % 64 == 63 ? '\n' : 'p';
    const char *reads =
        OPENED(COMMAND("sh", "-c", "stty raw -echo; echo up; head -c 190000 | md5sum"));
    SEES(reads, "up");
    ck_assert(relay_frame(&rig.relay, reads, 0, 1, paste, PASTE));
    char expected[64] = "";
    FILE *file = fopen(in("paste"), "w");
    fwrite(paste, 1, PASTE, file);
    fclose(file);
    const char *checks = OPENED(COMMAND("md5sum", (char *)in("paste")));
    SEES(checks, "paste");
    snprintf(expected, 33, "%s", relay_look(&rig.relay, checks)->text.data);
    SEES(reads, expected);

    const char *deaf = OPENED(COMMAND("sh", "-c", "echo up; exec sleep 70.23"));
    const char *other = OPENED(ECHOES);
    SEES(deaf, "up");
    for (uint64_t i = 0; i < 16; i++) // 3 MiB
        ck_assert(relay_frame(&rig.relay, deaf, i, 1, paste + i * 196608, 196608));
    types(other, "alive\n");
    SEES(other, "alive\r\nalive");
    ck_assert_int_eq(rig_close(deaf).exit_code, -1);
    free(paste);
}
END_TEST

START_TEST(a_paused_connection_is_not_a_dead_one)
{
    enum { PASTE = 3 << 20 };
    rig.silence_ms = 600;
    rig_set_url(rig.url, "t");
    char *paste = malloc(PASTE);
    memset(paste, 'p', PASTE);
    const char *go = in("go");
    const char *id =
        OPENED(COMMAND("sh", "-c",
                       "stty raw -echo; echo up; until [ -e \"$0\" ]; do sleep 0.1; done;"
                       "head -c 3145728 | tr -d p | wc -c; echo read",
                       (char *)go));
    SEES(id, "up");
    for (uint64_t i = 0; i < 16; i++)
        ck_assert(relay_frame(&rig.relay, id, i, 1, paste + i * (PASTE / 16), PASTE / 16));
    clock_sleep_ms(3 * rig.silence_ms); // nothing is read from the relay now
    ck_assert_uint_eq(relay_look(&rig.relay, id)->opens, 1);
    fclose(fopen(go, "w"));
    SEES(id, "read");
    ck_assert_ptr_nonnull(strstr(relay_look(&rig.relay, id)->text.data, "0\n"));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->opens, 1);
    free(paste);
}
END_TEST

START_TEST(a_program_that_reads_late_and_echoes_everything_does_not_deadlock)
{
    enum { SIZE = 2 << 20 };
    char *paste = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        paste[i] = i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
    const char *id =
        OPENED(COMMAND("sh", "-c", "stty raw -echo; echo up; sleep 1; exec head -c 2097152"));
    SEES(id, "up");
    size_t before = relay_text_size(&rig.relay, id);
    for (uint64_t i = 0; i < 16; i++)
        ck_assert(relay_frame(&rig.relay, id, i, 1, paste + i * (SIZE / 16), SIZE / 16));
    ck_assert(relay_wait_text_size(&rig.relay, id, before + SIZE));
    ck_assert_uint_eq(relay_text_size(&rig.relay, id), before + SIZE);
    ck_assert_int_eq(memcmp(relay_look(&rig.relay, id)->text.data + before, paste, SIZE), 0);
    free(paste);
}
END_TEST

static void add(TCase *all)
{
    tcase_add_test(all, a_cut_connection_loses_no_line_and_doubles_none);
    tcase_add_test(all, the_tail_is_sent_again_as_it_was);
    tcase_add_test(all, a_restarted_relay_has_everybody_back_soon);
    tcase_add_test(all, without_a_relay_a_program_goes_on_and_its_newest_output_is_kept);
    tcase_add_test(all, an_exit_without_a_relay_frees_the_scope_and_dials_no_more);
    tcase_add_test(all, a_close_without_a_relay_is_answered_at_once);
    tcase_add_test(all, every_key_of_a_reloaded_page_counts);
    tcase_add_test(all, a_replayed_key_is_not_typed_twice);
    tcase_add_test(all, keys_with_numbers_at_the_end_of_their_range_count);
    tcase_add_test(all, frames_of_another_channel_are_ignored);
    tcase_add_test(all, garbage_is_ignored);
    tcase_add_test(all, a_relays_ping_is_answered_and_a_dead_relay_dialled_again);
    tcase_add_test(all, a_message_too_large_is_a_lost_connection);
    tcase_add_test(all, a_withheld_answer_fails_the_opening);
    tcase_add_test(all, a_refusal_fails_the_opening_with_its_text);
    tcase_add_test(all, an_absent_relay_fails_the_opening);
    tcase_add_test(all, an_unusable_address_fails_the_opening_without_a_dial);
    tcase_add_test(all, a_refused_terminal_lives_and_comes_back_with_new_credentials);
    tcase_add_test(all, a_terminal_that_is_refused_on_all_sides_ends_sooner);
    tcase_add_test(all, asking_for_a_scope_again_dials_at_once);
    tcase_add_test(all, with_an_old_relay_the_newer_terminal_keeps_its_place);
    tcase_add_test(all, a_flood_arrives_whole_and_in_order);
    tcase_add_test(all, a_large_paste_is_delivered_and_one_nobody_reads_does_no_harm);
    tcase_add_test(all, a_paused_connection_is_not_a_dead_one);
    tcase_add_test(all, a_program_that_reads_late_and_echoes_everything_does_not_deadlock);
}

int main(void)
{
    return rig_run_suite("terminal_relay", add);
}
