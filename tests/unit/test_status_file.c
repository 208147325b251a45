#include "base/arena.h"
#include "base/limits.h"
#include "config/config_dir.h"
#include "config/status_file.h"

#include "config_rig.h"

static struct arena arena;

static bool reads(struct status *status, struct fail *why)
{
    arena_fini(&arena);
    arena_init(&arena, STATUS_BYTES_MAX);
    return status_file_read(&rig_config, &arena, status, why);
}

START_TEST(what_the_daemon_writes_is_what_others_read)
{
    struct fail why = {0};
    struct status_operation operations[] = {{.op = "exec", .since_ms = 7}, {.op = "git"}};
    struct status_connection connections[] = {
        {.id = HOME_ID,
         .api_url = "http://127.0.0.1:8000",
         .workspace_id = WORKSPACE,
         .agent_id = AGENT,
         .state = "online",
         .since_ms = 1,
         .heartbeats_sent = 1ll << 40,
         .bearer_expires_at = 1893456000,
         .ops_running = 3,
         .operations = operations,
         .operation_count = 2},
        {.id = LEGACY_ID,
         .state = "backoff",
         .last_error_class = "refused",
         .last_error_at_ms = 6,
         .attempt = 5,
         .next_retry_ms = 99,
         .relay_expires_at = 8},
    };
    struct status written = {.pid = 4711,
                             .version = "1.0.0",
                             .binary_sha256 = "",
                             .lock_held = true,
                             .instance_id = "i",
                             .started_at_ms = 17,
                             .updated_at_ms = 18,
                             .display = "none",
                             .cgroup = "memory+cpu",
                             .terminals = 4,
                             .update_state = "failed",
                             .update_version = "1.0.1",
                             .update_error = "drain_timeout",
                             .connections = connections,
                             .connection_count = 2};
    ck_assert_msg(status_file_write(&rig_config, &written, &why), "%s", why.what);
    ck_assert_int_eq(rig_mode(CONFIG_STATUS), 0600);
    struct status read;
    ck_assert_msg(reads(&read, &why), "%s", why.what);
    ck_assert_int_eq(read.pid, 4711);
    ck_assert(read.lock_held);
    ck_assert_str_eq(read.version, "1.0.0");
    ck_assert_str_eq(read.binary_sha256, "");
    ck_assert_int_eq(read.started_at_ms, 17);
    ck_assert_int_eq(read.updated_at_ms, 18);
    ck_assert_str_eq(read.cgroup, "memory+cpu");
    ck_assert_str_eq(read.update_state, "failed");
    ck_assert_str_eq(read.update_version, "1.0.1");
    ck_assert_str_eq(read.update_error, "drain_timeout");
    ck_assert_uint_eq(read.connection_count, 2);
    const struct status_connection *c = status_find(&read, HOME_ID);
    ck_assert_str_eq(c->api_url, "http://127.0.0.1:8000");
    ck_assert_str_eq(c->workspace_id, WORKSPACE);
    ck_assert_str_eq(c->agent_id, AGENT);
    ck_assert_str_eq(c->state, "online");
    ck_assert_ptr_null(c->last_error_class);
    ck_assert_int_eq(c->heartbeats_sent, 1ll << 40);
    ck_assert_int_eq(c->bearer_expires_at, 1893456000);
    ck_assert_int_eq(c->ops_running, 3);
    ck_assert_uint_eq(c->operation_count, 2);
    ck_assert_str_eq(c->operations[0].op, "exec");
    ck_assert_int_eq(c->operations[0].since_ms, 7);
    ck_assert_str_eq(c->operations[1].op, "git");
    ck_assert_int_eq(read.terminals, 4);
    c = status_find(&read, LEGACY_ID);
    ck_assert_str_eq(c->last_error_class, "refused");
    ck_assert_int_eq(c->last_error_at_ms, 6);
    ck_assert_uint_eq(c->operation_count, 0);
    ck_assert_int_eq(c->attempt, 5);
    ck_assert_int_eq(c->next_retry_ms, 99);
    ck_assert_int_eq(c->relay_expires_at, 8);
    ck_assert_ptr_null(c->api_url);
    ck_assert_ptr_null(status_find(&read, "x"));
}
END_TEST

START_TEST(a_thousand_connections_fit)
{
    struct fail why;
    enum { COUNT = LINKS_MAX };
    struct status_connection *connections = mem_array(COUNT, sizeof *connections);
    for (size_t i = 0; i < COUNT; i++)
        connections[i] =
            (struct status_connection){.id = HOME_ID,
                                       .api_url = "https://a.rather.long.name.example/with/a/path",
                                       .workspace_id = WORKSPACE,
                                       .agent_id = AGENT,
                                       .state = "auth_denied"};
    struct status written = {.pid = 1, .connections = connections, .connection_count = COUNT}, read;
    ck_assert(status_file_write(&rig_config, &written, &why));
    ck_assert(reads(&read, &why));
    ck_assert_uint_eq(read.connection_count, COUNT);
    mem_free(connections);
}
END_TEST

START_TEST(bad_files_are_refused)
{
    struct status status;
    struct fail why;
    ck_assert(!reads(&status, &why));
    ck_assert_int_eq(why.error, ENOENT);
    static const char *const bad[] = {
        "",
        "{}",
        "{\"schema\":2,\"pid\":1}",
        "{\"schema\":1}",
        "{\"schema\":1,\"pid\":0}",
        "{\"schema\":1,\"pid\":-1}",
        "{\"schema\":1,\"pid\":4294967297}",
        "{\"schema\":1,\"pid\":1,\"version\":7}",
        "{\"schema\":1,\"pid\":1,\"connections\":{}}",
        "{\"schema\":1,\"pid\":1,\"connections\":[7]}",
        "{\"schema\":1,\"pid\":1,\"connections\":[{\"state\":1}]}",
        "{\"schema\":1,\"pid\":1,\"connections\":[{\"attempt\":-1}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_write(CONFIG_STATUS, bad[i]);
        ck_assert_msg(!reads(&status, &why), "%s", bad[i]);
    }
    rig_write(CONFIG_STATUS, "{\"schema\":1,\"pid\":1,\"new\":[],\"display\":null,\"update\":7}");
    ck_assert(reads(&status, &why));
}
END_TEST

RIG_MAIN("status_file", what_the_daemon_writes_is_what_others_read, a_thousand_connections_fit,
         bad_files_are_refused)
