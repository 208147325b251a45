#include "hub/private_ca.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "hub/data_dir.h"
#include "hub/private_file.h"

enum { DAY_S = 24 * 60 * 60, CA_DAYS = 3650, SERVER_DAYS = 397, RENEW_DAYS = 30 };

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void identity_fini(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){0};
}

static bool crypto_failed(struct fail *why)
{
    return fail_because(why, FAIL_SYSTEM, "OpenSSL could not make a certificate");
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 1); // positive, and never empty
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

// A key and a certificate that names it, as yet unsigned.
static bool make(struct identity *identity, const char *name, int days)
{
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = X509_new();
    X509 *certificate = identity->certificate;
    return identity->key && certificate && X509_set_version(certificate, X509_VERSION_3) &&
           set_serial(certificate) &&
           // A client's clock may be behind.
           X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) &&
           X509_set_pubkey(certificate, identity->key);
}

static bool sign(struct identity *identity, const struct identity *ca)
{
    return X509_set_issuer_name(identity->certificate, X509_get_subject_name(ca->certificate)) &&
           X509_sign(identity->certificate, ca->key, EVP_sha256()) > 0;
}

static bool make_ca(struct identity *ca, struct fail *why)
{
    if (!make(ca, "opengeni-hub private CA", CA_DAYS) ||
        !add_extension(ca->certificate, ca->certificate, NID_basic_constraints,
                       "critical,CA:TRUE,pathlen:0") ||
        !add_extension(ca->certificate, ca->certificate, NID_key_usage,
                       "critical,keyCertSign,cRLSign") ||
        !add_extension(ca->certificate, ca->certificate, NID_subject_key_identifier, "hash") ||
        !sign(ca, ca))
        return crypto_failed(why);
    return true;
}

static char *alternative_names(const char *const *names, size_t count)
{
    char *text = mem_string("");
    for (size_t i = 0; i < count; i++) {
        unsigned char address[16];
        bool ip = inet_pton(AF_INET, names[i], address) == 1 ||
                  inet_pton(AF_INET6, names[i], address) == 1;
        char *longer = mem_printf("%s%s%s:%s", text, i ? "," : "", ip ? "IP" : "DNS", names[i]);
        mem_free(text);
        text = longer;
    }
    return text;
}

static bool make_server(struct identity *server, const struct identity *ca,
                        const char *const *names, size_t count, struct fail *why)
{
    char *alternatives = alternative_names(names, count);
    bool done =
        make(server, "opengeni-hub", SERVER_DAYS) &&
        add_extension(server->certificate, ca->certificate, NID_basic_constraints,
                      "critical,CA:FALSE") &&
        add_extension(server->certificate, ca->certificate, NID_key_usage,
                      "critical,digitalSignature") &&
        add_extension(server->certificate, ca->certificate, NID_ext_key_usage, "serverAuth") &&
        add_extension(server->certificate, ca->certificate, NID_authority_key_identifier,
                      "keyid") &&
        add_extension(server->certificate, ca->certificate, NID_subject_alt_name, alternatives) &&
        sign(server, ca);
    mem_free(alternatives);
    return done || crypto_failed(why);
}

static bool save(int dir, const char *name, const X509 *certificate, const EVP_PKEY *key,
                 struct fail *why)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *text;
    bool encoded = memory && (certificate ? PEM_write_bio_X509(memory, certificate)
                                          : PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL,
                                                                          0, NULL, NULL));
    long size = encoded ? BIO_get_mem_data(memory, &text) : 0;
    bool done =
        size > 0 ? private_file_write(dir, name, text, (size_t)size, why) : crypto_failed(why);
    BIO_free(memory);
    return done;
}

// False also when the file is missing; the caller then makes a new one, or says what is wrong.
static bool load(int dir, const char *name, X509 **certificate, EVP_PKEY **key)
{
    struct buffer text;
    struct fail why;
    buffer_init(&text, HUB_CERTIFICATE_BYTES_MAX);
    BIO *memory = private_file_read(dir, name, &text, &why)
                      ? BIO_new_mem_buf(text.data, (int)text.size)
                      : NULL;
    if (memory && certificate)
        *certificate = PEM_read_bio_X509(memory, NULL, NULL, NULL);
    if (memory && key)
        *key = PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL);
    BIO_free(memory);
    if (text.data)
        explicit_bzero(text.data, text.size);
    buffer_fini(&text);
    return certificate ? *certificate != NULL : *key != NULL;
}

static bool exists(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool open_ca(int dir, struct identity *ca, struct fail *why)
{
    if (exists(dir, "ca.pem") || exists(dir, "ca.key")) {
        // Never made anew by itself: machines trust the one they have.
        if (load(dir, "ca.pem", &ca->certificate, NULL) && load(dir, "ca.key", NULL, &ca->key))
            return true;
        return fail_because(why, FAIL_INVALID,
                            "tls/ca.pem and tls/ca.key are damaged: bring them back from a backup, "
                            "or delete both and give the new ca.pem to every machine");
    }
    log_info("making a private CA", NULL);
    return make_ca(ca, why) && save(dir, "ca.key", NULL, ca->key, why) &&
           save(dir, "ca.pem", ca->certificate, NULL, why);
}

static bool covers(X509 *certificate, const char *const *names, size_t count)
{
    time_t soon = time(NULL) + (time_t)RENEW_DAYS * DAY_S;
    if (X509_cmp_time(X509_get0_notAfter(certificate), &soon) <= 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (X509_check_host(certificate, names[i], 0, 0, NULL) != 1 &&
            X509_check_ip_asc(certificate, names[i], 0) != 1)
            return false;
    return true;
}

static bool is_usable(int dir, const struct identity *ca, const char *const *names, size_t count)
{
    struct identity server = {0};
    bool good = load(dir, "server.pem", &server.certificate, NULL) &&
                load(dir, "server.key", NULL, &server.key) &&
                X509_check_private_key(server.certificate, server.key) &&
                X509_verify(server.certificate, ca->key) == 1 &&
                covers(server.certificate, names, count);
    identity_fini(&server);
    return good;
}

bool private_ca_prepare(const struct data_dir *dir, const char *const *names, size_t count,
                        bool *renewed, struct fail *why)
{
    *renewed = false;
    if (mkdirat(dir->fd, "tls", 0700) != 0 && errno != EEXIST)
        return fail_errno(why, errno, "create", "tls");
    int tls = openat(dir->fd, "tls", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (tls < 0)
        return fail_errno(why, errno, "open", "tls");
    struct identity ca = {0}, server = {0};
    bool done = open_ca(tls, &ca, why);
    if (done && !is_usable(tls, &ca, names, count)) {
        // The key first: a crash in between leaves a pair that does not fit, and is made anew.
        done = make_server(&server, &ca, names, count, why) &&
               save(tls, "server.key", NULL, server.key, why) &&
               save(tls, "server.pem", server.certificate, NULL, why);
        *renewed = done;
    }
    identity_fini(&server);
    identity_fini(&ca);
    close(tls);
    return done;
}
