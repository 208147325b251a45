// A configuration directory for each test, with the means to put things into it.
#pragma once

#include "base/alloc.h"
#include "check_main.h"
#include "config/secure_dir.h"
#include "scratch.h"

#define WORKSPACE "11111111-1111-4111-8111-111111111111"
#define AGENT     "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
#define HOME_ID   "64099b09be44f9ed8c4d" // of http://127.0.0.1:8000 and WORKSPACE
#define LEGACY_ID "ee8c3261bd814363b916" // of WORKSPACE and AGENT

static struct secure_dir rig_config; // <scratch>/config, open, with connections/ in it

#define rig_in(name) in("config/%s", name)

static inline void rig_setup(void)
{
    struct fail why;
    scratch_setup();
    ck_assert_int_eq(mkdir(in("config"), 0700), 0);
    ck_assert_int_eq(mkdir(rig_in("connections"), 0700), 0);
    ck_assert(secure_dir_open(&rig_config, in("config"), false, &why));
}

static inline void rig_teardown(void)
{
    secure_dir_fini(&rig_config);
    scratch_teardown();
}

static inline void rig_write(const char *name, const char *text)
{
    chmod(put(rig_in(name), text), 0600);
}

static inline mode_t rig_mode(const char *name)
{
    return mode_of(rig_in(name)) & 07777;
}

// A complete document; freed with mem_free.
static inline char *rig_document(const char *id, const char *api_url, const char *bearer)
{
    return mem_printf(
        "{\"schema_version\": 1, \"connection_id\": \"%s\", \"api_url\": \"%s\",\n"
        " \"credentials\": {\"agent_id\": \"" AGENT "\", \"workspace_id\": \"" WORKSPACE "\",\n"
        "  \"nats_bearer\": \"%s\", \"nats_urls\": [\"nats://127.0.0.1:4222\"],\n"
        "  \"relay_url\": \"ws://127.0.0.1:8090/stream\", \"update_pubkey\": \"\",\n"
        "  \"consented_whole_machine\": true, \"consented_screen_control\": false}}\n",
        id, api_url, bearer);
}

#define RIG_MAIN(name, ...) CHECK_MAIN_WITH(name, 300, rig_setup, rig_teardown, __VA_ARGS__)
