#include "hub/store.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"
#include "hub/data_dir.h"

static const char *const migrations[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE tokens ("
    "  hash BLOB PRIMARY KEY, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    "  screen_control INTEGER NOT NULL, used_ms INTEGER, machine TEXT) STRICT, WITHOUT ROWID;"
    "CREATE TABLE machines ("
    "  id TEXT PRIMARY KEY, public_key TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    "  named INTEGER NOT NULL, os TEXT NOT NULL, arch TEXT NOT NULL, display INTEGER NOT NULL,"
    "  screen_control INTEGER NOT NULL, enrolled_ms INTEGER NOT NULL, revoked_ms INTEGER,"
    "  generation INTEGER NOT NULL, bearer_hash BLOB NOT NULL,"
    "  bearer_expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

static const struct sql_schema schema = {
    .migrations = migrations,
    .count = sizeof migrations / sizeof migrations[0],
    .durable = true,
};

static bool load_workspace(struct store *store, struct fail *why)
{
    char fresh[UUID_BYTES];
    random_uuid(fresh);
    if (!sql_begin(&store->sql, why))
        return false;
    sqlite3_stmt *statement = NULL;
    bool done = sql_run(&store->sql, why, "INSERT OR IGNORE INTO meta VALUES ('workspace', ?)", "s",
                        fresh) &&
                (statement = sql_query(&store->sql, why,
                                       "SELECT value FROM meta WHERE key = 'workspace'", ""));
    if (done && sql_next(&store->sql, statement, why) == SQL_ROW)
        snprintf(store->workspace, sizeof store->workspace, "%s", sql_text(statement, 0));
    else
        done = false;
    sql_finish(statement);
    if (done)
        return sql_commit(&store->sql, why);
    sql_rollback(&store->sql);
    return false;
}

bool store_open(struct store *store, const struct data_dir *dir, struct fail *why)
{
    *store = (struct store){.decisions = PTHREAD_MUTEX_INITIALIZER};
    char *path = data_dir_file(dir, "hub.db");
    bool done = sql_open(&store->sql, path, &schema, why);
    mem_free(path);
    if (!done)
        return false;
    if (!load_workspace(store, why)) {
        store_close(store);
        return false;
    }
    return true;
}

void store_close(struct store *store)
{
    sql_close(&store->sql);
}

bool store_add_token(struct store *store, const struct token_record *token, struct fail *why)
{
    if (!sql_begin(&store->sql, why))
        return false;
    bool done = sql_run(&store->sql, why, "DELETE FROM tokens WHERE expires_ms < ?", "i",
                        token->created_ms - HUB_TOKEN_KEEP_MS) &&
                sql_run(&store->sql, why,
                        "INSERT INTO tokens (hash, created_ms, expires_ms, screen_control) "
                        "VALUES (?, ?, ?, ?)",
                        "biii", token->hash, sizeof token->hash, token->created_ms,
                        token->expires_ms, (int64_t)token->screen_control);
    if (done)
        return sql_commit(&store->sql, why);
    sql_rollback(&store->sql);
    return false;
}

static bool why_not_used(struct store *store, const unsigned char hash[DIGEST_BYTES],
                         enum token_use *use, struct fail *why)
{
    sqlite3_stmt *statement =
        sql_query(&store->sql, why, "SELECT used_ms IS NOT NULL FROM tokens WHERE hash = ?", "b",
                  hash, (size_t)DIGEST_BYTES);
    if (!statement)
        return false;
    enum sql_step step = sql_next(&store->sql, statement, why);
    *use = step != SQL_ROW ? TOKEN_UNKNOWN : sql_int(statement, 0) ? TOKEN_SPENT : TOKEN_EXPIRED;
    sql_finish(statement);
    return step != SQL_FAILED;
}

bool store_use_token(struct store *store, const unsigned char hash[DIGEST_BYTES], int64_t now_ms,
                     const char *machine, enum token_use *use, bool *screen_control,
                     struct fail *why)
{
    sqlite3_stmt *statement =
        sql_query(&store->sql, why,
                  "UPDATE tokens SET used_ms = ?1, machine = ?2 WHERE hash = ?3 AND "
                  "used_ms IS NULL AND expires_ms > ?1 RETURNING screen_control",
                  "isb", now_ms, machine, hash, (size_t)DIGEST_BYTES);
    if (!statement)
        return false;
    bool used = false;
    enum sql_step step;
    while ((step = sql_next(&store->sql, statement, why)) == SQL_ROW) {
        used = true;
        *screen_control = sql_int(statement, 0) != 0;
    }
    sql_finish(statement);
    if (step == SQL_FAILED)
        return false;
    *use = TOKEN_USED_NOW;
    return used || why_not_used(store, hash, use, why);
}
