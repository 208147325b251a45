#include "service/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "service/install.h"

static void take(const char *line, size_t size, const char *name, char *room, size_t room_size)
{
    size_t skip = strlen(name);
    if (size <= skip || line[skip] != '=' || memcmp(line, name, skip) != 0)
        return;
    snprintf(room, room_size, "%.*s", (int)(size - skip - 1), line + skip + 1);
    printable_strip(room);
}

static void take_number(const char *line, size_t size, const char *name, long *number)
{
    char text[SERVICE_WORD_BYTES] = "";
    take(line, size, name, text, sizeof text);
    if (*text)
        *number = strtol(text, NULL, 10);
}

void service_state_parse(const char *text, struct service_state *state)
{
    *state = (struct service_state){.known = true};
    while (*text) {
        size_t size = strcspn(text, "\n");
        take(text, size, "LoadState", state->load, sizeof state->load);
        take(text, size, "ActiveState", state->active, sizeof state->active);
        take(text, size, "SubState", state->sub, sizeof state->sub);
        take(text, size, "UnitFileState", state->enabled, sizeof state->enabled);
        take(text, size, "StatusText", state->text, sizeof state->text);
        take_number(text, size, "MainPID", &state->pid);
        take_number(text, size, "NRestarts", &state->restarts);
        take_number(text, size, "ExecMainStatus", &state->exit_status);
        text += size + (text[size] == '\n');
    }
}

bool service_state_read(enum service_scope scope, struct service_state *state, struct fail *why)
{
    struct buffer out;
    *state = (struct service_state){0};
    static const char properties[] =
        "LoadState,ActiveState,SubState,MainPID,NRestarts,ExecMainStatus,UnitFileState,StatusText";
    buffer_init(&out, SERVICE_OUTPUT_BYTES_MAX);
    bool good = service_show(scope, properties, &out, why);
    if (good)
        service_state_parse(out.data, state);
    buffer_fini(&out);
    return good;
}
