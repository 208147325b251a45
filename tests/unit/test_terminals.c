// Terminals: what an opener gets, what a viewer sees, and how they end.
#include "terminal_rig.h"

// Shows something at once: its opener need not wait for that.
#define ECHOES COMMAND("sh", "-c", "echo up; exec cat")

START_TEST(a_terminal_is_registered_as_the_reply_says)
{
    const char *id = OPENED();
    ck_assert_int_eq(strncmp(id, "ch-", 3), 0);
    ck_assert_uint_eq(strspn(id + 3, "0123456789abcdef"), 32);
    const struct relay_channel *channel = relay_look(&rig.relay, id);
    char line[256];
    snprintf(line, sizeof line,
             "GET /stream?ws=" WORKSPACE "&agent=" AGENT "&port=7681&channel=%s HTTP/1.1\r\n", id);
    ck_assert_ptr_eq(strstr(channel->request, line), channel->request);
    ck_assert_ptr_null(strcasestr(channel->request, "sec-websocket-protocol"));
    ck_assert_ptr_null(strcasestr(channel->request, "sec-websocket-extensions"));
    ck_assert_ptr_null(strstr(channel->request, "ogr_token"));
    ck_assert_str_eq(channel->token, "ogr_token");
    ck_assert_uint_eq(channel->kind, 1);
    ck_assert_uint_eq(channel->port, 7681);
    ck_assert_uint_eq(channel->resume, 0);
    ck_assert_uint_eq(channel->opens, 1);
}
END_TEST

START_TEST(keys_reach_the_shell_and_its_answer_the_viewer)
{
    const char *id = OPENED();
    types(id, "echo $((6*7)) $TERM $COLORTERM\n");
    SEES(id, "42 xterm-256color truecolor");
    types(id, "stty size; tty; echo -n $OPENGENI_ENROLL_TOKEN | wc -c\n");
    SEES(id, "24 80");
    SEES(id, "/dev/pts/");
    SEES(id, "\r\n0\r\n");
}
END_TEST

START_TEST(nothing_is_typed_that_nobody_typed)
{
    const char *id = OPENED(COMMAND("cat", "-v"));
    clock_sleep_ms(500);
    ck_assert_uint_eq(relay_text_size(&rig.relay, id), 0);
    types(id, "x\n");
    SEES(id, "x\r\nx\r\n");
}
END_TEST

START_TEST(the_size_is_what_was_asked_for_or_the_usual_one)
{
    const char *id = OPENED(.cols = 70000, .rows = 0, COMMAND("stty", "size"));
    SEES(id, "24 80");
    id = OPENED(.cols = 132, .rows = 43);
    types(id, "trap 'echo changed' WINCH; stty size\n");
    SEES(id, "43 132");
    ck_assert(rig_resize(id, 100, 30).good);
    SEES(id, "changed");
    types(id, "stty size\n");
    SEES(id, "30 100");
    ck_assert(rig_resize(id, 0, 50).good);
    types(id, "stty size\n");
    SEES(id, "50 100");
    ck_assert(rig_resize(id, 99999, 1).good);
    types(id, "stty size\n");
    SEES(id, "1 65535");
}
END_TEST

START_TEST(a_write_is_input_like_any_other)
{
    const char *id = OPENED();
    struct outcome outcome = rig_write(id, "echo $((40+2))\n", 15);
    ck_assert(outcome.good);
    ck_assert_uint_eq(outcome.written, 15);
    SEES(id, "42\r\n");
    ck_assert(rig_write(id, "", 0).good);
}
END_TEST

START_TEST(unknown_ids_are_not_found)
{
    static const char *const ids[] = {"nope", "", "ch-00000000000000000000000000000000"};
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcomes[] = {rig_write(ids[i], "x", 1), rig_resize(ids[i], 1, 1),
                                     rig_close(ids[i])};
        for (size_t k = 0; k < 3; k++) {
            ck_assert(!outcomes[k].good);
            ck_assert_int_eq(outcomes[k].why.kind, FAIL_MISSING);
        }
    }
    const char *id = OPENED(); // another link's
    Og__PtyCloseRequest in = OG__PTY_CLOSE_REQUEST__INIT;
    in.pty_id = (char *)id;
    struct relay_settings settings = {
        .workspace_id = "other", .agent_id = AGENT, .url = rig.url, .token = ""};
    struct relay *other = relay_new(&settings);
    struct outcome outcome =
        rig_run(op_pty_close, OG__CONTROL_REQUEST__OP_PTY_CLOSE, &in, other, NULL);
    ck_assert_int_eq(outcome.why.kind, FAIL_MISSING);
    relay_unref(other);
}
END_TEST

START_TEST(the_directory_is_resolved_as_for_commands)
{
    char expected[256];
    mkdir(in("sub"), 0755);
    struct {
        char *cwd;
        const char *expected;
    } cases[] = {{"", scratch}, {"~", rig.home}, {"sub", in("sub")}, {"/", "/"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *id = OPENED(.cwd = cases[i].cwd, COMMAND("pwd"));
        snprintf(expected, sizeof expected, "%s\r\n", cases[i].expected);
        SEES(id, expected);
    }
    struct outcome outcome = OPEN(.cwd = "/no/such");
    ck_assert_int_eq(outcome.why.kind, FAIL_SYSTEM);
    ck_assert_int_eq(outcome.why.error, ENOENT);
    outcome = OPEN(.cwd = "/etc/passwd");
    ck_assert_int_eq(outcome.why.kind, FAIL_NOT_DIR);
    ck_assert(rig_wait_none());
}
END_TEST

START_TEST(commands_are_searched_in_path_only)
{
    struct outcome outcome = OPEN(COMMAND("/definitely/not"));
    ck_assert_int_eq(outcome.why.kind, FAIL_INVALID); // OS, not NOT_FOUND
    ck_assert_int_eq(outcome.why.error, ENOENT);
    outcome = OPEN(COMMAND("no-such-command"));
    ck_assert_int_eq(outcome.why.error, ENOENT);
    FILE *file = fopen(in("bash"), "w");
    fputs("#!/bin/sh\necho wrong\n", file);
    fclose(file);
    chmod(in("bash"), 0755);
    const char *id = OPENED(COMMAND("bash", "-c", "echo right"));
    SEES(id, "right");
    id = OPENED(COMMAND("./bash"));
    SEES(id, "wrong");
    ck_assert(rig_wait_processes("definitely", 0));
}
END_TEST

START_TEST(the_requests_variables_count_but_for_term)
{
    Og__PtyOpenRequest__EnvEntry entries[] = {OG__PTY_OPEN_REQUEST__ENV_ENTRY__INIT,
                                              OG__PTY_OPEN_REQUEST__ENV_ENTRY__INIT,
                                              OG__PTY_OPEN_REQUEST__ENV_ENTRY__INIT};
    entries[0].key = "TERM", entries[0].value = "dumb";
    entries[1].key = "COLORTERM", entries[1].value = "no";
    entries[2].key = "MINE", entries[2].value = "yes";
    Og__PtyOpenRequest__EnvEntry *env[] = {entries, entries + 1, entries + 2};
    const char *id =
        OPENED(.env = env, .n_env = 3, COMMAND("sh", "-c", "echo $TERM-$COLORTERM-$MINE"));
    SEES(id, "xterm-256color-no-yes");
    id = OPENED(.term = "vt100", COMMAND("sh", "-c", "echo $TERM"));
    SEES(id, "vt100");
    entries[0].key = "A=B";
    ck_assert_int_eq(OPEN(.env = env, .n_env = 1).why.kind, FAIL_INVALID);
}
END_TEST

static void *open_in_scope(void *scope)
{
    struct outcome *outcome = malloc(sizeof *outcome);
    *outcome = OPEN(.scope_id = scope, COMMAND("sleep", mark("01")));
    return outcome;
}

START_TEST(a_scope_has_one_terminal_however_many_ask)
{
    pthread_t threads[20];
    char first[TERMINAL_ID_BYTES] = "";
    for (size_t i = 0; i < 20; i++)
        pthread_create(&threads[i], NULL, open_in_scope, "s1");
    for (size_t i = 0; i < 20; i++) {
        struct outcome *outcome;
        pthread_join(threads[i], (void **)&outcome);
        ck_assert_msg(outcome->good, "%s", outcome->why.what);
        if (!*first)
            memcpy(first, outcome->id, sizeof first);
        ck_assert_str_eq(outcome->id, first);
        free(outcome);
    }
    ck_assert_uint_eq(rig_processes(mark("01")), 1);
    ck_assert_uint_eq(relay_look(&rig.relay, first)->opens, 1);
    ck_assert_str_eq(OPENED(.scope_id = "s1", .cwd = "/no/such", COMMAND("/no")), first);
    ck_assert_str_ne(OPENED(.scope_id = "s2"), first);
    ck_assert_str_ne(OPENED(), OPENED());
    ck_assert(rig_close(first).good);
    ck_assert_str_ne(OPENED(.scope_id = "s1"), first);
}
END_TEST

START_TEST(a_scope_is_free_when_its_program_has_ended)
{
    const char *id = OPENED(.scope_id = "s");
    types(id, "exit\n");
    ck_assert(rig_wait_none());
    ck_assert(relay_wait_close(&rig.relay, id));
    ck_assert_str_ne(OPENED(.scope_id = "s"), id);
}
END_TEST

START_TEST(an_exit_is_told_after_all_output)
{
    const char *id = OPENED(COMMAND("sh", "-c", "seq 1 20000; echo last; exit 3"));
    rig_resize(id, 0, 0);
    ck_assert(relay_wait_close(&rig.relay, id));
    const struct relay_channel *channel = relay_look(&rig.relay, id);
    ck_assert_uint_eq(channel->close_reason, 2);
    ck_assert_str_eq(channel->close_message, "pty exited");
    ck_assert_ptr_nonnull(strstr(channel->text.data, "\r\n20000\r\nlast\r\n"));
    struct outcome after = rig_close(id);
    ck_assert_int_eq(after.why.kind, FAIL_MISSING);
    ck_assert_int_eq(after.why.ended, 3 + 1);
    ck_assert_int_eq(rig_close("ch-unknown").why.ended, 0);
    ck_assert(relay_wait_gone(&rig.relay, id));
}
END_TEST

static size_t open_at_the_relay(char ids[][TERMINAL_ID_BYTES], size_t n)
{
    size_t open = 0;
    for (size_t i = 0; i < n; i++)
        open += relay_look(&rig.relay, ids[i])->close_reason == 0;
    return open;
}

START_TEST(an_end_that_nobody_saw_waits_for_the_first_viewer)
{
    enum { ENDED = 4 };
    char ids[ENDED][TERMINAL_ID_BYTES];
    int64_t start = clock_mono_ms();
    for (size_t i = 0; i < ENDED; i++) {
        memcpy(ids[i], OPENED(.scope_id = "s", COMMAND("sh", "-c", "echo shown; exit 3")),
               TERMINAL_ID_BYTES);
        SEES(ids[i], "shown\r\n");
        ck_assert(rig_wait_none()); // the scope is free
    }
    clock_sleep_ms(200);
    ck_assert_int_lt(waitpid(-1, NULL, WNOHANG), 0); // but no child is left for it
    size_t open = open_at_the_relay(ids, ENDED);
    if (clock_mono_ms() - start > TERMINAL_LINGER_MS)
        return; // this machine is too slow to see the first one wait
    ck_assert_uint_eq(open, ENDED);
    types(ids[0], "x");
    ck_assert_int_eq(rig_resize(ids[1], 0, 0).why.ended, 3 + 1);
    relay_cut(&rig.relay, ids[2]);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(relay_wait_close(&rig.relay, ids[i]));
        ck_assert_uint_eq(relay_look(&rig.relay, ids[i])->close_reason, 2);
    }
    ck_assert(relay_wait_gone(&rig.relay, ids[2]));
    ck_assert_uint_eq(relay_look(&rig.relay, ids[2])->opens, 1);
    ck_assert(terminals_shut_down(rig.host.terminals, 10000));
    ck_assert(relay_wait_close(&rig.relay, ids[3]));
}
END_TEST

START_TEST(ends_that_nobody_sees_are_not_kept_without_bound)
{
    enum { ENDED = TERMINALS_LINGERING_MAX + 1 };
    char ids[ENDED][TERMINAL_ID_BYTES];
    for (size_t i = 0; i < ENDED; i++)
        memcpy(ids[i], OPENED(COMMAND("true")), TERMINAL_ID_BYTES);
    ck_assert(relay_wait_close(&rig.relay, ids[0]));
    terminals_leave(rig.host.terminals, rig.link);
    for (size_t i = 1; i < ENDED; i++)
        ck_assert(relay_wait_close(&rig.relay, ids[i]));
}
END_TEST

START_TEST(a_close_ends_the_shell_and_executes_nothing)
{
    const char *id = OPENED();
    fclose(fopen(in("x"), "w"));
    char line[256];
    snprintf(line, sizeof line, "sleep %s\n", mark("02"));
    types(id, line);
    ck_assert(rig_wait_processes(mark("02"), 1));
    snprintf(line, sizeof line, "rm -rf %s", in("x"));
    types(id, line);
    struct outcome outcome = rig_close(id);
    ck_assert(outcome.good);
    ck_assert_int_eq(outcome.exit_code, -1);
    ck_assert_int_eq(rig_close(id).why.kind, FAIL_MISSING);
    ck_assert(relay_wait_close(&rig.relay, id));
    ck_assert_uint_eq(relay_look(&rig.relay, id)->close_reason, 2);
    ck_assert(rig_wait_processes(mark("02"), 0));
    ck_assert_int_eq(access(in("x"), F_OK), 0);
}
END_TEST

START_TEST(a_shell_that_ignores_the_hangup_is_killed_with_all_it_started)
{
    const char *id = OPENED(
        COMMAND("sh", "-c", "trap '' HUP; setsid -f sleep $0; echo up; while :; do sleep $0; done",
                mark("03")));
    SEES(id, "up");
    ck_assert(rig_wait_processes(mark("03"), 3)); // the shell has it as well
    int64_t start = clock_mono_ms();
    ck_assert(rig_close(id).good); // answered before anybody was killed
    size_t alive = rig_processes(mark("03"));
    ck_assert(alive > 0 || clock_mono_ms() - start >= TERMINAL_HANGUP_MS);
    ck_assert(rig_wait_processes(mark("03"), 0));
    ck_assert(relay_wait_close(&rig.relay, id));
}
END_TEST

START_TEST(background_jobs_outlive_an_exit)
{
    const char *id = OPENED(COMMAND(
        "sh", "-c", "nohup setsid sleep $0 >/dev/null 2>&1 & echo $!; sleep 0.2", mark("04")));
    rig_resize(id, 0, 0);
    ck_assert(relay_wait_close(&rig.relay, id));
    ck_assert(rig_wait_processes(mark("04"), 1));
    kill((pid_t)strtol(relay_look(&rig.relay, id)->text.data, NULL, 10), SIGKILL);
    ck_assert(rig_wait_processes(mark("04"), 0));
}
END_TEST

START_TEST(a_close_by_the_other_end_ends_the_shell_unless_it_is_trouble)
{
    static const unsigned final[] = {0, 1, 2, 3, 9};
    for (size_t i = 0; i < 5; i++) {
        const char *id = OPENED(COMMAND("sleep", mark("05")));
        ck_assert(relay_say_close(&rig.relay, id, final[i]));
        ck_assert(rig_wait_processes(mark("05"), 0));
        ck_assert_int_eq(rig_close(id).why.kind, FAIL_MISSING);
    }
    const char *id = OPENED(COMMAND("sleep", mark("05")));
    ck_assert(relay_say_close(&rig.relay, id, 4));
    ck_assert(relay_wait_opens(&rig.relay, id, 2));
    ck_assert_uint_eq(rig_processes(mark("05")), 1);
}
END_TEST

START_TEST(sixty_four_at_once_and_the_unused_make_room)
{
    char ids[TERMINALS_MAX][TERMINAL_ID_BYTES];
    for (size_t i = 0; i < TERMINALS_MAX; i++)
        memcpy(ids[i], OPENED(ECHOES), TERMINAL_ID_BYTES);
    types(ids[0], "used\n");
    SEES(ids[0], "used\r\nused");
    const char *id = OPENED(ECHOES);
    ck_assert_uint_eq(terminals_count(rig.host.terminals), TERMINALS_MAX);
    ck_assert(relay_wait_close(&rig.relay, ids[1])); // the oldest that nobody used
    ck_assert(rig_write(ids[0], "still\n", 6).good);
    types(id, "x");
    for (size_t i = 2; i < TERMINALS_MAX; i++)
        ck_assert(rig_write(ids[i], "x", 1).good);
    SEES(id, "x");
    struct outcome outcome = OPEN();
    ck_assert_int_eq(outcome.why.kind, FAIL_BUSY);
    ck_assert(rig_close(ids[5]).good);
    OPENED();
}
END_TEST

START_TEST(one_that_nobody_uses_ends_and_one_that_is_watched_does_not)
{
    enum { UNUSED_MS = 5000 }; // all of them are opened and used in that time
    ck_assert(terminals_shut_down(rig.host.terminals, 10000));
    terminals_free(rig.host.terminals);
    rig.host.terminals = terminals_new(0, UNUSED_MS);
    const char *unused = OPENED(ECHOES), *typed = OPENED(ECHOES), *written = OPENED(ECHOES);
    const char *watched = OPENED(ECHOES), *scoped = OPENED(ECHOES, .scope_id = "s");
    types(typed, "used\n");
    SEES(typed, "used\r\nused");
    ck_assert(rig_write(written, "x", 1).good);
    ck_assert(rig_resize(watched, 0, 0).good);
    ck_assert(relay_wait_close(&rig.relay, unused));
    clock_sleep_ms(UNUSED_MS); // the others' time is over by now as well
    ck_assert_uint_eq(terminals_count(rig.host.terminals), 4);
    const char *all[] = {typed, written, watched, scoped};
    for (size_t i = 0; i < 4; i++)
        ck_assert(rig_resize(all[i], 0, 0).good);
}
END_TEST

START_TEST(terminals_of_a_link_end_with_it)
{
    struct relay_settings settings = {
        .workspace_id = "other", .agent_id = AGENT, .url = rig.url, .token = "t2"};
    struct relay *mine = rig.link, *other = relay_new(&settings);
    const char *kept = OPENED(.scope_id = "s", COMMAND("cat"));
    rig.link = other;
    const char *id = OPENED(.scope_id = "s", COMMAND("sleep", mark("06")));
    rig.link = mine;
    ck_assert_str_ne(kept, id);
    ck_assert_str_eq(relay_look(&rig.relay, id)->token, "t2");
    terminals_leave(rig.host.terminals, other);
    relay_unref(other);
    ck_assert(relay_wait_close(&rig.relay, id));
    ck_assert(rig_wait_processes(mark("06"), 0));
    ck_assert(rig_write(kept, "x\n", 2).good);
}
END_TEST

START_TEST(a_stop_says_goodbye_and_leaves_nobody)
{
    const char *ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = OPENED(
            COMMAND("sh", "-c", "trap '' HUP; echo up; while :; do sleep $0; done", mark("07")));
    for (int i = 0; i < 3; i++)
        SEES(ids[i], "up");
    ck_assert(terminals_shut_down(rig.host.terminals, 10000));
    for (int i = 0; i < 3; i++) {
        ck_assert(relay_wait_close(&rig.relay, ids[i]));
        ck_assert_uint_eq(relay_look(&rig.relay, ids[i])->close_reason, 1);
        ck_assert_str_eq(relay_look(&rig.relay, ids[i])->close_message, "agent stopping");
    }
    ck_assert_uint_eq(rig_processes(mark("07")), 0);
    ck_assert_int_eq(OPEN().why.kind, FAIL_BUSY);
}
END_TEST

static void *cancel_soon(void *cancel)
{
    clock_sleep_ms(200);
    cancel_fire(cancel);
    return NULL;
}

START_TEST(a_cancelled_opening_leaves_nothing)
{
    struct cancel *cancel = cancel_new();
    pthread_t thread;
    relay_set(&rig.relay, &rig.relay.withhold_answer, true);
    pthread_create(&thread, NULL, cancel_soon, cancel);
    Og__PtyOpenRequest in = OG__PTY_OPEN_REQUEST__INIT;
    struct outcome outcome =
        rig_run(op_pty_open, OG__CONTROL_REQUEST__OP_PTY_OPEN, &in, rig.link, cancel);
    pthread_join(thread, NULL);
    cancel_unref(cancel);
    ck_assert_int_eq(outcome.why.kind, FAIL_CANCELLED);
    ck_assert_uint_eq(terminals_count(rig.host.terminals), 0);
    relay_set(&rig.relay, &rig.relay.withhold_answer, false);
}
END_TEST

START_TEST(a_background_writer_does_not_hold_up_the_end)
{
    const char *id = OPENED(COMMAND(
        "bash", "-c", "(trap '' HUP; while echo noise; do :; done) & sleep 0.1", mark("09")));
    rig_resize(id, 0, 0);
    ck_assert(relay_wait_close(&rig.relay, id));
    ck_assert(rig_wait_processes(mark("09"), 0));
}
END_TEST

START_TEST(a_program_that_closes_its_terminal_is_ended)
{
    const char *id = OPENED(COMMAND("sh", "-c", "exec sleep $0 <&- >&- 2>&-", mark("08")));
    ck_assert(relay_wait_close(&rig.relay, id));
    ck_assert(rig_wait_processes(mark("08"), 0));
}
END_TEST

static void *close_it(void *id)
{
    struct outcome outcome = rig_close(id);
    ck_assert(outcome.good ? outcome.exit_code == -1 || outcome.exit_code == 7
                           : outcome.why.kind == FAIL_MISSING);
    return NULL;
}

START_TEST(exit_close_and_cut_race_without_harm)
{
    for (int i = 0; i < 300; i++) {
        const char *id = OPENED(COMMAND("sh", "-c", "echo up; read x; exit 7"));
        pthread_t thread;
        types(id, "\n");
        pthread_create(&thread, NULL, close_it, (void *)id);
        if (i % 2)
            relay_cut(&rig.relay, id);
        pthread_join(thread, NULL);
        if (i % 50 == 49)
            ck_assert_uint_le(terminals_count(rig.host.terminals), 1);
        relay_forget(&rig.relay, id);
    }
}
END_TEST

static void add(TCase *all)
{
    tcase_add_test(all, a_terminal_is_registered_as_the_reply_says);
    tcase_add_test(all, keys_reach_the_shell_and_its_answer_the_viewer);
    tcase_add_test(all, nothing_is_typed_that_nobody_typed);
    tcase_add_test(all, the_size_is_what_was_asked_for_or_the_usual_one);
    tcase_add_test(all, a_write_is_input_like_any_other);
    tcase_add_test(all, unknown_ids_are_not_found);
    tcase_add_test(all, the_directory_is_resolved_as_for_commands);
    tcase_add_test(all, commands_are_searched_in_path_only);
    tcase_add_test(all, the_requests_variables_count_but_for_term);
    tcase_add_test(all, a_scope_has_one_terminal_however_many_ask);
    tcase_add_test(all, a_scope_is_free_when_its_program_has_ended);
    tcase_add_test(all, an_exit_is_told_after_all_output);
    tcase_add_test(all, an_end_that_nobody_saw_waits_for_the_first_viewer);
    tcase_add_test(all, ends_that_nobody_sees_are_not_kept_without_bound);
    tcase_add_test(all, a_close_ends_the_shell_and_executes_nothing);
    tcase_add_test(all, a_shell_that_ignores_the_hangup_is_killed_with_all_it_started);
    tcase_add_test(all, background_jobs_outlive_an_exit);
    tcase_add_test(all, a_close_by_the_other_end_ends_the_shell_unless_it_is_trouble);
    tcase_add_test(all, sixty_four_at_once_and_the_unused_make_room);
    tcase_add_test(all, one_that_nobody_uses_ends_and_one_that_is_watched_does_not);
    tcase_add_test(all, terminals_of_a_link_end_with_it);
    tcase_add_test(all, a_stop_says_goodbye_and_leaves_nobody);
    tcase_add_test(all, a_cancelled_opening_leaves_nothing);
    tcase_add_test(all, a_background_writer_does_not_hold_up_the_end);
    tcase_add_test(all, a_program_that_closes_its_terminal_is_ended);
    tcase_add_test(all, exit_close_and_cut_race_without_harm);
}

int main(void)
{
    return rig_run_suite("terminals", add);
}
