// How programs of the same user find the hub that runs on this machine: a small JSON file
// (docs/hub.md) in DIR, and in $XDG_RUNTIME_DIR where there is one.
#pragma once

struct hub;

void discover_announce(const struct hub *hub); // what cannot be written is logged, no more
void discover_withdraw(const struct hub *hub);
