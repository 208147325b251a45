// Any bytes as a connection document and as the credentials.json of an older agent: a connection or
// a reason. What was read can be written, reads back the same, and lies within the limits.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/secret.h"
#include "config/api_url.h"
#include "config/bearer.h"
#include "config/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(struct connection *read)
{
    int64_t expires;
    struct fail why;
    char id[CONNECTION_ID_BYTES], *url = NULL;
    require(*read->workspace_id && strlen(read->workspace_id) <= CONFIG_ID_BYTES_MAX);
    require(*read->agent_id && !strpbrk(read->agent_id, ".*> \r\n\t"));
    require(read->nats_url_count <= LINK_URLS_MAX);
    require(strlen(read->relay_url) <= CONFIG_STRING_BYTES_MAX);
    bearer_read(read->nats_bearer, 0, &expires);
    memcpy(id, read->id, sizeof id);
    connection_identify(read);
    require(strcmp(id, read->id) == 0);
    require(api_url_normalise(read->api_url, &url, &why) && strcmp(url, read->api_url) == 0);
    mem_free(url);
    char *text = connection_write(read, &why);
    if (!text)
        return; // a document of nearly the largest size grows when it is indented
    struct connection *back = connection_parse(text, strlen(text), read->id, &why);
    require(back && connection_compare(read, back) == CONNECTION_SAME);
    connection_free(back);
    secret_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // The file has the name it should have, or else everything would end there.
    static const char *const names[] = {"64099b09be44f9ed8c4d", "ee8c3261bd814363b916"};
    struct fail why;
    char name[CONNECTION_ID_BYTES];
    for (size_t i = 0; i < 2; i++) {
        struct connection *read = connection_parse((const char *)data, size, names[i], &why);
        require(read || *why.what);
        const char *expected = read ? NULL : strstr(why.what, "called ");
        if (expected) {
            memcpy(name, expected + strlen("called "), sizeof name - 1);
            name[sizeof name - 1] = '\0';
            read = connection_parse((const char *)data, size, name, &why);
            require(read);
        }
        if (read)
            check(read);
        connection_free(read);
    }
    struct connection *legacy =
        connection_parse_legacy((const char *)data, size, API_URL_DEFAULT, &why);
    if (legacy)
        check(legacy);
    connection_free(legacy);

    char *text = mem_array(size + 1, 1), *url = NULL, *again = NULL;
    if (size)
        memcpy(text, data, size);
    if (api_url_normalise(text, &url, &why)) {
        require(strlen(url) <= API_URL_BYTES_MAX);
        require(api_url_normalise(url, &again, &why) && strcmp(url, again) == 0);
        api_url_in_clear(url);
    }
    mem_free(text);
    mem_free(url);
    mem_free(again);
    return 0;
}
