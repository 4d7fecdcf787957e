/* SPDX-License-Identifier: MIT */
/* Worker pool: threads that make the calls which block. */
#include "util/thread-name.h"
#include "util/worker.h"

#include <pthread.h>
#include <signal.h>

typedef struct WorkItem {
    WorkerPool *pool; /* NULL: the pool is gone, the completion is dropped; under the loop's lock */
    Loop *loop;
    LoopCallback *work, *done;
    void *opaque;
    GList *link; /* in the pool's undelivered list */
} WorkItem;

struct WorkerPool {
    pthread_mutex_t lock; /* a leaf: nothing is called under it but the list functions */
    pthread_cond_t work_added;
    GQueue waiting;     /* of WorkItem *, in order */
    GQueue undelivered; /* of WorkItem *: submitted, done() not called */
    GPtrArray *threads; /* of GThread * */
    unsigned max_threads, idle_threads;
    bool is_ending;
};

WorkerPool *worker_pool_new(unsigned max_threads)
{
    WorkerPool *pool = g_new0(WorkerPool, 1);

    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work_added, NULL);
    g_queue_init(&pool->waiting);
    g_queue_init(&pool->undelivered);
    pool->threads = g_ptr_array_new();
    pool->max_threads = MAX(max_threads, 1);
    return pool;
}

/* On the loop's thread, under its lock. */
static void deliver(void *opaque)
{
    WorkItem *item = opaque;
    WorkerPool *pool = item->pool;

    if (pool) {
        pthread_mutex_lock(&pool->lock);
        g_queue_delete_link(&pool->undelivered, item->link);
        pthread_mutex_unlock(&pool->lock);
        item->done(item->opaque);
    }
    g_free(item);
}

static gpointer worker_main(gpointer opaque)
{
    WorkerPool *pool = opaque;

    thread_set_name("worker");
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        WorkItem *item = g_queue_pop_head(&pool->waiting);
        if (item) {
            pthread_mutex_unlock(&pool->lock);
            item->work(item->opaque);
            loop_post(item->loop, deliver, item);
            pthread_mutex_lock(&pool->lock);
        } else if (pool->is_ending) {
            break;
        } else {
            pool->idle_threads++;
            pthread_cond_wait(&pool->work_added, &pool->lock);
            pool->idle_threads--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* A thread inherits the mask of the one that makes it. */
static void start_thread(WorkerPool *pool)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    GThread *thread = g_thread_try_new(NULL, worker_main, pool, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (thread) {
        g_ptr_array_add(pool->threads, thread);
    }
}

void worker_submit(WorkerPool *pool, Loop *loop, LoopCallback *work, LoopCallback *done,
                   void *opaque)
{
    WorkItem *item = g_new0(WorkItem, 1);

    *item = (WorkItem){.pool = pool, .loop = loop, .work = work, .done = done, .opaque = opaque};
    pthread_mutex_lock(&pool->lock);
    g_queue_push_tail(&pool->undelivered, item);
    item->link = pool->undelivered.tail;
    g_queue_push_tail(&pool->waiting, item);
    bool needs_thread = pool->waiting.length > pool->idle_threads;
    if (needs_thread && pool->threads->len < pool->max_threads) {
        start_thread(pool);
    }
    bool has_threads = pool->threads->len > 0;
    if (!has_threads) {
        g_queue_pop_tail(&pool->waiting);
    }
    pthread_cond_signal(&pool->work_added);
    pthread_mutex_unlock(&pool->lock);
    if (!has_threads) {
        /* The host gives us no thread at all: slow is better than never. */
        work(opaque);
        loop_post(loop, deliver, item);
    }
}

void worker_pool_free(WorkerPool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->work_added);
    pthread_mutex_unlock(&pool->lock);
    for (guint i = 0; i < pool->threads->len; i++) {
        g_thread_join(pool->threads->pdata[i]);
    }
    for (GList *link = pool->undelivered.head; link; link = link->next) {
        ((WorkItem *)link->data)->pool = NULL;
    }
    g_queue_clear(&pool->undelivered);
    g_ptr_array_free(pool->threads, TRUE);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work_added);
    g_free(pool);
}

WorkerPool *worker_pool_shared(void)
{
    static gsize pool;

    if (g_once_init_enter(&pool)) {
        g_once_init_leave(&pool, (gsize)worker_pool_new(16));
    }
    return (WorkerPool *)pool;
}
