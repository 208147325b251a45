// Certificates for tests: a private authority and servers under it, written as PEM files.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static inline void certificates_write(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    if (certificate)
        PEM_write_X509(file, certificate);
    if (key)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

static inline X509 *certificates_begin(const char *name, EVP_PKEY *key, long from_s, long until_s)
{
    static long serial = 1000;
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    return certificate;
}

static inline void certificates_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static inline struct authority authority_new(const char *name, const char *path)
{
    struct authority ca = {.key = EVP_EC_gen("P-256")};
    ca.certificate = certificates_begin(name, ca.key, -86400, 86400);
    X509_set_issuer_name(ca.certificate, X509_get_subject_name(ca.certificate));
    certificates_extend(ca.certificate, ca.certificate, NID_basic_constraints, "critical,CA:TRUE");
    certificates_extend(ca.certificate, ca.certificate, NID_key_usage, "critical,keyCertSign");
    X509_sign(ca.certificate, ca.key, EVP_sha256());
    certificates_write(path, ca.certificate, NULL);
    return ca;
}

// names: as in openssl.cnf, "DNS:localhost,IP:127.0.0.1". valid_s: from now, may be negative.
static inline void certificate_new(const struct authority *ca, const char *names, long valid_s,
                                   const char *certificate_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificates_begin("test server", key, -86400, valid_s);
    X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate));
    certificates_extend(certificate, ca->certificate, NID_subject_alt_name, names);
    X509_sign(certificate, ca->key, EVP_sha256());
    certificates_write(certificate_path, certificate, NULL);
    certificates_write(key_path, NULL, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void authority_free(struct authority *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}
