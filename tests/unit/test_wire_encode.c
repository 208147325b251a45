// Messages made by us: the bytes, the envelope of a reply, errors.
#include <stdio.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fail.h"
#include "base/limits.h"
#include "check_main.h"
#include "proto/agent_error.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/envelope.h"
#include "proto/wire.h"
#include "wire_messages.h"

static struct arena arena;
static struct fail why;

static void setup(void)
{
    arena_init(&arena, 32 << 20);
}

static void teardown(void)
{
    arena_fini(&arena);
}

static void check_same_as_library(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    struct wire_bytes theirs = {malloc(size + 1), size}, ours = {malloc(size + 1), size};
    ck_assert_uint_eq(encode_size(message), size);
    ck_assert_uint_eq(protobuf_c_message_pack(message, theirs.data), size);
    encode_message(message, ours.data, size);
    ck_assert_mem_eq(ours.data, theirs.data, size);
    free(theirs.data);
    free(ours.data);
}

START_TEST(lengths_of_any_number_of_digits_are_right)
{
    static const size_t sizes[] = {0, 1, 126, 127, 128, 129, 16383, 16384, 2097151, 2097152};
    uint8_t *content = calloc(1, 2097152);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t less = 0; less < 16; less++) { // so that outer lengths pass the edge, too
            Og__FsReadResponse read = OG__FS_READ_RESPONSE__INIT;
            read.content.data = content;
            read.content.len = sizes[i] > less ? sizes[i] - less : 0;
            read.total_size = sizes[i];
            Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
            response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_READ;
            response.fs_read = &read;
            check_same_as_library(&response.base);
        }
    }
    free(content);
}
END_TEST

// One reply, written apart and around its content.
static void check_around(const char *id, size_t id_size, size_t content, uint64_t total, bool fits)
{
    uint8_t *memory = arena_roomy(&arena, content);
    for (size_t i = 0; i < content; i++)
        memory[i] = (uint8_t)(i * 7);
    Og__FsReadResponse read = OG__FS_READ_RESPONSE__INIT;
    read.content = (ProtobufCBinaryData){content, memory};
    read.total_size = total;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_READ;
    response.fs_read = &read;
    size_t size = envelope_size(id_size, &response);
    uint8_t *apart = arena_alloc(&arena, size);
    envelope_encode(id, id_size, &response, apart, size);
    struct encode_place place = {memory, content};
    uint8_t *around = envelope_encode_around(id, id_size, &response, &place, size);
    ck_assert_int_eq(around != NULL, fits);
    if (fits) {
        ck_assert(around >= memory - REPLY_ROOM_BYTES);
        ck_assert(around + size <= memory + content + REPLY_ROOM_BYTES);
        ck_assert_mem_eq(around, apart, size);
    }
    size_t changed = 0; // one assertion for all: each costs a write
    for (size_t i = 0; i < content; i++)
        changed += memory[i] != (uint8_t)(i * 7);
    ck_assert_uint_eq(changed, 0);
}

START_TEST(a_reply_is_written_around_its_largest_field)
{
    static const size_t sizes[] = {1, 127, 128, 16383, 16384, 524288};
    static const uint64_t totals[] = {0, 1, UINT64_MAX};
    char id[2 * REPLY_ROOM_BYTES];
    memset(id, 'i', sizeof id);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof totals / sizeof *totals; k++) {
            check_around(id, 0, sizes[i], totals[k], true);
            check_around(id, 36, sizes[i], totals[k], true);
            check_around(id, REPLY_ROOM_BYTES - 40, sizes[i], totals[k], true);
            check_around(id, REPLY_ROOM_BYTES, sizes[i], totals[k], false);
        }
}
END_TEST

START_TEST(an_empty_result_is_still_a_result)
{
    Og__FsMkdirResponse made = OG__FS_MKDIR_RESPONSE__INIT;
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    response.result_case = OG__CONTROL_RESPONSE__RESULT_FS_MKDIR;
    response.fs_mkdir = &made;
    uint8_t out[8];
    ck_assert_uint_eq(envelope_size(0, &response), 3);
    envelope_encode(NULL, 0, &response, out, 3);
    ck_assert_mem_eq(out, "\x8a\x01\x00", 3);
}
END_TEST

START_TEST(what_is_left_null_is_left_out)
{
    Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
    response.request_id = NULL;
    response.result_case = OG__CONTROL_RESPONSE__RESULT_PING; // but no ping
    check_same_as_library(&response.base);
    Og__GitStatus status = OG__GIT_STATUS__INIT;
    status.branch = NULL;
    status.ahead = -1; // ten bytes
    status.behind = INT32_MIN;
    check_same_as_library(&status.base);
    Og__MetricsSample sample = OG__METRICS_SAMPLE__INIT;
    sample.cpu_percent = -0.0;
    sample.load1 = 5e-324;
    check_same_as_library(&sample.base);
}
END_TEST

START_TEST(a_buffer_takes_a_message_up_to_its_maximum)
{
    Og__PingRequest ping = OG__PING_REQUEST__INIT;
    ping.nonce = 300; // three bytes
    for (size_t max = 0; max < 6; max++) {
        struct buffer buffer;
        buffer_init(&buffer, max + 1);
        ck_assert(buffer_append(&buffer, "\x03", 1)); // the tag of a relay message
        ck_assert_int_eq(encode_append(&ping.base, &buffer), max >= 3);
        ck_assert_uint_eq(buffer.size, max >= 3 ? 4 : 1);
        if (max >= 3)
            ck_assert_mem_eq(buffer.data, "\x03\x08\xac\x02", 4);
        buffer_fini(&buffer);
    }
    Og__OpProgress progress = OG__OP_PROGRESS__INIT;
    struct buffer empty;
    buffer_init(&empty, 16);
    ck_assert(encode_append(&progress.base, &empty));
    ck_assert_uint_eq(empty.size, 0);
    buffer_fini(&empty);
}
END_TEST

START_TEST(a_reply_echoes_the_request_id_byte_for_byte)
{
    static const size_t sizes[] = {0, 1, 2, 127, 128, 300, 16384};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int with_nul = 0; with_nul < 2 && sizes[i] > 0; with_nul++) {
            size_t size = sizes[i];
            uint8_t *payload = malloc(size + 16), *end = payload;
            *end++ = 0x0a;
            end = wire_put_varint(end, size);
            memset(end, 'i', size);
            end[size - 1] = 'x';
            if (with_nul)
                end[size / 2] = '\0';
            end += size;
            struct request request;
            ck_assert(request_decode(&arena, payload, (size_t)(end - payload), &request, &why));
            ck_assert(!request.has_nul);
            ck_assert_uint_eq(request.id_size, size);
            ck_assert_uint_eq(request.payload_size, (size_t)(end - payload));

            Og__PingResponse pong = OG__PING_RESPONSE__INIT;
            pong.nonce = 5;
            Og__ControlResponse response = OG__CONTROL_RESPONSE__INIT;
            response.result_case = OG__CONTROL_RESPONSE__RESULT_PING;
            response.ping = &pong;
            size_t reply_size = envelope_size(request.id_size, &response);
            uint8_t *reply = malloc(reply_size);
            envelope_encode(request.id, request.id_size, &response, reply, reply_size);
            // The id leads in both, under the same field number.
            size_t head = (size_t)(end - payload);
            ck_assert_uint_eq(reply_size, head + 4);
            ck_assert_mem_eq(reply, payload, head);
            ck_assert_mem_eq(reply + head, "\x52\x02\x08\x05", 4);
            if (!with_nul) {
                response.request_id = request.message->request_id;
                ck_assert_uint_eq(encode_size(&response.base), reply_size);
                uint8_t *plain = malloc(reply_size);
                encode_message(&response.base, plain, reply_size);
                ck_assert_mem_eq(plain, reply, reply_size);
                free(plain);
            }
            free(reply);
            free(payload);
        }
    }
}
END_TEST

static struct request request_of(const char *hex)
{
    struct wire_bytes in = wire_from_hex(hex);
    uint8_t *kept = arena_alloc(&arena, in.size + 1);
    memcpy(kept, in.data, in.size);
    struct request request;
    ck_assert(request_decode(&arena, kept, in.size, &request, &why));
    free(in.data);
    return request;
}

START_TEST(the_last_request_id_counts)
{
    struct request request = request_of("0a0161 1007 0a026200");
    ck_assert_uint_eq(request.id_size, 2);
    ck_assert_mem_eq(request.id, "b\0", 2);
    request = request_of("0a0161 0a00");
    ck_assert_uint_eq(request.id_size, 0);
}
END_TEST

START_TEST(a_nul_elsewhere_is_reported)
{
    ck_assert(!request_of("0a0100 9a01 03 0a0161").has_nul);
    ck_assert(request_of("0a0161 9a01 03 0a0100").has_nul);
    ck_assert(request_of("6a08 2206 0a0141 120100").has_nul);
    ck_assert(!request_of("6a03 2a0100").has_nul); // stdin is bytes
}
END_TEST

START_TEST(requests_without_a_known_operation_are_requests)
{
    struct request request = request_of("");
    ck_assert_int_eq(request.message->op_case, 0);
    ck_assert_uint_eq(request.id_size, 0);
    request = request_of("0a0161 9a06 03 0a0161"); // operation 99
    ck_assert_int_eq(request.message->op_case, 0);
    ck_assert_mem_eq(request.id, "a", 1);
    ck_assert(!request_decode(&arena, "\x0a\x01\xff", 3, &request, &why));
    ck_assert_int_eq(why.kind, FAIL_PROTOCOL);
    ck_assert(!request_decode(&arena, "\x0a\x01\xff", 3, &request, NULL));
}
END_TEST

static Og__AgentError *through_the_wire(const struct agent_error *error)
{
    size_t size = encode_size(&error->wire.base);
    uint8_t *bytes = arena_alloc(&arena, size);
    encode_message(&error->wire.base, bytes, size);
    return decode_message(&arena, &og__agent_error__descriptor, bytes, size, &why);
}

START_TEST(texts_that_nobody_would_take_are_found_wherever_they_are)
{
    char *words[] = {"a", "b"};
    Og__ExecRequest__EnvEntry entry = OG__EXEC_REQUEST__ENV_ENTRY__INIT, *env[] = {&entry};
    entry.key = entry.value = "c";
    Og__ExecRequest exec = OG__EXEC_REQUEST__INIT;
    exec.command = words;
    exec.n_command = 2;
    exec.env = env;
    exec.n_env = 1;
    exec.stdin = (ProtobufCBinaryData){1, (uint8_t *)"\xff"}; // bytes may be anything
    Og__ControlRequest request = OG__CONTROL_REQUEST__INIT;
    request.op_case = OG__CONTROL_REQUEST__OP_EXEC;
    request.exec = &exec;
    ck_assert(encode_is_valid(&request.base));
    char **texts[] = {&request.request_id, &words[1], &entry.key, &entry.value, &exec.cwd};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *before = *texts[i];
        *texts[i] = "\xc3(";
        ck_assert(!encode_is_valid(&request.base));
        *texts[i] = before;
    }
    ck_assert(encode_is_valid(&request.base));
}
END_TEST

START_TEST(an_error_carries_its_details)
{
    struct agent_error error;
    agent_error_init(&error, &arena, OG__ERROR_CODE__ERROR_CODE_OS, true, "it failed");
    agent_error_detail(&error, "context", "read /x");
    agent_error_detail_number(&error, "size", 18446744073709551615ull);
    agent_error_detail_number(&error, "errno", 0);
    Og__AgentError *read = through_the_wire(&error);
    ck_assert(read && read->code == OG__ERROR_CODE__ERROR_CODE_OS && read->retryable);
    ck_assert_str_eq(read->message, "it failed");
    ck_assert_uint_eq(read->n_detail, 3);
    ck_assert_str_eq(read->detail[0]->key, "context");
    ck_assert_str_eq(read->detail[0]->value, "read /x");
    ck_assert_str_eq(read->detail[1]->value, "18446744073709551615");
    ck_assert_str_eq(read->detail[2]->value, "0");
}
END_TEST

START_TEST(an_error_has_room_for_all_details)
{
    struct agent_error error;
    agent_error_init(&error, &arena, OG__ERROR_CODE__ERROR_CODE_OS, false, "");
    for (int i = 0; i < AGENT_ERROR_DETAILS_MAX; i++)
        agent_error_detail_number(&error, "key", 1000000ull + i);
    Og__AgentError *read = through_the_wire(&error);
    ck_assert(read && read->n_detail == AGENT_ERROR_DETAILS_MAX);
    for (int i = 0; i < AGENT_ERROR_DETAILS_MAX; i++)
        ck_assert_int_eq(strtol(read->detail[i]->value, NULL, 10), 1000000 + i);
}
END_TEST

START_TEST(texts_of_an_error_are_made_valid)
{
    struct agent_error error;
    agent_error_init(&error, &arena, OG__ERROR_CODE__ERROR_CODE_OS, false, "no \xff file");
    agent_error_detail(&error, "path", "/tmp/\xc3");
    Og__AgentError *read = through_the_wire(&error);
    ck_assert_ptr_nonnull(read);
    ck_assert_str_eq(read->message, "no \xef\xbf\xbd file");
    ck_assert_str_eq(read->detail[0]->value, "/tmp/\xef\xbf\xbd");
}
END_TEST

START_TEST(an_error_needs_no_memory_of_the_request)
{
    struct arena full;
    arena_init(&full, 0);
    struct agent_error error;
    agent_error_init(&error, &full, OG__ERROR_CODE__ERROR_CODE_PROTOCOL, false, "\xff");
    agent_error_detail(&error, "good", "stays");
    agent_error_detail(&error, "bad", "\xff");
    Og__AgentError *read = through_the_wire(&error);
    ck_assert(read && read->code == OG__ERROR_CODE__ERROR_CODE_PROTOCOL);
    ck_assert_str_eq(read->message, "");
    ck_assert_str_eq(read->detail[0]->value, "stays");
    ck_assert_str_eq(read->detail[1]->value, "");
    arena_fini(&full);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("encode");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, lengths_of_any_number_of_digits_are_right);
    tcase_add_test(tcase, a_reply_is_written_around_its_largest_field);
    tcase_add_test(tcase, an_empty_result_is_still_a_result);
    tcase_add_test(tcase, what_is_left_null_is_left_out);
    tcase_add_test(tcase, a_buffer_takes_a_message_up_to_its_maximum);
    tcase_add_test(tcase, a_reply_echoes_the_request_id_byte_for_byte);
    tcase_add_test(tcase, the_last_request_id_counts);
    tcase_add_test(tcase, a_nul_elsewhere_is_reported);
    tcase_add_test(tcase, requests_without_a_known_operation_are_requests);
    tcase_add_test(tcase, texts_that_nobody_would_take_are_found_wherever_they_are);
    tcase_add_test(tcase, an_error_carries_its_details);
    tcase_add_test(tcase, an_error_has_room_for_all_details);
    tcase_add_test(tcase, texts_of_an_error_are_made_valid);
    tcase_add_test(tcase, an_error_needs_no_memory_of_the_request);
    return check_run_case("wire_encode", tcase);
}
