// What the tests of the wire format share: the table of all messages, bytes from hexadecimal text.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/opengeni_agent.pb-c.h"

static const ProtobufCMessageDescriptor *const wire_messages[] = {
    &og__control_request__descriptor,
    &og__control_response__descriptor,
    &og__agent_error__descriptor,
    &og__operation_resource_policy__descriptor,
    &og__agent_event__descriptor,
    &og__agent_event_ack__descriptor,
    &og__hello__descriptor,
    &og__hello_ack__descriptor,
    &og__capabilities__descriptor,
    &og__display__descriptor,
    &og__resume_request__descriptor,
    &og__resume_response__descriptor,
    &og__ping_request__descriptor,
    &og__ping_response__descriptor,
    &og__heartbeat__descriptor,
    &og__heartbeat_ack__descriptor,
    &og__metrics_request__descriptor,
    &og__metrics_sample__descriptor,
    &og__gpu_sample__descriptor,
    &og__host_capacity_sample__descriptor,
    &og__admission_telemetry__descriptor,
    &og__going_offline__descriptor,
    &og__exec_request__descriptor,
    &og__exec_response__descriptor,
    &og__fs_read_request__descriptor,
    &og__fs_read_response__descriptor,
    &og__fs_write_request__descriptor,
    &og__fs_write_response__descriptor,
    &og__fs_list_request__descriptor,
    &og__fs_list_response__descriptor,
    &og__fs_entry__descriptor,
    &og__fs_mkdir_request__descriptor,
    &og__fs_mkdir_response__descriptor,
    &og__fs_move_request__descriptor,
    &og__fs_move_response__descriptor,
    &og__fs_stat_request__descriptor,
    &og__fs_stat_response__descriptor,
    &og__fs_remove_request__descriptor,
    &og__fs_remove_response__descriptor,
    &og__git_request__descriptor,
    &og__git_response__descriptor,
    &og__git_status__descriptor,
    &og__git_file_status__descriptor,
    &og__pty_open_request__descriptor,
    &og__pty_open_response__descriptor,
    &og__pty_write_request__descriptor,
    &og__pty_write_response__descriptor,
    &og__pty_resize_request__descriptor,
    &og__pty_resize_response__descriptor,
    &og__pty_close_request__descriptor,
    &og__pty_close_response__descriptor,
    &og__desktop_ensure_request__descriptor,
    &og__desktop_ensure_response__descriptor,
    &og__desktop_screenshot_request__descriptor,
    &og__desktop_screenshot_response__descriptor,
    &og__desktop_input_request__descriptor,
    &og__desktop_input_response__descriptor,
    &og__pointer_event__descriptor,
    &og__key_event__descriptor,
    &og__scroll_event__descriptor,
    &og__op_start__descriptor,
    &og__op_started__descriptor,
    &og__op_cancel__descriptor,
    &og__op_query__descriptor,
    &og__op_attach__descriptor,
    &og__op_status__descriptor,
    &og__op_exit__descriptor,
    &og__op_frame__descriptor,
    &og__op_data__descriptor,
    &og__op_progress__descriptor,
    &og__op_ack__descriptor,
    &og__fs_write_begin__descriptor,
    &og__write_chunk__descriptor,
    &og__write_chunk_ack__descriptor,
    &og__stream_channel__descriptor,
    &og__stream_open__descriptor,
    &og__stream_open_ack__descriptor,
    &og__stream_frame__descriptor,
    &og__stream_close__descriptor,
    &og__desktop_input__descriptor,
    &og__browser_control_ensure_request__descriptor,
    &og__browser_control_ensure_response__descriptor,
    &og__browser_frames_open_request__descriptor,
    &og__browser_frames_open_response__descriptor,
    &og__computer_frames_open_request__descriptor,
    &og__computer_frames_open_response__descriptor,
    &og__attached_browser_inventory_snapshot__descriptor,
    &og__attached_browser_device_announcement__descriptor,
    &og__attached_browser_device_capabilities__descriptor,
    &og__agent_update_apply_request__descriptor,
    &og__agent_update_apply_response__descriptor,
    &og__agent_update_progress__descriptor,
    &og__update_may_proceed_request__descriptor,
    &og__update_may_proceed_response__descriptor,
    &og__update_check_request__descriptor,
    &og__update_check_response__descriptor,
    &og__update_manifest__descriptor,
    &og__update_artifact__descriptor,
    &og__device_auth_start_request__descriptor,
    &og__device_auth_start_response__descriptor,
    &og__device_auth_poll_request__descriptor,
    &og__device_auth_poll_response__descriptor,
    &og__enrollment_credentials__descriptor,
};
enum { WIRE_MESSAGES = sizeof wire_messages / sizeof wire_messages[0] };

// NULL when there is no message of that name.
static inline const ProtobufCMessageDescriptor *wire_message_named(const char *name)
{
    for (size_t i = 0; i < WIRE_MESSAGES; i++)
        if (strcmp(wire_messages[i]->short_name, name) == 0)
            return wire_messages[i];
    return NULL;
}

// Exactly as large as its content, so that a sanitizer sees every read past the end.
struct wire_bytes {
    uint8_t *data;
    size_t size;
};

static inline struct wire_bytes wire_from(const void *data, size_t size)
{
    struct wire_bytes bytes = {malloc(size ? size : 1), size};
    if (!bytes.data)
        abort();
    if (size > 0)
        memcpy(bytes.data, data, size);
    return bytes;
}

// Blanks are skipped.
static inline struct wire_bytes wire_from_hex(const char *hex)
{
    char *packed = calloc(1, strlen(hex) + 1);
    size_t digits = 0;
    if (!packed)
        abort();
    for (; *hex; hex++)
        if (*hex != ' ' && *hex != '\n')
            packed[digits++] = *hex;
    if (digits % 2)
        abort();
    for (size_t i = 0; i < digits / 2; i++) {
        char pair[3] = {packed[2 * i], packed[2 * i + 1], 0};
        packed[i] = (char)strtoul(pair, NULL, 16);
    }
    struct wire_bytes bytes = wire_from(packed, digits / 2);
    free(packed);
    return bytes;
}
