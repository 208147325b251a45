#include "hub/devices.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "check_main.h"
#include "hub/enrol.h"
#include "hub/form.h"

static struct devices *devices;
static struct device_view view;
enum { NOW = 1000000 };

static struct device_codes begin_from(const char *address, int64_t now_ms)
{
    const struct enrol_machine machine = {"key", "box <b>", "linux", "x86_64", true};
    struct device_codes codes;
    ck_assert_int_eq(devices_begin(devices, &machine, true, address, now_ms, &codes), DEVICE_BEGUN);
    return codes;
}

static enum device_state poll_at(const struct device_codes *codes, int64_t now_ms)
{
    enum device_state state = devices_poll(devices, codes->device, now_ms, &view);
    if (state == DEVICE_APPROVED) {
        ck_assert_str_eq(view.public_key, "key");
        device_view_fini(&view);
    }
    return state;
}

static bool approve(const char *code, bool screen)
{
    return devices_decide(devices, code, NULL, true, screen, NOW);
}

START_TEST(an_approved_machine_is_handed_out_with_what_was_agreed)
{
    devices = devices_new();
    struct device_codes codes = begin_from("10.0.0.1", NOW);
    ck_assert_uint_eq(strlen(codes.device), 43);
    ck_assert_uint_eq(strlen(codes.user), 9);
    ck_assert_int_eq(codes.user[4], '-');
    ck_assert_uint_eq(strspn(codes.user, "ABCDEFGHJKLMNPQRSTUVWXYZ23456789-"), 9);
    ck_assert_int_eq(poll_at(&codes, NOW), DEVICE_PENDING);
    ck_assert(devices_find(devices, codes.user, NOW, &view));
    ck_assert(view.wants_screen && view.display && !view.decided);
    ck_assert_str_eq(view.address, "10.0.0.1");
    device_view_fini(&view);
    ck_assert(approve(codes.user, true));
    ck_assert(!devices_find(devices, codes.user, NOW, &view));
    ck_assert_int_eq(devices_poll(devices, codes.device, NOW, &view), DEVICE_APPROVED);
    ck_assert(view.screen_control);
    device_view_fini(&view);
    devices_free(devices);
}
END_TEST

START_TEST(codes_are_typed_in_many_ways)
{
    devices = devices_new();
    struct device_codes codes = begin_from("a", NOW);
    char plain[16];
    snprintf(plain, sizeof plain, " %.4s%s ", codes.user, codes.user + 5);
    for (char *c = plain; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    ck_assert(devices_find(devices, plain, NOW, &view));
    device_view_fini(&view);
    for (const char *const *wrong =
             (const char *const[]){"", "-", "ABCD", "ABCD-23456", "ABCD-2345-2345-2345", NULL};
         *wrong; wrong++)
        ck_assert_msg(!devices_find(devices, *wrong, NOW, &view), "%s", *wrong);
    devices_free(devices);
}
END_TEST

START_TEST(a_decision_is_made_once_and_with_the_right_ticket)
{
    devices = devices_new();
    struct device_codes one = begin_from("a", NOW), two = begin_from("a", NOW);
    char ticket[DEVICE_TICKET_BYTES];
    ck_assert(devices_find(devices, two.user, NOW, &view));
    memcpy(ticket, view.ticket, sizeof ticket);
    device_view_fini(&view);
    ck_assert(!devices_decide(devices, one.user, ticket, true, true, NOW));
    ck_assert(!devices_decide(devices, one.user, "", true, true, NOW));
    ck_assert_int_eq(poll_at(&one, NOW), DEVICE_PENDING);
    ck_assert(devices_decide(devices, two.user, ticket, false, true, NOW));
    ck_assert(!devices_decide(devices, two.user, ticket, true, true, NOW));
    ck_assert_int_eq(poll_at(&two, NOW), DEVICE_DENIED);
    devices_free(devices);
}
END_TEST

START_TEST(a_code_is_used_up)
{
    devices = devices_new();
    struct device_codes codes = begin_from("a", NOW);
    ck_assert(approve(codes.user, false));
    ck_assert_int_eq(poll_at(&codes, NOW), DEVICE_APPROVED);
    // the answer may have been lost
    ck_assert_int_eq(poll_at(&codes, NOW + HUB_DEVICE_AGAIN_MS - 1), DEVICE_APPROVED);
    ck_assert_int_eq(poll_at(&codes, NOW + HUB_DEVICE_AGAIN_MS), DEVICE_EXPIRED);
    devices_give_back(devices, codes.device); // it could not be stored
    ck_assert_int_eq(poll_at(&codes, NOW + HUB_DEVICE_AGAIN_MS), DEVICE_APPROVED);
    devices_free(devices);
}
END_TEST

START_TEST(requests_expire_decided_or_not)
{
    devices = devices_new();
    struct device_codes one = begin_from("a", NOW), two = begin_from("a", NOW);
    ck_assert(approve(two.user, false));
    int64_t end = NOW + HUB_DEVICE_TTL_MS;
    ck_assert_int_eq(poll_at(&one, end - 1), DEVICE_PENDING);
    ck_assert_int_eq(poll_at(&one, end), DEVICE_EXPIRED);
    ck_assert_int_eq(poll_at(&two, end), DEVICE_EXPIRED);
    ck_assert(!devices_find(devices, one.user, end, &view));
    ck_assert(!devices_decide(devices, one.user, NULL, true, false, end));
    ck_assert_int_eq(devices_poll(devices, "never heard of", NOW, &view), DEVICE_EXPIRED);
    devices_free(devices);
}
END_TEST

START_TEST(who_asks_too_often_is_slowed_down)
{
    devices = devices_new();
    struct device_codes codes = begin_from("a", NOW);
    ck_assert_int_eq(poll_at(&codes, NOW), DEVICE_PENDING);
    ck_assert_int_eq(poll_at(&codes, NOW + 1000), DEVICE_SLOW_DOWN);
    ck_assert_int_eq(poll_at(&codes, NOW + 6000), DEVICE_SLOW_DOWN); // now every 10 s
    ck_assert_int_eq(poll_at(&codes, NOW + 6000 + 15000), DEVICE_PENDING);
    devices_free(devices);
}
END_TEST

START_TEST(nobody_takes_all_places)
{
    devices = devices_new();
    const struct enrol_machine machine = {"key", "box", "linux", "x86_64", false};
    struct device_codes codes, first = {0};
    for (int i = 0; i < HUB_DEVICES_PER_NETWORK; i++) {
        codes = begin_from("2001:db8:1:2::7", NOW);
        if (i == 0)
            first = codes;
    }
    ck_assert_int_eq(devices_begin(devices, &machine, false, "2001:db8:1:2::8", NOW, &codes),
                     DEVICE_TOO_MANY_HERE);
    char address[64];
    for (int i = HUB_DEVICES_PER_NETWORK; i < HUB_DEVICES_MAX; i++) {
        snprintf(address, sizeof address, "10.0.%d.%d", i / 256, i % 256);
        begin_from(address, NOW);
    }
    ck_assert_int_eq(devices_begin(devices, &machine, false, "10.9.9.9", NOW, &codes), DEVICE_FULL);
    ck_assert_int_eq(poll_at(&first, NOW), DEVICE_PENDING); // nobody was put out
    begin_from("10.9.9.9", NOW + HUB_DEVICE_TTL_MS);
    devices_free(devices);
}
END_TEST

static void expect_field(const char *fields, const char *name, const char *value)
{
    char *got = form_value(fields, strlen(fields), name);
    ck_assert_str_eq(got, value);
    mem_free(got);
}

START_TEST(form_fields_are_decoded)
{
    expect_field("a=1&bc=x+y%2Fz&d=", "bc", "x y/z");
    expect_field("a=1&bc=2", "b", "");
    expect_field("a=1&d=", "d", "");
    expect_field("a=%zz%4", "a", "%zz%4");
    expect_field("a=x%00y%0a%1bz", "a", "xyz");
    expect_field("a=%ff%c3%a4", "a", "\xc3\xa4");
    expect_field("", "a", "");
}
END_TEST

CHECK_MAIN("devices", 300, an_approved_machine_is_handed_out_with_what_was_agreed,
           codes_are_typed_in_many_ways, a_decision_is_made_once_and_with_the_right_ticket,
           a_code_is_used_up, requests_expire_decided_or_not, who_asks_too_often_is_slowed_down,
           nobody_takes_all_places, form_fields_are_decoded)
