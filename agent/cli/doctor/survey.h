// Looks at many servers at once, each of them once, so that all together take no longer than one.
#pragma once

#include "doctor/probe.h"

struct survey;

// ca_file lives as long as the survey.
struct survey *survey_new(const char *ca_file);
void survey_free(struct survey *survey);

// Notes a server. One that is there already is not noted again, and beyond DOCTOR_SERVERS_MAX none.
void survey_add(struct survey *survey, enum probe_kind kind, const char *url);

// Looks at all of them, within DOCTOR_WAIT_MS.
void survey_run(struct survey *survey);

// What was found; NULL for one that was not noted.
const struct probe_answer *survey_find(const struct survey *survey, enum probe_kind kind,
                                       const char *url);
