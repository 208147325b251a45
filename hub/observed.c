#include "hub/observed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "hub/data_dir.h"
#include "hub/roster.h"

static const char *const migrations[] = {
    "CREATE TABLE machines ("
    "  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seen_ms INTEGER NOT NULL,"
    "  hello BLOB) STRICT;"
    "CREATE TABLE metrics ("
    "  machine INTEGER NOT NULL, slot INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    "  cpu REAL NOT NULL, load1 REAL NOT NULL, mem_used INTEGER NOT NULL,"
    "  mem_total INTEGER NOT NULL, disk_used INTEGER NOT NULL, disk_total INTEGER NOT NULL,"
    "  PRIMARY KEY (machine, slot)) STRICT, WITHOUT ROWID;",
};

static const struct sql_schema schema = {
    .migrations = migrations,
    .count = sizeof migrations / sizeof migrations[0],
    .durable = false,
};

static void set_aside(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *from = mem_printf("%s%s", path, suffixes[i]);
        char *to = mem_printf("%s.damaged%s", path, suffixes[i]);
        rename(from, to);
        mem_free(from);
        mem_free(to);
    }
}

bool observed_open(struct observed *observed, const struct data_dir *dir, struct fail *why)
{
    char *path = data_dir_file(dir, "observed.db");
    bool done = sql_open(&observed->sql, path, &schema, why);
    bool useless = !done && (why->kind == FAIL_INVALID || why->kind == FAIL_UNSUPPORTED);
    if (useless && dir->lock >= 0) {
        log_error("history cannot be used, beginning a new one", "reason", log_why(why), NULL);
        set_aside(path);
        done = sql_open(&observed->sql, path, &schema, why);
    }
    mem_free(path);
    return done;
}

void observed_close(struct observed *observed)
{
    sql_close(&observed->sql);
}

struct memory {
    int64_t seen_ms;
    const void *hello;
    size_t hello_size;
};

static void remember(void *context, struct machine *machine)
{
    const struct memory *memory = context;
    machine->seen_ms = machine->since_ms = memory->seen_ms;
    if (memory->hello_size) {
        mem_free(machine->hello);
        machine->hello = mem_copy(memory->hello, memory->hello_size);
        machine->hello_size = memory->hello_size;
        machine->hello_read = false;
    }
}

bool observed_restore(struct observed *observed, struct roster *roster, struct fail *why)
{
    struct sql *sql = &observed->sql;
    sql_lock(sql);
    sqlite3_stmt *rows = sql_query(sql, why, "SELECT id, seen_ms, hello FROM machines", "");
    enum sql_step step = rows ? SQL_ROW : SQL_FAILED;
    while (step == SQL_ROW && (step = sql_next(sql, rows, why)) == SQL_ROW) {
        struct memory memory = {sql_int(rows, 1), sqlite3_column_blob(rows, 2),
                                (size_t)sqlite3_column_bytes(rows, 2)};
        roster_visit(roster, sql_text(rows, 0), remember, &memory);
    }
    sql_finish(rows);
    sql_unlock(sql);
    return step == SQL_DONE;
}

// A copy of what is to be written, so that the roster is not held while the disk works.
struct news {
    char id[UUID_BYTES];
    int64_t seen_ms;
    void *hello;
    size_t hello_size;
    struct sample sample; // unix_ms 0: none
};

struct harvest {
    struct news *news;
    size_t count, room;
    bool all;
};

static void collect(void *context, struct machine *machine)
{
    struct harvest *harvest = context;
    const struct sample *sample = &machine->sample;
    bool due = sample->unix_ms > machine->sample_saved_ms &&
               (harvest->all || sample->unix_ms - machine->sample_saved_ms >= HUB_SAMPLE_MS);
    if (!due && !machine->hello_unsaved && !(harvest->all && machine->seen_ms))
        return;
    if (harvest->count == harvest->room) {
        harvest->room = harvest->room ? 2 * harvest->room : 64;
        harvest->news = mem_resize(harvest->news, harvest->room * sizeof *harvest->news);
    }
    struct news *news = &harvest->news[harvest->count++];
    *news = (struct news){.seen_ms = machine->seen_ms};
    memcpy(news->id, machine->record.id, sizeof news->id);
    if (machine->hello_unsaved) {
        news->hello = mem_copy(machine->hello, machine->hello_size);
        news->hello_size = machine->hello_size;
        machine->hello_unsaved = false;
    }
    if (due) {
        news->sample = *sample;
        machine->sample_saved_ms = sample->unix_ms;
    }
}

static bool save_one(struct sql *sql, const struct news *news, struct fail *why)
{
    const struct sample *sample = &news->sample;
    if (!sql_run(sql, why,
                 "INSERT INTO machines (id, seen_ms, hello) VALUES (?1, ?2, ?3) ON CONFLICT (id) "
                 "DO UPDATE SET seen_ms = ?2, hello = ifnull(?3, hello)",
                 "sib", news->id, news->seen_ms, news->hello, news->hello_size))
        return false;
    return !sample->unix_ms ||
           sql_run(sql, why,
                   "INSERT OR REPLACE INTO metrics SELECT number, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 "
                   "FROM machines WHERE id = ?1",
                   "siiddiiii", news->id, sample->unix_ms / HUB_SAMPLE_MS % HUB_SAMPLES_MAX,
                   sample->unix_ms, sample->cpu_percent, sample->load1, (int64_t)sample->mem_used,
                   (int64_t)sample->mem_total, (int64_t)sample->disk_used,
                   (int64_t)sample->disk_total);
}

static void keep_unsaved(void *context, struct machine *machine)
{
    (void)context;
    machine->hello_unsaved = true;
}

bool observed_save(struct observed *observed, struct roster *roster, bool all, struct fail *why)
{
    struct harvest harvest = {.all = all};
    roster_each(roster, collect, &harvest);
    bool done = harvest.count == 0 || sql_begin(&observed->sql, why);
    if (done && harvest.count > 0) {
        for (size_t i = 0; i < harvest.count && done; i++)
            done = save_one(&observed->sql, &harvest.news[i], why);
        if (done)
            done = sql_commit(&observed->sql, why);
        else
            sql_rollback(&observed->sql);
    }
    for (size_t i = 0; i < harvest.count; i++) {
        // A sample that is lost is followed by the next; a hello is said once.
        if (!done && harvest.news[i].hello)
            roster_visit(roster, harvest.news[i].id, keep_unsaved, NULL);
        mem_free(harvest.news[i].hello);
    }
    mem_free(harvest.news);
    return done;
}

json_t *observed_metrics(struct observed *observed, const char *machine, int64_t since_ms,
                         struct fail *why)
{
    struct sql *sql = &observed->sql;
    json_t *list = json_array();
    sql_lock(sql);
    sqlite3_stmt *rows = sql_query(
        sql, why,
        "SELECT at_ms, cpu, load1, mem_used, mem_total, disk_used, disk_total FROM metrics "
        "WHERE machine = (SELECT number FROM machines WHERE id = ?) AND at_ms > ? ORDER BY at_ms",
        "si", machine, since_ms);
    enum sql_step step = rows ? SQL_ROW : SQL_FAILED;
    while (step == SQL_ROW && (step = sql_next(sql, rows, why)) == SQL_ROW)
        json_array_append_new(
            list,
            json_pack("{s:I, s:f, s:f, s:I, s:I, s:I, s:I}", "at_ms", (json_int_t)sql_int(rows, 0),
                      "cpu_percent", sqlite3_column_double(rows, 1), "load1",
                      sqlite3_column_double(rows, 2), "mem_used", (json_int_t)sql_int(rows, 3),
                      "mem_total", (json_int_t)sql_int(rows, 4), "disk_used",
                      (json_int_t)sql_int(rows, 5), "disk_total", (json_int_t)sql_int(rows, 6)));
    sql_finish(rows);
    sql_unlock(sql);
    if (step == SQL_DONE)
        return list;
    json_decref(list);
    return NULL;
}
