#include <string.h>

#include "upgrade/receipt.h"

#include "check_main.h"
#include "config_rig.h"

#define ID  "0a1b2c3d-1111-4111-8111-111111111111"
#define SHA "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

START_TEST(what_is_written_is_read_again)
{
    struct fail why;
    struct receipt written = {ID, "1.0.1", SHA}, read;
    ck_assert(receipt_read(&rig_config, &read, &why));
    ck_assert_str_eq(read.operation_id, "");
    ck_assert(receipt_write(&rig_config, &written, &why));
    ck_assert(receipt_read(&rig_config, &read, &why));
    ck_assert(memcmp(&read, &written, sizeof read) == 0);
    written.binary_sha256[0] = 'A';
    ck_assert(!receipt_write(&rig_config, &written, &why));
}
END_TEST

START_TEST(what_makes_no_sense_is_no_receipt)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"operation_id\":\"x\",\"target_version\":\"1.0.1\",\"binary_sha256\":\"" SHA "\"}",
        "{\"operation_id\":\"" ID "\",\"target_version\":\"v1\",\"binary_sha256\":\"" SHA "\"}",
        "{\"operation_id\":\"" ID "\",\"target_version\":\"1.0.1+b\",\"binary_sha256\":\"" SHA
        "\"}",
        "{\"operation_id\":\"" ID "\",\"target_version\":\"1.0.1\",\"binary_sha256\":\"\"}",
        "{\"operation_id\":\"" ID "\",\"target_version\":\"1.0.1\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fail why = {.kind = FAIL_NONE};
        struct receipt read;
        ck_assert_msg(!receipt_parse(bad[i], strlen(bad[i]), &read, &why), "%s", bad[i]);
        ck_assert(*why.what && !*read.operation_id && !*read.binary_sha256);
    }
}
END_TEST

RIG_MAIN("receipt", what_is_written_is_read_again, what_makes_no_sense_is_no_receipt)
