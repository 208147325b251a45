#include "config/status_file.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/config_dir.h"
#include "config/document.h"
#include "config/secure_file.h"

enum { SCHEMA = 1 };

// The members that are written and read alike: texts, and 64-bit numbers.
struct field {
    const char *key;
    size_t offset;
    bool text;
};
#define TEXT(type, member)                           \
    {                                                \
#member, offsetof(struct type, member), true \
    }
#define NUMBER(type, member)                          \
    {                                                 \
#member, offsetof(struct type, member), false \
    }
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct field status_fields[] = {
    TEXT(status, version),         TEXT(status, binary_sha256),   TEXT(status, instance_id),
    NUMBER(status, started_at_ms), NUMBER(status, updated_at_ms), TEXT(status, display),
    TEXT(status, cgroup),          NUMBER(status, terminals),
};

static const struct field connection_fields[] = {
    TEXT(status_connection, id),
    TEXT(status_connection, api_url),
    TEXT(status_connection, workspace_id),
    TEXT(status_connection, agent_id),
    TEXT(status_connection, state),
    NUMBER(status_connection, since_ms),
    NUMBER(status_connection, attempt),
    NUMBER(status_connection, next_retry_ms),
    TEXT(status_connection, last_error_class),
    NUMBER(status_connection, last_error_at_ms),
    NUMBER(status_connection, bearer_expires_at),
    NUMBER(status_connection, relay_expires_at),
    NUMBER(status_connection, heartbeats_sent),
    NUMBER(status_connection, ops_running),
};

static const struct field operation_fields[] = {
    TEXT(status_operation, op),
    NUMBER(status_operation, since_ms),
};

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, text ? json_string(text) : json_null());
}

static void set_fields(json_t *object, const void *from, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *member = (const char *)from + fields[i].offset;
        if (fields[i].text)
            set_text(object, fields[i].key, *(const char *const *)member);
        else
            json_object_set_new(object, fields[i].key, json_integer(*(const int64_t *)member));
    }
}

static json_t *connection_json(const struct status_connection *from)
{
    json_t *connection = json_object(), *operations = json_array();
    set_fields(connection, from, connection_fields, COUNT(connection_fields));
    for (size_t i = 0; i < from->operation_count; i++) {
        json_t *operation = json_object();
        set_fields(operation, &from->operations[i], operation_fields, COUNT(operation_fields));
        json_array_append_new(operations, operation);
    }
    json_object_set_new(connection, "operations", operations);
    return connection;
}

bool status_file_write(const struct secure_dir *config, const struct status *status,
                       struct fail *why)
{
    json_t *document = json_pack("{s:i, s:i, s:s}", "schema", SCHEMA, "pid", (int)status->pid,
                                 "lock", status->lock_held ? "held" : "none");
    set_fields(document, status, status_fields, COUNT(status_fields));
    json_t *update = json_object(), *connections = json_array();
    set_text(update, "state", status->update_state);
    set_text(update, "version", status->update_version);
    set_text(update, "last_error", status->update_error);
    json_object_set_new(document, "update", update);
    for (size_t i = 0; i < status->connection_count; i++)
        json_array_append_new(connections, connection_json(&status->connections[i]));
    json_object_set_new(document, "connections", connections);
    char *text = document_write(document, STATUS_BYTES_MAX);
    json_decref(document);
    if (!text)
        return fail_because(why, FAIL_INVALID, "the status is too large to be written");
    bool written =
        secure_file_write(config, CONFIG_STATUS, SECURE_REPLACE, text, strlen(text), why);
    secret_free(text);
    return written;
}

static bool get_text(const json_t *object, const char *key, struct arena *arena, const char **out,
                     struct fail *why)
{
    const char *text = NULL;
    if (json_is_null(json_object_get(object, key)))
        return true;
    if (!document_text(object, key, OPTIONAL, &text, why))
        return false;
    *out = text ? arena_string(arena, text) : NULL;
    return *out || !text || fail_because(why, FAIL_INVALID, "too large for a status");
}

static bool get_fields(const json_t *object, void *to, const struct field *fields, size_t count,
                       struct arena *arena, struct fail *why)
{
    for (size_t i = 0; i < count; i++) {
        void *member = (char *)to + fields[i].offset;
        if (fields[i].text
                ? !get_text(object, fields[i].key, arena, member, why)
                : !document_number(object, fields[i].key, OPTIONAL, 0, INT64_MAX, member, why))
            return false;
    }
    return true;
}

// The objects of the list called key, each read into an element of *out.
static bool get_list(const json_t *from, const char *key, struct arena *arena, size_t size,
                     const struct field *fields, size_t field_count, void **out, size_t *count,
                     struct fail *why)
{
    const json_t *list = NULL;
    if (!document_list(from, key, OPTIONAL, &list, why))
        return false;
    *count = json_array_size(list);
    *out = arena_array(arena, *count, size);
    if (!*out && *count > 0)
        return fail_because(why, FAIL_INVALID, "too large for a status");
    for (size_t i = 0; i < *count; i++) {
        const json_t *entry = json_array_get(list, i);
        if (!json_is_object(entry))
            return fail_because(why, FAIL_INVALID, "\"%s\" holds something else", key);
        if (!get_fields(entry, (char *)*out + i * size, fields, field_count, arena, why))
            return false;
    }
    return true;
}

static bool get_connections(const json_t *document, struct arena *arena, struct status *out,
                            struct fail *why)
{
    void *list = NULL;
    size_t count = 0;
    if (!get_list(document, "connections", arena, sizeof *out->connections, connection_fields,
                  COUNT(connection_fields), &list, &count, why))
        return false;
    out->connections = list;
    out->connection_count = count;
    for (size_t i = 0; i < count; i++) {
        struct status_connection *connection = &out->connections[i];
        const json_t *from = json_array_get(json_object_get(document, "connections"), i);
        void *operations = NULL;
        if (!get_list(from, "operations", arena, sizeof *connection->operations, operation_fields,
                      COUNT(operation_fields), &operations, &connection->operation_count, why))
            return false;
        connection->operations = operations;
    }
    return true;
}

static bool get_status(const json_t *document, struct arena *arena, struct status *out,
                       struct fail *why)
{
    int64_t schema, pid;
    const char *lock = "";
    const json_t *update = json_object_get(document, "update");
    if (!document_number(document, "schema", REQUIRED, SCHEMA, SCHEMA, &schema, why) ||
        !document_number(document, "pid", REQUIRED, 1, INT_MAX, &pid, why) ||
        !document_text(document, "lock", OPTIONAL, &lock, why))
        return false;
    out->pid = (pid_t)pid;
    out->lock_held = strcmp(lock, "held") == 0;
    return get_fields(document, out, status_fields, COUNT(status_fields), arena, why) &&
           get_text(update, "state", arena, &out->update_state, why) &&
           get_text(update, "version", arena, &out->update_version, why) &&
           get_text(update, "last_error", arena, &out->update_error, why) &&
           get_connections(document, arena, out, why);
}

bool status_file_read(const struct secure_dir *config, struct arena *arena, struct status *status,
                      struct fail *why)
{
    struct buffer text;
    *status = (struct status){0};
    if (!secure_file_read(config, CONFIG_STATUS, SECURE_SECRET, STATUS_BYTES_MAX, &text, NULL, why))
        return false;
    json_t *document = document_parse(text.data, text.size, STATUS_VALUES_MAX, why);
    secure_file_forget(&text);
    bool read = document && get_status(document, arena, status, why);
    json_decref(document);
    return read;
}

const struct status_connection *status_find(const struct status *status, const char *id)
{
    for (size_t i = 0; i < status->connection_count; i++)
        if (status->connections[i].id && strcmp(status->connections[i].id, id) == 0)
            return &status->connections[i];
    return NULL;
}
