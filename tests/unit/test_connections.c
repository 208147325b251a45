#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/limits.h"
#include "config/connections.h"

#include "config_rig.h"

#define IN_CONNECTIONS(name) rig_in("connections/" name)

static struct connections all;

static void load(const char *api_url)
{
    struct fail why = {0};
    connections_fini(&all);
    ck_assert_msg(connections_load(&rig_config, api_url, &all, &why), "%s %s", why.what, why.path);
}

// A valid document, in the given file or in its own.
static void put_document(const char *file, const char *api_url, const char *bearer)
{
    char id[CONNECTION_ID_BYTES];
    connection_id(api_url, WORKSPACE, id);
    char *name = file ? mem_printf("connections/%s", file) : mem_printf("connections/%s.json", id);
    char *text = rig_document(id, api_url, bearer);
    rig_write(name, text);
    mem_free(name);
    mem_free(text);
}

static const struct connections_entry *named(const char *name)
{
    for (size_t i = 0; i < all.count; i++)
        if (strcmp(all.entries[i].name, name) == 0)
            return &all.entries[i];
    return NULL;
}

START_TEST(documents_come_sorted_and_other_files_do_not_matter)
{
    put_document(NULL, "https://one.example", "b1");
    put_document(NULL, "http://127.0.0.1:8000", "b2");
    put_document(NULL, "https://app.opengeni.ai", "b3");
    put_document(".hidden.json", "https://app.opengeni.ai", "b");
    put_document("notes.txt", "https://app.opengeni.ai", "b");
    put_document(".json", "https://app.opengeni.ai", "b");
    put_document(".64099b09be44f9ed8c4d.1.2.tmp", "https://app.opengeni.ai", "b");
    load(NULL);
    ck_assert_uint_eq(all.count, 3);
    ck_assert_uint_eq(all.valid, 3);
    ck_assert_str_lt(all.entries[0].name, all.entries[1].name);
    ck_assert_str_lt(all.entries[1].name, all.entries[2].name);
    ck_assert_str_eq(named("47592907af1be96a703e")->connection->nats_bearer, "b3");
    ck_assert_ptr_null(all.legacy_problem);
}
END_TEST

START_TEST(a_missing_directory_has_no_connections)
{
    struct secure_dir missing;
    struct fail why;
    ck_assert(secure_dir_open(&missing, in("missing"), false, &why));
    ck_assert(connections_load(&missing, NULL, &all, &why));
    ck_assert_uint_eq(all.count, 0);
    secure_dir_fini(&missing);
}
END_TEST

START_TEST(a_bad_document_disables_only_itself)
{
    put_document(NULL, "http://127.0.0.1:8000", "b");
    put_document("copy.json", "http://127.0.0.1:8000", "b");
    rig_write("connections/empty.json", "");
    rig_write("connections/truncated.json", "{\"schema_version\": 1, \"connec");
    put_bytes(IN_CONNECTIONS("nul.json"), "{}\0{}", 5);
    ck_assert_int_eq(mkfifo(IN_CONNECTIONS("fifo.json"), 0600), 0);
    ck_assert_int_eq(mkdir(IN_CONNECTIONS("dir.json"), 0700), 0);
    ck_assert_int_eq(symlink(HOME_ID ".json", IN_CONNECTIONS("link.json")), 0);
    load(NULL);
    ck_assert_uint_eq(all.count, 8);
    ck_assert_uint_eq(all.valid, 1);
    for (size_t i = 0; i < all.count; i++) {
        const struct connections_entry *entry = &all.entries[i];
        ck_assert_int_eq(!entry->connection, entry->reason != NULL);
        ck_assert_ptr_nonnull(strstr(entry->path, entry->name));
        ck_assert(!entry->reason || !strstr(entry->reason, scratch));
    }
    ck_assert_ptr_nonnull(named(HOME_ID)->connection);
    ck_assert_str_eq(named("link")->reason, "refusing a symbolic link");
    ck_assert_str_eq(named("fifo")->reason, "not a regular file");
    ck_assert_ptr_nonnull(strstr(named("copy")->reason, HOME_ID));
}
END_TEST

START_TEST(a_document_of_another_user_is_refused)
{
    if (geteuid() != 0)
        return;
    put_document(NULL, "http://127.0.0.1:8000", "b");
    put_document(NULL, "https://one.example", "b");
    ck_assert_int_eq(chown(IN_CONNECTIONS(HOME_ID ".json"), 12345, 12345), 0);
    load(NULL);
    ck_assert_uint_eq(all.valid, 1);
    ck_assert_ptr_nonnull(strstr(named(HOME_ID)->reason, "another user"));
}
END_TEST

START_TEST(loose_permissions_are_mended_and_told)
{
    put_document(NULL, "http://127.0.0.1:8000", "b");
    chmod(IN_CONNECTIONS(HOME_ID ".json"), 0644);
    load(NULL);
    ck_assert_int_eq(all.entries[0].mode, MODE_TIGHTENED);
    ck_assert_int_eq(rig_mode("connections/" HOME_ID ".json"), 0600);
    load(NULL);
    ck_assert_int_eq(all.entries[0].mode, MODE_TIGHT);
}
END_TEST

START_TEST(a_directory_others_may_write_to_gives_no_connections)
{
    struct fail why;
    put_document(NULL, "http://127.0.0.1:8000", "b");
    chmod(rig_in("connections"), 0777);
    ck_assert(!connections_load(&rig_config, NULL, &all, &why));
    ck_assert_str_eq(why.path, rig_in("connections"));
}
END_TEST

START_TEST(documents_beyond_the_limit_are_invalid)
{
    for (int i = 0; i < LINKS_MAX + 1; i++) {
        char *url = mem_printf("https://x%d.example", i);
        put_document(NULL, url, "b");
        mem_free(url);
    }
    load(NULL);
    ck_assert_uint_eq(all.count, LINKS_MAX + 1);
    ck_assert_uint_eq(all.valid, LINKS_MAX);
    ck_assert_ptr_nonnull(all.entries[LINKS_MAX].reason);
    ck_assert_ptr_nonnull(all.entries[LINKS_MAX - 1].connection);
}
END_TEST

static struct connection *make(const char *api_url, const char *agent, bool legacy)
{
    char *text = rig_document(HOME_ID, "http://127.0.0.1:8000", "oge_a.b");
    struct connection *c = connection_parse(text, strlen(text), HOME_ID, NULL);
    ck_assert_ptr_nonnull(c);
    mem_free(text);
    mem_free(c->api_url);
    mem_free(c->agent_id);
    c->api_url = mem_string(api_url);
    c->agent_id = mem_string(agent);
    c->legacy_origin = legacy;
    connection_identify(c);
    return c;
}

static void save(struct connection *c)
{
    struct fail why = {0};
    ck_assert_msg(connections_save(&rig_config, c, &why), "%s %s", why.what, why.path);
}

START_TEST(saving_makes_private_files_and_replaces)
{
    ck_assert_int_eq(rmdir(rig_in("connections")), 0);
    struct connection *c = make("https://one.example", AGENT, false);
    save(c);
    ck_assert_int_eq(rig_mode("connections"), 0700);
    load(NULL);
    ck_assert_uint_eq(all.valid, 1);
    ck_assert_int_eq(all.entries[0].mode, MODE_TIGHT);
    ck_assert_int_eq(connection_compare(all.entries[0].connection, c), CONNECTION_SAME);
    c->consented_screen_control = true;
    save(c);
    load(NULL);
    ck_assert_uint_eq(all.count, 1);
    ck_assert(all.entries[0].connection->consented_screen_control);
    connection_free(c);
}
END_TEST

START_TEST(saving_a_known_origin_removes_its_legacy_twin_only)
{
    struct connection *twin = make("https://guess.example", AGENT, true);
    struct connection *stranger = make("https://guess.example", "another-agent", true);
    struct connection *c = make("https://one.example", AGENT, false);
    ck_assert_str_eq(twin->id, LEGACY_ID);
    rig_write("connections/broken.json", "{");
    save(twin);
    save(stranger);
    save(c);
    load(NULL);
    ck_assert_uint_eq(all.count, 3); // a broken sibling is no obstacle
    ck_assert_uint_eq(all.valid, 2);
    ck_assert_ptr_null(named(LEGACY_ID));
    ck_assert_ptr_nonnull(named(stranger->id));
    connection_free(c);
    connection_free(twin);
    connection_free(stranger);
}
END_TEST

#define LEGACY                                                                            \
    "{\"agent_id\":\"" AGENT "\",\"workspace_id\":\"" WORKSPACE "\","                     \
    "\"nats_credentials\":\"oge_old.x\",\"nats_urls\":[\"nats://n\"],\"relay_url\":\"\"," \
    "\"update_pubkey\":\"\",\"consented_whole_machine\":true,\"consented_screen_control\":true}"

START_TEST(the_single_connection_of_an_older_agent_is_taken_over)
{
    rig_write("credentials.json", LEGACY);
    chmod(rig_in("credentials.json"), 0644);
    load(NULL);
    ck_assert_ptr_null(all.legacy_problem);
    ck_assert_uint_eq(all.valid, 1);
    const struct connection *c = all.entries[0].connection;
    ck_assert_str_eq(c->id, LEGACY_ID);
    ck_assert(c->legacy_origin);
    ck_assert_str_eq(c->api_url, "https://app.opengeni.ai");
    ck_assert_str_eq(c->nats_bearer, "oge_old.x");
    ck_assert(c->consented_screen_control);
    ck_assert(!exists(rig_in("credentials.json")));
    ck_assert_int_eq(rig_mode("connections/" LEGACY_ID ".json"), 0600);
    load(NULL);
    ck_assert_uint_eq(all.valid, 1);
}
END_TEST

START_TEST(another_guess_of_the_origin_does_not_stop_it)
{
    rig_write("credentials.json", LEGACY);
    load("https://one.example");
    rig_write("credentials.json", LEGACY);
    load("https://two.example");
    ck_assert_ptr_null(all.legacy_problem);
    ck_assert(!exists(rig_in("credentials.json")));
    ck_assert_uint_eq(all.count, 1);
    ck_assert_str_eq(all.entries[0].connection->api_url, "https://one.example");
}
END_TEST

START_TEST(a_different_document_in_its_place_keeps_both_files)
{
    rig_write("credentials.json", LEGACY);
    rig_write("connections/" LEGACY_ID ".json", "{}");
    put_document(NULL, "http://127.0.0.1:8000", "b");
    load(NULL);
    ck_assert_ptr_nonnull(all.legacy_problem);
    ck_assert(exists(rig_in("credentials.json")));
    ck_assert_uint_eq(all.count, 2);
    ck_assert_uint_eq(all.valid, 1);
    ck_assert(holds(IN_CONNECTIONS(LEGACY_ID ".json"), "{}"));

    struct connection *other = make("https://x", AGENT, true); // with another bearer
    save(other);
    load(NULL);
    ck_assert_ptr_nonnull(all.legacy_problem);
    ck_assert(exists(rig_in("credentials.json")));
    connection_free(other);
}
END_TEST

START_TEST(a_malformed_old_file_is_told_and_left)
{
    rig_write("credentials.json", "{\"agent_id\":\"hush\"");
    put_document(NULL, "http://127.0.0.1:8000", "b");
    load(NULL);
    ck_assert_ptr_nonnull(strstr(all.legacy_problem, "credentials.json"));
    ck_assert_ptr_nonnull(strstr(all.legacy_problem, "JSON"));
    ck_assert_ptr_null(strstr(all.legacy_problem, "hush"));
    ck_assert(exists(rig_in("credentials.json")));
    ck_assert_uint_eq(all.valid, 1);
}
END_TEST

START_TEST(many_may_take_it_over_at_once)
{
    enum { PROCESSES = 12 };
    for (int round = 0; round < 10; round++) {
        rig_write("credentials.json", LEGACY);
        for (int i = 0; i < PROCESSES; i++) {
            pid_t child = fork();
            ck_assert_int_ge(child, 0);
            if (child == 0) {
                struct connections mine;
                bool loaded = connections_load(&rig_config, NULL, &mine, NULL);
                _exit(!(loaded && !mine.legacy_problem && mine.valid == 1));
            }
        }
        for (int i = 0; i < PROCESSES; i++) {
            int status;
            ck_assert_int_gt(wait(&status), 0);
            ck_assert_int_eq(status, 0);
        }
        ck_assert(!exists(rig_in("credentials.json")));
    }
}
END_TEST

START_TEST(a_connection_is_found_by_its_id_or_a_unique_beginning)
{
    struct fail why;
    put_document(NULL, "http://127.0.0.1:8000", "b");
    put_document(NULL, "https://one.example", "b");
    rig_write("connections/640.json", "{");
    rig_write("connections/64099b09ffffffffffff.json", "{");
    load(NULL);
    ck_assert_str_eq(connections_find(&all, HOME_ID, &why)->name, HOME_ID);
    ck_assert_str_eq(connections_find(&all, "64099b09b", &why)->name, HOME_ID);
    ck_assert_str_eq(connections_find(&all, "640", &why)->name, "640"); // the whole name
    ck_assert_ptr_null(connections_find(&all, "64099b09", &why));
    ck_assert_ptr_nonnull(strstr(why.what, "2 connections"));
    ck_assert_ptr_null(connections_find(&all, "64", &why));
    ck_assert_ptr_null(connections_find(&all, "", &why));
    ck_assert_ptr_null(connections_find(&all, "ffff", &why));
    ck_assert_ptr_null(connections_find(&all, HOME_ID "0", &why));
}
END_TEST

START_TEST(removing_takes_one_document)
{
    struct fail why;
    put_document(NULL, "http://127.0.0.1:8000", "b");
    put_document(NULL, "https://one.example", "b");
    ck_assert(connections_remove(&rig_config, HOME_ID, &why));
    ck_assert(connections_remove(&rig_config, HOME_ID, &why));
    load(NULL);
    ck_assert_uint_eq(all.count, 1);
    ck_assert_ptr_null(named(HOME_ID));
}
END_TEST

// Writers are killed at random moments; whoever reads afterwards sees the old or the new document.
START_TEST(a_kill_at_any_moment_leaves_a_whole_document)
{
    struct connection *c = make("http://127.0.0.1:8000", AGENT, false);
    save(c);
    srandom(1);
    for (int round = 0; round < 200; round++) {
        pid_t writer = fork();
        ck_assert_int_ge(writer, 0); // kill(-1) would be everybody's end
        while (writer == 0) {
            c->consented_screen_control = !c->consented_screen_control;
            if (!connections_save(&rig_config, c, NULL))
                _exit(1);
        }
        struct timespec pause = {0, random() % 4000000};
        nanosleep(&pause, NULL);
        kill(writer, SIGKILL);
        int status;
        waitpid(writer, &status, 0);
        ck_assert(WIFSIGNALED(status));
        load(NULL);
        ck_assert_uint_eq(all.count, 1);
        ck_assert_msg(all.valid == 1, "%s", all.entries[0].reason);
        ck_assert_int_lt(connection_compare(all.entries[0].connection, c), CONNECTION_TRANSPORT);
    }
    connection_free(c);
}
END_TEST

START_TEST(readers_never_see_half_a_document)
{
    struct connection *c = make("http://127.0.0.1:8000", AGENT, false);
    save(c);
    pid_t writer = fork();
    ck_assert_int_ge(writer, 0);
    if (writer == 0) {
        for (int i = 0; i < 300; i++) {
            c->last_known_epoch = (uint32_t)i;
            if (!connections_save(&rig_config, c, NULL))
                _exit(1);
        }
        _exit(0);
    }
    int status;
    while (waitpid(writer, &status, WNOHANG) == 0) {
        load(NULL);
        ck_assert_uint_eq(all.valid, 1);
    }
    ck_assert_int_eq(status, 0);
    load(NULL);
    ck_assert_uint_eq(all.entries[0].connection->last_known_epoch, 299);
    connection_free(c);
}
END_TEST

RIG_MAIN("connections", documents_come_sorted_and_other_files_do_not_matter,
         a_missing_directory_has_no_connections, a_bad_document_disables_only_itself,
         a_document_of_another_user_is_refused, loose_permissions_are_mended_and_told,
         a_directory_others_may_write_to_gives_no_connections,
         documents_beyond_the_limit_are_invalid, saving_makes_private_files_and_replaces,
         saving_a_known_origin_removes_its_legacy_twin_only,
         the_single_connection_of_an_older_agent_is_taken_over,
         another_guess_of_the_origin_does_not_stop_it,
         a_different_document_in_its_place_keeps_both_files, a_malformed_old_file_is_told_and_left,
         many_may_take_it_over_at_once, a_connection_is_found_by_its_id_or_a_unique_beginning,
         removing_takes_one_document, a_kill_at_any_moment_leaves_a_whole_document,
         readers_never_see_half_a_document)
