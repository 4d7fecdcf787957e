/* SPDX-License-Identifier: MIT */
/*
 * vCPU threads. Each one goes round a loop under the machine lock: posted work, end, park, sleep
 * while halted, else drop the lock and run guest code. All that others want of a vCPU is a flag set
 * under the lock and a kick; the thread looks at the flags each time round.
 */
#include "softmmu/run/internal.h"

#include <errno.h>
#include <signal.h>

#define KICK_SIGNAL SIGUSR1

typedef struct Work {
    void (*fn)(Vcpu *vcpu, void *opaque);
    void *opaque;
    bool *done; /* NULL: nobody waits */
    MachineCond *waiter;
} Work;

static GPtrArray *vcpus;
static __thread Vcpu *self;
static MachineCond changed; /* a vCPU started, parked, ended or did its work */

/* Of an index that is in range. */
static Vcpu *nth(unsigned index)
{
    return g_ptr_array_index(vcpus, index);
}

unsigned vcpu_count(void)
{
    return vcpus ? vcpus->len : 0;
}

Vcpu *vcpu_get(unsigned index)
{
    return index < vcpu_count() ? nth(index) : NULL;
}

Vcpu *vcpu_self(void)
{
    return self;
}

/* -- What others do to a vCPU ------------------------------------------------------------------ */

void vcpu_kick(Vcpu *vcpu)
{
    machine_cond_wake_all(&vcpu->wake);
    if (vcpu->created && vcpu->ops->kick) {
        vcpu->ops->kick(vcpu);
    }
}

void vcpu_exit(Vcpu *vcpu)
{
    __atomic_store_n(&vcpu->exit_request, 1, __ATOMIC_SEQ_CST);
    vcpu_kick(vcpu);
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

static void do_work(Vcpu *vcpu)
{
    Work *work;

    while ((work = g_queue_pop_head(&vcpu->work))) {
        work->fn(vcpu, work->opaque);
        if (work->done) {
            *work->done = true;
            machine_cond_wake_all(work->waiter);
        }
        g_free(work);
    }
}

void vcpu_run_on(Vcpu *vcpu, void (*fn)(Vcpu *vcpu, void *opaque), void *opaque)
{
    bool done = false;

    if (vcpu == self || vcpu->stopped || !vcpu->created) {
        fn(vcpu, opaque);
        return;
    }
    MachineCond *waiter = self ? &self->wake : &changed;

    post(vcpu, (Work){fn, opaque, &done, waiter});
    if (self) {
        safe_point_wait_begin(self);
    }
    while (!done) {
        if (self && !g_queue_is_empty(&self->work)) {
            do_work(self); /* the other one may be waiting for us in the same way */
        } else {
            machine_cond_wait(waiter);
        }
    }
    if (self) {
        safe_point_wait_end(self);
    }
}

static bool all_parked(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (!nth(i)->stopped) {
            return false;
        }
    }
    return true;
}

void vcpus_park(void)
{
    g_assert(!self);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        nth(i)->stop_requested = true;
        vcpu_exit(nth(i));
    }
    while (!all_parked()) {
        machine_cond_wait(&changed);
    }
}

void vcpus_resume(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        Vcpu *vcpu = nth(i);

        vcpu->stop_requested = vcpu->held;
        vcpu_kick(vcpu);
    }
}

/* -- The thread -------------------------------------------------------------------------------- */

static void on_kick(int signal_number)
{
}

/* Asynchronous signals belong to the main thread; a kick only interrupts a system call, so it must
 * not restart it. Faults of translated code stay unblocked. */
static void setup_signals(void)
{
    static const int unblocked[] = {KICK_SIGNAL, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    struct sigaction action = {.sa_handler = on_kick};
    sigset_t blocked;

    sigaction(KICK_SIGNAL, &action, NULL);
    sigfillset(&blocked);
    for (unsigned i = 0; i < G_N_ELEMENTS(unblocked); i++) {
        sigdelset(&blocked, unblocked[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

static void park(Vcpu *vcpu)
{
    if (!vcpu->stopped) {
        vcpu->stopped = true;
        machine_cond_wake_all(&changed);
    }
    machine_cond_wait(&vcpu->wake);
}

static void run_guest(Vcpu *vcpu)
{
    machine_unlock();
    vcpu_quiescent(vcpu);
    vcpu->ops->run(vcpu);
    safe_point_leave_run(vcpu);
    machine_lock();
    safe_point_check();
}

static void vcpu_loop(Vcpu *vcpu)
{
    for (;;) {
        /* Whatever is asked for from here on sets it again, before the lock is dropped or after. */
        __atomic_store_n(&vcpu->exit_request, 0, __ATOMIC_SEQ_CST);
        do_work(vcpu);
        if (vcpu->end_requested) {
            return;
        }
        if (vcpu->stop_requested) {
            park(vcpu);
            continue;
        }
        vcpu->stopped = false;
        if (vcpu->halted && !vcpu->has_work(vcpu)) {
            machine_cond_wait(&vcpu->wake);
        } else {
            run_guest(vcpu);
        }
    }
}

typedef struct StartUp {
    Vcpu *vcpu;
    Error **err;
    bool done, ok;
} StartUp;

static void *vcpu_thread(void *opaque)
{
    StartUp *start = opaque;
    Vcpu *vcpu = start->vcpu;
    bool ok;

    self = vcpu;
    setup_signals();
    ok = !vcpu->ops->init || vcpu->ops->init(vcpu, start->err);
    machine_lock();
    vcpu->created = ok;
    start->ok = ok;
    start->done = true; /* `start` is gone once the lock is dropped */
    machine_cond_wake_all(&changed);
    if (ok) {
        vcpu_loop(vcpu);
        vcpu->created = false;
        vcpu->stopped = true;
        machine_cond_wake_all(&changed);
    }
    machine_unlock();
    if (ok && vcpu->ops->fini) {
        vcpu->ops->fini(vcpu);
    }
    return NULL;
}

bool vcpu_start(Vcpu *vcpu, Error **err)
{
    StartUp start = {.vcpu = vcpu, .err = err};
    g_autofree char *name = g_strdup_printf("vcpu-%u", vcpu_count());

    vcpu->index = vcpu_count();
    vcpu->stop_requested = !run_state_is_running();
    vcpu->stopped = true;
    g_queue_init(&vcpu->work);
    if (!vcpus) {
        vcpus = g_ptr_array_new();
    }
    g_ptr_array_add(vcpus, vcpu); /* before it runs: safe points ask everyone */

    int result = pthread_create(&vcpu->thread, NULL, vcpu_thread, &start);

    if (result == 0) {
        pthread_setname_np(vcpu->thread, name);
        while (!start.done) {
            machine_cond_wait(&changed);
        }
    } else {
        error_set_errno(err, result, "cannot start the thread of CPU %u", vcpu->index);
    }
    if (!start.ok) {
        g_ptr_array_remove(vcpus, vcpu);
        if (result == 0) {
            pthread_join(vcpu->thread, NULL);
        }
    }
    return start.ok;
}

void vcpus_destroy(void)
{
    g_assert(!self);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        nth(i)->end_requested = true;
        vcpu_exit(nth(i));
    }
    machine_unlock();
    for (unsigned i = 0; i < vcpu_count(); i++) {
        pthread_join(nth(i)->thread, NULL);
    }
    machine_lock();
    g_clear_pointer(&vcpus, g_ptr_array_unref);
    safe_point_flush();
}
