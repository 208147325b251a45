// The frames a WebSocket client sends, taken apart byte by byte (RFC 6455 5.2).
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "relay/ws_frame.h"

static const unsigned char key[WS_KEY_BYTES] = {0x37, 0xfa, 0x21, 0x3d};

START_TEST(the_example_of_the_rfc)
{
    unsigned char room[WS_HEAD_BYTES_MAX + 5];
    static const unsigned char expected[] = {0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                             0x7f, 0x9f, 0x4d, 0x51, 0x58};
    memcpy(room + WS_HEAD_BYTES_MAX, "Hello", 5);
    size_t head = ws_frame_mask(room + WS_HEAD_BYTES_MAX, 5, key);
    ck_assert_uint_eq(head, 6);
    ck_assert_mem_eq(room + WS_HEAD_BYTES_MAX - head, expected, sizeof expected);
}
END_TEST

// Writes nothing before the head and nothing behind the data, wherever they lie.
static void check(size_t size, size_t offset)
{
    unsigned char *room = malloc(offset + WS_HEAD_BYTES_MAX + size + 1);
    unsigned char *data = room + offset + WS_HEAD_BYTES_MAX;
    memset(room, 0xa5, offset + WS_HEAD_BYTES_MAX + size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    size_t head = ws_frame_mask(data, size, key);
    const unsigned char *frame = data - head;
    size_t digits = size < 126 ? 0 : size < 65536 ? 2 : 8, told = 0;
    ck_assert_uint_eq(head, 2 + digits + 4);
    ck_assert_uint_eq(frame[0], 0x82);
    ck_assert_uint_eq(frame[1], 0x80 | (digits == 0 ? size : digits == 2 ? 126 : 127));
    for (size_t i = 0; i < digits; i++)
        told = told << 8 | frame[2 + i];
    ck_assert_uint_eq(told, digits ? size : 0);
    ck_assert_mem_eq(frame + 2 + digits, key, 4);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += (data[i] ^ key[i % 4]) != (unsigned char)(i * 7 + i / 251);
    ck_assert_uint_eq(wrong, 0);
    for (const unsigned char *at = room; at < frame; at++)
        ck_assert_uint_eq(*at, 0xa5);
    ck_assert_uint_eq(data[size], 0xa5);
    free(room);
}

START_TEST(every_size_is_told_and_masked)
{
    static const size_t sizes[] = {0,   1,   2,   3,     4,     7,     8,     9,
                                   125, 126, 127, 65535, 65536, 65537, 262147};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t offset = 0; offset < 9; offset++)
            check(sizes[i], offset);
}
END_TEST

CHECK_MAIN("ws_frame", 300, the_example_of_the_rfc, every_size_is_told_and_masked)
