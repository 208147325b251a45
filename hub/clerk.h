// What has to be done from time to time, on a thread of its own: leases that end, history to disk,
// certificates that run out.
#pragma once

struct clerk;
struct fail;
struct hub;

struct clerk *clerk_start(struct hub *hub, struct fail *why);
void clerk_stop(struct clerk *clerk); // NULL is accepted
