/* SPDX-License-Identifier: MIT */
/* Worker pool: a bounded set of threads for calls that block; they see host buffers only. */
#ifndef UTIL_WORKER_H
#define UTIL_WORKER_H

#include "util/loop.h"

typedef struct WorkerPool WorkerPool;

/* Pool of at most `max_threads` threads, started on demand. All signals are blocked in them. */
WorkerPool *worker_pool_new(unsigned max_threads);

/* Waits for the work under way; completions not yet delivered are dropped. NULL is fine. */
void worker_pool_free(WorkerPool *pool);

/*
 * Runs work(opaque) on a worker, then done(opaque) as a callback of `loop` in a later turn, under
 * its lock. Work items start in order. Every submitted item completes.
 */
void worker_submit(WorkerPool *pool, Loop *loop, LoopCallback *work, LoopCallback *done,
                   void *opaque);

/* The process's pool for files (16 threads), made on first use. */
WorkerPool *worker_pool_shared(void);

#endif
