/* SPDX-License-Identifier: MIT */
/* The request queue: from block_submit() down the chain to a worker, and back on the loop. */

/*
 * A request enters at the top node. Each format is asked where its bytes lie; as long as the answer
 * comes from memory and covers the whole request, the request goes to the child without a thread in
 * between. The node where that ends executes it on a worker: a protocol because it is the bottom, a
 * format because it must touch its metadata.
 *
 * A worker puts the finished job into `finished` and the loop picks it up. block_drain() picks up
 * from the same place while it sleeps, so it runs completions and nothing else: no timer, no file
 * descriptor, no bottom half of anybody. A job is completed by whoever takes it from `finished`,
 * and freed when its turn on the loop comes.
 */
#include "block/block.h"
#include "util/trace.h"
#include "util/worker.h"

#include <assert.h>
#include <errno.h>

typedef struct Job {
    BlockRequest inner;     /* what the executing node sees: its own offsets */
    BlockRequest *original; /* what the device gave, and gets back */
    int64_t begin_us;       /* monotonic */
} Job;

static GAsyncQueue *finished; /* of Job *, filled by workers */
static unsigned total_in_flight;

static GAsyncQueue *finished_queue(void)
{
    if (!finished) {
        finished = g_async_queue_new();
    }
    return finished;
}

static void count_in_flight(BlockNode *node, int delta)
{
    total_in_flight += (unsigned)delta;
    for (; node; node = node->file) {
        node->in_flight += (unsigned)delta;
    }
}

static void account(BlockNode *node, const BlockRequest *request, const Job *job, int64_t now_us)
{
    BlockAccount *account = &node->account;
    /* where the executing node sees it; in between no format here moves what it passes on */
    uint64_t end = (node == job->inner.node ? job->inner.offset : request->offset) + request->size;
    bool fine = job->inner.status >= 0;

    account->op[request->op].count += fine;
    account->op[request->op].failed += !fine;
    account->op[request->op].bytes += fine && request->op != BLOCK_FLUSH ? request->size : 0;
    account->op[request->op].ns += (uint64_t)(now_us - job->begin_us) * 1000;
    if (fine && (request->op == BLOCK_WRITE || request->op == BLOCK_WRITE_ZEROES)) {
        account->write_end = MAX(account->write_end, end);
    }
    account->last_ns = now_us * 1000;
}

static void complete(Job *job)
{
    BlockRequest *request = job->original;
    BlockNode *node = request->node;

    request->status = job->inner.status;
    TRACE(block_complete, "node %s op %d offset %" G_GUINT64_FORMAT " status %d", node->name,
          (int)request->op, request->offset, request->status);
    count_in_flight(node, -1);
    for (BlockNode *part = node; part; part = part->file) {
        account(part, request, job, g_get_monotonic_time());
    }
    request->done(request, request->status);
    block_unref(node);
}

/* A job's turn on the loop: completes what is finished,
 * itself included unless a drain was first. */
static void job_on_loop(void *opaque)
{
    Job *job;

    while ((job = g_async_queue_try_pop(finished_queue()))) {
        complete(job);
    }
    g_free(opaque);
}

static void job_on_worker(void *opaque)
{
    Job *job = opaque;
    BlockNode *node = job->inner.node;

    if (node->file) {
        g_mutex_lock(&node->image_lock);
    }
    job->inner.status = node->driver->execute(node, &job->inner);
    if (node->file) {
        g_mutex_unlock(&node->image_lock);
    }
    g_async_queue_push(finished, job);
}

/* The sum of the iovecs is the size of a transfer; a mistake of the submitter. */
static bool iov_matches(const BlockRequest *request)
{
    uint64_t sum = 0;

    if (request->op != BLOCK_READ && request->op != BLOCK_WRITE) {
        return true;
    }
    for (unsigned i = 0; i < request->iov_count; i++) {
        sum += request->iov[i].iov_len;
    }
    return sum == request->size;
}

/* 0, or the negative errno that refuses the request. */
static int check_request(BlockNode *node, const BlockRequest *request)
{
    uint64_t size = block_size(node);
    bool changes = request->op != BLOCK_READ && request->op != BLOCK_FLUSH;

    if (request->op == BLOCK_FLUSH) {
        return 0;
    }
    if (request->offset > size || request->size > size - request->offset) {
        return -EIO;
    }
    return changes && node->read_only ? -EPERM : 0;
}

/* Moves the job to the node that executes it. */
static void descend(Job *job)
{
    BlockRequest *request = &job->inner;

    while (request->node->file) {
        BlockNode *node = request->node;
        uint64_t offset = request->offset;

        if (request->op != BLOCK_FLUSH &&
            node->driver->map(node, request->op, request->offset, request->size, &offset) <
                request->size) {
            return;
        }
        request->node = node->file;
        request->offset = offset;
    }
}

void block_submit(BlockNode *node, BlockRequest *request)
{
    Job *job = g_new0(Job, 1);
    int status = check_request(node, request);

    assert(iov_matches(request));
    TRACE(block_submit, "node %s op %d offset %" G_GUINT64_FORMAT " size %" G_GUINT64_FORMAT,
          node->name, (int)request->op, request->offset, request->size);
    request->node = block_ref(node);
    job->inner = *request;
    job->original = request;
    job->begin_us = g_get_monotonic_time();
    count_in_flight(node, 1);
    finished_queue();
    if (status < 0) {
        job->inner.status = status;
        g_async_queue_push(finished, job);
        loop_post(main_loop(), job_on_loop, job);
        return;
    }
    descend(job);
    worker_submit(worker_pool_shared(), main_loop(), job_on_worker, job_on_loop, job);
}

void block_drain(BlockNode *node)
{
    while (node->in_flight) {
        complete(g_async_queue_pop(finished_queue()));
    }
}

void block_drain_all(void)
{
    while (total_in_flight) {
        complete(g_async_queue_pop(finished_queue()));
    }
}
