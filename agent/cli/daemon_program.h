// The program that "run" becomes.
#pragma once

#define DAEMON_NAME "opengeni-agentd"

// Its path, to be freed with mem_free: it lies beside this program, or where the build was told;
// never in $PATH. NULL when it is missing.
char *daemon_program(void);
