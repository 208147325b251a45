// What the decoder refuses.
#include <stdio.h>

#include "base/limits.h"
#include "check_main.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "wire_decoding.h"

static unsigned expected_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_SPAN;
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64BIT;
    default:
        return WIRE_VARINT;
    }
}

START_TEST(a_message_cut_off_anywhere_but_between_fields_is_refused)
{
    FILE *file = fopen(OG_SOURCE_DIR "/tests/vectors/wire/messages.jsonl", "r");
    ck_assert_ptr_nonnull(file);
    char *line = malloc(64 << 10);
    unsigned cuts = 0;
    while (fgets(line, 64 << 10, file)) {
        // {"message":"NAME","case":"...","hex":"HEX",...
        char *name = line + strlen("{\"message\":\"");
        char *hex = strstr(line, "\"hex\":\"") + strlen("\"hex\":\"");
        *strchr(name, '"') = '\0';
        *strchr(hex, '"') = '\0';
        const ProtobufCMessageDescriptor *type = wire_message_named(name);
        ck_assert_ptr_nonnull(type);
        struct wire_bytes whole = wire_from_hex(hex);
        for (size_t size = 0; size < whole.size; size++) {
            struct wire_reader in = {whole.data, whole.data + size};
            bool between = true;
            while (between && in.at < in.end) {
                uint32_t number;
                enum wire_type wire;
                between = wire_tag(&in, &number, &wire) && wire_skip(&in, number, wire, 0);
            }
            struct wire_bytes part = wire_from(whole.data, size);
            arena_fini(&arena);
            ck_assert_msg((decode(type, part) != NULL) == between, "%s, %zu bytes", name, size);
            free(part.data);
            cuts++;
        }
        free(whole.data);
    }
    free(line);
    fclose(file);
    ck_assert_uint_gt(cuts, 25000);
}
END_TEST

START_TEST(varints_end_after_ten_bytes_and_64_bits)
{
    const ProtobufCMessageDescriptor *type = &og__ping_request__descriptor;
    Og__PingRequest *ping = decode_hex(type, "08 ffffffffffffffffff01");
    ck_assert(ping && ping->nonce == UINT64_MAX);
    ping = decode_hex(type, "08 81808080808080808000"); // longer than needed
    ck_assert(ping && ping->nonce == 1);
    ck_assert(refused(type, "08 ffffffffffffffffff02")); // 65 bits
    ck_assert(refused(type, "08 ffffffffffffffffff7f"));
    ck_assert(refused(type, "08 8080808080808080808000")); // eleven bytes
    ck_assert(refused(type, "08 ffffffffffffffffffff01"));
    ck_assert(refused(type, "08 ffffffffffffffffff")); // cut off
    ck_assert(refused(type, "08"));
}
END_TEST

START_TEST(bad_tags_are_refused)
{
    const ProtobufCMessageDescriptor *type = &og__ping_request__descriptor;
    ck_assert(refused(type, "00 00"));         // field 0
    ck_assert(refused(type, "80 00 00"));      // field 0, two bytes
    ck_assert(refused(type, "0e 00"));         // wire type 6
    ck_assert(refused(type, "0f 00"));         // wire type 7
    ck_assert(refused(type, "9e06 00"));       // the same for an unknown field
    ck_assert(refused(type, "f8ffffff1f 00")); // beyond 32 bits
    ck_assert(decode_hex(type, "f8ffffff0f 00"));
    ck_assert(refused(type, "8880808080808080808000 01")); // eleven bytes
    ck_assert(refused(type, "ffffffffffffffffff01 00"));
    Og__PingRequest *ping = decode_hex(type, "888000 05"); // longer than needed
    ck_assert(ping && ping->nonce == 5);
}
END_TEST

START_TEST(lengths_past_the_end_are_refused)
{
    const ProtobufCMessageDescriptor *types[] = {
        &og__fs_write_request__descriptor, // 1 is a string, 2 bytes
        &og__fs_stat_response__descriptor, // 2 is a message
        &og__fs_list_response__descriptor, // 1 is repeated
        &og__ping_response__descriptor,    // 9 is unknown
        &og__control_request__descriptor,  // 10 is a oneof
    };
    static const char *const tags[] = {"0a", "12", "0a", "4a", "52"};
    static const char *const lengths[] = {"01",
                                          "7f",
                                          "8001",
                                          "ffffffff07",           // 2^31 - 1
                                          "8080808008",           // 2^31
                                          "ffffffff0f",           // 2^32 - 1
                                          "8080808010",           // 2^32
                                          "ffffffffffffffff7f",   // 2^63 - 1
                                          "80808080808080808001", // 2^63
                                          "ffffffffffffffffff01"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            char hex[64];
            snprintf(hex, sizeof hex, "%s%s", tags[i], lengths[j]);
            ck_assert_msg(refused(types[i], hex), "%s", hex);
        }
        char hex[64];
        snprintf(hex, sizeof hex, "%s00", tags[i]);
        ck_assert_ptr_nonnull(decode_hex(types[i], hex));
    }
    // The inner length passes the end of the outer message, though not that of the payload.
    ck_assert(refused(&og__fs_stat_response__descriptor, "1203 0a0261 62"));
}
END_TEST

START_TEST(a_known_field_of_another_wire_type_is_refused)
{
    static const char *const values[] = {"01", "0102030405060708", "00", "", "", "01020304"};
    for (size_t i = 0; i < WIRE_MESSAGES; i++) {
        for (unsigned j = 0; j < wire_messages[i]->n_fields; j++) {
            const ProtobufCFieldDescriptor *field = &wire_messages[i]->fields[j];
            for (unsigned wire = 0; wire <= WIRE_32BIT; wire++) {
                struct wire_bytes value = wire_from_hex(values[wire]);
                struct buffer buffer;
                buffer_init(&buffer, 64);
                append_tag(&buffer, field->id, wire);
                append(&buffer, value.data, value.size);
                if (wire == WIRE_GROUP_START)
                    append_tag(&buffer, field->id, WIRE_GROUP_END);
                struct wire_bytes bytes = taken(&buffer);
                ck_assert_msg((decode(wire_messages[i], bytes) != NULL) ==
                                  (wire == expected_wire_type(field->type)),
                              "%s.%s as %u", wire_messages[i]->name, field->name, wire);
                free(bytes.data);
                free(value.data);
            }
        }
    }
}
END_TEST

static const struct {
    const char *text;
    size_t size;
} bad_utf8[] = {
    {"\xff", 1},             // no such byte
    {"a\x80", 2},            // a tail alone
    {"\xc0\x80", 2},         // overlong NUL
    {"\xe2\x82", 2},         // cut off
    {"\xed\xa0\x80", 3},     // surrogate
    {"\xf4\x90\x80\x80", 4}, // above U+10FFFF
    {"ok\0\xff", 4},         // after a NUL
};

// Calls check for each string field of the schema, also those of map entries, with the bytes of a
// message that holds the text there and nothing else.
static unsigned for_each_string(const char *text, size_t size,
                                void (*check)(const ProtobufCMessageDescriptor *,
                                              const ProtobufCFieldDescriptor *, struct wire_bytes))
{
    unsigned fields = 0;
    for (size_t i = 0; i < WIRE_MESSAGES; i++) {
        for (unsigned j = 0; j < wire_messages[i]->n_fields; j++) {
            const ProtobufCFieldDescriptor *field = &wire_messages[i]->fields[j];
            struct buffer buffer;
            buffer_init(&buffer, 64);
            if (field->type == PROTOBUF_C_TYPE_STRING) {
                append_span(&buffer, field->id, text, size);
                struct wire_bytes bytes = taken(&buffer);
                check(wire_messages[i], field, bytes);
                free(bytes.data);
                fields++;
            }
            const ProtobufCMessageDescriptor *entry =
                field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
            if (!entry || wire_message_named(entry->short_name))
                continue; // only entries of maps have no name of their own
            for (unsigned k = 0; k < entry->n_fields; k++) {
                if (entry->fields[k].type != PROTOBUF_C_TYPE_STRING)
                    continue;
                struct buffer inner;
                buffer_init(&inner, 64);
                append_span(&inner, entry->fields[k].id, text, size);
                buffer_init(&buffer, 64);
                append_span(&buffer, field->id, inner.data, inner.size);
                buffer_fini(&inner);
                struct wire_bytes bytes = taken(&buffer);
                check(wire_messages[i], &entry->fields[k], bytes);
                free(bytes.data);
                fields++;
            }
        }
    }
    return fields;
}

static void check_refused(const ProtobufCMessageDescriptor *type,
                          const ProtobufCFieldDescriptor *field, struct wire_bytes bytes)
{
    arena_fini(&arena);
    ck_assert_msg(!decode(type, bytes), "%s.%s", type->short_name, field->name);
    ck_assert_int_eq(why.kind, FAIL_PROTOCOL);
}

static void check_accepted(const ProtobufCMessageDescriptor *type,
                           const ProtobufCFieldDescriptor *field, struct wire_bytes bytes)
{
    arena_fini(&arena);
    ck_assert_msg(decode(type, bytes), "%s.%s", type->short_name, field->name);
}

static void check_nul_reported(const ProtobufCMessageDescriptor *type,
                               const ProtobufCFieldDescriptor *field, struct wire_bytes bytes)
{
    check_refused(type, field, bytes);

    struct decoder decoder = {.arena = &arena};
    ck_assert_ptr_nonnull(decoder_run(&decoder, type, bytes.data, bytes.size));
    ck_assert_msg(decoder.has_nul, "%s.%s", type->short_name, field->name);

    decoder = (struct decoder){.arena = &arena, .raw_field = field};
    ck_assert_ptr_nonnull(decoder_run(&decoder, type, bytes.data, bytes.size));
    ck_assert(!decoder.has_nul);
    ck_assert_mem_eq(decoder.raw, "a\0b", 3);
    ck_assert_uint_eq(decoder.raw_size, 3);
}

START_TEST(invalid_utf8_is_refused_in_every_string)
{
    unsigned fields = 0;
    for (size_t i = 0; i < sizeof bad_utf8 / sizeof bad_utf8[0]; i++)
        fields = for_each_string(bad_utf8[i].text, bad_utf8[i].size, check_refused);
    ck_assert_uint_eq(fields, 149);
    for_each_string("\xf0\x9f\x9a\x80 \xc5\xbc", 7, check_accepted);
    for_each_string("", 0, check_accepted);
}
END_TEST

START_TEST(a_nul_is_found_in_every_string)
{
    for_each_string("a\0b", 3, check_nul_reported);
}
END_TEST

START_TEST(malformed_groups_are_refused)
{
    const ProtobufCMessageDescriptor *type = &og__ping_request__descriptor;
    ck_assert(decode_hex(type, "c33e c43e"));
    ck_assert(refused(type, "c33e"));           // no end
    ck_assert(refused(type, "c43e"));           // no beginning
    ck_assert(refused(type, "c33e cc3e"));      // the end of another one
    ck_assert(refused(type, "c33e cb3e c43e")); // only the inner one has no end
    ck_assert(refused(type, "c33e 00 c43e"));   // a bad tag inside
    ck_assert(refused(type, "c33e 0a05 c43e")); // a bad length inside
    ck_assert(refused(type, "c33e 08 c43e"));   // the end taken for a number
}
END_TEST

// At the top (depth 1), groups may nest up to what is left of the limit.
START_TEST(groups_nest_up_to_the_limit)
{
    for (int extra = -1; extra <= 1; extra++) {
        int depth = REQUEST_DEPTH_MAX - 1 + extra;
        struct buffer buffer;
        buffer_init(&buffer, 256);
        for (int i = 0; i < depth; i++)
            append_tag(&buffer, 9, WIRE_GROUP_START);
        for (int i = 0; i < depth; i++)
            append_tag(&buffer, 9, WIRE_GROUP_END);
        struct wire_bytes bytes = taken(&buffer);
        ck_assert_int_eq(decode(&og__ping_request__descriptor, bytes) != NULL, extra <= 0);
        free(bytes.data);
    }
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    for (int i = 0; i < 1 << 19; i++)
        append_tag(&buffer, 9, WIRE_GROUP_START);
    struct wire_bytes bytes = taken(&buffer);
    ck_assert_ptr_null(decode(&og__ping_request__descriptor, bytes));
    free(bytes.data);
}
END_TEST

START_TEST(numbers_of_fixed_width_are_whole)
{
    static const char eight[] = "0102030405060708";
    for (size_t digits = 0; digits <= 16; digits += 2) {
        char hex[32];
        snprintf(hex, sizeof hex, "11%.*s", (int)digits, eight); // cpu_percent
        ck_assert_int_eq(refused(&og__metrics_sample__descriptor, hex), digits < 16);
        snprintf(hex, sizeof hex, "a106%.*s", (int)digits, eight); // unknown
        ck_assert_int_eq(refused(&og__metrics_sample__descriptor, hex), digits < 16);
        if (digits <= 8) {
            snprintf(hex, sizeof hex, "a506%.*s", (int)digits, eight);
            ck_assert_int_eq(refused(&og__metrics_sample__descriptor, hex), digits < 8);
        }
    }
}
END_TEST

// The schema nests five levels and can never get near the limit, so this is a message of its own:
// one field, 1, of the same type.
struct nest {
    ProtobufCMessage base;
    struct nest *inner;
};

static const ProtobufCMessageDescriptor nest_descriptor;

static void nest_init(ProtobufCMessage *message)
{
    *(struct nest *)message = (struct nest){.base.descriptor = &nest_descriptor};
}

static const ProtobufCFieldDescriptor nest_fields[] = {
    {.name = "inner",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .offset = offsetof(struct nest, inner),
     .descriptor = &nest_descriptor},
};
static const ProtobufCIntRange nest_ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor nest_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "nest",
    .sizeof_message = sizeof(struct nest),
    .n_fields = 1,
    .fields = nest_fields,
    .n_field_ranges = 1,
    .field_ranges = nest_ranges,
    .message_init = nest_init,
};

START_TEST(messages_nest_up_to_the_limit)
{
    for (int extra = -1; extra <= 1; extra++) {
        uint8_t bytes[2 * REQUEST_DEPTH_MAX];
        size_t size = 0;
        for (int depth = 1; depth < REQUEST_DEPTH_MAX + extra; depth++) { // the outermost is one
            memmove(bytes + 2, bytes, size);
            bytes[0] = 1 << 3 | WIRE_SPAN;
            bytes[1] = (uint8_t)size;
            size += 2;
        }
        struct nest *nest = decode_message(&arena, &nest_descriptor, bytes, size, &why);
        ck_assert_int_eq(nest != NULL, extra <= 0);
        int levels = 0;
        for (; nest; nest = nest->inner)
            levels++;
        ck_assert_int_eq(levels, extra <= 0 ? REQUEST_DEPTH_MAX + extra : 0);
    }
}
END_TEST

START_TEST(messages_up_to_the_size_limit_are_read)
{
    // One unknown field fills the message; pages that nobody touches cost nothing.
    for (int extra = -1; extra <= 1; extra++) {
        size_t size = (size_t)((int64_t)REQUEST_BYTES_MAX + extra);
        uint8_t *data = calloc(1, size);
        ck_assert_ptr_nonnull(data);
        data[0] = 9 << 3 | WIRE_SPAN;
        uint8_t *end = wire_put_varint(data + 1, size - 5);
        ck_assert_ptr_eq(end, data + 5);
        struct wire_bytes bytes = {data, size};
        ck_assert_int_eq(decode(&og__ping_request__descriptor, bytes) != NULL, extra <= 0);
        free(data);
    }
}
END_TEST

START_TEST(any_memory_limit_gives_a_message_or_a_refusal)
{
    // Built rather than written down, because of the lengths.
    struct buffer exec, start, request;
    buffer_init(&exec, 4096);
    for (int i = 0; i < 9; i++) // the array grows twice
        append_span(&exec, 1, "argument", 8);
    append_span(&exec, 3, "/tmp", 4);
    for (int i = 0; i < 5; i++)
        append_span(&exec, 4, "\x0a\x01K\x12\x02vv", 7);
    append_span(&exec, 5, "stdin", 5);
    buffer_init(&start, 4096);
    append_span(&start, 1, exec.data, exec.size);
    append_span(&start, 12, "origin", 6);
    buffer_init(&request, 4096);
    append_span(&request, 1, "request-id", 10);
    append_span(&request, 3, "\x08\x05", 2);
    append_span(&request, 31, start.data, start.size);
    buffer_fini(&exec);
    buffer_fini(&start);
    struct wire_bytes bytes = taken(&request);

    size_t enough = 0, refusals = 0;
    for (size_t cap = 0; cap <= 8192; cap++) {
        struct arena small;
        arena_init(&small, cap);
        struct decoder decoder = {.arena = &small};
        Og__ControlRequest *message =
            decoder_run(&decoder, &og__control_request__descriptor, bytes.data, bytes.size);
        ck_assert_uint_le(small.used, cap);
        if (message) {
            enough = enough ? enough : cap;
            ck_assert_uint_eq(encode_size(&message->base), bytes.size);
        } else {
            ck_assert_str_eq(decoder.problem, "the message needs too much memory");
            ck_assert_uint_eq(enough, 0);
            refusals++;
        }
        arena_fini(&small);
    }
    ck_assert_uint_gt(enough, bytes.size);
    ck_assert_uint_eq(refusals, enough);
    free(bytes.data);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("decode");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_message_cut_off_anywhere_but_between_fields_is_refused);
    tcase_add_test(tcase, varints_end_after_ten_bytes_and_64_bits);
    tcase_add_test(tcase, bad_tags_are_refused);
    tcase_add_test(tcase, lengths_past_the_end_are_refused);
    tcase_add_test(tcase, a_known_field_of_another_wire_type_is_refused);
    tcase_add_test(tcase, invalid_utf8_is_refused_in_every_string);
    tcase_add_test(tcase, a_nul_is_found_in_every_string);
    tcase_add_test(tcase, malformed_groups_are_refused);
    tcase_add_test(tcase, groups_nest_up_to_the_limit);
    tcase_add_test(tcase, numbers_of_fixed_width_are_whole);
    tcase_add_test(tcase, messages_nest_up_to_the_limit);
    tcase_add_test(tcase, messages_up_to_the_size_limit_are_read);
    tcase_add_test(tcase, any_memory_limit_gives_a_message_or_a_refusal);
    return check_run_case("wire_hostile", tcase);
}
