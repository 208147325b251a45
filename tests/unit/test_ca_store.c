#include "base/alloc.h"
#include "config/ca_store.h"

#include "scratch.h"

static struct ca_store store;

static bool finds(const char *option)
{
    struct fail why;
    ca_store_fini(&store);
    return ca_store_find(option, &store, &why);
}

START_TEST(the_most_specific_store_wins)
{
    put(in("option"), "");
    put(in("own"), "");
    put(in("ssl"), "");
    unsetenv("OPENGENI_CA_FILE");
    unsetenv("SSL_CERT_DIR");
    setenv("SSL_CERT_FILE", in("ssl"), 1);
    ck_assert(finds(NULL));
    ck_assert_str_eq(store.file, in("ssl"));
    ck_assert_ptr_null(store.dir);
    setenv("SSL_CERT_DIR", "/a:/b", 1);
    ck_assert(finds(NULL));
    ck_assert_str_eq(store.file, in("ssl"));
    ck_assert_str_eq(store.dir, "/a:/b");
    setenv("OPENGENI_CA_FILE", in("own"), 1);
    ck_assert(finds(""));
    ck_assert_str_eq(store.file, in("own"));
    ck_assert_ptr_null(store.dir);
    ck_assert(finds(in("option")));
    ck_assert_str_eq(store.file, in("option"));
    ca_store_fini(&store);
}
END_TEST

START_TEST(a_named_store_that_is_missing_is_not_replaced_by_another)
{
    ck_assert(!finds(in("missing")));
    setenv("OPENGENI_CA_FILE", in("missing"), 1);
    ck_assert(!finds(NULL));
    unsetenv("OPENGENI_CA_FILE");
    setenv("SSL_CERT_FILE", in("missing"), 1);
    ck_assert(!finds(NULL));
}
END_TEST

START_TEST(the_system_has_a_store_when_nothing_is_named)
{
    setenv("OPENGENI_CA_FILE", "", 1);
    setenv("SSL_CERT_FILE", "", 1);
    setenv("SSL_CERT_DIR", "", 1);
    if (access("/etc/ssl/certs", R_OK) != 0)
        return;
    ck_assert(finds(NULL));
    ck_assert(store.file || store.dir);
    ca_store_fini(&store);
}
END_TEST

RUN_SUITE("ca_store", the_most_specific_store_wins,
          a_named_store_that_is_missing_is_not_replaced_by_another,
          the_system_has_a_store_when_nothing_is_named)
