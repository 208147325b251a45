#include "trust/trust.h"

#include <openssl/ssl.h>

#include "relay/tls.h"

static CURLcode use_store(CURL *curl, void *context, void *ca_file)
{
    (void)curl;
    X509_STORE *trust = tls_trust(*(const char *const *)ca_file, NULL);
    if (!trust)
        return CURLE_SSL_CACERT_BADFILE;
    SSL_CTX_set_cert_store(context, trust); // which takes it over
    return CURLE_OK;
}

void trust_apply(CURL *curl, const char *const *ca_file)
{
    curl_easy_setopt(curl, CURLOPT_CAINFO, NULL); // its own default is not read beside ours
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, use_store);
    curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, (void *)ca_file);
}

bool trust_explain(const char *ca_file, struct fail *why)
{
    X509_STORE *trust = tls_trust(ca_file, why);
    if (trust) // it came to be usable since
        fail_because(why, FAIL_SYSTEM, "the trusted certificates could not be used; try again");
    X509_STORE_free(trust);
    return false;
}
