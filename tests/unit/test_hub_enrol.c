#include "hub/enrol.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "hub/data_dir.h"
#include "hub/decide.h"
#include "hub/roster.h"
#include "hub/secrets.h"
#include "hub/store.h"
#include "scratch.h"

static struct data_dir dir;
static struct store store;
static struct secrets secrets;
static struct fail why;
static struct enrol enrol;

static const struct enrol_places places = {"ws://hub:1", "ws://hub:2/stream"};

static void open_hub(void)
{
    ck_assert(data_dir_open(&dir, in("d"), true, &why));
    ck_assert(secrets_load(&secrets, &dir, &why));
    ck_assert_msg(store_open(&store, &dir, &why), "%s", why.what);
    enrol = (struct enrol){&store, roster_new(store.workspace, false), &secrets};
}

static void close_hub(void)
{
    roster_free(enrol.roster);
    store_close(&store);
    data_dir_close(&dir);
}

static char *new_token(bool screen)
{
    char *token = enrol_token(&store, &secrets, 60000, screen, &why);
    ck_assert_msg(token, "%s", why.what);
    return token;
}

static enum enrol_result exchange(const char *token, const char *key, json_t **credentials,
                                  char id[UUID_BYTES])
{
    struct enrol_machine machine = {key, "host", "linux", "x86_64", true};
    return enrol_exchange(&enrol, token, &machine, &places, credentials, id, &why);
}

static const char *text(json_t *credentials, const char *key)
{
    return json_string_value(json_object_get(credentials, key));
}

START_TEST(a_token_is_exchanged_for_credentials)
{
    open_hub();
    char *token = new_token(true), id[UUID_BYTES];
    json_t *credentials;
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROLLED);
    ck_assert_str_eq(text(credentials, "agentId"), id);
    ck_assert_str_eq(text(credentials, "workspaceId"), store.workspace);
    ck_assert_str_eq(text(credentials, "relayUrl"), places.relay_url);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(credentials, "natsUrls"), 0)),
                     places.nats_url);
    ck_assert_str_eq(text(credentials, "natsAccountCreds"), text(credentials, "bearer"));
    ck_assert_int_eq(strncmp(text(credentials, "relayToken"), "ogr_", 4), 0);
    ck_assert(json_is_true(json_object_get(credentials, "consentedWholeMachine")));
    ck_assert(json_is_true(json_object_get(credentials, "consentedScreenControl")));
    json_decref(credentials);
    mem_free_secret(token);
    close_hub();
}
END_TEST

START_TEST(screen_control_is_what_the_token_says)
{
    open_hub();
    char *token = new_token(false), id[UUID_BYTES];
    json_t *credentials;
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROLLED);
    ck_assert(json_is_false(json_object_get(credentials, "consentedScreenControl")));
    json_decref(credentials);
    mem_free_secret(token);
    close_hub();
}
END_TEST

START_TEST(a_token_enrols_once_even_for_the_same_machine_and_after_a_restart)
{
    open_hub();
    char *token = new_token(false), id[UUID_BYTES];
    json_t *credentials;
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROLLED);
    json_decref(credentials);
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROL_SPENT);
    close_hub();
    open_hub();
    ck_assert_int_eq(exchange(token, "other", &credentials, id), ENROL_SPENT);
    mem_free_secret(token);
    close_hub();
}
END_TEST

struct attempt {
    pthread_t thread;
    const char *token;
    char key[16];
    enum enrol_result result;
};

static void *attempt_run(void *data)
{
    struct attempt *attempt = data;
    json_t *credentials = NULL;
    char id[UUID_BYTES];
    attempt->result = exchange(attempt->token, attempt->key, &credentials, id);
    json_decref(credentials);
    return NULL;
}

START_TEST(of_many_at_once_exactly_one_gets_in)
{
    open_hub();
    for (int round = 0; round < 5; round++) {
        char *token = new_token(false);
        struct attempt attempts[16];
        int enrolled = 0, spent = 0;
        for (int i = 0; i < 16; i++) {
            attempts[i].token = token;
            snprintf(attempts[i].key, sizeof attempts[i].key, "key %d", i);
            pthread_create(&attempts[i].thread, NULL, attempt_run, &attempts[i]);
        }
        for (int i = 0; i < 16; i++) {
            pthread_join(attempts[i].thread, NULL);
            enrolled += attempts[i].result == ENROLLED;
            spent += attempts[i].result == ENROL_SPENT;
        }
        ck_assert_int_eq(enrolled, 1);
        ck_assert_int_eq(spent, 15);
        mem_free_secret(token);
    }
    ck_assert_uint_le(roster_count(enrol.roster).machines, 5);
    close_hub();
}
END_TEST

START_TEST(foreign_forged_and_expired_tokens_are_refused)
{
    open_hub();
    json_t *credentials;
    char id[UUID_BYTES];
    char *expired = enrol_token(&store, &secrets, -5000, false, &why);
    ck_assert_int_eq(exchange(expired, "key", &credentials, id), ENROL_EXPIRED);
    char *token = new_token(false);
    token[20] = token[20] == 'x' ? 'y' : 'x';
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROL_BAD_TOKEN);
    ck_assert_int_eq(exchange("", "key", &credentials, id), ENROL_BAD_TOKEN);
    struct secrets others = secrets;
    others.enrolment[0] ^= 1;
    char *foreign = enrol_token(&store, &others, 60000, false, &why);
    ck_assert_int_eq(exchange(foreign, "key", &credentials, id), ENROL_BAD_TOKEN);
    ck_assert_uint_eq(roster_count(enrol.roster).machines, 0);
    mem_free_secret(expired);
    mem_free_secret(token);
    mem_free_secret(foreign);
    close_hub();
}
END_TEST

static enum verdict connects(json_t *credentials, const char *instance)
{
    char id[UUID_BYTES];
    unsigned char hash[DIGEST_BYTES];
    const char *reason;
    ck_assert(enrol_read_bearer(&secrets, text(credentials, "bearer"), clock_wall_ms() / 1000, id,
                                hash, &reason));
    return roster_connect(enrol.roster, id, instance, hash, moment_now());
}

START_TEST(enrolling_again_keeps_the_machine_and_ends_the_older_bearer)
{
    open_hub();
    char *first = new_token(true), *second = new_token(false), id[UUID_BYTES], again[UUID_BYTES];
    json_t *old, *new;
    ck_assert_int_eq(exchange(first, "key", &old, id), ENROLLED);
    ck_assert_int_eq(connects(old, "i1"), VERDICT_GRANTED);
    ck_assert(decide_rename(&store, enrol.roster, id, "my machine", &why));
    ck_assert(decide_revoke(&store, enrol.roster, id, &why));
    ck_assert_int_eq(connects(old, "i1"), VERDICT_REVOKED);
    ck_assert_int_eq(exchange(second, "key", &new, again), ENROLLED);
    ck_assert_str_eq(id, again);
    ck_assert_int_eq(connects(old, "i1"), VERDICT_REPLACED);
    ck_assert_int_eq(connects(new, "i2"), VERDICT_GRANTED);
    ck_assert(roster_resolve(enrol.roster, "my machine", again, &why)); // a person's name stays
    json_decref(old);
    json_decref(new);
    mem_free_secret(first);
    mem_free_secret(second);
    close_hub();
}
END_TEST

static void collect(void *context, struct machine_record *record)
{
    roster_put(context, record);
}

START_TEST(machines_come_back_from_the_database)
{
    open_hub();
    char *token = new_token(false), *other = new_token(false), id[UUID_BYTES], revoked[UUID_BYTES];
    json_t *credentials, *theirs;
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROLLED);
    ck_assert_int_eq(exchange(other, "other key", &theirs, revoked), ENROLLED);
    ck_assert(decide_revoke(&store, enrol.roster, revoked, &why));
    char workspace[UUID_BYTES];
    memcpy(workspace, store.workspace, sizeof workspace);
    close_hub();
    open_hub();
    ck_assert_str_eq(workspace, store.workspace);
    ck_assert(store_each_machine(&store, collect, enrol.roster, &why));
    ck_assert_int_eq(connects(credentials, "i1"), VERDICT_GRANTED);
    ck_assert_int_eq(connects(theirs, "i1"), VERDICT_REVOKED);
    json_decref(credentials);
    json_decref(theirs);
    mem_free_secret(token);
    mem_free_secret(other);
    close_hub();
}
END_TEST

START_TEST(no_secret_is_written_to_the_database)
{
    open_hub();
    char *token = new_token(false), id[UUID_BYTES];
    json_t *credentials;
    ck_assert_int_eq(exchange(token, "key", &credentials, id), ENROLLED);
    char *bearer = mem_string(text(credentials, "bearer"));
    json_decref(credentials);
    static const char *const files[] = {"d/hub.db", "d/hub.db-wal"};
    for (size_t i = 0; i < 2; i++) {
        static char content[1 << 20];
        int fd = open(in("%s", files[i]), O_RDONLY);
        ck_assert_int_ge(fd, 0);
        ssize_t size = read(fd, content, sizeof content);
        ck_assert_int_gt(size, 0);
        ck_assert_int_eq(mode_of(in("%s", files[i])) & 0777, 0600);
        ck_assert_ptr_null(memmem(content, size, token, strlen(token)));
        ck_assert_ptr_null(memmem(content, size, bearer, strlen(bearer)));
        ck_assert_ptr_null(memmem(content, size, strrchr(bearer, '.') + 1, 43));
        close(fd);
    }
    mem_free_secret(bearer);
    mem_free_secret(token);
    close_hub();
}
END_TEST

START_TEST(a_full_disk_refuses_and_loses_nothing)
{
    open_hub();
    char *tokens[8], id[UUID_BYTES];
    for (int i = 0; i < 8; i++)
        tokens[i] = new_token(false);
    // What a full disk looks like from SQLite: not one page more.
    sqlite3_exec(store.sql.db, "PRAGMA max_page_count = 1", NULL, NULL, NULL);
    static char long_key[1000];
    memset(long_key, 'k', sizeof long_key - 1);
    int refused = 0;
    json_t *credentials;
    for (int i = 0; i < 8; i++) {
        long_key[0] = (char)('a' + i);
        enum enrol_result result = exchange(tokens[i], long_key, &credentials, id);
        if (result == ENROLLED)
            json_decref(credentials);
        else {
            ck_assert_int_eq(result, ENROL_IMPOSSIBLE);
            ck_assert_int_eq(why.error, ENOSPC);
            refused++;
        }
    }
    ck_assert_int_gt(refused, 0);
    sqlite3_exec(store.sql.db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL);
    ck_assert_int_eq(exchange(tokens[7], long_key, &credentials, id), ENROLLED); // still good
    json_decref(credentials);
    for (int i = 0; i < 8; i++)
        mem_free_secret(tokens[i]);
    close_hub();
}
END_TEST

START_TEST(names_are_made_printable)
{
    static const struct {
        const char *text, *kept;
    } cases[] = {{"box", "box"},
                 {"  two words ", "two words"},
                 {"a\nb\033[31m", "ab[31m"},
                 {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = decide_name(cases[i].text);
        ck_assert_str_eq(name, cases[i].kept);
        mem_free(name);
    }
    ck_assert_ptr_null(decide_name(""));
    ck_assert_ptr_null(decide_name(" \n "));
    char name[600];
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    char *kept = decide_name(name);
    ck_assert_ptr_nonnull(kept);
    mem_free(kept);
    name[256] = 'x';
    name[257] = '\0';
    ck_assert_ptr_null(decide_name(name));
    name[0] = '\0';
    for (int i = 0; i < 129; i++)
        memcpy(name + 4 * i, "\xf0\x9f\x98\x80", 5); // two UTF-16 units each
    ck_assert_ptr_null(decide_name(name));
    name[128 * 4] = '\0';
    ck_assert_ptr_nonnull(kept = decide_name(name));
    mem_free(kept);
}
END_TEST

RUN_SUITE("enrol", a_token_is_exchanged_for_credentials, screen_control_is_what_the_token_says,
          a_token_enrols_once_even_for_the_same_machine_and_after_a_restart,
          of_many_at_once_exactly_one_gets_in, foreign_forged_and_expired_tokens_are_refused,
          enrolling_again_keeps_the_machine_and_ends_the_older_bearer,
          machines_come_back_from_the_database, no_secret_is_written_to_the_database,
          a_full_disk_refuses_and_loses_nothing, names_are_made_printable)
