#include "doctor/survey.h"

#include <string.h>

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/thread.h"

struct server {
    const char *ca_file;
    enum probe_kind kind;
    char *url;
    struct probe_answer answer;
    pthread_t thread;
    bool started;
};

struct survey {
    size_t count;
    struct server servers[DOCTOR_SERVERS_MAX];
};

struct survey *survey_new(void)
{
    struct survey *survey = mem_new(struct survey);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return survey;
}

void survey_free(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++)
        mem_free(survey->servers[i].url);
    mem_free(survey);
    curl_global_cleanup();
}

static const struct server *find(const struct survey *survey, enum probe_kind kind, const char *url)
{
    for (size_t i = 0; i < survey->count; i++)
        if (survey->servers[i].kind == kind && strcmp(survey->servers[i].url, url) == 0)
            return &survey->servers[i];
    return NULL;
}

void survey_add(struct survey *survey, enum probe_kind kind, const char *url, const char *ca_file)
{
    if (survey->count == DOCTOR_SERVERS_MAX || find(survey, kind, url))
        return;
    struct server *server = &survey->servers[survey->count++];
    *server = (struct server){.ca_file = ca_file, .kind = kind, .url = mem_string(url)};
}

static void *look(void *server_)
{
    struct server *server = server_;
    probe(server->kind, server->url, server->ca_file, DOCTOR_WAIT_MS, &server->answer);
    return NULL;
}

void survey_run(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        struct server *server = &survey->servers[i];
        server->started = thread_start(look, server, &server->thread);
        if (!server->started)
            fail_because(&server->answer.why, FAIL_SYSTEM, "no thread can be made to look");
    }
    for (size_t i = 0; i < survey->count; i++)
        if (survey->servers[i].started)
            pthread_join(survey->servers[i].thread, NULL);
}

const struct probe_answer *survey_find(const struct survey *survey, enum probe_kind kind,
                                       const char *url)
{
    const struct server *server = find(survey, kind, url);
    return server ? &server->answer : NULL;
}
