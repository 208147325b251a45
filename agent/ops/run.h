// What the operations that run a command have in common.
#pragma once

#include "ops/op.h"

struct command;
struct command_result;

// The directory to run in, resolved and looked at. who begins the error's context: "exec", "git".
bool run_directory(const struct op *op, const char *who, const char *cwd, const char **path,
                   struct fail *why) __attribute__((warn_unused_result));

// Refuses limits that make no sense, and any others: nothing here can enforce them yet. No policy,
// or one without a limit, passes.
bool run_policy(const Og__OperationResourcePolicy *policy, struct fail *why)
    __attribute__((warn_unused_result));

// Runs the command until it ends or op->cancel fires, which is FAIL_CANCELLED. The result is the
// caller's to free when this returns true.
bool run_command(const struct op *op, const char *who, struct command *command,
                 struct command_result *result, struct fail *why)
    __attribute__((warn_unused_result));

// Copies output into the response, of which everything else is already set.
// FAIL_TOO_LARGE when it could not be sent.
bool run_reply(const struct op *op, const struct command_result *result,
               Og__ControlResponse *response, ProtobufCBinaryData *out, ProtobufCBinaryData *err,
               struct fail *why) __attribute__((warn_unused_result));
