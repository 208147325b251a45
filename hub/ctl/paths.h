// Names of files at both ends. All results are to be freed with mem_free.
#pragma once

// The last component, without slashes at the end: "b" of "a/b/". "file" when there is none.
const char *path_name(const char *path); // points into path or to a constant; may end in slashes

char *path_in(const char *directory, const char *name); // name up to its first slash

// A name beside path that nobody else uses: "dir/.name.0123456789abcdef.tmp".
char *path_temporary(const char *path);
