// What was seen: last hello, last word, a day of metrics for each machine. DIR/observed.db; losing
// it loses history, nothing else, so it is written in bundles and not forced to the disk.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "hub/sql.h"

struct data_dir;
struct fail;
struct roster;

struct observed {
    struct sql sql;
};

// A database that is damaged, or of a newer hub, is set aside (observed.db.damaged) and begun anew
// by the hub that serves from the directory; everybody else fails.
bool observed_open(struct observed *observed, const struct data_dir *dir, struct fail *why)
    __attribute__((warn_unused_result));
void observed_close(struct observed *observed);

// Gives the machines of the roster what was seen before.
bool observed_restore(struct observed *observed, struct roster *roster, struct fail *why)
    __attribute__((warn_unused_result));

// Writes what is new in the roster: at most one sample a minute of each machine, each minute of the
// day in its place, so that the history does not grow. all: also what is not due yet.
bool observed_save(struct observed *observed, struct roster *roster, bool all, struct fail *why)
    __attribute__((warn_unused_result));

// The samples of a machine, oldest first: [{"at_ms":...,"cpu_percent":...}, ...]. NULL: why.
json_t *observed_metrics(struct observed *observed, const char *machine, int64_t since_ms,
                         struct fail *why) __attribute__((warn_unused_result));
