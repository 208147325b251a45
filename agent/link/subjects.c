#include "link/subjects.h"

#include <stdio.h>
#include <string.h>

static bool is_token(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t size = strlen(text);
    return size > 0 && size <= SUBJECT_TOKEN_BYTES && strspn(text, allowed) == size;
}

bool subjects_init(struct subjects *subjects, const char *workspace_id, const char *agent_id,
                   const char *instance_id)
{
    if (!is_token(workspace_id) || !is_token(agent_id) || !is_token(instance_id))
        return false;
    for (int i = 0; i < ADDRESSES; i++) {
        struct address_subjects *at = &subjects->at[i];
        const char *middle = i == ADDRESS_FENCED ? ".connection." : "";
        const char *instance = i == ADDRESS_FENCED ? instance_id : "";
        const struct {
            char *subject;
            const char *last;
        } all[] = {
            {at->rpc, "rpc"}, {at->ack, "ack"}, {at->hello, "hello"}, {at->events, "events"}};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            snprintf(all[k].subject, SUBJECT_BYTES, "agent.%s.%s%s%s.%s", workspace_id, agent_id,
                     middle, instance, all[k].last);
    }
    return true;
}
