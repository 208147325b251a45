// How often each stranger may fail: a bucket for each address, in a table of fixed size.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limiter;

struct limiter *limiter_new(double burst, double per_second);
void limiter_free(struct limiter *limiter);

// Whether the address has anything left. Asking costs nothing.
bool limiter_allows(struct limiter *limiter, const char *address, int64_t now_ms);

// One failure of the address.
void limiter_charge(struct limiter *limiter, const char *address, int64_t now_ms);
