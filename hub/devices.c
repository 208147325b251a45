#include "hub/devices.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/random.h"
#include "hub/digest.h"
#include "hub/enrol.h"
#include "hub/limiter.h"

enum { CODE_LETTERS = 8, RANDOM_BYTES = 32 };

struct entry {
    struct device_view view;                 // but for the times
    unsigned char device_hash[DIGEST_BYTES]; // the code itself is not kept
    char network[64];
    int64_t begun_ms, ends_ms; // 0: free
    int64_t asked_ms, interval_ms;
    int64_t used_ms; // handed out; 0: not yet
};

struct devices {
    pthread_mutex_t lock;
    struct entry entries[HUB_DEVICES_MAX];
};

struct devices *devices_new(void)
{
    struct devices *devices = mem_new(struct devices);
    pthread_mutex_init(&devices->lock, NULL);
    return devices;
}

void device_view_fini(struct device_view *view)
{
    mem_free(view->public_key);
    mem_free(view->name);
    explicit_bzero(view, sizeof *view);
}

static void forget(struct entry *entry)
{
    device_view_fini(&entry->view);
    explicit_bzero(entry, sizeof *entry);
}

void devices_free(struct devices *devices)
{
    if (!devices)
        return;
    for (size_t i = 0; i < HUB_DEVICES_MAX; i++)
        forget(&devices->entries[i]);
    pthread_mutex_destroy(&devices->lock);
    mem_free(devices);
}

static void random_text(char text[BASE64_TEXT_BYTES(RANDOM_BYTES)])
{
    unsigned char bytes[RANDOM_BYTES];
    random_bytes(bytes, sizeof bytes);
    base64_encode(BASE64_URL, bytes, sizeof bytes, text);
    explicit_bzero(bytes, sizeof bytes);
}

static void make_user_code(char code[DEVICE_USER_CODE_BYTES])
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"; // none looks like another
    size_t at = 0;
    for (int i = 0; i < CODE_LETTERS; i++) {
        if (i == CODE_LETTERS / 2)
            code[at++] = '-';
        code[at++] = letters[random_below(sizeof letters - 1)];
    }
    code[at] = '\0';
}

// As it is kept: upper case, one dash in the middle. "" when it cannot be a code.
static void tidy(const char *typed, char code[DEVICE_USER_CODE_BYTES])
{
    size_t at = 0;
    code[0] = '\0';
    for (; *typed; typed++) {
        char c = *typed >= 'a' && *typed <= 'z' ? (char)(*typed - 'a' + 'A') : *typed;
        if (c == '-' || c == ' ')
            continue;
        if (at >= DEVICE_USER_CODE_BYTES - 1) {
            code[0] = '\0';
            return;
        }
        if (at == CODE_LETTERS / 2)
            code[at++] = '-';
        code[at++] = c;
    }
    code[at == DEVICE_USER_CODE_BYTES - 1 ? at : 0] = '\0';
}

static bool waits(const struct entry *entry, int64_t now_ms)
{
    return entry->ends_ms > now_ms && !entry->view.decided;
}

static struct entry *find_waiting(struct devices *devices, const char *typed, int64_t now_ms)
{
    char code[DEVICE_USER_CODE_BYTES];
    tidy(typed, code);
    for (size_t i = 0; *code && i < HUB_DEVICES_MAX; i++) {
        struct entry *entry = &devices->entries[i];
        if (waits(entry, now_ms) && strcmp(entry->view.user_code, code) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *find_device(struct devices *devices, const char *device_code)
{
    unsigned char hash[DIGEST_BYTES];
    digest_sha256(device_code, strlen(device_code), hash);
    for (size_t i = 0; i < HUB_DEVICES_MAX; i++) {
        struct entry *entry = &devices->entries[i];
        if (entry->ends_ms && memcmp(entry->device_hash, hash, sizeof hash) == 0)
            return entry;
    }
    return NULL;
}

static void copy(const struct entry *entry, int64_t now_ms, struct device_view *view)
{
    *view = entry->view;
    view->public_key = mem_string(entry->view.public_key);
    view->name = mem_string(entry->view.name);
    view->age_ms = now_ms - entry->begun_ms;
    view->left_ms = entry->ends_ms - now_ms;
}

// A free entry, those that have ended being freed on the way. Nobody may fill the table alone.
static enum device_begin find_room(struct devices *devices, const char *network, int64_t now_ms,
                                   struct entry **room)
{
    size_t here = 0;
    *room = NULL;
    for (size_t i = 0; i < HUB_DEVICES_MAX; i++) {
        struct entry *entry = &devices->entries[i];
        if (entry->ends_ms && entry->ends_ms <= now_ms)
            forget(entry);
        if (!entry->ends_ms)
            *room = *room ? *room : entry;
        else if (!entry->view.decided && strcmp(entry->network, network) == 0)
            here++;
    }
    if (here >= HUB_DEVICES_PER_NETWORK)
        return DEVICE_TOO_MANY_HERE;
    return *room ? DEVICE_BEGUN : DEVICE_FULL;
}

enum device_begin devices_begin(struct devices *devices, const struct enrol_machine *machine,
                                bool wants_screen, const char *address, int64_t now_ms,
                                struct device_codes *codes)
{
    char network[64];
    struct entry *entry;
    limiter_network(address, network);
    pthread_mutex_lock(&devices->lock);
    enum device_begin result = find_room(devices, network, now_ms, &entry);
    if (result == DEVICE_BEGUN) {
        do
            make_user_code(codes->user);
        while (find_waiting(devices, codes->user, now_ms));
        random_text(codes->device);
        entry->view = (struct device_view){.public_key = mem_string(machine->public_key),
                                           .name = mem_string(machine->name),
                                           .display = machine->display,
                                           .wants_screen = wants_screen};
        struct device_view *view = &entry->view;
        snprintf(view->user_code, sizeof view->user_code, "%s", codes->user);
        snprintf(view->os, sizeof view->os, "%s", machine->os);
        snprintf(view->arch, sizeof view->arch, "%s", machine->arch);
        snprintf(view->address, sizeof view->address, "%s", address);
        random_text(view->ticket);
        digest_sha256(codes->device, strlen(codes->device), entry->device_hash);
        snprintf(entry->network, sizeof entry->network, "%s", network);
        entry->begun_ms = now_ms;
        entry->ends_ms = now_ms + HUB_DEVICE_TTL_MS;
        entry->interval_ms = HUB_DEVICE_INTERVAL_S * 1000ll;
    }
    pthread_mutex_unlock(&devices->lock);
    return result;
}

// RFC 8628, 3.5: five seconds more for whoever does not keep to the interval.
static bool too_soon(struct entry *entry, int64_t now_ms)
{
    bool soon =
        entry->asked_ms && now_ms - entry->asked_ms < entry->interval_ms - HUB_DEVICE_SLACK_MS;
    if (soon && entry->interval_ms < HUB_DEVICE_TTL_MS)
        entry->interval_ms += HUB_DEVICE_SLOWER_MS;
    entry->asked_ms = now_ms;
    return soon;
}

static enum device_state state_of(struct entry *entry, int64_t now_ms)
{
    if (!entry || entry->ends_ms <= now_ms ||
        (entry->used_ms && now_ms - entry->used_ms >= HUB_DEVICE_AGAIN_MS))
        return DEVICE_EXPIRED;
    if (entry->view.decided)
        return entry->view.approved ? DEVICE_APPROVED : DEVICE_DENIED;
    return too_soon(entry, now_ms) ? DEVICE_SLOW_DOWN : DEVICE_PENDING;
}

enum device_state devices_poll(struct devices *devices, const char *device_code, int64_t now_ms,
                               struct device_view *view)
{
    pthread_mutex_lock(&devices->lock);
    struct entry *entry = find_device(devices, device_code);
    enum device_state state = state_of(entry, now_ms);
    if (state == DEVICE_APPROVED) {
        if (!entry->used_ms)
            entry->used_ms = now_ms;
        copy(entry, now_ms, view);
    }
    pthread_mutex_unlock(&devices->lock);
    return state;
}

void devices_give_back(struct devices *devices, const char *device_code)
{
    pthread_mutex_lock(&devices->lock);
    struct entry *entry = find_device(devices, device_code);
    if (entry)
        entry->used_ms = 0;
    pthread_mutex_unlock(&devices->lock);
}

bool devices_find(struct devices *devices, const char *user_code, int64_t now_ms,
                  struct device_view *view)
{
    pthread_mutex_lock(&devices->lock);
    const struct entry *entry = find_waiting(devices, user_code, now_ms);
    if (entry)
        copy(entry, now_ms, view);
    pthread_mutex_unlock(&devices->lock);
    return entry != NULL;
}

static bool is_ticket(const char *given, const char *ticket)
{
    size_t size = strlen(ticket);
    return strlen(given) == size && CRYPTO_memcmp(given, ticket, size) == 0;
}

bool devices_decide(struct devices *devices, const char *user_code, const char *ticket,
                    bool approved, bool screen_control, int64_t now_ms)
{
    pthread_mutex_lock(&devices->lock);
    struct entry *entry = find_waiting(devices, user_code, now_ms);
    bool done = entry && (!ticket || is_ticket(ticket, entry->view.ticket));
    if (done) {
        entry->view.decided = true;
        entry->view.approved = approved;
        entry->view.screen_control = approved && screen_control;
    }
    pthread_mutex_unlock(&devices->lock);
    return done;
}

void devices_each(struct devices *devices, int64_t now_ms,
                  void (*visit)(void *context, const struct device_view *view), void *context)
{
    pthread_mutex_lock(&devices->lock);
    for (int64_t after_ms = INT64_MIN;;) {
        // Those of one moment come together; there are few of them.
        int64_t next_ms = INT64_MAX;
        for (size_t i = 0; i < HUB_DEVICES_MAX; i++) {
            const struct entry *entry = &devices->entries[i];
            if (waits(entry, now_ms) && entry->begun_ms > after_ms && entry->begun_ms < next_ms)
                next_ms = entry->begun_ms;
        }
        if (next_ms == INT64_MAX)
            break;
        for (size_t i = 0; i < HUB_DEVICES_MAX; i++) {
            const struct entry *entry = &devices->entries[i];
            if (!waits(entry, now_ms) || entry->begun_ms != next_ms)
                continue;
            struct device_view view;
            copy(entry, now_ms, &view);
            visit(context, &view);
            device_view_fini(&view);
        }
        after_ms = next_ms;
    }
    pthread_mutex_unlock(&devices->lock);
}
