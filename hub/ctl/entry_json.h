// A file of a machine, for programs.
#pragma once

#include <jansson.h>

#include "proto/opengeni_agent.pb-c.h"

json_t *entry_json(const Og__FsEntry *entry);
const char *entry_kind(const Og__FsEntry *entry); // "file", "directory", "symlink"
