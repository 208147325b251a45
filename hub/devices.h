// Machines that ask to be enrolled and wait for a person's decision (RFC 8628). In memory only: a
// hub that starts anew has forgotten them, and they ask again. All times are clock_boot_ms.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct devices;
struct enrol_machine;

enum {
    DEVICE_CODE_BYTES = 44,      // 256 random bits in base64url; the machine's secret
    DEVICE_USER_CODE_BYTES = 10, // "ABCD-2345", what the person types
    DEVICE_TICKET_BYTES = 44,    // allows one decision about one request
};

struct device_codes {
    char device[DEVICE_CODE_BYTES], user[DEVICE_USER_CODE_BYTES];
};

struct devices *devices_new(void);
void devices_free(struct devices *devices); // NULL is accepted

enum device_begin { DEVICE_BEGUN, DEVICE_TOO_MANY_HERE, DEVICE_FULL };

// address: where the request comes from, shown to the person.
enum device_begin devices_begin(struct devices *devices, const struct enrol_machine *machine,
                                bool wants_screen, const char *address, int64_t now_ms,
                                struct device_codes *codes);

// What the machine has said of itself, and what is decided. Owns its texts.
struct device_view {
    char user_code[DEVICE_USER_CODE_BYTES], ticket[DEVICE_TICKET_BYTES];
    char *public_key, *name;
    char os[16], arch[16], address[64];
    bool display, wants_screen;
    bool decided, approved, screen_control;
    int64_t age_ms, left_ms;
};

void device_view_fini(struct device_view *view);

enum device_state {
    DEVICE_PENDING,
    DEVICE_SLOW_DOWN, // asked sooner than the interval allows
    DEVICE_DENIED,
    DEVICE_EXPIRED, // or used already, or never heard of
    DEVICE_APPROVED,
};

// DEVICE_APPROVED uses the code up: the caller enrols the machine in *view (device_view_fini), or
// calls devices_give_back when it cannot. An answer that got lost may be asked for again for
// HUB_DEVICE_AGAIN_MS.
enum device_state devices_poll(struct devices *devices, const char *device_code, int64_t now_ms,
                               struct device_view *view);
void devices_give_back(struct devices *devices, const char *device_code);

// The request of a code as people type it: in any case, with or without the dash. False: there is
// none that waits for a decision.
bool devices_find(struct devices *devices, const char *user_code, int64_t now_ms,
                  struct device_view *view) __attribute__((warn_unused_result));

// Decides, once. ticket: of the view that the person has seen; NULL when the caller is trusted
// otherwise. False: there is no such request any more, or the ticket is of another one.
bool devices_decide(struct devices *devices, const char *user_code, const char *ticket,
                    bool approved, bool screen_control, int64_t now_ms)
    __attribute__((warn_unused_result));

// Those that wait for a decision, in the order of their arrival.
void devices_each(struct devices *devices, int64_t now_ms,
                  void (*visit)(void *context, const struct device_view *view), void *context);
