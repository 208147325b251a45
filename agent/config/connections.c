#include "config/connections.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/config_dir.h"
#include "config/legacy.h"

static const char suffix[] = ".json";
enum { SUFFIX = sizeof suffix - 1 };

static bool is_document(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && size > SUFFIX && strcmp(name + size - SUFFIX, suffix) == 0;
}

// What is wrong, without the path: whoever shows the reason shows the path beside it.
static char *reason_of(struct fail *why)
{
    char room[FAIL_TEXT_BYTES];
    size_t size = strlen(why->what);
    if (size > 0 && why->what[size - 1] == ':')
        why->what[size - 1] = '\0';
    why->path[0] = '\0';
    return mem_string(fail_text(why, room, sizeof room));
}

static void read_entry(const struct secure_dir *dir, const char *file,
                       struct connections_entry *entry)
{
    struct buffer text;
    struct fail why;
    if (!secure_file_read(dir, file, SECURE_SECRET, CONFIG_DOCUMENT_BYTES_MAX, &text, &entry->mode,
                          &why)) {
        entry->reason = reason_of(&why);
        return;
    }
    entry->connection = connection_parse(text.data, text.size, entry->name, &why);
    if (!entry->connection)
        entry->reason = reason_of(&why);
    secure_file_forget(&text);
}

static void read_all(const struct secure_dir *dir, const struct secure_names *names,
                     struct connections *out)
{
    out->entries = mem_array(names->count, sizeof *out->entries);
    for (size_t i = 0; i < names->count; i++) {
        if (!is_document(names->names[i]))
            continue;
        struct connections_entry *entry = &out->entries[out->count++];
        entry->path = secure_dir_file(dir, names->names[i]);
        entry->name = mem_string(names->names[i]);
        entry->name[strlen(entry->name) - SUFFIX] = '\0';
        if (out->count <= LINKS_MAX)
            read_entry(dir, names->names[i], entry);
        else
            entry->reason = mem_printf("there are more than %d connections", LINKS_MAX);
        out->valid += entry->connection != NULL;
    }
}

bool connections_load(const struct secure_dir *config, const char *api_url,
                      struct connections *connections, struct fail *why)
{
    *connections = (struct connections){0};
    struct fail legacy_why;
    if (!legacy_migrate(config, api_url, &legacy_why)) {
        char room[FAIL_TEXT_BYTES];
        connections->legacy_problem = mem_string(fail_text(&legacy_why, room, sizeof room));
    }
    struct secure_dir dir;
    struct secure_names names;
    bool read = secure_dir_open_below(config, CONFIG_CONNECTIONS, false, &dir, why);
    if (read) {
        read = secure_dir_list(&dir, &names, why);
        if (read)
            read_all(&dir, &names, connections);
        secure_names_fini(&names);
        secure_dir_fini(&dir);
    }
    if (!read)
        connections_fini(connections);
    return read;
}

void connections_fini(struct connections *connections)
{
    for (size_t i = 0; i < connections->count; i++) {
        mem_free(connections->entries[i].name);
        mem_free(connections->entries[i].path);
        mem_free(connections->entries[i].reason);
        connection_free(connections->entries[i].connection);
    }
    mem_free(connections->entries);
    mem_free(connections->legacy_problem);
    *connections = (struct connections){0};
}

const struct connections_entry *connections_find(const struct connections *connections,
                                                 const char *id_or_prefix, struct fail *why)
{
    size_t size = strlen(id_or_prefix);
    const struct connections_entry *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < connections->count; i++) {
        const struct connections_entry *entry = &connections->entries[i];
        if (strcmp(entry->name, id_or_prefix) == 0)
            return entry;
        if (strncmp(entry->name, id_or_prefix, size) == 0) {
            found = entry;
            matches++;
        }
    }
    if (size < CONNECTIONS_PREFIX_MIN)
        fail_because(why, FAIL_INVALID, "give at least %d characters of the connection's id",
                     CONNECTIONS_PREFIX_MIN);
    else if (matches == 0)
        fail_because(why, FAIL_INVALID, "no connection has an id that begins with this");
    else if (matches > 1)
        fail_because(why, FAIL_INVALID, "%zu connections have ids that begin with this", matches);
    else
        return found;
    return NULL;
}

static char *file_of(const char *name)
{
    return mem_printf("%s%s", name, suffix);
}

bool connections_remove(const struct secure_dir *config, const char *name, struct fail *why)
{
    struct secure_dir dir;
    if (!secure_dir_open_below(config, CONFIG_CONNECTIONS, false, &dir, why))
        return false;
    char *file = file_of(name);
    bool removed = secure_file_remove(&dir, file, why);
    mem_free(file);
    secure_dir_fini(&dir);
    return removed;
}

bool connections_save(const struct secure_dir *config, const struct connection *connection,
                      struct fail *why)
{
    struct secure_dir dir;
    char *text = connection_write(connection, why);
    if (!text || !secure_dir_open_below(config, CONFIG_CONNECTIONS, true, &dir, why)) {
        secret_free(text);
        return false;
    }
    secure_file_sweep(&dir);
    char *file = file_of(connection->id);
    bool saved = secure_file_write(&dir, file, SECURE_REPLACE, text, strlen(text), why);
    mem_free(file);
    secret_free(text);
    secure_dir_fini(&dir);
    if (!saved || connection->legacy_origin)
        return saved;
    char twin[CONNECTION_ID_BYTES];
    connection_legacy_id(connection->workspace_id, connection->agent_id, twin);
    return connections_remove(config, twin, why);
}

void connections_sweep(const struct secure_dir *config)
{
    struct secure_dir dir;
    if (config->fd < 0)
        return;
    secure_file_sweep(config);
    if (!secure_dir_open_below(config, CONFIG_CONNECTIONS, false, &dir, NULL))
        return;
    if (dir.fd >= 0)
        secure_file_sweep(&dir);
    secure_dir_fini(&dir);
}
