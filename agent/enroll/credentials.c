#include "enroll/credentials.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "config/connection.h"
#include "config/document.h"

// It becomes a token of NATS subjects, where '.', '*', '>' and spaces have a meaning.
static bool is_id(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= ENROLL_ID_BYTES_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool has_scheme(const char *url, const char *const *schemes)
{
    if (!strstr(url, "://"))
        return true; // a bare host: nats is meant
    for (; *schemes; schemes++)
        if (strncasecmp(url, *schemes, strlen(*schemes)) == 0)
            return true;
    return false;
}

static bool read_urls(const json_t *list, struct connection *connection, struct fail *why)
{
    static const char *const schemes[] = {"nats://", "tls://", "ws://", "wss://", NULL};
    size_t count = json_array_size(list);
    if (count > ENROLL_URLS_MAX)
        return fail_because(why, FAIL_PROTOCOL, "the deployment names too many servers");
    connection->nats_urls = mem_array(count, sizeof *connection->nats_urls);
    for (size_t i = 0; i < count; i++) {
        const char *url = json_string_value(json_array_get(list, i));
        if (!url || !is_plain(url) || !has_scheme(url, schemes))
            return fail_because(why, FAIL_PROTOCOL,
                                "the deployment names a server that this agent "
                                "cannot connect to");
        connection->nats_urls[connection->nats_url_count++] = mem_string(url);
    }
    return true;
}

static bool refuse(struct fail *why, const char *what)
{
    return fail_because(why, FAIL_PROTOCOL, "the deployment's credentials have no usable %s", what);
}

static bool read_into(const json_t *object, struct connection *connection, struct fail *why)
{
    const char *agent, *workspace, *bearer = "", *creds = "", *relay = "", *token = "", *key = "";
    const json_t *urls = NULL;
    bool whole = false, screen = false;
    if (!document_text(object, "agentId", REQUIRED, &agent, why) ||
        !document_text(object, "workspaceId", REQUIRED, &workspace, why) ||
        !document_text(object, "bearer", OPTIONAL, &bearer, why) ||
        !document_text(object, "natsAccountCreds", OPTIONAL, &creds, why) ||
        !document_text(object, "relayUrl", OPTIONAL, &relay, why) ||
        !document_text(object, "relayToken", OPTIONAL, &token, why) ||
        !document_text(object, "updatePublicKey", OPTIONAL, &key, why) ||
        !document_flag(object, "consentedWholeMachine", OPTIONAL, &whole, why) ||
        !document_flag(object, "consentedScreenControl", OPTIONAL, &screen, why) ||
        !document_list(object, "natsUrls", OPTIONAL, &urls, why))
        return false;
    if (!is_id(agent))
        return refuse(why, "agentId");
    if (!is_id(workspace))
        return refuse(why, "workspaceId");
    if (!*bearer)
        bearer = creds; // an echo of it
    if (!*bearer || !is_plain(bearer))
        return refuse(why, "bearer");
    if (!is_plain(token) || !is_plain(relay))
        return refuse(why, "relay");
    connection->agent_id = mem_string(agent);
    connection->workspace_id = mem_string(workspace);
    connection->nats_bearer = mem_string(bearer);
    connection->relay_url = mem_string(relay);
    connection->relay_token = mem_string(token);
    connection->update_pubkey = mem_string(key);
    connection->consented_whole_machine = whole;
    connection->consented_screen_control = screen;
    return read_urls(urls, connection, why);
}

struct connection *credentials_read(const json_t *object, const struct credentials_origin *origin,
                                    struct fail *why)
{
    struct connection *connection = mem_new(struct connection);
    if (!json_is_object(object) || !read_into(object, connection, why)) {
        if (!json_is_object(object))
            fail_because(why, FAIL_PROTOCOL, "the deployment sent no credentials");
        connection_free(connection);
        return NULL;
    }
    connection->api_url = mem_string(origin->api_url);
    connection->update_channel = mem_string(origin->channel);
    connection->machine_name = origin->machine_name ? mem_string(origin->machine_name) : NULL;
    connection->ca_file = origin->ca_file ? mem_string(origin->ca_file) : NULL;
    connection->resume_token = mem_string("");
    connection_identify(connection);
    return connection;
}
