// How often each stranger may fail: a bucket for each address, in a table of fixed size.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limiter;

struct limiter *limiter_new(double burst, double per_second);
void limiter_free(struct limiter *limiter);

// Counts one failure of the address; false when it has had too many.
bool limiter_take(struct limiter *limiter, const char *address, int64_t now_ms)
    __attribute__((warn_unused_result));

// Of an IPv6 address the network, which is what one stranger has; else the address.
void limiter_network(const char *address, char network[64]);
