// Where the process lives: asked once at start, before anything changes the environment.
#pragma once

// HOME, else USERPROFILE when HOME is not set at all, else what passwd says of the effective user.
// An empty value counts as none. NULL when there is no home. Freed with mem_free.
char *home_directory(void);

// The current directory, "/" when it cannot be read. Freed with mem_free.
char *start_directory(void);
