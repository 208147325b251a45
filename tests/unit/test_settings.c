#include "base/limits.h"
#include "config/config_dir.h"
#include "config/settings.h"

#include "config_rig.h"

static struct settings settings;

static bool loads(const char *text, struct fail *why)
{
    *why = (struct fail){0};
    settings_fini(&settings);
    if (text)
        rig_write(CONFIG_SETTINGS, text);
    return settings_load(&rig_config, &settings, why);
}

START_TEST(without_a_file_the_defaults_hold)
{
    struct fail why;
    ck_assert(loads(NULL, &why));
    ck_assert(!settings.kill_background_jobs);
    ck_assert_uint_eq(settings.warning_count, 0);
    ck_assert(loads("", &why));
    ck_assert(loads("; a comment\n# another\n\n", &why));
    ck_assert(!settings.kill_background_jobs);
}
END_TEST

START_TEST(a_setting_is_taken)
{
    struct fail why;
    ck_assert(loads("background_jobs = kill\n", &why));
    ck_assert(settings.kill_background_jobs);
    ck_assert(loads("background_jobs=keep ; as any shell does\r\n", &why));
    ck_assert(!settings.kill_background_jobs);
    ck_assert_uint_eq(settings.warning_count, 0);
}
END_TEST

START_TEST(terminals_are_paced_as_relays_expect_unless_the_owner_knows_better)
{
    struct fail why;
    ck_assert(loads(NULL, &why));
    ck_assert_int_eq(settings.terminal_rate, PUMP_RATE_BYTES);
    ck_assert(loads("terminal_rate = unlimited\n", &why));
    ck_assert_int_eq(settings.terminal_rate, 0);
    ck_assert(loads("terminal_rate = 65536\nbackground_jobs = kill\n", &why));
    ck_assert_int_eq(settings.terminal_rate, TERMINAL_RATE_BYTES_MIN);
    ck_assert(settings.kill_background_jobs);
    const char *const bad[] = {"", "0", "65535", "-1", "1e9", "9999999999999", "fast"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64];
        snprintf(line, sizeof line, "terminal_rate = %s\n", bad[i]);
        ck_assert_msg(!loads(line, &why), "%s", line);
        ck_assert_ptr_nonnull(strstr(why.what, "terminal_rate"));
    }
}
END_TEST

START_TEST(the_desktop_can_be_chosen_or_switched_off)
{
    struct fail why;
    ck_assert(loads("", &why));
    ck_assert_ptr_null(settings.display);
    ck_assert(!settings.keep_pointer);
    ck_assert(loads("display = :7\nscale_pointer = no\n", &why));
    ck_assert_str_eq(settings.display, ":7");
    ck_assert(settings.keep_pointer);
    ck_assert(loads("display = none\nscale_pointer = yes\n", &why));
    ck_assert_str_eq(settings.display, "none");
    ck_assert(!settings.keep_pointer);
    ck_assert(!loads("display = somewhere:0\n", &why));
    ck_assert_ptr_nonnull(strstr(why.what, "\"somewhere:0\""));
    ck_assert(!loads("scale_pointer = perhaps\n", &why));
    ck_assert(loads("", &why) && !settings.primary_only);
    ck_assert(loads("screen = primary\n", &why) && settings.primary_only);
    ck_assert(loads("screen = all\n", &why) && !settings.primary_only);
    ck_assert(!loads("screen = left\n", &why));
    ck_assert(loads("", &why) && settings.desktop_idle_ms == DESKTOP_IDLE_MS);
    ck_assert(loads("desktop_idle = 1\n", &why) && settings.desktop_idle_ms == 1000);
    ck_assert(loads("desktop_idle = 86400\n", &why) && settings.desktop_idle_ms == 86400000);
    ck_assert(!loads("desktop_idle = 86401\n", &why));
    ck_assert(!loads("desktop_idle = 0\n", &why));
    ck_assert(!loads("desktop_idle = soon\n", &why));
    ck_assert(loads("virtual_desktop = yes\n", &why));
    ck_assert_str_eq(settings.virtual_desktop, VIRTUAL_DESKTOP_USUAL);
    ck_assert(loads("virtual_desktop = 1920x1080\n", &why));
    ck_assert_str_eq(settings.virtual_desktop, "1920x1080");
    ck_assert(loads("virtual_desktop = no\n", &why) && !settings.virtual_desktop);
    ck_assert(!loads("virtual_desktop = 1920x\n", &why));
    ck_assert(!loads("virtual_desktop = 1920x1080x24\n", &why));
}
END_TEST

START_TEST(unknown_settings_are_told)
{
    struct fail why;
    ck_assert(loads("backgroundjobs = kill\n[policy]\nbackground_jobs = kill\n", &why));
    ck_assert(!settings.kill_background_jobs);
    ck_assert_uint_eq(settings.warning_count, 2);
    ck_assert_str_eq(settings.warnings[0], "unknown setting \"backgroundjobs\"");
    ck_assert_str_eq(settings.warnings[1],
                     "unknown setting \"background_jobs\" in section [policy]");
}
END_TEST

START_TEST(a_bad_value_or_line_is_an_error)
{
    struct fail why;
    ck_assert(!loads("background_jobs = Kill\n", &why));
    ck_assert_ptr_nonnull(strstr(why.what, "\"Kill\""));
    ck_assert_str_eq(why.path, rig_in(CONFIG_SETTINGS));
    ck_assert(!loads("background_jobs =\n", &why));
    ck_assert(!loads("background_jobs = maybe\nbackground_jobs = keep\n", &why));
    ck_assert(!loads("\nwhat is this\n", &why));
    ck_assert_ptr_nonnull(strstr(why.what, "line 2"));
    ck_assert(!loads("[open\n", &why));
}
END_TEST

START_TEST(a_file_others_may_write_to_is_refused)
{
    struct fail why;
    rig_write(CONFIG_SETTINGS, "background_jobs = kill\n");
    chmod(rig_in(CONFIG_SETTINGS), 0666);
    ck_assert(!loads(NULL, &why));
    chmod(rig_in(CONFIG_SETTINGS), 0644);
    ck_assert(loads(NULL, &why));
    ck_assert(settings.kill_background_jobs);
    ck_assert_int_eq(truncate(rig_in(CONFIG_SETTINGS), CONFIG_SETTINGS_BYTES_MAX + 1), 0);
    ck_assert(!loads(NULL, &why));
}
END_TEST

RIG_MAIN("settings", without_a_file_the_defaults_hold, a_setting_is_taken,
         terminals_are_paced_as_relays_expect_unless_the_owner_knows_better,
         the_desktop_can_be_chosen_or_switched_off, unknown_settings_are_told,
         a_bad_value_or_line_is_an_error, a_file_others_may_write_to_is_refused)
