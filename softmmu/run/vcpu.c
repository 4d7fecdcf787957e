/* SPDX-License-Identifier: MIT */
/*
 * What others do to a vCPU: kick it, post work, park it. All that is wanted of one is a flag set
 * under the lock and a kick; its thread looks at the flags each time round (vcpu-thread.c).
 */
#include "softmmu/run/internal.h"

typedef struct Work {
    void (*fn)(Vcpu *vcpu, void *opaque);
    void *opaque;
    unsigned *left; /* counted down when done; NULL: nobody waits */
    MachineCond *waiter;
} Work;

static MachineCond changed;

bool run_cpu_pm;

void vcpus_wait_change(void)
{
    machine_cond_wait(&changed);
}

void vcpus_changed(void)
{
    machine_cond_wake_all(&changed);
}

/* -- What others do to a vCPU ------------------------------------------------------------------ */

void vcpu_kick(Vcpu *vcpu)
{
    if (vcpu->host) {
        vcpu_thread_wake(vcpu);
    }
    if (vcpu->created && vcpu->ops->kick) {
        vcpu->ops->kick(vcpu);
    }
}

void vcpu_exit(Vcpu *vcpu)
{
    __atomic_store_n(&vcpu->exit_request, 1, __ATOMIC_SEQ_CST);
    vcpu_kick(vcpu);
}

bool vcpu_is_starved(Vcpu *vcpu)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_REALTIME), passed = now - vcpu->seen_ns;
    struct timespec run = {0};
    clockid_t clock;

    if (!vcpu->host || pthread_getcpuclockid(vcpu->thread, &clock) != 0 ||
        clock_gettime(clock, &run) != 0) {
        return false;
    }
    int64_t run_ns = run.tv_sec * NS_PER_SECOND + run.tv_nsec;
    bool is_starved = (run_ns - vcpu->seen_run_ns) * 2 < passed;
    vcpu->seen_ns = now;
    vcpu->seen_run_ns = run_ns;
    return is_starved;
}

static void post(Vcpu *vcpu, Work work)
{
    g_queue_push_tail(&vcpu->work, g_memdup2(&work, sizeof(work)));
    vcpu_exit(vcpu);
}

void vcpu_post(Vcpu *vcpu, void (*fn)(Vcpu *vcpu, void *opaque), void *opaque)
{
    post(vcpu, (Work){.fn = fn, .opaque = opaque});
}

void vcpu_save(Vcpu *vcpu)
{
    if (vcpu->created && vcpu->ops->save) {
        vcpu->ops->save(vcpu);
    }
}

bool vcpu_do_work(Vcpu *vcpu)
{
    bool any = !g_queue_is_empty(&vcpu->work);
    Work *work;

    if (any) {
        vcpu_save(vcpu);
    }
    while ((work = g_queue_pop_head(&vcpu->work))) {
        work->fn(vcpu, work->opaque);
        if (work->left) {
            --*work->left;
            machine_cond_wake_all(work->waiter);
        }
        g_free(work);
    }
    return any;
}

/* Waits until the count is 0; a vCPU does its own work meanwhile: two may wait for each other. */
static void wait_for_work(const unsigned *left, MachineCond *waiter)
{
    Vcpu *self = vcpu_self();

    if (self) {
        safe_point_wait_begin(self);
    }
    while (*left) {
        if (self && !g_queue_is_empty(&self->work)) {
            vcpu_do_work(self);
        } else {
            machine_cond_wait(waiter);
        }
    }
    if (self) {
        safe_point_wait_end(self);
    }
}

void vcpu_run_on(Vcpu *vcpu, void (*fn)(Vcpu *vcpu, void *opaque), void *opaque)
{
    Vcpu *self = vcpu_self();
    MachineCond *waiter = self ? &self->host->wake : &changed;
    unsigned left = 1;

    if (self && self != vcpu && self->host == vcpu->host) {
        vcpu_set_self(vcpu); /* the same thread, which runs the other one at the moment */
        fn(vcpu, opaque);
        vcpu_set_self(self);
    } else if (vcpu == self || vcpu->stopped || !vcpu->created) {
        if (vcpu == self) {
            vcpu_save(vcpu);
        }
        fn(vcpu, opaque);
    } else {
        post(vcpu, (Work){fn, opaque, &left, waiter});
        wait_for_work(&left, waiter);
    }
}

/* Whoever holds the lock may touch it: it cannot come back into run() without it. */
static bool is_outside_run(const Vcpu *vcpu)
{
    return !vcpu->created || __atomic_load_n(&vcpu->quiescent_epoch, __ATOMIC_SEQ_CST) == 0;
}

void vcpu_run_on_all(void (*fn)(Vcpu *vcpu, void *opaque), void *opaque)
{
    Vcpu *self = vcpu_self();
    MachineCond *waiter = self ? &self->host->wake : &changed;
    unsigned left = 0;

    for (unsigned i = 0; i < vcpu_count(); i++) {
        Vcpu *vcpu = vcpu_get(i);

        if (vcpu == self || is_outside_run(vcpu)) {
            fn(vcpu, opaque);
        } else {
            left++;
            post(vcpu, (Work){fn, opaque, &left, waiter});
        }
    }
    if (left) {
        wait_for_work(&left, waiter);
    }
}

static bool all_parked(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (!vcpu_get(i)->stopped) {
            return false;
        }
    }
    return true;
}

void vcpus_park(void)
{
    g_assert(!vcpu_self());
    for (unsigned i = 0; i < vcpu_count(); i++) {
        vcpu_get(i)->stop_requested = true;
        vcpu_exit(vcpu_get(i));
    }
    while (!all_parked()) {
        vcpus_wait_change();
    }
}

void vcpus_resume(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        Vcpu *vcpu = vcpu_get(i);

        vcpu->stop_requested = vcpu->held;
        vcpu_kick(vcpu);
    }
}
