/* SPDX-License-Identifier: MIT */
/*
 * Deferred release. A vCPU reads published pointers without a lock, but only between two safe
 * points of its own. So what was unpublished can go once every vCPU has passed one since.
 *
 * `epoch` counts deferrals. A vCPU in run() publishes the epoch it saw at its latest safe point,
 * one outside run() publishes 0. An item of epoch E may go when every vCPU shows 0 or at least E.
 * The order holds on both sides: unpublish, then count; see the count, then load pointers.
 */
#include "softmmu/run/internal.h"

typedef struct Deferred {
    uint64_t epoch;
    void (*release)(void *opaque);
    void *opaque;
} Deferred;

static uint64_t epoch = 1;
static GQueue deferred = G_QUEUE_INIT; /* oldest first; under the lock */
static bool waiting; /* a vCPU that leaves run() has release_due() called; under the lock */

static unsigned waiters;     /* threads in vcpu_wait_safe_points(); under the lock */
static MachineCond left_run; /* a vCPU did, while there were some */

static uint64_t oldest_epoch_in_use(void)
{
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < vcpu_count(); i++) {
        uint64_t seen = __atomic_load_n(&vcpu_get(i)->quiescent_epoch, __ATOMIC_SEQ_CST);

        if (seen != 0 && seen < oldest) {
            oldest = seen;
        }
    }
    return oldest;
}

static bool lags(const Vcpu *vcpu, uint64_t wanted)
{
    uint64_t seen = __atomic_load_n(&vcpu->quiescent_epoch, __ATOMIC_SEQ_CST);

    return seen != 0 && seen < wanted;
}

/* Makes those that lag behind pass a safe point; leaving run() is one. */
static void hurry_up(uint64_t wanted)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (lags(vcpu_get(i), wanted) && vcpu_get(i) != vcpu_self()) {
            vcpu_exit(vcpu_get(i));
        }
    }
}

static void release_up_to(uint64_t limit)
{
    const Deferred *oldest;

    while ((oldest = g_queue_peek_head(&deferred)) && oldest->epoch <= limit) {
        Deferred *item = g_queue_pop_head(&deferred);

        item->release(item->opaque);
        g_free(item);
    }
}

static void release_due(void *opaque)
{
    release_up_to(oldest_epoch_in_use());
    waiting = !g_queue_is_empty(&deferred);
    if (waiting) {
        hurry_up(__atomic_load_n(&epoch, __ATOMIC_RELAXED));
    }
}

void vcpu_defer(void (*release)(void *opaque), void *opaque)
{
    Deferred *item = g_new(Deferred, 1);

    *item = (Deferred){__atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST), release, opaque};
    g_queue_push_tail(&deferred, item);
    if (main_loop()) {
        loop_post(main_loop(), release_due, NULL);
    } else if (vcpu_count() == 0) {
        safe_point_flush();
    }
}

void vcpu_quiescent(Vcpu *vcpu)
{
    __atomic_store_n(&vcpu->quiescent_epoch, __atomic_load_n(&epoch, __ATOMIC_SEQ_CST),
                     __ATOMIC_SEQ_CST);
}

void safe_point_leave_run(Vcpu *vcpu)
{
    __atomic_store_n(&vcpu->quiescent_epoch, 0, __ATOMIC_SEQ_CST);
}

void safe_point_check(void)
{
    if (G_UNLIKELY(waiting) && main_loop()) {
        waiting = false;
        loop_post(main_loop(), release_due, NULL);
    }
    if (G_UNLIKELY(waiters > 0)) {
        machine_cond_wake_all(&left_run);
    }
}

static bool others_lag(uint64_t wanted)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const Vcpu *vcpu = vcpu_get(i);

        if (vcpu != vcpu_self() && !vcpu->waits_for_others && lags(vcpu, wanted)) {
            return true;
        }
    }
    return false;
}

/* Two that wait for each other are both in C code under the lock, which is as good as a safe point
 * for what is asked here: neither is between a check and the access it was made for. */
void safe_point_wait_begin(Vcpu *self)
{
    if (self->ops->wait_begin) {
        self->ops->wait_begin(self);
    }
    self->waits_for_others = true;
    machine_cond_wake_all(&left_run);
}

void safe_point_wait_end(Vcpu *self)
{
    self->waits_for_others = false;
    if (self->ops->wait_end) {
        self->ops->wait_end(self);
    }
}

void vcpu_wait_safe_points(void)
{
    uint64_t wanted = __atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST);
    Vcpu *self = vcpu_self();

    if (!others_lag(wanted)) {
        return;
    }
    hurry_up(wanted);
    if (self) {
        safe_point_wait_begin(self);
    }
    waiters++;
    while (others_lag(wanted)) {
        machine_cond_wait(&left_run);
    }
    waiters--;
    if (self) {
        safe_point_wait_end(self);
    }
}

void safe_point_flush(void)
{
    release_up_to(UINT64_MAX);
}
