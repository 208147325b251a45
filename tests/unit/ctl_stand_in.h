// The stand-in for an agent: answers to requests, and what it says of itself.
#pragma once

#include <nats/nats.h>
#include <stddef.h>

void stand_in_answer(natsConnection *nats, natsSubscription *subscription, natsMsg *message,
                     void *closure);

// Encode into room for 1 KiB; the result is the size.
size_t stand_in_hello(unsigned char *data);
size_t stand_in_heartbeat(unsigned char *data);
