#include "host/machine.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/printable.h"

void machine_name(char *name, size_t room)
{
    assert(room > 0);
    if (gethostname(name, room) < 0)
        name[0] = '\0';
    name[room - 1] = '\0'; // a name that was cut need not have an end
    printable_strip(name);
    if (name[0] == '\0')
        snprintf(name, room, "unknown");
}

enum machine_arch machine_arch(void)
{
#if defined(__x86_64__) && !defined(__ILP32__)
    return MACHINE_ARCH_X86_64;
#elif defined(__aarch64__) && !defined(__ILP32__)
    return MACHINE_ARCH_AARCH64;
#else
    return MACHINE_ARCH_OTHER;
#endif
}
