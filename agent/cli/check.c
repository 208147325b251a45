#include "cli/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/blake3.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "cli/moment.h"
#include "config/bearer.h"
#include "config/config_dir.h"
#include "config/connections.h"
#include "config/identity.h"
#include "config/settings.h"
#include "relay/tls.h"
#include "service/group.h"

__attribute__((format(printf, 3, 4))) static enum check_result
result(enum check_result value, char detail[CHECK_DETAIL_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(detail, CHECK_DETAIL_BYTES, format, args);
    va_end(args);
    return value;
}

static enum check_result failure(char detail[CHECK_DETAIL_BYTES], const struct fail *why)
{
    fail_text(why, detail, CHECK_DETAIL_BYTES);
    return CHECK_FAIL;
}

static enum check_result check_config(struct check_input *input, char *detail)
{
    struct fail why;
    if (!config_dir_open(&input->config, NULL, &why)) {
        input->config = (struct secure_dir){.fd = -1};
        return failure(detail, &why);
    }
    return result(CHECK_OK, detail, "%s%s", input->config.path,
                  input->config.fd < 0 ? " (does not exist yet)" : "");
}

static enum check_result not_looked_at(char *detail)
{
    return result(CHECK_WARN, detail, "not looked at without a usable configuration directory");
}

static size_t count_ended(const struct connections *connections)
{
    size_t ended = 0;
    for (size_t i = 0; i < connections->count; i++) {
        const struct connection *c = connections->entries[i].connection;
        int64_t at;
        enum bearer_state state =
            c ? bearer_read(c->nats_bearer, clock_wall_ms() / 1000, &at) : BEARER_VALID;
        ended += state == BEARER_MISSING || state == BEARER_ENDING || state == BEARER_EXPIRED;
    }
    return ended;
}

static enum check_result check_connections(struct check_input *input, char *detail)
{
    struct fail why;
    struct connections all;
    if (!input->config.path)
        return not_looked_at(detail);
    if (!connections_load(&input->config, input->api_url, &all, &why))
        return failure(detail, &why);
    size_t invalid = all.count - all.valid, ended = count_ended(&all);
    enum check_result value = result(CHECK_OK, detail, "%zu valid", all.valid);
    if (all.legacy_problem)
        value = result(CHECK_FAIL, detail, "%s", all.legacy_problem);
    else if (invalid > 0)
        value = result(CHECK_FAIL, detail,
                       "%zu of %zu are invalid; 'opengeni-agent connections' says why", invalid,
                       all.count);
    else if (ended > 0)
        value = result(CHECK_WARN, detail,
                       "%zu of %zu have a credential that is missing, expired or about to; connect "
                       "again with --force",
                       ended, all.count);
    connections_fini(&all);
    return value;
}

static enum check_result check_settings(struct check_input *input, char *detail)
{
    struct fail why;
    struct settings settings;
    if (!input->config.path)
        return not_looked_at(detail);
    if (!settings_load(&input->config, &settings, &why))
        return failure(detail, &why);
    enum check_result value = settings.warning_count
                                  ? result(CHECK_WARN, detail, "%s", settings.warnings[0])
                                  : result(CHECK_OK, detail, "background jobs: %s",
                                           settings.kill_background_jobs ? "kill" : "keep");
    settings_fini(&settings);
    return value;
}

static enum check_result check_identity(struct check_input *input, char *detail)
{
    char key[IDENTITY_TEXT_BYTES];
    struct fail why;
    if (!input->config.path)
        return not_looked_at(detail);
    if (input->config.fd < 0 || faccessat(input->config.fd, CONFIG_IDENTITY, F_OK, 0) != 0)
        return result(CHECK_OK, detail, "none yet; connecting makes it");
    if (!identity_public_key(&input->config, key, &why))
        return failure(detail, &why);
    if (identity_moved(&input->config))
        return result(CHECK_WARN, detail,
                      "made on another machine; two machines with one identity evict each other");
    return result(CHECK_OK, detail, "%s", key);
}

static bool sha256_works(void)
{
    static const unsigned char of_abc[] = {0xba, 0x78, 0x16, 0xbf}; // FIPS 180-2, appendix B.1
    unsigned char digest[EVP_MAX_MD_SIZE];
    return EVP_Digest("abc", 3, digest, NULL, EVP_sha256(), NULL) == 1 &&
           memcmp(digest, of_abc, sizeof of_abc) == 0;
}

static bool blake3_works(void)
{
    static const unsigned char of_nothing[] = {0xaf, 0x13, 0x49, 0xb9};
    unsigned char digest[BLAKE3_BYTES];
    blake3_digest("", 0, digest);
    return memcmp(digest, of_nothing, sizeof of_nothing) == 0;
}

static bool ed25519_works(void)
{
    // RFC 8032, section 7.1, test 1.
    static const unsigned char seed[IDENTITY_SEED_BYTES] = {
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
        0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
        0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    char key[IDENTITY_TEXT_BYTES];
    return identity_derive(seed, key, NULL) &&
           strcmp(key, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo") == 0;
}

static bool random_works(void)
{
    unsigned char a[16], b[16];
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    return memcmp(a, b, sizeof a) != 0;
}

static enum check_result check_crypto(struct check_input *input, char *detail)
{
    (void)input;
    const char *broken = !sha256_works()    ? "SHA-256"
                         : !blake3_works()  ? "BLAKE3"
                         : !ed25519_works() ? "Ed25519"
                         : !random_works()  ? "the random number generator"
                                            : NULL;
    return broken ? result(CHECK_FAIL, detail, "%s does not work in this build", broken)
                  : result(CHECK_OK, detail, "SHA-256, BLAKE3, Ed25519, random numbers");
}

// A directory of certificates is searched by name when it is needed, so its files are not loaded.
static bool has_files(const char *path)
{
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        found = entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return found;
}

static enum check_result check_trust(struct check_input *input, char *detail)
{
    struct fail why;
    X509_STORE *trust = tls_trust(input->ca_file, &why);
    if (!trust)
        return failure(detail, &why);
    int loaded = sk_X509_OBJECT_num(X509_STORE_get0_objects(trust));
    X509_STORE_free(trust);
    const char *dir = getenv(X509_get_default_cert_dir_env());
    if (!dir || !*dir)
        dir = X509_get_default_cert_dir();
    if (loaded > 0)
        return result(CHECK_OK, detail, "%d certificates", loaded);
    if (has_files(dir))
        return result(CHECK_OK, detail, "certificates in %s", dir);
    return result(CHECK_FAIL, detail, "none found; install the package ca-certificates");
}

static enum check_result check_proc(struct check_input *input, char *detail)
{
    (void)input;
    static const char *const files[] = {"/proc/self/stat", "/proc/stat", "/proc/meminfo",
                                        "/proc/1/stat"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (access(files[i], R_OK) != 0)
            return result(i == 3 ? CHECK_WARN : CHECK_FAIL, detail, "%s cannot be read", files[i]);
    return result(CHECK_OK, detail, "mounted and readable");
}

static enum check_result check_cgroup(struct check_input *input, char *detail)
{
    char *group = service_group(input->agent); // systemd has delegated it
    if (!group || access("/sys/fs/cgroup/cgroup.controllers", R_OK) != 0) {
        mem_free(group);
        return result(CHECK_WARN, detail,
                      "no version 2 hierarchy; commands run without limits of their own");
    }
    char *procs = mem_printf("/sys/fs/cgroup%s/cgroup.procs", group);
    bool writable = access(procs, W_OK) == 0;
    mem_free(procs);
    enum check_result value =
        writable ? result(CHECK_OK, detail, "version 2, may be divided: %s", group)
                 : result(CHECK_WARN, detail,
                          "version 2, but not delegated to this user: %s; commands run without "
                          "limits of their own",
                          group);
    mem_free(group);
    return value;
}

const struct check checks[] = {
    {"configuration", check_config},
    {"connections", check_connections},
    {"settings", check_settings},
    {"identity", check_identity},
    {"cryptography", check_crypto},
    {"trusted CAs", check_trust},
    {"/proc", check_proc},
    {"control groups", check_cgroup},
    {NULL, NULL},
};
