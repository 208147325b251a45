#include "hub/nats_config.h"

#include "base/buffer.h"
#include "base/limits.h"

static bool write_user(struct buffer *out, const char *account, const char *user,
                       const char *password)
{
    return buffer_printf(out, "  %s { users: [ { user: \"%s\", password: \"%s\" } ] }\n", account,
                         user, password);
}

bool nats_config_write_authorization(const struct nats_config *config, struct buffer *out)
{
    return buffer_printf(out, "accounts {\n") &&
           write_user(out, NATS_AGENTS_ACCOUNT, NATS_AGENTS_USER, config->password) &&
           write_user(out, NATS_AUTH_ACCOUNT, NATS_AUTH_USER, config->password) &&
           write_user(out, NATS_SYSTEM_ACCOUNT, NATS_SYSTEM_USER, config->password) &&
           buffer_printf(out,
                         "}\n"
                         "system_account: %s\n"
                         "authorization {\n"
                         "  timeout: %d\n"
                         "  auth_callout {\n"
                         "    issuer: \"%s\"\n"
                         "    account: %s\n"
                         "    auth_users: [ \"%s\", \"%s\", \"%s\" ]\n"
                         "  }\n"
                         "}\n",
                         NATS_SYSTEM_ACCOUNT, HUB_NATS_AUTH_TIMEOUT_S, config->issuer,
                         NATS_AUTH_ACCOUNT, NATS_AGENTS_USER, NATS_AUTH_USER, NATS_SYSTEM_USER);
}

static bool write_websocket(const struct nats_config *config, struct buffer *out)
{
    if (!buffer_printf(out, "websocket {\n  host: \"%s\"\n  port: %d\n  compression: false\n",
                       config->agents_address, config->agents_port))
        return false;
    return config->certificate
               ? buffer_printf(out, "  tls { cert_file: \"%s\", key_file: \"%s\" }\n}\n",
                               config->certificate, config->key)
               : buffer_printf(out, "  no_tls: true\n}\n");
}

bool nats_config_write(const struct nats_config *config, struct buffer *out)
{
    return buffer_printf(
               out,
               "# Written by opengeni-hub at every start; changes here are lost.\n"
               "server_name: opengeni-hub\n"
               "host: \"%s\"\n"
               "port: %d\n"
               "max_payload: %d\n"
               "max_connections: %d\n"
               "max_subscriptions: %d\n"  // each connection's
               "ping_interval: \"30s\"\n" // a machine that vanished is noticed in a minute
               "write_deadline: \"10s\"\n"
               "logtime: false\n",
               config->client_address, config->client_port, HUB_NATS_MAX_PAYLOAD,
               HUB_NATS_CONNECTIONS_MAX, HUB_NATS_SUBSCRIPTIONS_MAX) &&
           write_websocket(config, out) &&
           (!config->issuer || nats_config_write_authorization(config, out));
}
