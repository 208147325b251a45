// What a remote command has printed.
#pragma once

#include <stdbool.h>

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

struct ctl;

// To our own stdout and stderr, byte for byte, or into a JSON object: text under name, and what is
// no text as base64 under name_base64.
bool output_print(struct ctl *ctl, const ProtobufCBinaryData *out, const ProtobufCBinaryData *err);
void output_json(json_t *object, const char *name, const ProtobufCBinaryData *bytes);

// The same of a local path, which is commonly text and need not be.
void output_json_path(json_t *object, const char *name, const char *path);
