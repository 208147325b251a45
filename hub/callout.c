#include "hub/callout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "hub/jwt.h"
#include "hub/nats_config.h"

void callout_instance(const char *name, char instance[UUID_BYTES])
{
    static const char prefix[] = "opengeni-agent/connection/";
    static const char form[] = "xxxxxxxx-xxxx-Mxxx-Nxxx-xxxxxxxxxxxx"; // RFC 9562, 4
    instance[0] = '\0';
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return;
    const char *text = name + sizeof prefix - 1;
    if (strlen(text) != sizeof form - 1)
        return;
    for (size_t i = 0; form[i]; i++) {
        bool good = form[i] == '-'   ? text[i] == '-'
                    : form[i] == 'M' ? text[i] >= '1' && text[i] <= '8'
                    : form[i] == 'N' ? strchr("89abAB", text[i]) != NULL
                                     : isxdigit((unsigned char)text[i]) != 0;
        if (!good)
            return;
    }
    for (size_t i = 0; i < UUID_BYTES; i++)
        instance[i] = (char)tolower((unsigned char)text[i]);
}

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

bool callout_read(const void *data, size_t size, struct callout_request *request)
{
    *request = (struct callout_request){0};
    json_t *claims = jwt_claims(data, size), *nats = json_object_get(claims, "nats");
    const char *user = text_of(nats, "user_nkey"),
               *server = text_of(json_object_get(nats, "server_id"), "id");
    bool good = nkey_is_public(NKEY_USER, user) && nkey_is_public(NKEY_SERVER, server);
    if (good) {
        json_t *options = json_object_get(nats, "connect_opts");
        snprintf(request->user_nkey, sizeof request->user_nkey, "%s", user);
        snprintf(request->server_id, sizeof request->server_id, "%s", server);
        request->token = mem_string(text_of(options, "auth_token"));
        request->client = mem_string(text_of(json_object_get(nats, "client_info"), "host"));
        callout_instance(text_of(options, "name"), request->instance);
    }
    json_decref(claims);
    return good;
}

void callout_request_fini(struct callout_request *request)
{
    mem_free_secret(request->token);
    mem_free(request->client);
    *request = (struct callout_request){0};
}

// The field is required; nothing reads it.
static json_t *token_id(void)
{
    char id[UUID_BYTES];
    random_uuid(id);
    return json_string(id);
}

static json_t *permission(const char *const *allow, const char *const *deny)
{
    json_t *lists = json_object(), *allowed = json_array(), *denied = json_array();
    for (; *allow; allow++)
        json_array_append_new(allowed, json_string(*allow));
    for (; deny && *deny; deny++)
        json_array_append_new(denied, json_string(*deny));
    json_object_set_new(lists, "allow", allowed);
    json_object_set_new(lists, "deny", denied);
    return lists;
}

static char *answer(const struct nkey *account, const struct callout_request *request,
                    const char *key, const char *value)
{
    return jwt_sign(account, json_pack("{s:o, s:I, s:s, s:s, s:s, s:{s:s, s:s, s:i}}", "jti",
                                       token_id(), "iat", (json_int_t)(clock_wall_ms() / 1000),
                                       "iss", nkey_public(account), "sub", request->user_nkey,
                                       "aud", request->server_id, "nats", key, value, "type",
                                       "authorization_response", "version", 2));
}

char *callout_grant(const struct nkey *account, const struct callout_request *request,
                    const struct callout_grant *grant)
{
    json_t *claims = json_pack(
        "{s:o, s:I, s:s, s:s, s:s, s:s, s:{s:o, s:o, s:i, s:i, s:i, s:s, s:i}}", "jti", token_id(),
        "iat", (json_int_t)(clock_wall_ms() / 1000), "iss", nkey_public(account), "name",
        grant->user, "sub", request->user_nkey, "aud", NATS_AGENTS_ACCOUNT, "nats", "pub",
        permission(grant->publish, grant->deny), "sub", permission(grant->subscribe, grant->deny),
        "subs", -1, "data", -1, "payload", -1, "type", "user", "version", 2);
    if (grant->expires_s)
        json_object_set_new(claims, "exp", json_integer(grant->expires_s));
    char *user = jwt_sign(account, claims), *text = answer(account, request, "jwt", user);
    mem_free(user);
    return text;
}

char *callout_refuse(const struct nkey *account, const struct callout_request *request,
                     const char *reason)
{
    return answer(account, request, "error", reason);
}
