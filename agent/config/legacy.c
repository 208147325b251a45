#include "config/legacy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/api_url.h"
#include "config/config_dir.h"
#include "config/connection.h"
#include "config/secure_file.h"

static bool refuse(const struct secure_dir *dir, const char *file, struct fail *why,
                   const char *what)
{
    char *path = secure_dir_file(dir, file);
    fail_on_path(why, FAIL_INVALID, what, path);
    mem_free(path);
    return false;
}

static bool read_legacy(const struct secure_dir *config, const char *api_url,
                        struct connection **out, struct fail *why)
{
    struct buffer text;
    struct fail parse_why;
    *out = NULL;
    if (!secure_file_read(config, CONFIG_LEGACY, SECURE_SECRET, CONFIG_DOCUMENT_BYTES_MAX, &text,
                          NULL, why))
        return why->error == ENOENT;
    *out = connection_parse_legacy(text.data, text.size, api_url ? api_url : API_URL_DEFAULT,
                                   &parse_why);
    secure_file_forget(&text);
    if (*out)
        return true;
    char what[FAIL_WHAT_BYTES];
    snprintf(what, sizeof what, "%.200s in", parse_why.what);
    return refuse(config, CONFIG_LEGACY, why, what);
}

static bool write_new(const struct secure_dir *dir, const char *file,
                      const struct connection *connection, struct fail *why)
{
    char *text = connection_write(connection, why);
    bool written = text && secure_file_write(dir, file, SECURE_REPLACE, text, strlen(text), why);
    secret_free(text);
    return written;
}

// The guess of the origin may differ from run to run, so it is not compared.
static bool check_existing(const struct secure_dir *dir, const char *file, struct buffer *text,
                           const struct connection *connection, struct fail *why)
{
    struct connection *existing = connection_parse(text->data, text->size, connection->id, NULL);
    bool same = existing && connection_same_credentials(existing, connection);
    connection_free(existing);
    return same || refuse(dir, file, why,
                          CONFIG_LEGACY " is not taken over, because another document is in its "
                                        "place:");
}

static bool store(const struct secure_dir *config, const struct connection *connection,
                  struct fail *why)
{
    struct secure_dir dir;
    struct buffer text;
    struct fail read_why;
    if (!secure_dir_open_below(config, CONFIG_CONNECTIONS, true, &dir, why))
        return false;
    char *file = mem_printf("%s.json", connection->id);
    bool stored;
    if (secure_file_read(&dir, file, SECURE_SECRET, CONFIG_DOCUMENT_BYTES_MAX, &text, NULL,
                         &read_why)) {
        stored = check_existing(&dir, file, &text, connection, why);
        secure_file_forget(&text);
    } else if (read_why.error == ENOENT) {
        stored = write_new(&dir, file, connection, why);
    } else {
        *why = read_why;
        stored = false;
    }
    mem_free(file);
    secure_dir_fini(&dir);
    return stored;
}

bool legacy_migrate(const struct secure_dir *config, const char *api_url, struct fail *why)
{
    struct connection *connection;
    if (!read_legacy(config, api_url, &connection, why))
        return false;
    bool done = !connection ||
                (store(config, connection, why) && secure_file_remove(config, CONFIG_LEGACY, why));
    connection_free(connection);
    return done;
}
