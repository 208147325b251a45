// Every operation of the protocol, and how each is handled.
#pragma once

#include "ops/op.h"

enum op_handling {
    OP_PING,        // answered in place: never waits, never refused
    OP_WORK,        // runs on a worker
    OP_UPDATE,      // answered in place; its work is no operation (upgrade/upgrade.h)
    OP_MISUSED,     // not an inbound operation: PROTOCOL
    OP_UNSUPPORTED, // this build cannot do it
};

enum op_class { OP_LIGHT, OP_HEAVY }; // heavy ones start processes or take long

// Operations of one order run one after another, as they came in on their link.
enum op_order { OP_ANY_ORDER, OP_INPUT_ORDER, OP_TERMINAL_ORDER };

struct op_entry {
    const char *name; // the oneof field's name: its label in errors, logs and the journal
    enum op_handling handling;
    enum op_class class;
    bool once; // its request id is an idempotency key
    enum op_order order;
    bool dies_with_link; // on the fenced address, when the session is lost
    const char *lacks;   // of OP_UNSUPPORTED: why, for people; NULL: this build does not have it
    op_run run;
};

// Never NULL; an unknown or absent operation is OP_MISUSED.
const struct op_entry *op_find(const Og__ControlRequest *request);
