// Every message of the protocol as other implementations encode it, decoded field by field and
// encoded again.
#include <jansson.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/fail.h"
#include "check_main.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "wire_messages.h"

enum { VECTORS = 383, LINE_BYTES = 64 << 10, ARENA_BYTES = 1 << 20 };

static bool message_is(const ProtobufCMessage *message, json_t *expected, bool *several_in_map);

static bool base64_is(const char *text, const uint8_t *data, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;
    for (; *text && *text != '='; text++) {
        const char *digit = strchr(alphabet, *text);
        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            if (at == size || data[at++] != (uint8_t)(bits >> have))
                return false;
        }
    }
    return at == size;
}

static bool enum_is(const ProtobufCEnumDescriptor *type, int32_t value, json_t *expected)
{
    if (json_is_integer(expected)) // a value without a name
        return json_integer_value(expected) == value;
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    return known && strcmp(known->name, json_string_value(expected)) == 0;
}

static bool value_is(const ProtobufCFieldDescriptor *field, const void *slot, json_t *expected,
                     bool *several_in_map)
{
    char text[32];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return strcmp(*(char *const *)slot, json_string_value(expected)) == 0;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = slot;
        return base64_is(json_string_value(expected), bytes->data, bytes->len);
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_is(*(ProtobufCMessage *const *)slot, expected, several_in_map);
    case PROTOBUF_C_TYPE_BOOL:
        return json_is_boolean(expected) && *(const int *)slot == json_boolean_value(expected);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_is(field->descriptor, *(const int32_t *)slot, expected);
    case PROTOBUF_C_TYPE_INT32:
        return *(const int32_t *)slot == json_integer_value(expected);
    case PROTOBUF_C_TYPE_UINT32:
        return *(const uint32_t *)slot == json_integer_value(expected);
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)slot == json_number_value(expected);
    case PROTOBUF_C_TYPE_INT64:
        snprintf(text, sizeof text, "%lld", (long long)*(const int64_t *)slot);
        return strcmp(text, json_string_value(expected)) == 0;
    case PROTOBUF_C_TYPE_UINT64:
        snprintf(text, sizeof text, "%llu", (unsigned long long)*(const uint64_t *)slot);
        return strcmp(text, json_string_value(expected)) == 0;
    default:
        return false;
    }
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *slot)
{
    static const char zero[sizeof(ProtobufCBinaryData)];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return **(char *const *)slot == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)slot)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)slot == NULL;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return memcmp(slot, zero, 8) == 0;
    default:
        return memcmp(slot, zero, 4) == 0;
    }
}

// A map of JSON against entries whose key is a string.
static bool map_is(ProtobufCMessage *const *entries, size_t count, json_t *expected)
{
    if (count != json_object_size(expected))
        return false;
    bool ignored;
    for (size_t i = 0; i < count; i++) {
        const ProtobufCFieldDescriptor *key = &entries[i]->descriptor->fields[0];
        const ProtobufCFieldDescriptor *value = &entries[i]->descriptor->fields[1];
        const char *base = (const char *)entries[i];
        json_t *wanted = json_object_get(expected, *(char *const *)(base + key->offset));
        if (!wanted || !value_is(value, base + value->offset, wanted, &ignored))
            return false;
    }
    return true;
}

static bool repeated_is(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        json_t *expected, bool *several_in_map)
{
    const char *base = (const char *)message;
    size_t count = *(const size_t *)(base + field->quantifier_offset);
    void *const *array = *(void **const *)(base + field->offset);
    if (!expected)
        return count == 0;
    if (json_is_object(expected)) {
        *several_in_map |= count > 1;
        return map_is((ProtobufCMessage *const *)array, count, expected);
    }
    if (count != json_array_size(expected))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!value_is(field, &array[i], json_array_get(expected, i), several_in_map))
            return false;
    return true;
}

static bool field_is(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                     json_t *expected, bool *several_in_map)
{
    const char *base = (const char *)message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return repeated_is(message, field, expected, several_in_map);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        bool chosen = *(const uint32_t *)(base + field->quantifier_offset) == field->id;
        if (chosen != (expected != NULL))
            return false;
        if (!chosen)
            return true;
    }
    if (!expected)
        return is_default(field, base + field->offset);
    return value_is(field, base + field->offset, expected, several_in_map);
}

static bool message_is(const ProtobufCMessage *message, json_t *expected, bool *several_in_map)
{
    if (!message)
        return false;
    size_t found = 0;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        json_t *value = json_object_get(expected, field->name);
        found += value != NULL;
        if (!field_is(message, field, value, several_in_map)) {
            fprintf(stderr, "%s.%s differs\n", message->descriptor->short_name, field->name);
            return false;
        }
    }
    return found == json_object_size(expected); // no key that is not a field
}

static void check_vector(json_t *line, const char *json_line)
{
    const char *name = json_string_value(json_object_get(line, "message"));
    const ProtobufCMessageDescriptor *type = wire_message_named(name);
    ck_assert_msg(type, "no message %s", name);
    json_t *expected = json_object_get(line, "json");
    struct wire_bytes in = wire_from_hex(json_string_value(json_object_get(line, "hex")));

    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct fail why = {0};
    ProtobufCMessage *message = decode_message(&arena, type, in.data, in.size, &why);
    ck_assert_msg(message, "%s: %s", json_line, why.what);
    bool several_in_map = false;
    ck_assert_msg(message_is(message, expected, &several_in_map), "%s", json_line);

    ck_assert_uint_eq(encode_size(message), in.size);
    struct wire_bytes out = wire_from(in.data, in.size);
    encode_message(message, out.data, out.size);
    if (several_in_map) {
        ProtobufCMessage *again = decode_message(&arena, type, out.data, out.size, &why);
        ck_assert(again && message_is(again, expected, &several_in_map));
    } else {
        ck_assert_msg(memcmp(in.data, out.data, in.size) == 0, "%s", json_line);
    }
    arena_fini(&arena);
    free(in.data);
    free(out.data);
}

START_TEST(every_message_decodes_and_encodes_as_others_do)
{
    FILE *file = fopen(OG_SOURCE_DIR "/tests/vectors/wire/messages.jsonl", "r");
    ck_assert_ptr_nonnull(file);
    char *line = malloc(LINE_BYTES);
    bool seen[WIRE_MESSAGES] = {false};
    unsigned count = 0;
    while (fgets(line, LINE_BYTES, file)) {
        json_t *vector = json_loads(line, JSON_DECODE_ANY, NULL);
        ck_assert_ptr_nonnull(vector);
        check_vector(vector, line);
        const char *name = json_string_value(json_object_get(vector, "message"));
        for (size_t i = 0; i < WIRE_MESSAGES; i++)
            seen[i] |= strcmp(wire_messages[i]->short_name, name) == 0;
        json_decref(vector);
        count++;
    }
    fclose(file);
    free(line);
    ck_assert_uint_eq(count, VECTORS);
    ck_assert_uint_eq(WIRE_MESSAGES, 103);
    for (size_t i = 0; i < WIRE_MESSAGES; i++)
        ck_assert_msg(seen[i], "no vector of %s", wire_messages[i]->short_name);
}
END_TEST

// What the three messages of the reference hold, read off by hand once.
static const struct {
    const char *name, *message, *json;
} reference[] = {
    {"control_response", "ControlResponse",
     "{'request_id': 'req-0001', 'git': {'stdout': 'b24gYnJhbmNoIG1haW4K', 'status': {"
     "'branch': 'main', 'upstream': 'origin/main', 'ahead': 2, 'files': ["
     "{'path': 'src/lib.rs', 'code': ' M'}, {'path': 'README.md', 'code': '?\?'}]}}}"},
    {"control_request", "ControlRequest",
     "{'request_id': 'req-0002', 'epoch': 7, 'exec': {'command': ['echo', 'hello'], "
     "'cwd': '/home/user/repo', 'env': {'OPENGENI_AGENT': '1'}, 'stdin': 'cGlwZWQtaW5wdXQ=', "
     "'timeout_ms': 5000}}"},
    {"hello", "Hello", NULL},
};

static void check_reference(const char *path, const char *hello_json)
{
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    char line[2048];
    unsigned count = 0;
    while (fgets(line, sizeof line, file)) {
        char *hex = strchr(line, '=');
        if (!hex)
            continue;
        *hex++ = '\0';
        hex[strcspn(hex, "\n")] = '\0';
        for (size_t i = 0; i < sizeof reference / sizeof reference[0]; i++) {
            if (strcmp(reference[i].name, line) != 0)
                continue;
            char *json = strdup(reference[i].json ? reference[i].json : hello_json);
            for (char *quote = json; (quote = strchr(quote, '\''));)
                *quote = '"';
            json_t *vector = json_pack("{s:s, s:s, s:o}", "message", reference[i].message, "hex",
                                       hex, "json", json_loads(json, 0, NULL));
            ck_assert_ptr_nonnull(vector);
            check_vector(vector, line);
            json_decref(vector);
            free(json);
            count++;
        }
    }
    fclose(file);
    ck_assert_uint_eq(count, 3);
}

#define HELLO_JSON(reason)                                                                      \
    "{'agent_id': 'agent-abc', 'workspace_id': 'ws-xyz', 'agent_version': '0.1.0', "            \
    "'os': 'OS_LINUX', 'arch': 'ARCH_X86_64', 'machine_name': 'buildbox', "                     \
    "'workspace_root': '/home/user', 'capabilities': {'exec': true, 'filesystem': true, "       \
    "'git': true, 'pty': true, " reason                                                         \
    "'consented_whole_machine': true, 'display': {'id': ':99', 'width': 1920, 'height': 1080, " \
    "'virtual': true}}, 'update_channel': 'stable', 'resume_token': 'resume-token-1'}"

START_TEST(messages_of_both_reference_agents_decode)
{
    check_reference(OG_SOURCE_DIR "/tests/vectors/wire/reference-0.2.0.txt", HELLO_JSON(""));
    check_reference(OG_SOURCE_DIR "/tests/vectors/wire/reference-latest.txt",
                    HELLO_JSON("'desktop_unavailable_reason': 'screen recording not granted', "));
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("vectors");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, every_message_decodes_and_encodes_as_others_do);
    tcase_add_test(tcase, messages_of_both_reference_agents_decode);
    return check_run_case("wire_vectors", tcase);
}
