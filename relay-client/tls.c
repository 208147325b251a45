#include "relay/tls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Where distributions keep their bundle, for an OpenSSL that was built for another one.
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem", // SUSE
    "/etc/ssl/cert.pem",      // Alpine
};

SSL_CTX *tls_context(int (*verify)(X509_STORE_CTX *, void *), void *argument)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify, argument);
    // A resumed session would skip the check of the certificate.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    return context;
}

// Whether certificates can be found by the hash of their subject there: 8 hexadecimal digits and a
// number, "4a6481c9.0" (openssl-rehash(1)).
static bool is_hashed(const char *path)
{
    DIR *directory = opendir(path);
    bool found = false;
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));)
        found = strspn(entry->d_name, "0123456789abcdef") == 8 && entry->d_name[8] == '.';
    if (directory)
        closedir(directory);
    return found;
}

static const char *from_environment(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

static const char *find_bundle(void)
{
    const char *own = X509_get_default_cert_file();
    if (access(own, R_OK) == 0)
        return own;
    for (size_t i = 0; i < sizeof bundles / sizeof *bundles; i++)
        if (access(bundles[i], R_OK) == 0)
            return bundles[i];
    return NULL;
}

// A directory is read certificate by certificate, when one is needed. A bundle costs 30 ms and more
// than a megabyte each time, so it is taken only where there is no such directory.
static void add_system_store(X509_STORE *trust)
{
    const char *file = from_environment(X509_get_default_cert_file_env());
    const char *directory = from_environment(X509_get_default_cert_dir_env());
    if (!directory && is_hashed(X509_get_default_cert_dir()))
        directory = X509_get_default_cert_dir();
    if (!file && !directory)
        file = find_bundle();
    if (directory)
        X509_STORE_load_path(trust, directory);
    if (file)
        X509_STORE_load_file(trust, file);
    ERR_clear_error();
}

X509_STORE *tls_trust(const char *ca_file, struct fail *why)
{
    ERR_clear_error();
    X509_STORE *trust = X509_STORE_new();
    if (!trust) {
        fail_because(why, FAIL_SYSTEM, "TLS: out of memory");
        return NULL;
    }
    add_system_store(trust);
    if (ca_file && X509_STORE_load_file(trust, ca_file) != 1) {
        char text[TLS_ERROR_BYTES];
        fail_because(why, FAIL_INVALID, "cannot use the CA file: %s", tls_error(text, sizeof text));
        if (why)
            snprintf(why->path, sizeof why->path, "%s", ca_file);
        X509_STORE_free(trust);
        return NULL;
    }
    return trust;
}

bool tls_host_is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

// As strict as the handshake (keys, signatures), and for this host.
static bool expect_host(X509_STORE_CTX *check, X509_STORE_CTX *chain, const char *host)
{
    X509_VERIFY_PARAM *expected = X509_STORE_CTX_get0_param(check);
    X509_VERIFY_PARAM_set_auth_level(
        expected, X509_VERIFY_PARAM_get_auth_level(X509_STORE_CTX_get0_param(chain)));
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!*host) // OpenSSL takes an empty name for "any"
        return false;
    return tls_host_is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(expected, host) == 1
                                     : X509_VERIFY_PARAM_set1_host(expected, host, 0) == 1;
}

bool tls_verify(X509_STORE_CTX *chain, X509_STORE *trust, const char *host, struct fail *why)
{
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    int error = X509_V_ERR_UNSPECIFIED, depth = 0;
    bool good = check &&
                X509_STORE_CTX_init(check, trust, X509_STORE_CTX_get0_cert(chain),
                                    X509_STORE_CTX_get0_untrusted(chain)) == 1 &&
                X509_STORE_CTX_set_default(check, "ssl_server") == 1 &&
                expect_host(check, chain, host);
    if (good) {
        good = X509_verify_cert(check) == 1;
        error = X509_STORE_CTX_get_error(check);
        depth = X509_STORE_CTX_get_error_depth(check);
    }
    X509_STORE_CTX_free(check);
    X509_STORE_CTX_set_error(chain, good ? X509_V_OK : error);
    X509_STORE_CTX_set_error_depth(chain, depth);
    if (good)
        return true;
    return fail_because(why, FAIL_SYSTEM, "TLS: the certificate for %.80s is not good: %s", host,
                        X509_verify_cert_error_string(error));
}

const char *tls_error(char *text, size_t room)
{
    unsigned long error = ERR_get_error();
    const char *reason = ERR_reason_error_string(error);
    snprintf(text, room, "%s",
             error == 0 ? "the connection was lost"
             : reason   ? reason
                        : "unknown");
    ERR_clear_error();
    return text;
}
