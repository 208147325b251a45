#include "link/link_private.h"
#include "link/outbox.h"

void link_reply(struct link *link, const char *subject, const void *data, size_t size,
                int64_t until_ms)
{
    struct session *session = link_session(link);
    bool sent = session && session_publish(session, subject, data, size);
    session_unref(session);
    if (!sent)
        outbox_put(link->outbox, subject, data, size, until_ms);
}
