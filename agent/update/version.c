#include "update/version.h"

#include <stddef.h>
#include <string.h>

static const char digits[] = "0123456789";
static const char identifier[] = "0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { DIGITS_MAX = 9 }; // a number stays far below 2^32

static bool numeric(const char *text, size_t size)
{
    return strspn(text, digits) >= size;
}

// Moves *text behind a number without leading zeros.
static bool take_number(const char **text, uint32_t *number)
{
    size_t size = strspn(*text, digits);
    if (size == 0 || size > DIGITS_MAX || (size > 1 && **text == '0'))
        return false;
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number = *number * 10 + (uint32_t)((*text)[i] - '0');
    *text += size;
    return true;
}

// Moves *text behind identifiers that dots part. In a pre-release the numeric ones are numbers.
static bool take_identifiers(const char **text, bool numbers)
{
    for (;; (*text)++) {
        size_t size = strspn(*text, identifier);
        if (size == 0 || (numbers && numeric(*text, size) && size > 1 && **text == '0'))
            return false;
        *text += size;
        if (**text != '.')
            return true;
    }
}

bool version_parse(const char *text, struct version *version)
{
    *version = (struct version){{0}, ""};
    if (strlen(text) >= VERSION_TEXT_BYTES)
        return false;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && *text++ != '.')
            return false;
        if (!take_number(&text, &version->part[i]))
            return false;
    }
    if (*text == '-') {
        const char *start = ++text;
        if (!take_identifiers(&text, true))
            return false;
        memcpy(version->before, start, (size_t)(text - start));
    }
    if (*text == '+') {
        text++;
        if (!take_identifiers(&text, false))
            return false;
    }
    return *text == '\0';
}

// Of one identifier each. Numbers come before words, and the shorter number is the smaller one.
static int compare_identifiers(const char *a, size_t a_size, const char *b, size_t b_size)
{
    bool a_number = numeric(a, a_size), b_number = numeric(b, b_size);
    if (a_number != b_number)
        return a_number ? -1 : 1;
    if (a_number && a_size != b_size)
        return a_size < b_size ? -1 : 1;
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    if (order != 0 || a_size == b_size)
        return order;
    return a_size < b_size ? -1 : 1;
}

// A version without a pre-release comes after all of its pre-releases.
static int compare_before(const char *a, const char *b)
{
    if (!*a || !*b)
        return (*a == '\0') - (*b == '\0');
    for (;;) {
        size_t a_size = strcspn(a, "."), b_size = strcspn(b, ".");
        int order = compare_identifiers(a, a_size, b, b_size);
        a += a_size;
        b += b_size;
        if (order != 0 || (!*a && !*b))
            return order;
        if (!*a || !*b)
            return *a ? 1 : -1;
        a++;
        b++;
    }
}

int version_compare(const struct version *a, const struct version *b)
{
    for (int i = 0; i < 3; i++)
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    return compare_before(a->before, b->before);
}
