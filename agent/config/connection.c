#include "config/connection.h"

#include <string.h>

#include "base/alloc.h"
#include "base/blake3.h"

static void finish_id(const struct blake3 *hash, char id[CONNECTION_ID_BYTES])
{
    char hex[BLAKE3_HEX_BYTES];
    blake3_final_hex(hash, hex);
    memcpy(id, hex, CONNECTION_ID_BYTES - 1);
    id[CONNECTION_ID_BYTES - 1] = '\0';
}

void connection_id(const char *api_url, const char *workspace_id, char id[CONNECTION_ID_BYTES])
{
    struct blake3 hash;
    blake3_init(&hash);
    blake3_update(&hash, api_url, strlen(api_url) + 1); // the NUL parts the two
    blake3_update(&hash, workspace_id, strlen(workspace_id));
    finish_id(&hash, id);
}

void connection_legacy_id(const char *workspace_id, const char *agent_id,
                          char id[CONNECTION_ID_BYTES])
{
    struct blake3 hash;
    blake3_init(&hash);
    blake3_update(&hash, "legacy", sizeof "legacy");
    blake3_update(&hash, workspace_id, strlen(workspace_id) + 1);
    blake3_update(&hash, agent_id, strlen(agent_id));
    finish_id(&hash, id);
}

void connection_identify(struct connection *connection)
{
    if (connection->legacy_origin)
        connection_legacy_id(connection->workspace_id, connection->agent_id, connection->id);
    else
        connection_id(connection->api_url, connection->workspace_id, connection->id);
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    mem_free(connection->api_url);
    mem_free(connection->machine_name);
    mem_free(connection->ca_file);
    mem_free(connection->workspace_id);
    mem_free(connection->agent_id);
    mem_free_secret(connection->nats_bearer);
    for (size_t i = 0; i < connection->nats_url_count; i++)
        mem_free(connection->nats_urls[i]);
    mem_free(connection->nats_urls);
    mem_free(connection->relay_url);
    mem_free_secret(connection->relay_token);
    mem_free(connection->update_pubkey);
    mem_free(connection->update_channel);
    mem_free_secret(connection->resume_token);
    mem_free(connection);
}

static char *copy_text(const char *text)
{
    return text ? mem_string(text) : NULL;
}

struct connection *connection_copy(const struct connection *connection)
{
    struct connection *copy = mem_copy(connection, sizeof *connection);
    copy->api_url = copy_text(connection->api_url);
    copy->machine_name = copy_text(connection->machine_name);
    copy->ca_file = copy_text(connection->ca_file);
    copy->workspace_id = copy_text(connection->workspace_id);
    copy->agent_id = copy_text(connection->agent_id);
    copy->nats_bearer = copy_text(connection->nats_bearer);
    copy->nats_urls = mem_array(connection->nats_url_count, sizeof *copy->nats_urls);
    for (size_t i = 0; i < connection->nats_url_count; i++)
        copy->nats_urls[i] = mem_string(connection->nats_urls[i]);
    copy->relay_url = copy_text(connection->relay_url);
    copy->relay_token = copy_text(connection->relay_token);
    copy->update_pubkey = copy_text(connection->update_pubkey);
    copy->update_channel = copy_text(connection->update_channel);
    copy->resume_token = copy_text(connection->resume_token);
    return copy;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_urls(const struct connection *a, const struct connection *b)
{
    if (a->nats_url_count != b->nats_url_count)
        return false;
    for (size_t i = 0; i < a->nats_url_count; i++)
        if (!same_text(a->nats_urls[i], b->nats_urls[i]))
            return false;
    return true;
}

static bool same_transport(const struct connection *a, const struct connection *b)
{
    return same_text(a->nats_bearer, b->nats_bearer) && same_urls(a, b) &&
           same_text(a->relay_url, b->relay_url) && same_text(a->relay_token, b->relay_token);
}

static bool same_identity(const struct connection *a, const struct connection *b)
{
    return same_text(a->workspace_id, b->workspace_id) && same_text(a->agent_id, b->agent_id);
}

static bool same_grants(const struct connection *a, const struct connection *b)
{
    return same_text(a->update_pubkey, b->update_pubkey) &&
           same_text(a->update_channel, b->update_channel) &&
           same_text(a->resume_token, b->resume_token) &&
           a->consented_whole_machine == b->consented_whole_machine &&
           a->consented_screen_control == b->consented_screen_control &&
           a->last_known_epoch == b->last_known_epoch;
}

bool connection_same_credentials(const struct connection *a, const struct connection *b)
{
    return same_identity(a, b) && same_transport(a, b) && same_grants(a, b);
}

enum connection_change connection_compare(const struct connection *before,
                                          const struct connection *now)
{
    if (!same_identity(before, now))
        return CONNECTION_IDENTITY;
    if (!same_transport(before, now) || !same_text(before->ca_file, now->ca_file))
        return CONNECTION_TRANSPORT;
    bool same = same_grants(before, now) && same_text(before->api_url, now->api_url) &&
                before->legacy_origin == now->legacy_origin &&
                same_text(before->machine_name, now->machine_name);
    return same ? CONNECTION_SAME : CONNECTION_METADATA;
}
