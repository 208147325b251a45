// What the machine calls itself.
#pragma once

#include <stddef.h>

// The host name as valid UTF-8, "unknown" when it cannot be read.
void machine_name(char *name, size_t room);

enum machine_arch { // as the protocol numbers them
    MACHINE_ARCH_OTHER = 0,
    MACHINE_ARCH_X86_64 = 1,
    MACHINE_ARCH_AARCH64 = 2,
};
enum machine_arch machine_arch(void); // that this program was built for
