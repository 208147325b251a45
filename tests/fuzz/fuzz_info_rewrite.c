// Any bytes as the start of what a NATS server sends: whatever is called rewritten is one line of
// JSON that wants no TLS, whole or byte by byte.
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "relay/info_rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_line(const struct buffer *out)
{
    require(out->size <= TUNNEL_INFO_BYTES_MAX && out->size > 7);
    require(memcmp(out->data, "INFO ", 5) == 0);
    require(memcmp(out->data + out->size - 2, "\r\n", 2) == 0);
    require(!memchr(out->data, '\n', out->size - 1));
    json_t *info = json_loadb(out->data + 5, out->size - 7, 0, NULL);
    require(json_is_object(info));
    require(!json_is_true(json_object_get(info, "tls_required")));
    require(!json_is_true(json_object_get(info, "tls_available")));
    json_decref(info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer out;
    struct fail why;
    size_t used = 0;
    buffer_init(&out, 1u << 20);
    enum info_rewrite whole = info_rewrite((const char *)data, size, &out, &used, &why);
    if (whole == INFO_REWRITTEN) {
        require(used > 0 && used <= size && data[used - 1] == '\n');
        check_line(&out);
        struct buffer again;
        buffer_init(&again, 1u << 20);
        require(info_rewrite((const char *)data, used - 1, &again, &used, &why) == INFO_INCOMPLETE);
        require(info_rewrite((const char *)data, used, &again, &used, &why) == INFO_REWRITTEN);
        require(again.size == out.size && memcmp(again.data, out.data, out.size) == 0);
        buffer_fini(&again);
    } else {
        require(out.size == 0 || whole == INFO_INVALID);
    }
    buffer_fini(&out);
    return 0;
}
