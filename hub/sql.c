#include "hub/sql.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/limits.h"

static bool failed(struct sql *sql, struct fail *why, const char *what)
{
    int code = sqlite3_errcode(sql->db) & 0xff;
    if (code == SQLITE_FULL || (code == SQLITE_IOERR && sqlite3_system_errno(sql->db) == ENOSPC))
        return fail_errno(why, ENOSPC, what, sql->path);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return fail_because(why, FAIL_INVALID, "%s is damaged: bring it back from a backup",
                            sql->path);
    fail_because(why, FAIL_SYSTEM, "%s %s: %s", what, sql->path, sqlite3_errmsg(sql->db));
    if (why)
        why->error = code == SQLITE_BUSY ? EBUSY : EIO;
    return false;
}

static bool exec(struct sql *sql, const char *text, struct fail *why)
{
    return sqlite3_exec(sql->db, text, NULL, NULL, NULL) == SQLITE_OK || failed(sql, why, "write");
}

// Made here, because SQLite would make it with the umask's mode; its -wal and -shm files get ours.
static bool create_file(const char *path, struct fail *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_errno(why, errno, "open", path);
    close(fd);
    return true;
}

static bool read_number(struct sql *sql, const char *pragma, int64_t *number, struct fail *why)
{
    sqlite3_stmt *statement = sql_query(sql, why, pragma, "");
    if (!statement)
        return false;
    enum sql_step step = sql_next(sql, statement, why);
    *number = step == SQL_ROW ? sql_int(statement, 0) : 0;
    sql_finish(statement);
    return step != SQL_FAILED;
}

static bool check_undamaged(struct sql *sql, struct fail *why)
{
    sqlite3_stmt *statement = sql_query(sql, why, "PRAGMA quick_check(1)", "");
    if (!statement)
        return false;
    bool good =
        sql_next(sql, statement, why) == SQL_ROW && strcmp(sql_text(statement, 0), "ok") == 0;
    if (!good)
        fail_because(why, FAIL_INVALID, "%s is damaged: bring it back from a backup", sql->path);
    sql_finish(statement);
    return good;
}

static bool migrate(struct sql *sql, const struct sql_schema *schema, struct fail *why)
{
    int64_t version;
    if (!sql_begin(sql, why))
        return false;
    bool done = read_number(sql, "PRAGMA user_version", &version, why);
    if (done && version > (int64_t)schema->count)
        done = fail_because(why, FAIL_UNSUPPORTED, "%s was written by a newer opengeni-hub",
                            sql->path);
    for (; done && version < (int64_t)schema->count; version++)
        done = exec(sql, schema->migrations[version], why);
    if (done) {
        char text[48];
        snprintf(text, sizeof text, "PRAGMA user_version = %zu", schema->count);
        done = exec(sql, text, why);
    }
    if (done)
        return sql_commit(sql, why);
    sql_rollback(sql);
    return false;
}

bool sql_open(struct sql *sql, const char *path, const struct sql_schema *schema, struct fail *why)
{
    *sql = (struct sql){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (!create_file(path, why))
        return false;
    sql->path = mem_string(path);
    // Our own lock serves for SQLite's.
    int code = sqlite3_open_v2(path, &sql->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        failed(sql, why, "open");
        sql_close(sql);
        return false;
    }
    sqlite3_busy_timeout(sql->db, HUB_SQL_BUSY_MS);
    char pragmas[256];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; PRAGMA foreign_keys = ON; "
             "PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d",
             schema->durable ? "FULL" : "NORMAL", HUB_SQL_CACHE_KIB, HUB_SQL_WAL_BYTES);
    if (!exec(sql, pragmas, why) || !check_undamaged(sql, why) || !migrate(sql, schema, why)) {
        sql_close(sql);
        return false;
    }
    return true;
}

void sql_close(struct sql *sql)
{
    if (sql->db) {
        int code = sqlite3_close(sql->db);
        assert(code == SQLITE_OK); // no statement has been forgotten
        (void)code;
    }
    mem_free(sql->path);
    *sql = (struct sql){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static sqlite3_stmt *query(struct sql *sql, struct fail *why, const char *text, const char *types,
                           va_list args)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL) != SQLITE_OK) {
        failed(sql, why, "read");
        return NULL;
    }
    int code = SQLITE_OK;
    for (int i = 1; types[i - 1] && code == SQLITE_OK; i++) {
        switch (types[i - 1]) {
        case 's':
            code = sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_STATIC);
            break;
        case 'i':
            code = sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
            break;
        case 'd':
            code = sqlite3_bind_double(statement, i, va_arg(args, double));
            break;
        case 'b': {
            const void *data = va_arg(args, const void *);
            code = sqlite3_bind_blob64(statement, i, data, va_arg(args, size_t), SQLITE_STATIC);
            break;
        }
        default:
            abort(); // no such type
        }
    }
    if (code != SQLITE_OK) {
        failed(sql, why, "bind");
        sqlite3_finalize(statement);
        return NULL;
    }
    return statement;
}

sqlite3_stmt *sql_query(struct sql *sql, struct fail *why, const char *text, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query(sql, why, text, types, args);
    va_end(args);
    return statement;
}

enum sql_step sql_next(struct sql *sql, sqlite3_stmt *statement, struct fail *why)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return SQL_ROW;
    if (code == SQLITE_DONE)
        return SQL_DONE;
    failed(sql, why, "use");
    return SQL_FAILED;
}

void sql_finish(sqlite3_stmt *statement)
{
    sqlite3_finalize(statement);
}

bool sql_run(struct sql *sql, struct fail *why, const char *text, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *statement = query(sql, why, text, types, args);
    va_end(args);
    if (!statement)
        return false;
    enum sql_step step;
    while ((step = sql_next(sql, statement, why)) == SQL_ROW)
        ;
    sql_finish(statement);
    return step == SQL_DONE;
}

int64_t sql_changes(struct sql *sql)
{
    return sqlite3_changes64(sql->db);
}

void sql_lock(struct sql *sql)
{
    pthread_mutex_lock(&sql->lock);
}

void sql_unlock(struct sql *sql)
{
    pthread_mutex_unlock(&sql->lock);
}

bool sql_begin(struct sql *sql, struct fail *why)
{
    pthread_mutex_lock(&sql->lock);
    if (exec(sql, "BEGIN IMMEDIATE", why))
        return true;
    pthread_mutex_unlock(&sql->lock);
    return false;
}

bool sql_commit(struct sql *sql, struct fail *why)
{
    if (!exec(sql, "COMMIT", why)) {
        sql_rollback(sql);
        return false;
    }
    pthread_mutex_unlock(&sql->lock);
    return true;
}

void sql_rollback(struct sql *sql)
{
    // After some failures (a full disk among them) SQLite has already rolled back.
    if (!sqlite3_get_autocommit(sql->db))
        sqlite3_exec(sql->db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&sql->lock);
}

const char *sql_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

int64_t sql_int(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_int64(statement, column);
}
