#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "hub/store.h"

#define COLUMNS                                                                          \
    "id, public_key, name, os, arch, display, screen_control, enrolled_ms, revoked_ms, " \
    "generation, bearer_hash, bearer_expires_ms, named"

void machine_record_fini(struct machine_record *record)
{
    mem_free(record->public_key);
    mem_free(record->name);
    *record = (struct machine_record){0};
}

static void read_record(sqlite3_stmt *statement, struct machine_record *record)
{
    *record = (struct machine_record){
        .public_key = mem_string(sql_text(statement, 1)),
        .name = mem_string(sql_text(statement, 2)),
        .display = sql_int(statement, 5) != 0,
        .screen_control = sql_int(statement, 6) != 0,
        .enrolled_ms = sql_int(statement, 7),
        .revoked_ms = sql_int(statement, 8),
        .generation = sql_int(statement, 9),
        .bearer_expires_ms = sql_int(statement, 11),
        .named = sql_int(statement, 12) != 0,
    };
    snprintf(record->id, sizeof record->id, "%s", sql_text(statement, 0));
    snprintf(record->os, sizeof record->os, "%s", sql_text(statement, 3));
    snprintf(record->arch, sizeof record->arch, "%s", sql_text(statement, 4));
    if (sqlite3_column_bytes(statement, 10) == DIGEST_BYTES)
        memcpy(record->bearer_hash, sqlite3_column_blob(statement, 10), DIGEST_BYTES);
}

bool store_find_key(struct store *store, const char *public_key, struct machine_record *record,
                    bool *found, struct fail *why)
{
    sqlite3_stmt *statement = sql_query(
        &store->sql, why, "SELECT " COLUMNS " FROM machines WHERE public_key = ?", "s", public_key);
    if (!statement)
        return false;
    enum sql_step step = sql_next(&store->sql, statement, why);
    *found = step == SQL_ROW;
    if (*found)
        read_record(statement, record);
    sql_finish(statement);
    return step != SQL_FAILED;
}

bool store_put_machine(struct store *store, const struct machine_record *record, struct fail *why)
{
    return sql_run(&store->sql, why,
                   "INSERT OR REPLACE INTO machines (" COLUMNS
                   ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?)",
                   "sssssiiiiibii", record->id, record->public_key, record->name, record->os,
                   record->arch, (int64_t)record->display, (int64_t)record->screen_control,
                   record->enrolled_ms, record->revoked_ms, record->generation, record->bearer_hash,
                   sizeof record->bearer_hash, record->bearer_expires_ms, (int64_t)record->named);
}

static bool finish_update(struct store *store, bool done, const char *id, struct fail *why)
{
    if (done && sql_changes(&store->sql) == 0)
        done = fail_because(why, FAIL_INVALID, "there is no machine %s", id);
    if (done)
        return sql_commit(&store->sql, why);
    sql_rollback(&store->sql);
    return false;
}

bool store_revoke(struct store *store, const char *id, int64_t now_ms, struct fail *why)
{
    return sql_begin(&store->sql, why) &&
           finish_update(store,
                         sql_run(&store->sql, why,
                                 "UPDATE machines SET revoked_ms = ifnull(revoked_ms, ?) "
                                 "WHERE id = ?",
                                 "is", now_ms, id),
                         id, why);
}

bool store_rename(struct store *store, const char *id, const char *name, struct fail *why)
{
    return sql_begin(&store->sql, why) &&
           finish_update(store,
                         sql_run(&store->sql, why,
                                 "UPDATE machines SET name = ?, named = 1 WHERE id = ?", "ss", name,
                                 id),
                         id, why);
}

bool store_each_machine(struct store *store, void (*visit)(void *context, struct machine_record *),
                        void *context, struct fail *why)
{
    sql_lock(&store->sql);
    sqlite3_stmt *statement = sql_query(
        &store->sql, why, "SELECT " COLUMNS " FROM machines ORDER BY enrolled_ms, id", "");
    enum sql_step step = statement ? SQL_ROW : SQL_FAILED;
    while (step == SQL_ROW && (step = sql_next(&store->sql, statement, why)) == SQL_ROW) {
        struct machine_record record;
        read_record(statement, &record);
        visit(context, &record);
    }
    sql_finish(statement);
    sql_unlock(&store->sql);
    return step == SQL_DONE;
}
