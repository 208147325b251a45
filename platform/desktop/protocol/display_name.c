#include "desktop_protocol/display_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool display_name_number(const char *name, unsigned *number)
{
    if (strncmp(name, "unix:", 5) == 0)
        name += 4;
    if (name[0] != ':' || !isdigit((unsigned char)name[1]))
        return false;
    char *end;
    unsigned long value = strtoul(name + 1, &end, 10);
    if (value > 65535)
        return false;
    if (*end == '.') {
        for (end++; isdigit((unsigned char)*end); end++)
            ;
        if (end[-1] == '.')
            return false;
    }
    *number = (unsigned)value;
    return *end == '\0';
}
