// The unit file: what it says, that systemd reads it as it was meant, and whose it is.
#include <sys/wait.h>

#include "base/alloc.h"
#include "service/state.h"
#include "service/unit.h"
#include "service/unit_file.h"

#include "check_main.h"
#include "scratch.h"

static const struct unit_wish usual = {
    .scope = SERVICE_USER, .executable = "/bin/true", .path = "/usr/bin:/bin", .systemd = 255};

static char *text_of(struct unit_wish wish)
{
    struct fail why;
    char *text = unit_text(&wish, &why);
    ck_assert_msg(text != NULL, "%s", why.what);
    return text;
}

static void expect(struct unit_wish wish, const char *part, bool there)
{
    char *text = text_of(wish);
    ck_assert_msg(!strstr(text, part) != there, "%s %s in\n%s", part,
                  there ? "is not" : "should not be", text);
    mem_free(text);
}

START_TEST(subgroups_need_a_recent_systemd)
{
    struct unit_wish wish = usual;
    expect(wish, "\nDelegateSubgroup=supervisor\n", true);
    expect(wish, "\nDelegate=cpu memory\n", true);
    wish.systemd = 253;
    expect(wish, "DelegateSubgroup", false);
    expect(wish, "RestartSteps", false);
    expect(wish, "\nDelegate=yes\n", true);
    wish.systemd = 0;
    expect(wish, "DelegateSubgroup", false);
}
END_TEST

START_TEST(nothing_sandboxes_the_commands_of_the_person)
{
    static const char *const words[] = {"NoNewPrivileges", "Protect", "PrivateTmp", "SystemCall",
                                        "Restrict",        "UMask",   "Capability"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct unit_wish wish = usual;
        char *text = text_of(wish), *found = strstr(text, words[i]);
        ck_assert(!found || strncmp(found, "RestartPreventExitStatus", 7) == 0);
        mem_free(text);
    }
}
END_TEST

START_TEST(a_system_service_has_a_directory_of_its_own)
{
    struct unit_wish wish = usual;
    expect(wish, "StateDirectory", false);
    expect(wish, "network-online", false);
    wish.scope = SERVICE_SYSTEM;
    wish.user = "build-1";
    expect(wish, "\nEnvironment=\"OPENGENI_CONFIG_DIR=/var/lib/opengeni-agent\"\n", true);
    expect(wish, "\nSetLoginEnvironment=yes\n", true);
    expect(wish, "\nUser=build-1\n", true);
    expect(wish, "\nWantedBy=multi-user.target\n", true);
    wish.user = "a\nExecStartPre=/bin/evil";
    ck_assert_ptr_null(unit_text(&wish, NULL));
}
END_TEST

START_TEST(what_a_unit_cannot_hold_is_refused)
{
    struct unit_wish wish = usual;
    struct fail why;
    wish.path = "/bin\nExecStartPre=/bin/evil";
    ck_assert_ptr_null(unit_text(&wish, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "control character"));
    wish = usual;
    wish.executable = "/opt/\x7f/agent";
    ck_assert_ptr_null(unit_text(&wish, &why));
    wish.executable = "/opt/a\"b/agent";
    ck_assert_ptr_null(unit_text(&wish, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "quote"));
    char *large = mem_array(UNIT_BYTES_MAX + 1, 1);
    memset(large, 'x', UNIT_BYTES_MAX);
    wish = usual;
    wish.path = large;
    ck_assert_ptr_null(unit_text(&wish, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "too long"));
    mem_free(large);
}
END_TEST

static int verify(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        execlp("systemd-analyze", "systemd-analyze", "--man=no", "verify", path, NULL);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

START_TEST(systemd_accepts_it_with_awkward_paths)
{
    // A program that really exists, under a name that has to be quoted.
    struct unit_wish wish = usual;
    ck_assert_int_eq(mkdir(in("a b%%h$X"), 0755), 0);
    wish.executable = in("a b%%h$X/agent");
    ck_assert_int_eq(symlink("/bin/true", wish.executable), 0);
    wish.path = "/bin:/a%h:/b\"c:/d\\e:/f g:/$X";
    wish.systemd = 252;
    for (int scope = SERVICE_USER; scope <= SERVICE_SYSTEM; scope++) {
        wish.scope = scope;
        char *text = text_of(wish);
        ck_assert_ptr_nonnull(
            strstr(text, "\nEnvironment=\"PATH=/bin:/a%%h:/b\\\"c:/d\\\\e:/f g:/$X\"\n"));
        int status = verify(put_bytes(in("opengeni-agent.service"), text, strlen(text)));
        ck_assert_int_eq(status == 127 ? 0 : status, 0); // 127: no systemd here
        mem_free(text);
    }
}
END_TEST

START_TEST(a_changed_unit_is_a_persons)
{
    char *text = text_of(usual);
    size_t size = strlen(text);
    ck_assert_int_eq(unit_owner(text, size), UNIT_OURS);
    ck_assert_int_eq(unit_owner(text, size - 1), UNIT_FOREIGN);
    for (size_t i = 0; i < size; i++) {
        text[i] ^= 1;
        ck_assert_int_eq(unit_owner(text, size), UNIT_FOREIGN);
        text[i] ^= 1;
    }
    for (size_t i = 0; i < 120; i++)
        ck_assert_int_eq(unit_owner(text, i), UNIT_FOREIGN);
    mem_free(text);
    const char other[] = "# X-OpenGeni-Managed-Service=v2\n[Service]\nExecStart=/x/opengeni-agent "
                         "run\n";
    ck_assert_int_eq(unit_owner(other, strlen(other)), UNIT_GENERATED);
    const char mine[] = "# X-OpenGeni-Managed-Service=v2\n[Service]\nExecStart=/x/other run\n";
    ck_assert_int_eq(unit_owner(mine, strlen(mine)), UNIT_FOREIGN);
}
END_TEST

START_TEST(a_persons_unit_is_replaced_by_force_alone_and_kept)
{
    struct service_place place = {.dir = (char *)in("home/.config/systemd/user"),
                                  .file = (char *)in("home/.config/systemd/user/" SERVICE_UNIT)};
    struct fail why;
    struct unit_wish wish = usual;
    char *first = text_of(wish);
    wish.path = "/bin";
    char *second = text_of(wish);
    mkdir(in("home"), 0755);
    ck_assert_int_eq(unit_file_write(&place, first, false, &why), UNIT_WRITTEN);
    ck_assert_int_eq(unit_file_write(&place, first, false, &why), UNIT_UNCHANGED);
    ck_assert_int_eq(unit_file_write(&place, second, false, &why), UNIT_WRITTEN);
    put_bytes(place.file, "[Unit]\n", 7);
    ck_assert_int_eq(unit_file_write(&place, first, false, &why), UNIT_REFUSED);
    ck_assert_int_eq(unit_file_write(&place, first, true, &why), UNIT_WRITTEN);
    struct stat facts;
    ck_assert_int_eq(stat(place.file, &facts), 0);
    ck_assert_int_eq(facts.st_mode & 07777, 0644);
    char *kept = mem_printf("%s.bak", place.file);
    ck_assert_int_eq(stat(kept, &facts), 0);
    ck_assert_int_eq(facts.st_size, 7);
    ck_assert(!unit_file_is_foreign(&place));
    ck_assert_int_eq(unlink(kept), 0);
    put_bytes(place.file, "[Service]\n", 10);
    ck_assert(unit_file_is_foreign(&place));
    ck_assert(unit_file_remove(&place, &why));
    ck_assert_int_eq(stat(kept, &facts), 0);
    ck_assert_int_eq(facts.st_size, 10);
    // Once more: what was kept first is not lost.
    put_bytes(place.file, "[Install]\nx\n", 12);
    ck_assert(unit_file_remove(&place, &why));
    ck_assert_int_eq(stat(kept, &facts), 0);
    ck_assert_int_eq(facts.st_size, 12);
    char *first_kept = mem_printf("%s.1", kept);
    ck_assert_int_eq(stat(first_kept, &facts), 0);
    ck_assert_int_eq(facts.st_size, 10);
    mem_free(first_kept);
    mem_free(kept);
    ck_assert(!unit_file_is_foreign(&place));
    ck_assert(unit_file_remove(&place, &why));
    ck_assert(unit_file_remove(&place, &why));
    ck_assert_int_ne(access(place.file, F_OK), 0);
    mem_free(first);
    mem_free(second);
}
END_TEST

START_TEST(a_unit_of_ours_tells_what_it_was_made_with)
{
    struct unit_values values;
    for (int scope = SERVICE_USER; scope <= SERVICE_SYSTEM; scope++) {
        struct unit_wish wish = {.scope = scope,
                                 .executable = "/a b%%h$X/100%/agent",
                                 .path = "/a%h:/b\"c:/d\\e:/f g:/$X:%%",
                                 .config_dir = scope == SERVICE_USER ? NULL : "/etc/a \"dir\"",
                                 .user = scope == SERVICE_USER ? NULL : "build-1",
                                 .systemd = 255};
        char *text = text_of(wish);
        ck_assert(unit_values_read(text, strlen(text), &values));
        ck_assert_str_eq(values.executable, wish.executable);
        ck_assert_str_eq(values.path, wish.path);
        if (scope == SERVICE_USER) {
            ck_assert_ptr_null(values.config_dir);
            ck_assert_ptr_null(values.user);
        } else {
            ck_assert_str_eq(values.config_dir, wish.config_dir);
            ck_assert_str_eq(values.user, wish.user);
        }
        // So that it is made again as it was.
        wish.executable = values.executable;
        wish.path = values.path;
        wish.config_dir = values.config_dir;
        wish.user = values.user;
        char *again = text_of(wish);
        ck_assert_str_eq(again, text);
        unit_values_fini(&values);
        text[strlen(text) - 2] ^= 1;
        ck_assert(!unit_values_read(text, strlen(text), &values));
        ck_assert(!unit_values_read(text, 0, &values));
        mem_free(again);
        mem_free(text);
    }
}
END_TEST

START_TEST(what_systemd_tells_is_read)
{
    struct service_state state;
    service_state_parse("LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=42\n"
                        "NRestarts=3\nExecMainStatus=0\nUnitFileState=enabled\n"
                        "StatusText=1 of 1\x1b[31m",
                        &state);
    ck_assert_str_eq(state.active, "active");
    ck_assert_str_eq(state.enabled, "enabled");
    ck_assert_int_eq(state.pid, 42);
    ck_assert_int_eq(state.restarts, 3);
    ck_assert_ptr_null(strchr(state.text, '\x1b'));
    service_state_parse("ActiveState\n=\n\nSubState=", &state);
    ck_assert_str_eq(state.active, "");
    ck_assert_int_eq(unit_systemd_version("systemd 252 (252.38-1)\n+PAM"), 252);
    ck_assert_int_eq(unit_systemd_version("systemd v252"), 0);
    ck_assert_int_eq(unit_systemd_version("elogind 252"), 0);
    ck_assert_int_eq(unit_systemd_version(""), 0);
}
END_TEST

int main(void)
{
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 300);
    tcase_add_checked_fixture(all, scratch_setup, scratch_teardown);
    tcase_add_test(all, subgroups_need_a_recent_systemd);
    tcase_add_test(all, nothing_sandboxes_the_commands_of_the_person);
    tcase_add_test(all, a_system_service_has_a_directory_of_its_own);
    tcase_add_test(all, what_a_unit_cannot_hold_is_refused);
    tcase_add_test(all, systemd_accepts_it_with_awkward_paths);
    tcase_add_test(all, a_changed_unit_is_a_persons);
    tcase_add_test(all, a_persons_unit_is_replaced_by_force_alone_and_kept);
    tcase_add_test(all, a_unit_of_ours_tells_what_it_was_made_with);
    tcase_add_test(all, what_systemd_tells_is_read);
    return check_run_case("service unit", all);
}
