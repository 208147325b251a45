// What a service manager wants to hear (sd_notify(3)), without its library.
#pragma once

// "READY=1", "STOPPING=1", "STATUS=...". Nothing happens where nobody listens.
void notify_manager(const char *state);

// How often the manager wants to hear "WATCHDOG=1", in ms; 0: never.
long notify_watchdog_ms(void);
