// From the path in a request to the path that the kernel gets. Purely lexical: "..", symbolic links
// and doubled slashes are the kernel's business, and there is no confinement here.
#pragma once

#include <stdbool.h>

struct arena;
struct fail;

// ""        the root
// ~, ~/x    home, home/x; "~name" is an ordinary name
// /x        as it is
// x         root/x
//
// root is absolute; home is NULL when there is none, which makes a tilde path fail. What comes out
// is one of the inputs or lives in the arena. An input longer than any path may be is handed back
// as it is: the kernel refuses it whatever is put before it, and nobody has to copy it.
bool path_resolve(struct arena *arena, const char *root, const char *home, const char *input,
                  const char **out, struct fail *why) __attribute__((warn_unused_result));

// The last component, in place: bytes from *name, *size of them. Trailing slashes and "/." are
// passed over; empty for "/" and for a path that ends in "..".
void path_name(const char *path, const char **name, unsigned long *size);
