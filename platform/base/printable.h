// Text from outside that is shown to a person: what could steer a terminal or forge a line is
// taken out.
#pragma once

// In place: control characters (C0, DEL, C1), line separators, the characters that turn the
// direction of writing, and bytes that are not UTF-8 are dropped. Returns the text.
char *printable_strip(char *text);

// A stripped copy, to be freed with mem_free. NULL makes an empty text.
char *printable_copy(const char *text) __attribute__((malloc, warn_unused_result));
