#include "hub/form.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/printable.h"

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

static char *decode(const char *text, size_t size)
{
    char *value = mem_array(size + 1, 1), *out = value;
    for (size_t i = 0; i < size; i++) {
        bool escaped =
            text[i] == '%' && size - i > 2 && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
        char c = text[i] == '+' ? ' ' : text[i];
        if (escaped) {
            c = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
            i += 2;
        }
        if (c) // would end the text
            *out++ = c;
    }
    *out = '\0';
    return printable_strip(value);
}

char *form_value(const char *fields, size_t size, const char *name)
{
    size_t name_size = strlen(name);
    const char *end = fields + size;
    while (fields && fields < end) {
        const char *next = memchr(fields, '&', (size_t)(end - fields));
        size_t length = (size_t)((next ? next : end) - fields);
        if (length > name_size && fields[name_size] == '=' && memcmp(fields, name, name_size) == 0)
            return decode(fields + name_size + 1, length - name_size - 1);
        fields = next ? next + 1 : end;
    }
    return mem_string("");
}
