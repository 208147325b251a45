// SQLite, as far as the hub needs it: one connection under a lock, statements with their values in
// one call, and migrations that run by number.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

struct fail;

struct sql {
    sqlite3 *db;
    pthread_mutex_t lock;
    char *path;
};

struct sql_schema {
    const char *const *migrations; // the n-th makes version n of version n-1; only ever appended to
    size_t count;
    bool durable; // every commit survives a power cut (synchronous=FULL); else only the process's
                  // end
};

// Opens or makes the database (0600) and brings it to the newest version. Refused: a damaged file,
// and one that a newer hub has written.
bool sql_open(struct sql *sql, const char *path, const struct sql_schema *schema, struct fail *why)
    __attribute__((warn_unused_result));
void sql_close(struct sql *sql);

// A statement with its values bound: 's' const char * (NULL is NULL), 'i' int64_t, 'd' double,
// 'b' const void * and size_t. Texts and blobs have to stay until it is finished. NULL on failure.
sqlite3_stmt *sql_query(struct sql *sql, struct fail *why, const char *text, const char *types, ...)
    __attribute__((warn_unused_result));

enum sql_step { SQL_ROW, SQL_DONE, SQL_FAILED };
enum sql_step sql_next(struct sql *sql, sqlite3_stmt *statement, struct fail *why);
void sql_finish(sqlite3_stmt *statement);

// A statement that returns no rows.
bool sql_run(struct sql *sql, struct fail *why, const char *text, const char *types, ...)
    __attribute__((warn_unused_result));
int64_t sql_changes(struct sql *sql); // rows that the last statement changed

// Around queries outside a transaction.
void sql_lock(struct sql *sql);
void sql_unlock(struct sql *sql);

// Transactions hold the lock from begin to commit or rollback. A failed commit has rolled back.
bool sql_begin(struct sql *sql, struct fail *why) __attribute__((warn_unused_result));
bool sql_commit(struct sql *sql, struct fail *why) __attribute__((warn_unused_result));
void sql_rollback(struct sql *sql);

// Columns; a NULL reads as "" or 0.
const char *sql_text(sqlite3_stmt *statement, int column);
int64_t sql_int(sqlite3_stmt *statement, int column);
