#include "base/clock.h"
#include "base/workers.h"
#include "link/link_private.h"
#include "link/outbox.h"

// The session to try after the failed one, or NULL: then the reply was put aside. adopt() sets the
// session under the same lock before it empties the outbox, so that no reply stays behind in it.
static struct session *next_session(struct link *link, const struct session *failed,
                                    const char *subject, const void *data, size_t size,
                                    int64_t until_ms)
{
    pthread_mutex_lock(&link->lock);
    struct session *next = link->session != failed ? link->session : NULL;
    if (next)
        session_ref(next);
    else
        outbox_put(link->outbox, subject, data, size, until_ms);
    pthread_mutex_unlock(&link->lock);
    return next;
}

void link_reply(struct link *link, const char *subject, const void *data, size_t size,
                int64_t until_ms)
{
    struct session *failed = NULL, *session;
    while ((session = next_session(link, failed, subject, data, size, until_ms)) &&
           !session_publish(session, subject, data, size)) {
        session_unref(failed);
        failed = session;
    }
    session_unref(session);
    session_unref(failed);
}

static bool send_posted(void *link, const struct letter *letter)
{
    link_reply(link, letter->subject, letter->data, letter->size, letter->until_ms);
    return true;
}

static void send_all_posted(void *link_)
{
    struct link *link = link_;
    bool more = true;
    while (more) {
        outbox_empty(link->posted, clock_mono_ms(), send_posted, link);
        pthread_mutex_lock(&link->lock);
        more = link->posting = !outbox_is_empty(link->posted);
        pthread_mutex_unlock(&link->lock);
    }
    link_drop(link);
}

void link_reply_soon(struct link *link, const char *subject, const void *data, size_t size,
                     int64_t until_ms)
{
    pthread_mutex_lock(&link->lock);
    bool wait = link->posting || (link->session && session_busy(link->session));
    bool start = wait && !link->posting;
    if (wait)
        outbox_put(link->posted, subject, data, size, until_ms);
    link->posting |= start;
    pthread_mutex_unlock(&link->lock);
    if (!wait) {
        link_reply(link, subject, data, size, until_ms);
    } else if (start) {
        link_hold(link);
        if (!workers_submit(link->shared->workers, send_all_posted, link))
            send_all_posted(link);
    }
}
