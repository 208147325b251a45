// Any bytes as the receipt of an update: refused with a reason, or fit for a hello.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "upgrade/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fail why = {.kind = FAIL_NONE};
    struct receipt read;
    bool good = receipt_parse((const char *)data, size, &read, &why);
    if (good ? !receipt_is_uuid(read.operation_id) || !receipt_is_sha256(read.binary_sha256)
             : !*why.what || *read.operation_id)
        abort();
    return 0;
}
