// A certificate authority of the hub's own, for those who have no certificate: made once, it signs
// the server's certificate, which is renewed by itself. Machines trust it by file.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct data_dir;
struct fail;

// Makes what is missing in DIR/tls: ca.pem and ca.key (10 years), server.pem and server.key (a year
// and a month; made anew a month before the end, or when names has changed). names: host names and
// addresses. renewed tells whether server.pem is a new one.
bool private_ca_prepare(const struct data_dir *dir, const char *const *names, size_t count,
                        bool *renewed, struct fail *why) __attribute__((warn_unused_result));
