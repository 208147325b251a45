// Who goes first when much comes at once: work of microseconds before new processes, which cost a
// processor a millisecond each and then compete for it; and of those no more at a time than there
// are processors to make them. Nobody waits long: short work that has hung holds nothing up.
#pragma once

// Short work is there, and has ended. Any number of them, on any thread.
void starts_short_begin(void);
void starts_short_end(void);

// Requests come faster than they are taken, so more may be on their way; for a moment that counts
// as short work.
void starts_burst(void);

// Around the making of a process. Waits its turn, but no longer than STARTS_WAIT_MS.
void starts_enter(void);
void starts_leave(void);
