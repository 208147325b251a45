#include "ctl/output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/io.h"
#include "base/utf8.h"
#include "ctl/ctl.h"

static bool put(int fd, const ProtobufCBinaryData *bytes)
{
    // A reader that has enough is no failure.
    return io_write_all(fd, bytes->data, bytes->len) || errno == EPIPE;
}

bool output_print(struct ctl *ctl, const ProtobufCBinaryData *out, const ProtobufCBinaryData *err)
{
    if (put(STDOUT_FILENO, out) && put(STDERR_FILENO, err))
        return true;
    struct fault fault;
    fault_local(&fault, errno, "write", "output");
    ctl_fault(ctl, &fault);
    return false;
}

void output_json_path(json_t *object, const char *name, const char *path)
{
    const ProtobufCBinaryData bytes = {.data = (uint8_t *)path, .len = strlen(path)};
    output_json(object, name, &bytes);
}

void output_json(json_t *object, const char *name, const ProtobufCBinaryData *bytes)
{
    const char *data = bytes->data ? (const char *)bytes->data : "";
    json_t *text = utf8_valid(data, bytes->len) ? json_stringn(data, bytes->len) : NULL;
    if (text) {
        json_object_set_new(object, name, text);
        return;
    }
    char *coded = mem_array(BASE64_TEXT_BYTES(bytes->len), 1);
    base64_encode(BASE64_STANDARD, bytes->data, bytes->len, coded);
    char *key = mem_printf("%s_base64", name);
    json_object_set_new(object, key, json_string(coded));
    mem_free(key);
    mem_free(coded);
}
