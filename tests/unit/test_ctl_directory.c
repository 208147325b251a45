// Machines as they announce themselves, told apart and found.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "check_main.h"
#include "ctl/directory.h"
#include "ctl/fault.h"
#include "ctl/machine.h"
#include "proto/encode.h"
#include "proto/opengeni_agent.pb-c.h"

#define INSTANCE "cccccccc-cccc-4ccc-8ccc-cccccccccccc"

static struct directory *directory;
static struct sighting seen;

static void set_up(void)
{
    directory = directory_new();
}

static void tear_down(void)
{
    directory_free(directory);
}

static void feed(const char *subject, const ProtobufCMessage *message)
{
    unsigned char data[1024];
    size_t size = encode_size(message);
    ck_assert_uint_le(size, sizeof data);
    encode_message(message, data, size);
    directory_feed(directory, subject, data, size);
}

static void hello(const char *subject, char *name)
{
    Og__Capabilities capabilities = OG__CAPABILITIES__INIT;
    Og__Hello message = OG__HELLO__INIT;
    message.machine_name = name;
    message.agent_version = "1.2.3";
    message.os = OG__OS__OS_LINUX;
    message.arch = OG__ARCH__ARCH_X86_64;
    message.capabilities = &capabilities;
    feed(subject, &message.base);
}

static void heartbeat(const char *subject, double load)
{
    Og__MetricsSample metrics = OG__METRICS_SAMPLE__INIT;
    metrics.load1 = load;
    Og__Heartbeat beat = OG__HEARTBEAT__INIT;
    beat.metrics = &metrics;
    beat.uptime_ms = 5000;
    Og__AgentEvent event = OG__AGENT_EVENT__INIT;
    event.event_case = OG__AGENT_EVENT__EVENT_HEARTBEAT;
    event.heartbeat = &beat;
    feed(subject, &event.base);
}

static void goodbye(const char *subject)
{
    Og__GoingOffline leave = OG__GOING_OFFLINE__INIT;
    Og__AgentEvent event = OG__AGENT_EVENT__INIT;
    event.event_case = OG__AGENT_EVENT__EVENT_GOING_OFFLINE;
    event.going_offline = &leave;
    feed(subject, &event.base);
}

START_TEST(what_a_machine_says_on_both_addresses_is_one_machine)
{
    hello("agent.w1.m1.hello", "lab");
    heartbeat("agent.w1.m1.connection." INSTANCE ".events", 1.5);
    size_t count;
    struct sighting *list = directory_list(directory, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(list->name, "lab");
    ck_assert_str_eq(list->instance, INSTANCE);
    ck_assert_str_eq(list->platform, "linux/x86_64");
    ck_assert(list->legacy && list->measured && list->load1 == 1.5);
    mem_free(list);
}
END_TEST

START_TEST(a_machine_is_found_by_name_id_path_and_beginning)
{
    hello("agent.w1.abcdef0123.hello", "lab");
    heartbeat("agent.w1.abzzzz0123.events", 0);
    static const struct {
        const char *name;
        enum directory_match match;
    } cases[] = {
        {"lab", MATCH_SURE},      {"abcdef0123", MATCH_SURE}, {"w1/abcdef0123", MATCH_SURE},
        {"abcdef01", MATCH_SURE}, {"abc", MATCH_SO_FAR},      {"ab", MATCH_SEVERAL},
        {"w1/abc", MATCH_NONE},   {"la", MATCH_NONE},         {"x", MATCH_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(directory_find(directory, cases[i].name, &seen) == cases[i].match, "%s",
                      cases[i].name);
}
END_TEST

START_TEST(a_name_comes_before_an_id_that_begins_like_it)
{
    heartbeat("agent.w1.lab-7.events", 0);
    hello("agent.w1.m2.hello", "lab");
    heartbeat("agent.w1.lab-8.events", 0);
    ck_assert_int_eq(directory_find(directory, "lab", &seen), MATCH_SURE);
    ck_assert_str_eq(seen.agent, "m2");
}
END_TEST

START_TEST(a_name_that_two_machines_have_finds_neither)
{
    hello("agent.w1.m1.hello", "lab");
    hello("agent.w1.m2.hello", "lab");
    struct machine machine;
    struct fault fault;
    ck_assert(!machine_find(directory, "lab", GENERATION_ANY, 1, &machine, &fault));
    ck_assert_int_eq(fault.kind, FAULT_MACHINE);
    ck_assert_ptr_nonnull(strstr(fault.text, "w1/m1"));
    ck_assert_ptr_nonnull(strstr(fault.text, "w1/m2"));
}
END_TEST

START_TEST(the_address_is_fenced_when_one_was_heard_and_as_asked_otherwise)
{
    struct machine machine;
    struct fault fault;
    heartbeat("agent.w1.m1.events", 0);
    ck_assert(machine_find(directory, "m1", GENERATION_ANY, 1000, &machine, &fault));
    ck_assert_str_eq(machine.subject, "agent.w1.m1.rpc");
    ck_assert(!machine_find(directory, "m1", GENERATION_LATEST, 1, &machine, &fault));
    heartbeat("agent.w1.m1.connection." INSTANCE ".events", 0);
    ck_assert(machine_find(directory, "m1", GENERATION_ANY, 1000, &machine, &fault));
    ck_assert_str_eq(machine.subject, "agent.w1.m1.connection." INSTANCE ".rpc");
    ck_assert(machine_find(directory, "m1", GENERATION_0_2_0, 1000, &machine, &fault));
    ck_assert_str_eq(machine.subject, "agent.w1.m1.rpc");
}
END_TEST

START_TEST(after_a_restart_the_new_process_counts)
{
    heartbeat("agent.w1.m1.connection." INSTANCE ".events", 0);
    heartbeat("agent.w1.m1.connection.new.events", 0);
    goodbye("agent.w1.m1.connection." INSTANCE ".events");
    ck_assert_int_eq(directory_find(directory, "m1", &seen), MATCH_SURE);
    ck_assert_str_eq(seen.instance, "new");
    ck_assert_int_eq(seen.state, SIGHTING_ONLINE);
    goodbye("agent.w1.m1.connection.new.events");
    struct machine machine;
    struct fault fault;
    ck_assert(!machine_find(directory, "m1", GENERATION_ANY, 1, &machine, &fault));
    ck_assert_int_eq(fault.kind, FAULT_OFFLINE);
}
END_TEST

static const char *const foreign[] = {
    "agent.w1.m1.rpc",
    "agent.w1.hello",
    "agent.w1.m1.connection.hello",
    "other.w1.m1.hello",
    "agent.w1.m1.hello.",
    "agent..m1.hello",
    "agent.w1.m1.op.hello",
    "",
    "agent",
    "agent.w1.m1.helloo",
};

START_TEST(other_subjects_are_passed_over)
{
    hello(foreign[_i], "x");
    size_t count;
    mem_free(directory_list(directory, &count));
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(damaged_announcements_are_passed_over)
{
    const unsigned char garbage[] = {0x0a, 0xff, 0xff, 0xff};
    directory_feed(directory, "agent.w1.m1.hello", garbage, sizeof garbage);
    directory_feed(directory, "agent.w1.m1.events", garbage, sizeof garbage);
    directory_feed(directory, "agent.w1.m1.events", "", 0); // an event of no kind
    char id[300];
    memset(id, 'i', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    char subject[400];
    snprintf(subject, sizeof subject, "agent.w1.%s.hello", id);
    hello(subject, "x");
    size_t count;
    mem_free(directory_list(directory, &count));
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(names_are_stripped_of_what_could_steer_a_terminal)
{
    hello("agent.w1.m1.hello", "\033]0;x\007lab\n");
    ck_assert_int_eq(directory_find(directory, "m1", &seen), MATCH_SURE);
    ck_assert_str_eq(seen.name, "]0;xlab");
}
END_TEST

START_TEST(a_wait_ends_with_the_next_announcement_or_in_time)
{
    heartbeat("agent.w1.m1.events", 0);
    directory_wait(directory, clock_mono_ms() + 20000); // has been heard before
    int64_t until = clock_mono_ms() + 30;
    directory_wait(directory, until);
    ck_assert_int_ge(clock_mono_ms(), until - 1);
}
END_TEST

START_TEST(a_path_needs_no_listening_but_must_be_one)
{
    struct machine machine;
    ck_assert(machine_from_path("w-1/M_2", &machine));
    ck_assert_str_eq(machine.subject, "agent.w-1.M_2.rpc");
    static const char *const wrong[] = {"w1",     "w1/",  "/m1",  "w1/m1/x",
                                        "w1/m.1", "w1/*", "w1/>", "w 1/m1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!machine_from_path(wrong[i], &machine), "%s", wrong[i]);
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("directory");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 300);
    tcase_add_test(all, what_a_machine_says_on_both_addresses_is_one_machine);
    tcase_add_test(all, a_machine_is_found_by_name_id_path_and_beginning);
    tcase_add_test(all, a_name_comes_before_an_id_that_begins_like_it);
    tcase_add_test(all, a_name_that_two_machines_have_finds_neither);
    tcase_add_test(all, the_address_is_fenced_when_one_was_heard_and_as_asked_otherwise);
    tcase_add_test(all, after_a_restart_the_new_process_counts);
    tcase_add_loop_test(all, other_subjects_are_passed_over, 0, sizeof foreign / sizeof *foreign);
    tcase_add_test(all, damaged_announcements_are_passed_over);
    tcase_add_test(all, names_are_stripped_of_what_could_steer_a_terminal);
    tcase_add_test(all, a_wait_ends_with_the_next_announcement_or_in_time);
    tcase_add_test(all, a_path_needs_no_listening_but_must_be_one);
    return check_run_case("ctl_directory", all);
}
