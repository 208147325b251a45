// Threads with a small stack and every signal blocked: signals belong to the main thread.
#pragma once

#include <pthread.h>
#include <stdbool.h>

// *out is to be joined; with out NULL the thread is detached. False when none can be made.
bool thread_start(void *(*run)(void *), void *argument, pthread_t *out)
    __attribute__((warn_unused_result));
