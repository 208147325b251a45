// Reading and writing of the document. Other builds of the agent read and write it too: keys they
// do not know they ignore, and lose when they rewrite it.
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/api_url.h"
#include "config/connection.h"
#include "config/document.h"

enum { SCHEMA = 1 };

static bool refuse(struct fail *why, const char *key, const char *what)
{
    return fail_because(why, FAIL_INVALID, "\"%s\" %s", key, what);
}

static bool take_text(const json_t *object, const char *key, enum presence presence,
                      const char *otherwise, char **out, struct fail *why)
{
    const char *text = otherwise;
    if (!document_text(object, key, presence, &text, why))
        return false;
    *out = mem_string(text);
    return true;
}

static bool only(const char *text, const char *but_not)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || strchr(but_not, *text))
            return false;
    return true;
}

// Ids become tokens of NATS subjects, where these characters would mean other subjects.
static bool take_id(const json_t *object, const char *key, char **out, struct fail *why)
{
    if (!take_text(object, key, REQUIRED, NULL, out, why))
        return false;
    if (**out == '\0')
        return refuse(why, key, "is empty");
    if (strlen(*out) > CONFIG_ID_BYTES_MAX)
        return refuse(why, key, "is too long");
    return only(*out, ".*>") || refuse(why, key, "holds characters that no id has");
}

static bool take_token(const json_t *object, const char *key, enum presence presence, char **out,
                       struct fail *why)
{
    if (!take_text(object, key, presence, "", out, why))
        return false;
    return only(*out, "\"\\") || refuse(why, key, "holds characters that no token has");
}

static bool take_bearer(const json_t *credentials, struct connection *out, struct fail *why)
{
    static const char older[] = "nats_credentials"; // what 0.2.0 called it
    bool alias =
        !json_object_get(credentials, "nats_bearer") && json_object_get(credentials, older);
    return take_token(credentials, alias ? older : "nats_bearer", REQUIRED, &out->nats_bearer, why);
}

static bool take_urls(const json_t *credentials, struct connection *out, struct fail *why)
{
    const json_t *list = NULL;
    if (!document_list(credentials, "nats_urls", OPTIONAL, &list, why))
        return false;
    size_t count = json_array_size(list);
    if (count > LINK_URLS_MAX)
        return refuse(why, "nats_urls", "has too many entries");
    out->nats_urls = mem_array(count, sizeof *out->nats_urls);
    for (size_t i = 0; i < count; i++) {
        const char *url = json_string_value(json_array_get(list, i));
        if (!url)
            return refuse(why, "nats_urls", "has an entry that is not a string");
        out->nats_urls[out->nats_url_count++] = mem_string(url);
    }
    return true;
}

static bool take_credentials(const json_t *from, struct connection *out, struct fail *why)
{
    int64_t epoch = 0;
    bool taken = take_id(from, "agent_id", &out->agent_id, why) &&
                 take_id(from, "workspace_id", &out->workspace_id, why) &&
                 take_bearer(from, out, why) && take_urls(from, out, why) &&
                 take_text(from, "relay_url", OPTIONAL, "", &out->relay_url, why) &&
                 take_token(from, "relay_token", OPTIONAL, &out->relay_token, why) &&
                 take_text(from, "update_pubkey", OPTIONAL, "", &out->update_pubkey, why) &&
                 take_text(from, "update_channel", OPTIONAL, "stable", &out->update_channel, why) &&
                 take_token(from, "resume_token", OPTIONAL, &out->resume_token, why) &&
                 document_flag(from, "consented_whole_machine", OPTIONAL,
                               &out->consented_whole_machine, why) &&
                 document_flag(from, "consented_screen_control", OPTIONAL,
                               &out->consented_screen_control, why) &&
                 document_number(from, "last_known_epoch", OPTIONAL, 0, UINT32_MAX, &epoch, why);
    out->last_known_epoch = (uint32_t)epoch;
    return taken;
}

static bool take_origin(const json_t *document, struct connection *out, struct fail *why)
{
    const char *url = NULL;
    struct fail url_why;
    if (!document_text(document, "api_url", REQUIRED, &url, why))
        return false;
    if (!api_url_normalise(url, &out->api_url, &url_why))
        return fail_because(why, FAIL_INVALID, "\"api_url\" is not usable: %s", url_why.what);
    return document_flag(document, "legacy_origin", OPTIONAL, &out->legacy_origin, why);
}

static bool take_machine_name(const json_t *document, struct connection *out, struct fail *why)
{
    const char *name = NULL;
    if (!document_text(document, "machine_name", OPTIONAL, &name, why))
        return false;
    if (name && strlen(name) > MACHINE_NAME_BYTES_MAX)
        return refuse(why, "machine_name", "is too long");
    out->machine_name = name && *name ? mem_string(name) : NULL;
    return true;
}

static bool take_ca_file(const json_t *document, struct connection *out, struct fail *why)
{
    const char *path = NULL;
    if (!document_text(document, "ca_file", OPTIONAL, &path, why))
        return false;
    if (path && *path != '/')
        return refuse(why, "ca_file", "is not an absolute path");
    out->ca_file = path ? mem_string(path) : NULL;
    return true;
}

static bool check_id(const json_t *document, const char *name, struct connection *out,
                     struct fail *why)
{
    const char *id = NULL;
    if (!document_text(document, "connection_id", REQUIRED, &id, why))
        return false;
    connection_identify(out);
    if (strcmp(id, out->id) != 0)
        return fail_because(why, FAIL_INVALID,
                            "\"connection_id\" does not fit its origin, which makes %s", out->id);
    if (strcmp(name, out->id) != 0)
        return fail_because(why, FAIL_INVALID, "the file should be called %s.json", out->id);
    return true;
}

static bool take_document(const json_t *document, const char *name, struct connection *out,
                          struct fail *why)
{
    int64_t schema;
    if (!document_number(document, "schema_version", REQUIRED, SCHEMA, SCHEMA, &schema, why))
        return false;
    const json_t *credentials = json_object_get(document, "credentials");
    if (!json_is_object(credentials))
        return refuse(why, "credentials", credentials ? "is not an object" : "is missing");
    return take_origin(document, out, why) && take_machine_name(document, out, why) &&
           take_ca_file(document, out, why) && take_credentials(credentials, out, why) &&
           check_id(document, name, out, why);
}

struct connection *connection_parse(const char *text, size_t size, const char *name,
                                    struct fail *why)
{
    if (size > CONFIG_DOCUMENT_BYTES_MAX) {
        fail_because(why, FAIL_INVALID, "too large for a connection");
        return NULL;
    }
    json_t *document = document_parse(text, size, CONFIG_VALUES_MAX, why);
    if (!document)
        return NULL;
    struct connection *connection = mem_new(struct connection);
    if (!take_document(document, name, connection, why)) {
        connection_free(connection);
        connection = NULL;
    }
    json_decref(document);
    return connection;
}

struct connection *connection_parse_legacy(const char *text, size_t size, const char *api_url,
                                           struct fail *why)
{
    json_t *credentials = document_parse(text, size, CONFIG_VALUES_MAX, why);
    if (!credentials)
        return NULL;
    struct connection *connection = mem_new(struct connection);
    connection->legacy_origin = true;
    connection->api_url = mem_string(api_url);
    if (take_credentials(credentials, connection, why)) {
        connection_identify(connection);
    } else {
        connection_free(connection);
        connection = NULL;
    }
    json_decref(credentials);
    return connection;
}

static json_t *urls_of(const struct connection *from)
{
    json_t *urls = json_array();
    for (size_t i = 0; i < from->nats_url_count; i++)
        json_array_append_new(urls, json_string(from->nats_urls[i]));
    return urls;
}

char *connection_write(const struct connection *from, struct fail *why)
{
    json_t *document = json_pack(
        "{s:i, s:s, s:s, s:b, s:s*, s:s*, s:{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:b, s:b, s:s, "
        "s:s, "
        "s:I}}",
        "schema_version", SCHEMA, "connection_id", from->id, "api_url", from->api_url,
        "legacy_origin", from->legacy_origin, "machine_name", from->machine_name, "ca_file",
        from->ca_file, "credentials", "agent_id", from->agent_id, "workspace_id",
        from->workspace_id, "nats_bearer", from->nats_bearer, "nats_urls", urls_of(from),
        "relay_url", from->relay_url, "relay_token", from->relay_token, "update_pubkey",
        from->update_pubkey, "consented_whole_machine", from->consented_whole_machine,
        "consented_screen_control", from->consented_screen_control, "update_channel",
        from->update_channel, "resume_token", from->resume_token, "last_known_epoch",
        (json_int_t)from->last_known_epoch);
    char *text = document ? document_write(document, CONFIG_DOCUMENT_BYTES_MAX) : NULL;
    json_decref(document);
    if (!text) {
        fail_because(why, FAIL_INVALID, "too large, or with text that is not UTF-8");
        return NULL;
    }
    // Nothing is stored that could not be read again.
    struct connection *back = connection_parse(text, strlen(text), from->id, why);
    if (!back) {
        secret_free(text);
        return NULL;
    }
    connection_free(back);
    return text;
}
