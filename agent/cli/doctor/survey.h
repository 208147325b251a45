// Looks at many servers at once, each of them once, so that all together take no longer than one.
#pragma once

#include "doctor/probe.h"

struct survey;

struct survey *survey_new(void);
void survey_free(struct survey *survey);

// Notes a server; ca_file, which may be NULL, lives as long as the survey. One that is there
// already is not noted again, and beyond DOCTOR_SERVERS_MAX none.
void survey_add(struct survey *survey, enum probe_kind kind, const char *url, const char *ca_file);

// Looks at all of them, within DOCTOR_WAIT_MS.
void survey_run(struct survey *survey);

// What was found; NULL for one that was not noted.
const struct probe_answer *survey_find(const struct survey *survey, enum probe_kind kind,
                                       const char *url);
