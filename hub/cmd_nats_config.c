#include <stdio.h>

#include "base/buffer.h"
#include "base/fail.h"
#include "base/limits.h"
#include "hub/data_dir.h"
#include "hub/nats_config.h"
#include "hub/nkey.h"
#include "hub/secrets.h"
#include "hub/verbs.h"

static const char usage[] =
    "Usage: opengeni-hub nats-config [--data DIR]\n"
    "Prints what a nats-server of your own (2.10 or newer) needs in its\n"
    "configuration, so that opengeni-hub serve --nats-url URL can use it. It holds a\n"
    "password: keep the file private.\n";

int cmd_nats_config(int argc, char **argv)
{
    const char *path;
    int code = verb_words(argc, argv, usage, 0, &path);
    if (code >= 0)
        return code;
    struct fail why;
    struct data_dir dir;
    struct secrets secrets;
    if (!verb_open_dir(&dir, path, &why))
        return verb_failed(&why);
    if (!secrets_load(&secrets, &dir, &why)) {
        data_dir_close(&dir);
        return verb_failed(&why);
    }
    struct nkey *account = nkey_new(NKEY_ACCOUNT, secrets.nats_account);
    const struct nats_config config = {.issuer = nkey_public(account),
                                       .password = secrets.nats_password};
    struct buffer text;
    buffer_init(&text, HUB_NATS_CONFIG_BYTES_MAX);
    bool done = nats_config_write_authorization(&config, &text) && fputs(text.data, stdout) >= 0 &&
                fflush(stdout) == 0;
    buffer_fini(&text);
    nkey_free(account);
    secrets_wipe(&secrets);
    data_dir_close(&dir);
    return done ? 0 : 1;
}
