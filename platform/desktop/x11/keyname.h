// Names of keys, as people, browsers, xdotool and language models write them, to keysyms.
#pragma once

#include <X11/X.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyname {
    KeySym keysym;
    uint32_t character; // what was named is this character, 0: a key with a name
};

// name: UTF-8 of size bytes, not empty. Order: one character; known names, whatever their case,
// hyphens, underscores and spaces; names of keysyms (XStringToKeysym); U+20AC; 0x20ac.
bool keyname_find(const char *name, size_t size, struct keyname *out);

// The keysym of a character, 0 for controls that no key types. Newline is Return, DEL is Delete.
KeySym keysym_of_character(uint32_t character);

// Another keysym that keymaps use for the same character, NoSymbol when there is none.
KeySym keysym_twin(KeySym keysym);
