// The memory that the process holds on to without using it.
#pragma once

// Gives free heap memory back, and lets go of the pages of programs and libraries that are no more
// than a view of their files: what is used again comes back from the page cache, page by page.
void footprint_trim(void);
