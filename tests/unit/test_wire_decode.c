// What the decoder makes of well-formed bytes, unusual ones too.
#include <stdio.h>

#include "base/limits.h"
#include "check_main.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "wire_decoding.h"

START_TEST(the_schema_holds_only_what_the_codec_knows)
{
    for (size_t i = 0; i < WIRE_MESSAGES; i++) {
        for (unsigned j = 0; j < wire_messages[i]->n_fields; j++) {
            const ProtobufCFieldDescriptor *field = &wire_messages[i]->fields[j];
            switch (field->type) {
            case PROTOBUF_C_TYPE_STRING:
            case PROTOBUF_C_TYPE_BYTES:
            case PROTOBUF_C_TYPE_MESSAGE:
                break;
            case PROTOBUF_C_TYPE_BOOL:
            case PROTOBUF_C_TYPE_ENUM:
            case PROTOBUF_C_TYPE_INT32:
            case PROTOBUF_C_TYPE_UINT32:
            case PROTOBUF_C_TYPE_INT64:
            case PROTOBUF_C_TYPE_UINT64:
            case PROTOBUF_C_TYPE_DOUBLE:
                ck_assert_int_ne(field->label, PROTOBUF_C_LABEL_REPEATED);
                break;
            default:
                ck_abort_msg("%s.%s", wire_messages[i]->name, field->name);
            }
            ck_assert_int_ne(field->label, PROTOBUF_C_LABEL_REQUIRED);
            if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                ck_assert_int_ne(field->type, PROTOBUF_C_TYPE_STRING);
            else if (field->label == PROTOBUF_C_LABEL_OPTIONAL)
                ck_assert_int_eq(field->type, PROTOBUF_C_TYPE_MESSAGE);
            ck_assert_ptr_nonnull(wire_messages[i]->message_init);
        }
    }
}
END_TEST

START_TEST(bytes_may_hold_anything_and_are_not_copied)
{
    struct wire_bytes in = wire_from_hex("1204 00ff8000");
    Og__FsWriteRequest *write = decode(&og__fs_write_request__descriptor, in);
    ck_assert_ptr_nonnull(write);
    ck_assert_uint_eq(write->content.len, 4);
    ck_assert_ptr_eq(write->content.data, in.data + 2);
    free(in.data);
    write = decode_hex(&og__fs_write_request__descriptor, "1200");
    ck_assert(write && write->content.len == 0 && !write->content.data);
}
END_TEST

START_TEST(unknown_fields_are_passed_over_in_every_message)
{
    static const char unknown[] =
        "c03e 8101"                                                            // 1000: varint
        "c13e 0102030405060708"                                                // 64 bit
        "c23e 03 ffffff"                                                       // bytes
        "c53e 01020304"                                                        // 32 bit
        "c33e 08 01 cb3e cc3e 12 02 ffff 0d 00000000 09 0000000000000000 c43e" // groups
        "fa ffffff0f 00";                                                      // the highest number
    struct wire_bytes skipped = wire_from_hex(unknown);
    for (size_t i = 0; i < WIRE_MESSAGES; i++) {
        arena_fini(&arena);
        ProtobufCMessage *message = decode(wire_messages[i], skipped);
        ck_assert_msg(message, "%s: %s", wire_messages[i]->name, why.what);
        ck_assert_uint_eq(encode_size(message), 0);
        for (unsigned j = 0; j < wire_messages[i]->n_fields; j++) { // one level below
            const ProtobufCFieldDescriptor *field = &wire_messages[i]->fields[j];
            if (field->type != PROTOBUF_C_TYPE_MESSAGE)
                continue;
            struct buffer buffer;
            buffer_init(&buffer, 256);
            append_span(&buffer, field->id, skipped.data, skipped.size);
            struct wire_bytes bytes = taken(&buffer);
            ck_assert(decode(wire_messages[i], bytes));
            free(bytes.data);
        }
    }
    free(skipped.data);
    Og__PingRequest *ping = decode_hex(&og__ping_request__descriptor, "c33e c43e 08 07 c23e 00");
    ck_assert(ping && ping->nonce == 7);
}
END_TEST

START_TEST(the_last_member_of_a_oneof_wins)
{
    // ping, then fs_stat, then ping
    Og__ControlRequest *request =
        decode_hex(&og__control_request__descriptor, "5202 0805 9a01 03 0a012f");
    ck_assert(request && request->op_case == OG__CONTROL_REQUEST__OP_FS_STAT);
    ck_assert_str_eq(request->fs_stat->path, "/");
    request = decode_hex(&og__control_request__descriptor, "9a01 03 0a012f 5202 0805");
    ck_assert(request && request->op_case == OG__CONTROL_REQUEST__OP_PING);
    ck_assert_uint_eq(request->ping->nonce, 5);
    request = decode_hex(&og__control_request__descriptor, "5202 0805 9a01 03 0a012f 5200");
    ck_assert(request && request->op_case == OG__CONTROL_REQUEST__OP_PING);
    ck_assert_uint_eq(request->ping->nonce, 0); // a new one, not the first one again
}
END_TEST

START_TEST(a_message_that_occurs_twice_is_merged)
{
    // Policies with different limits: the union; with the same limit: the last.
    Og__ControlRequest *request =
        decode_hex(&og__control_request__descriptor, "1a02 0805 1a02 1806 1a02 0807");
    ck_assert_ptr_nonnull(request);
    const Og__OperationResourcePolicy *policy = request->resource_policy;
    ck_assert(policy->memory_max_case ==
              OG__OPERATION_RESOURCE_POLICY__MEMORY_MAX_MEMORY_MAX_BYTES);
    ck_assert_uint_eq(policy->memory_max_bytes, 7);
    ck_assert_int_eq(policy->memory_high_case, 0);
    ck_assert_uint_eq(policy->cpu_max_millicores, 6);

    // The same member of a oneof: lists are joined, scalars replaced, absent ones kept.
    request =
        decode_hex(&og__control_request__descriptor, "6a06 0a0161 1a0178 6a08 0a0162 1a0179 3005");
    ck_assert(request && request->op_case == OG__CONTROL_REQUEST__OP_EXEC);
    ck_assert_uint_eq(request->exec->n_command, 2);
    ck_assert_str_eq(request->exec->command[0], "a");
    ck_assert_str_eq(request->exec->command[1], "b");
    ck_assert_str_eq(request->exec->cwd, "y");
    ck_assert_uint_eq(request->exec->timeout_ms, 5);
}
END_TEST

START_TEST(an_explicit_zero_differs_from_absence)
{
    Og__OperationResourcePolicy *policy =
        decode_hex(&og__operation_resource_policy__descriptor, "1000");
    ck_assert_ptr_nonnull(policy);
    ck_assert_int_eq(policy->memory_max_case, 0);
    ck_assert_int_ne(policy->memory_high_case, 0);
    ck_assert_uint_eq(policy->memory_high_bytes, 0);
    ck_assert_uint_eq(encode_size(&policy->base), 2);
}
END_TEST

START_TEST(entries_of_a_map_keep_their_order_and_duplicates)
{
    // A=1, B= (no value), =2 (no key), A=3, value before key
    Og__ExecRequest *exec =
        decode_hex(&og__exec_request__descriptor,
                   "2206 0a0141 120131 2203 0a0142 2203 120132 2206 120133 0a0141 2200");
    ck_assert(exec && exec->n_env == 5);
    static const char *const keys[] = {"A", "B", "", "A", ""}, *const values[] = {"1", "", "2", "3",
                                                                                  ""};
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(exec->env[i]->key, keys[i]);
        ck_assert_str_eq(exec->env[i]->value, values[i]);
    }
}
END_TEST

START_TEST(lists_grow_as_long_as_there_is_memory)
{
    enum { COUNT = 10000 };
    struct buffer buffer;
    buffer_init(&buffer, COUNT * 8);
    for (int i = 0; i < COUNT; i++) {
        char text[8];
        append_span(&buffer, 3, text, (size_t)snprintf(text, sizeof text, "%d", i));
    }
    struct wire_bytes bytes = taken(&buffer);
    Og__GitRequest *git = decode(&og__git_request__descriptor, bytes);
    ck_assert(git && git->n_args == COUNT);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(strtol(git->args[i], NULL, 10), i);
    ck_assert_uint_lt(arena.used, bytes.size * REQUEST_ARENA_FACTOR);
    free(bytes.data);
}
END_TEST

START_TEST(numbers_keep_what_fits_their_type)
{
    Og__StreamClose *close = decode_hex(&og__stream_close__descriptor, "1063");
    ck_assert(close && (int)close->reason == 99); // no such value: kept
    close = decode_hex(&og__stream_close__descriptor, "10ffffffffffffffffff01");
    ck_assert(close && (int)close->reason == -1);
    Og__ExecResponse *exec = decode_hex(&og__exec_response__descriptor, "08ffffffff0f");
    ck_assert(exec && exec->exit_code == -1);
    exec = decode_hex(&og__exec_response__descriptor, "0881808080808001");
    ck_assert(exec && exec->exit_code == 1); // the low 32 bits
    Og__FsWriteRequest *write = decode_hex(&og__fs_write_request__descriptor, "18848001");
    ck_assert(write && write->create_parents == 1);
    write = decode_hex(&og__fs_write_request__descriptor, "18808080808080808001");
    ck_assert(write && write->create_parents == 1);
    write = decode_hex(&og__fs_write_request__descriptor, "1801 1800");
    ck_assert(write && write->create_parents == 0);
    Og__MetricsSample *sample =
        decode_hex(&og__metrics_sample__descriptor, "11 000000000000f8bf 08 ffffffffffffffffff01");
    ck_assert(sample && sample->cpu_percent == -1.5 && sample->sampled_at_ms == -1);
}
END_TEST

START_TEST(no_bytes_are_an_empty_message)
{
    for (size_t i = 0; i < WIRE_MESSAGES; i++) {
        arena_fini(&arena);
        ProtobufCMessage *message = decode_message(&arena, wire_messages[i], NULL, 0, &why);
        ck_assert_ptr_nonnull(message);
        ck_assert_ptr_eq(message->descriptor, wire_messages[i]);
        ck_assert_uint_eq(encode_size(message), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("decode");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_schema_holds_only_what_the_codec_knows);
    tcase_add_test(tcase, bytes_may_hold_anything_and_are_not_copied);
    tcase_add_test(tcase, unknown_fields_are_passed_over_in_every_message);
    tcase_add_test(tcase, the_last_member_of_a_oneof_wins);
    tcase_add_test(tcase, a_message_that_occurs_twice_is_merged);
    tcase_add_test(tcase, an_explicit_zero_differs_from_absence);
    tcase_add_test(tcase, entries_of_a_map_keep_their_order_and_duplicates);
    tcase_add_test(tcase, lists_grow_as_long_as_there_is_memory);
    tcase_add_test(tcase, numbers_keep_what_fits_their_type);
    tcase_add_test(tcase, no_bytes_are_an_empty_message);
    return check_run_case("wire_decode", tcase);
}
