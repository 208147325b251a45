#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/connection.h"

#include "config_rig.h"

START_TEST(ids_are_those_every_agent_computes)
{
    static const struct {
        const char *url, *workspace, *id;
    } vectors[] = {
        {"https://app.opengeni.ai", WORKSPACE, "47592907af1be96a703e"},
        {"http://127.0.0.1:8000", WORKSPACE, HOME_ID},
        {"https://one.example", "22222222-2222-4222-8222-222222222222", "60ca1f7f2acfb20ce145"},
        {"https://one.example/base", "22222222-2222-4222-8222-222222222222",
         "c6e9bdd0965efede3628"},
    };
    char id[CONNECTION_ID_BYTES];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        connection_id(vectors[i].url, vectors[i].workspace, id);
        ck_assert_str_eq(id, vectors[i].id);
    }
    connection_legacy_id(WORKSPACE, AGENT, id);
    ck_assert_str_eq(id, LEGACY_ID);
}
END_TEST

static struct connection *parse(const char *text, const char *name, struct fail *why)
{
    *why = (struct fail){0};
    return connection_parse(text, strlen(text), name, why);
}

START_TEST(a_document_of_another_agent_is_read_whole)
{
    struct fail why;
    struct connection *c = parse(
        "{\"schema_version\":1,\"connection_id\":\"" HOME_ID
        "\",\"api_url\":\"http://127.0.0.1:8000/\","
        "\"legacy_origin\":false,\"unknown\":{\"deep\":[1,2,{}]},\"credentials\":{"
        "\"agent_id\":\"" AGENT "\",\"workspace_id\":\"" WORKSPACE
        "\",\"nats_bearer\":\"oge_abc.def\","
        "\"nats_urls\":[\"nats://a:1\",\"wss://b/nats\"],\"relay_url\":\"wss://r/stream\","
        "\"relay_token\":\"ogr_x.y\",\"update_pubkey\":\"RWQ\",\"consented_whole_machine\":true,"
        "\"consented_screen_control\":true,\"update_channel\":\"beta\",\"resume_token\":\"res\","
        "\"last_known_epoch\":4294967295,\"bearer_expires_at\":7}}",
        HOME_ID, &why);
    ck_assert_msg(c, "%s", why.what);
    ck_assert_str_eq(c->id, HOME_ID);
    ck_assert_str_eq(c->api_url, "http://127.0.0.1:8000");
    ck_assert(!c->legacy_origin);
    ck_assert_ptr_null(c->machine_name);
    ck_assert_str_eq(c->agent_id, AGENT);
    ck_assert_str_eq(c->workspace_id, WORKSPACE);
    ck_assert_str_eq(c->nats_bearer, "oge_abc.def");
    ck_assert_uint_eq(c->nats_url_count, 2);
    ck_assert_str_eq(c->nats_urls[1], "wss://b/nats");
    ck_assert_str_eq(c->relay_url, "wss://r/stream");
    ck_assert_str_eq(c->relay_token, "ogr_x.y");
    ck_assert_str_eq(c->update_pubkey, "RWQ");
    ck_assert_str_eq(c->update_channel, "beta");
    ck_assert_str_eq(c->resume_token, "res");
    ck_assert(c->consented_whole_machine && c->consented_screen_control);
    ck_assert_uint_eq(c->last_known_epoch, 4294967295u);
    connection_free(c);
}
END_TEST

#define HEAD                                                                        \
    "{\"schema_version\":1,\"connection_id\":\"" HOME_ID "\",\"api_url\":\"http://" \
    "127.0.0.1:8000\""
#define IDS "\"agent_id\":\"" AGENT "\",\"workspace_id\":\"" WORKSPACE "\""

START_TEST(what_may_be_missing_has_its_default)
{
    struct fail why;
    struct connection *c =
        parse(HEAD ",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}", HOME_ID, &why);
    ck_assert_msg(c, "%s", why.what);
    ck_assert_str_eq(c->nats_bearer, "");
    ck_assert_uint_eq(c->nats_url_count, 0);
    ck_assert_str_eq(c->relay_url, "");
    ck_assert_str_eq(c->relay_token, "");
    ck_assert_str_eq(c->update_pubkey, "");
    ck_assert_str_eq(c->update_channel, "stable");
    ck_assert_str_eq(c->resume_token, "");
    ck_assert(!c->consented_whole_machine && !c->consented_screen_control);
    ck_assert_uint_eq(c->last_known_epoch, 0);
    connection_free(c);
}
END_TEST

START_TEST(the_older_name_of_the_bearer_is_understood_and_the_newer_wins)
{
    struct fail why;
    struct connection *c =
        parse(HEAD ",\"credentials\":{" IDS ",\"nats_credentials\":\"old\"}}", HOME_ID, &why);
    ck_assert_ptr_nonnull(c);
    ck_assert_str_eq(c->nats_bearer, "old");
    connection_free(c);
    c = parse(HEAD ",\"credentials\":{" IDS
                   ",\"nats_credentials\":\"old\",\"nats_bearer\":\"new\"}}",
              HOME_ID, &why);
    ck_assert_ptr_nonnull(c);
    ck_assert_str_eq(c->nats_bearer, "new");
    connection_free(c);
}
END_TEST

#define GOOD(extra) HEAD ",\"credentials\":{" IDS ",\"nats_bearer\":\"hush_hush\"" extra "}}"

static const struct {
    const char *text, *reason;
} bad[] = {
    {"", "JSON"},
    {"{", "JSON"},
    {"null", "JSON"},
    {"[1]", "object"},
    {"\"hush_hush\"", "JSON"},
    {"\xef\xbb\xbf{}", "JSON"},
    {"{}", "schema_version"},
    {"{\"schema_version\":2}", "schema_version"},
    {"{\"schema_version\":1.0}", "schema_version"},
    {"{\"schema_version\":\"1\"}", "schema_version"},
    {"{\"schema_version\":99999999999999999999}", "JSON"},
    {GOOD("") "x", "JSON"},
    {HEAD "}", "credentials"},
    {HEAD ",\"credentials\":[]}", "credentials"},
    {HEAD ",\"credentials\":{" IDS "}}", "nats_bearer"},
    {HEAD ",\"credentials\":{\"agent_id\":\"a\",\"nats_bearer\":\"hush_hush\"}}", "workspace_id"},
    {HEAD ",\"credentials\":{\"workspace_id\":\"a\",\"nats_bearer\":\"hush_hush\"}}", "agent_id"},
    {HEAD ",\"credentials\":{\"agent_id\":\"\",\"workspace_id\":\"a\",\"nats_bearer\":\"\"}}",
     "agent_id"},
    {HEAD ",\"credentials\":{\"agent_id\":\"a.*.>\",\"workspace_id\":\"a\",\"nats_bearer\":\"\"}}",
     "agent_id"},
    {HEAD ",\"credentials\":{\"agent_id\":\"a\\nb\",\"workspace_id\":\"a\",\"nats_bearer\":\"\"}}",
     "agent_id"},
    {HEAD ",\"credentials\":{\"agent_id\":\"a\",\"workspace_id\":\"a b\",\"nats_bearer\":\"\"}}",
     "workspace_id"},
    {HEAD
     ",\"credentials\":{\"agent_id\":\"a\",\"workspace_id\":\"\\u00e4\",\"nats_bearer\":\"\"}}",
     "workspace_id"},
    {HEAD
     ",\"credentials\":{\"agent_id\":\"other\",\"workspace_id\":\"other\",\"nats_bearer\":\"\"}}",
     "connection_id"},
    {GOOD(",\"nats_urls\":\"hush_hush\""), "nats_urls"},
    {GOOD(",\"nats_urls\":[1]"), "nats_urls"},
    {GOOD(",\"relay_url\":null"), "relay_url"},
    {GOOD(",\"relay_token\":\"a b\""), "relay_token"},
    {GOOD(",\"consented_screen_control\":1"), "consented_screen_control"},
    {GOOD(",\"consented_screen_control\":\"true\""), "consented_screen_control"},
    {GOOD(",\"last_known_epoch\":-1"), "last_known_epoch"},
    {GOOD(",\"last_known_epoch\":4294967296"), "last_known_epoch"},
    {GOOD(",\"last_known_epoch\":\"7\""), "last_known_epoch"},
    {GOOD(",\"agent_id\":\"hush_hush\""), "repeated"},
    {GOOD(",\"x\":{\"hush_hush\":1,\"hush_hush\":2}"), "repeated"},
    {GOOD(",\"relay_url\":\"a\\u0000b\""), "JSON"},
    {GOOD(",\"relay_url\":\"\xff\""), "JSON"},
    {GOOD(",\"relay_url\":\"\\ud800\""), "JSON"},
    {"{\"schema_version\":1,\"connection_id\":\"" HOME_ID
     "\",\"api_url\":\"\",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}",
     "api_url"},
    {"{\"schema_version\":1,\"connection_id\":\"" HOME_ID
     "\",\"api_url\":\"https://u:hush_hush@x\",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}",
     "api_url"},
    {"{\"schema_version\":1,\"connection_id\":\"00000000000000000000\",\"api_url\":\"http://"
     "127.0.0.1:8000\",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}",
     HOME_ID},
    {"{\"schema_version\":1,\"connection_id\":7,\"api_url\":\"http://"
     "127.0.0.1:8000\",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}",
     "connection_id"},
    {HEAD ",\"machine_name\":[],\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}", "machine_name"},
    {HEAD ",\"ca_file\":\"hush_hush\",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}", "ca_file"},
};

START_TEST(a_bad_document_is_refused_with_a_reason_that_tells_no_content)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fail why;
        ck_assert_msg(!parse(bad[i].text, HOME_ID, &why), "%s", bad[i].text);
        ck_assert_msg(strstr(why.what, bad[i].reason), "%s -> %s", bad[i].text, why.what);
        ck_assert_ptr_null(strstr(why.what, "hush"));
    }
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    char *text = rig_document(HOME_ID, "http://127.0.0.1:8000", "oge_hush.hush");
    struct fail why;
    size_t whole = strlen(text) - 1; // without the last newline
    for (size_t size = 0; size < whole; size++) {
        char *part = mem_copy(text, size); // no byte to spare behind it
        ck_assert_ptr_null(connection_parse(part, size, HOME_ID, &why));
        mem_free(part);
    }
    struct connection *c = connection_parse(text, whole, HOME_ID, &why);
    ck_assert_ptr_nonnull(c);
    connection_free(c);
    mem_free(text);
}
END_TEST

START_TEST(the_name_of_the_file_has_to_be_the_id)
{
    struct fail why;
    ck_assert_ptr_null(parse(GOOD(""), "00000000000000000000", &why));
    ck_assert_ptr_nonnull(strstr(why.what, HOME_ID ".json"));
}
END_TEST

// GOOD with size bytes of filling in an unknown key.
static char *filled(const char *open, const char *fill, size_t count, const char *close)
{
    size_t step = strlen(fill);
    char *middle = mem_array(step * count + 1, 1);
    for (size_t i = 0; i < count; i++)
        memcpy(middle + i * step, fill, step);
    char *text = mem_printf("%.*s,\"x\":%s%s%s}}", (int)(sizeof GOOD("") - 3), GOOD(""), open,
                            middle, close);
    mem_free(middle);
    return text;
}

static bool accepted(char *text)
{
    struct fail why;
    struct connection *c = parse(text, HOME_ID, &why);
    bool was = c != NULL;
    connection_free(c);
    mem_free(text);
    return was;
}

static char *nested(size_t depth) // on top of the two levels the document has itself
{
    char close[64] = "";
    memset(close, ']', depth);
    return filled("", "[", depth, close);
}

START_TEST(size_depth_strings_and_counts_are_limited)
{
    ck_assert(accepted(nested(CONFIG_NESTING_MAX - 3)));
    ck_assert(accepted(nested(CONFIG_NESTING_MAX - 2)));
    ck_assert(!accepted(nested(CONFIG_NESTING_MAX - 1)));

    ck_assert(accepted(filled("\"", "a", CONFIG_STRING_BYTES_MAX, "\"")));
    ck_assert(!accepted(filled("\"", "a", CONFIG_STRING_BYTES_MAX + 1, "\"")));
    ck_assert(accepted(filled("[\"a\"", ",\"a\"", CONFIG_VALUES_MAX / 2, "]")));
    ck_assert(!accepted(filled("[\"a\"", ",\"a\"", CONFIG_VALUES_MAX, "]")));

    size_t rest = sizeof GOOD("") - 1 + sizeof ",\"x\":1" - 1;
    for (size_t size = CONFIG_DOCUMENT_BYTES_MAX - 1; size <= CONFIG_DOCUMENT_BYTES_MAX + 1; size++)
        ck_assert_int_eq(accepted(filled("1", " ", size - rest, "")),
                         size <= CONFIG_DOCUMENT_BYTES_MAX);

    for (size_t count = LINK_URLS_MAX - 1; count <= LINK_URLS_MAX + 1; count++) {
        char *list = filled("[\"a\"", ",\"a\"", count - 1, "]");
        char *at = strstr(list, ",\"x\":[");
        char *text = mem_printf("%.*s,\"nats_urls\":%s", (int)(at - list), list, at + 5);
        mem_free(list);
        ck_assert_int_eq(accepted(text), count <= LINK_URLS_MAX);
    }
}
END_TEST

START_TEST(ids_and_names_are_limited)
{
    for (size_t size = CONFIG_ID_BYTES_MAX - 1; size <= CONFIG_ID_BYTES_MAX + 1; size++) {
        struct fail why;
        char agent[CONFIG_ID_BYTES_MAX + 2] = "", name[MACHINE_NAME_BYTES_MAX + 2] = "";
        memset(agent, 'a', size);
        char *text = mem_printf(HEAD ",\"credentials\":{\"agent_id\":\"%s\",\"workspace_id\":"
                                     "\"" WORKSPACE "\",\"nats_bearer\":\"\"}}",
                                agent);
        struct connection *c = parse(text, HOME_ID, &why);
        ck_assert_int_eq(c != NULL, size <= CONFIG_ID_BYTES_MAX);
        connection_free(c);
        mem_free(text);
        memset(name, 'n', size - CONFIG_ID_BYTES_MAX + MACHINE_NAME_BYTES_MAX);
        text = mem_printf(
            HEAD ",\"machine_name\":\"%s\",\"credentials\":{" IDS ",\"nats_bearer\":\"\"}}", name);
        ck_assert_int_eq(accepted(text), size <= CONFIG_ID_BYTES_MAX);
    }
}
END_TEST

START_TEST(a_hundred_thousand_levels_do_no_harm)
{
    char *text = mem_array(100001, 1);
    struct fail why;
    memset(text, '[', 100000);
    ck_assert_ptr_null(connection_parse(text, 100000, HOME_ID, &why));
    ck_assert_ptr_nonnull(strstr(why.what, "deep"));
    mem_free(text);
}
END_TEST

static struct connection *sample(void)
{
    char *text = rig_document(HOME_ID, "http://127.0.0.1:8000", "oge_abc.def");
    struct fail why;
    struct connection *c = parse(text, HOME_ID, &why);
    ck_assert_msg(c, "%s", why.what);
    mem_free(text);
    return c;
}

static void set(char **member, const char *text)
{
    mem_free(*member);
    *member = mem_string(text);
}

START_TEST(what_is_written_reads_back_the_same)
{
    struct fail why;
    struct connection *c = sample();
    set(&c->machine_name, "B\xc3\xbcro \"7\"");
    set(&c->ca_file, "/etc/ca.pem");
    set(&c->update_channel, "beta");
    set(&c->relay_token, "ogr_t");
    c->last_known_epoch = 4294967295u;
    c->consented_screen_control = true;
    char *text = connection_write(c, &why);
    ck_assert_msg(text, "%s", why.what);
    struct connection *back = parse(text, HOME_ID, &why);
    ck_assert_msg(back, "%s", why.what);
    ck_assert_int_eq(connection_compare(c, back), CONNECTION_SAME);
    ck_assert(connection_same_credentials(c, back));
    ck_assert_str_eq(back->machine_name, c->machine_name);
    ck_assert_str_eq(back->ca_file, c->ca_file);
    secret_free(text);
    connection_free(back);
    connection_free(c);
}
END_TEST

START_TEST(nothing_is_written_that_could_not_be_read)
{
    struct fail why = {0};
    struct connection *c = sample();
    set(&c->nats_bearer, "two words");
    ck_assert_ptr_null(connection_write(c, &why));
    set(&c->nats_bearer, "x");
    set(&c->relay_url, "\xff");
    ck_assert_ptr_null(connection_write(c, &why));
    set(&c->relay_url, "");
    snprintf(c->id, sizeof c->id, "%020d", 0);
    ck_assert_ptr_null(connection_write(c, &why));
    connection_identify(c);
    char *text = connection_write(c, &why);
    ck_assert_ptr_nonnull(text);
    secret_free(text);
    connection_free(c);
}
END_TEST

static enum connection_change change(void (*edit)(struct connection *c))
{
    struct connection *before = sample(), *now = sample();
    edit(now);
    enum connection_change result = connection_compare(before, now);
    connection_free(before);
    connection_free(now);
    return result;
}

static void edit_nothing(struct connection *c)
{
    (void)c;
}
static void edit_api(struct connection *c)
{
    set(&c->api_url, "https://y");
}
static void edit_legacy(struct connection *c)
{
    c->legacy_origin = true;
}
static void edit_consent(struct connection *c)
{
    c->consented_screen_control = true;
}
static void edit_name(struct connection *c)
{
    set(&c->machine_name, "desk");
}
static void edit_channel(struct connection *c)
{
    set(&c->update_channel, "beta");
}
static void edit_bearer(struct connection *c)
{
    set(&c->nats_bearer, "oge_new");
}
static void edit_relay(struct connection *c)
{
    set(&c->relay_url, "wss://r");
}
static void edit_token(struct connection *c)
{
    set(&c->relay_token, "ogr_new");
}
static void edit_url(struct connection *c)
{
    set(&c->nats_urls[0], "nats://other");
}
static void edit_urls(struct connection *c)
{
    mem_free(c->nats_urls[--c->nats_url_count]);
}
static void edit_agent(struct connection *c)
{
    set(&c->agent_id, "other");
    edit_bearer(c);
}
static void edit_workspace(struct connection *c)
{
    set(&c->workspace_id, "other");
}
static void edit_ca(struct connection *c)
{
    set(&c->ca_file, "/etc/other.pem");
}
static void edit_both(struct connection *c)
{
    edit_bearer(c);
    edit_consent(c);
}

START_TEST(changes_are_told_apart_by_what_they_ask_of_a_link)
{
    ck_assert_int_eq(change(edit_nothing), CONNECTION_SAME);
    ck_assert_int_eq(change(edit_api), CONNECTION_METADATA);
    ck_assert_int_eq(change(edit_legacy), CONNECTION_METADATA);
    ck_assert_int_eq(change(edit_consent), CONNECTION_METADATA);
    ck_assert_int_eq(change(edit_name), CONNECTION_METADATA);
    ck_assert_int_eq(change(edit_channel), CONNECTION_METADATA);
    ck_assert_int_eq(change(edit_bearer), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_ca), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_relay), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_token), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_url), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_urls), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_both), CONNECTION_TRANSPORT);
    ck_assert_int_eq(change(edit_agent), CONNECTION_IDENTITY);
    ck_assert_int_eq(change(edit_workspace), CONNECTION_IDENTITY);
}
END_TEST

RIG_MAIN("connection", ids_are_those_every_agent_computes,
         a_document_of_another_agent_is_read_whole, what_may_be_missing_has_its_default,
         the_older_name_of_the_bearer_is_understood_and_the_newer_wins,
         a_bad_document_is_refused_with_a_reason_that_tells_no_content, every_truncation_is_refused,
         the_name_of_the_file_has_to_be_the_id, size_depth_strings_and_counts_are_limited,
         ids_and_names_are_limited, a_hundred_thousand_levels_do_no_harm,
         what_is_written_reads_back_the_same, nothing_is_written_that_could_not_be_read,
         changes_are_told_apart_by_what_they_ask_of_a_link)
