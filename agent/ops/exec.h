// How an exec request becomes a command: shared by the plain and the streamed operation.
#pragma once

#include "ops/op.h"
#include "process/command.h"

// Checks the request and fills command, all but what belongs to the way its output goes (cancel_fd,
// output_max, kill_background). Memory is the arena's; exec_release closes what it opened.
bool exec_prepare(const struct op *op, const Og__ExecRequest *request,
                  const Og__OperationResourcePolicy *policy, struct command *command,
                  struct fail *why) __attribute__((warn_unused_result));
void exec_release(struct command *command);
