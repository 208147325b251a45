#include "config/ca_store.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

// Debian and Arch, Fedora, openSUSE, Alpine; the directory last, because reading it is slow.
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};
static const char hashed_dir[] = "/etc/ssl/certs";

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool ca_store_find(const char *option, struct ca_store *store, struct fail *why)
{
    *store = (struct ca_store){0};
    const char *file = option && *option ? option : variable("OPENGENI_CA_FILE"), *dir = NULL;
    if (!file) {
        file = variable("SSL_CERT_FILE");
        dir = variable("SSL_CERT_DIR");
    }
    for (size_t i = 0; !file && !dir && i < sizeof bundles / sizeof *bundles; i++)
        if (access(bundles[i], R_OK) == 0)
            file = bundles[i];
    if (!file && !dir && access(hashed_dir, R_OK) == 0)
        dir = hashed_dir;
    if (!file && !dir)
        return fail_because(why, FAIL_INVALID,
                            "no trusted certificates found (install the ca-certificates package)");
    if (file && access(file, R_OK) != 0)
        return fail_errno(why, errno, "read the trusted certificates", file);
    store->file = file ? mem_string(file) : NULL;
    store->dir = dir ? mem_string(dir) : NULL;
    return true;
}

void ca_store_fini(struct ca_store *store)
{
    mem_free(store->file);
    mem_free(store->dir);
    *store = (struct ca_store){0};
}
