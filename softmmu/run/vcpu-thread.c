/* SPDX-License-Identifier: MIT */
/*
 * vCPU threads. A thread visits its vCPUs one after the other, under the machine lock: posted work,
 * end, park; one that can run guest code does so with the lock dropped. When none could the thread
 * sleeps. Usually a vCPU has a thread of its own. An accelerator may ask for one thread for all of
 * them; then a vCPU leaves run() when its time slice is over, when it halts or pauses, and when
 * something is wanted of another one.
 */
#include "softmmu/run/internal.h"

#include "util/thread-name.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define KICK_SIGNAL SIGUSR1
#define SLICE_NS (NS_PER_SECOND / 500)

/* Of vcpu_start(), on its stack: done when the thread has made the vCPU ready, or could not. */
struct VcpuStart {
    Error **err;
    bool done, ok;
};

static GPtrArray *vcpus;
static __thread Vcpu *self;

unsigned vcpu_count(void)
{
    return vcpus ? vcpus->len : 0;
}

Vcpu *vcpu_get(unsigned index)
{
    return index < vcpu_count() ? g_ptr_array_index(vcpus, index) : NULL;
}

Vcpu *vcpu_self(void)
{
    return self;
}

void vcpu_set_self(Vcpu *vcpu)
{
    self = vcpu;
}

/* -- Time slices ------------------------------------------------------------------------------- */

static bool can_run(const Vcpu *vcpu)
{
    return vcpu->created && !vcpu->stop_requested && !vcpu->end_requested &&
           !(vcpu->halted && !vcpu->has_work((Vcpu *)vcpu));
}

/* Halted until something that nobody kicks it for. */
static bool is_polled(const Vcpu *vcpu)
{
    return vcpu->created && vcpu->halted && vcpu->halt_poll_ns && !vcpu->stop_requested;
}

static bool others_can_run(const VcpuThread *thread)
{
    for (guint i = 0; i < thread->vcpus->len; i++) {
        const Vcpu *vcpu = g_ptr_array_index(thread->vcpus, i);

        if (vcpu != thread->running && (can_run(vcpu) || is_polled(vcpu))) {
            return true;
        }
    }
    return false;
}

static void leave_run(Vcpu *vcpu)
{
    __atomic_store_n(&vcpu->exit_request, 1, __ATOMIC_SEQ_CST);
    if (vcpu->ops->kick) {
        vcpu->ops->kick(vcpu);
    }
}

/* Main loop. The timer goes on as long as somebody waits for his turn. */
static void slice_ends(void *opaque)
{
    VcpuThread *thread = opaque;
    int64_t now = clock_now_ns(CLOCK_TYPE_REALTIME);

    if (!thread->running || !others_can_run(thread)) {
        return;
    }
    if (now - thread->running_since_ns >= SLICE_NS / 2) {
        leave_run(thread->running);
    }
    timer_mod_ns(&thread->slice, now + SLICE_NS);
}

static void slice_begins(VcpuThread *thread)
{
    if (thread->vcpus->len < 2 || !thread->slice.loop) {
        return;
    }
    thread->running_since_ns = clock_now_ns(CLOCK_TYPE_REALTIME);
    if (!timer_pending(&thread->slice) && others_can_run(thread)) {
        timer_mod_ns(&thread->slice, thread->running_since_ns + SLICE_NS);
    }
}

void vcpu_thread_wake(Vcpu *vcpu)
{
    VcpuThread *thread = vcpu->host;

    machine_cond_wake_all(&thread->wake);
    if (thread->running && thread->running != vcpu) {
        leave_run(thread->running);
    }
}

/* -- The thread -------------------------------------------------------------------------------- */

static void on_kick(int signal_number)
{
}

void vcpu_interrupt_thread(const Vcpu *vcpu)
{
    pthread_kill(vcpu->thread, KICK_SIGNAL);
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

static void start_up(Vcpu *vcpu)
{
    VcpuStart *start = vcpu->start;

    vcpu->start = NULL;
    vcpu->thread_id = gettid();
    machine_unlock();
    bool ok = !vcpu->ops->init || vcpu->ops->init(vcpu, start->err);
    machine_lock();
    vcpu->created = ok;
    vcpu->needs_fini = ok;
    start->ok = ok;
    start->done = true; /* `start` is gone once the lock is dropped */
    vcpus_changed();
}

static void run_guest(Vcpu *vcpu)
{
    VcpuThread *thread = vcpu->host;

    thread->running = vcpu;
    slice_begins(thread);
    vcpu_quiescent(vcpu); /* under the lock: who holds it sees who is outside run() */
    machine_unlock();
    vcpu->ops->run(vcpu);
    safe_point_leave_run(vcpu);
    machine_lock();
    thread->running = NULL;
    safe_point_check();
}

/* All that does not run guest code. True: something was done, and the lock may have been dropped.
 */
static bool attend(Vcpu *vcpu)
{
    if (vcpu->start) {
        start_up(vcpu);
        return true;
    }
    if (!vcpu->created) {
        return false;
    }
    /* Whatever is asked for from here on sets it again, before the lock is dropped or after. */
    __atomic_store_n(&vcpu->exit_request, 0, __ATOMIC_SEQ_CST);
    bool worked = vcpu_do_work(vcpu);

    if (vcpu->end_requested) {
        vcpu->created = false;
        vcpu->stopped = true;
        vcpus_changed();
        return true;
    }
    if (vcpu->stopped != vcpu->stop_requested) {
        if (!vcpu->stopped) {
            vcpu_save(vcpu);
        }
        vcpu->stopped = vcpu->stop_requested;
        vcpus_changed();
    }
    return worked;
}

/* Whoever waits for one vCPU does not wait until another one's slice is over, which the main thread
 * could not end meanwhile. True: something was done. */
static bool attend_to_all(VcpuThread *thread)
{
    bool worked = true;
    unsigned rounds;

    for (rounds = 0; worked; rounds++) {
        worked = false;
        for (guint i = 0; i < thread->vcpus->len; i++) {
            self = g_ptr_array_index(thread->vcpus, i);
            worked |= attend(self);
        }
    }
    return rounds > 1;
}

/* Has each one that can run do so; false when there was nothing to do: the lock was not dropped. */
static bool run_all(VcpuThread *thread)
{
    bool any = false;

    for (guint i = 0; i < thread->vcpus->len; i++) {
        any |= attend_to_all(thread);
        self = i < thread->vcpus->len ? g_ptr_array_index(thread->vcpus, i) : NULL;
        if (self && can_run(self)) {
            run_guest(self);
            any = true;
        }
    }
    return any;
}

/* A vCPU is there, or about to be. */
static bool is_needed(const VcpuThread *thread)
{
    for (guint i = 0; i < thread->vcpus->len; i++) {
        const Vcpu *vcpu = g_ptr_array_index(thread->vcpus, i);

        if (vcpu->created || vcpu->start) {
            return true;
        }
    }
    return false;
}

/* Until a kick, or until the first of those that are polled is due. */
static void sleep_until_wanted(VcpuThread *thread)
{
    int64_t ns = INT64_MAX;

    for (guint i = 0; i < thread->vcpus->len; i++) {
        const Vcpu *vcpu = g_ptr_array_index(thread->vcpus, i);

        if (is_polled(vcpu) && vcpu->halt_poll_ns < ns) {
            ns = vcpu->halt_poll_ns;
        }
    }
    if (ns < INT64_MAX) {
        machine_cond_wait_for(&thread->wake, ns);
    } else {
        machine_cond_wait(&thread->wake);
    }
}

/* As QEMU names them. */
static void name_thread(const Vcpu *vcpu)
{
    bool is_for_all = vcpu->ops->shares_thread && vcpu->ops->shares_thread();
    g_autofree char *accel = g_ascii_strup(vcpu->ops->name, -1);

    if (is_for_all) {
        thread_set_name("ALL CPUs/%s", accel);
    } else {
        thread_set_name("CPU %u/%s", vcpu->index, accel);
    }
}

static void *thread_main(void *opaque)
{
    VcpuThread *thread = opaque;

    setup_signals();
    name_thread(g_ptr_array_index(thread->vcpus, 0));
    machine_lock();
    while (is_needed(thread)) {
        if (!run_all(thread) && is_needed(thread)) {
            sleep_until_wanted(thread);
        }
    }
    machine_unlock();
    for (guint i = 0; i < thread->vcpus->len; i++) {
        self = g_ptr_array_index(thread->vcpus, i);
        if (self->needs_fini && self->ops->fini) {
            self->ops->fini(self);
        }
    }
    return NULL;
}

/* -- Starting and ending ----------------------------------------------------------------------- */

static void thread_free(VcpuThread *thread)
{
    if (thread->slice.loop) {
        timer_del(&thread->slice);
    }
    g_ptr_array_free(thread->vcpus, TRUE);
    g_free(thread);
}

/* Gives the vCPU its thread, which finds it waiting for its start. */
static bool thread_join_or_make(Vcpu *vcpu, Error **err)
{
    bool shares = vcpu->ops->shares_thread && vcpu->ops->shares_thread() && vcpu->index > 0;
    VcpuThread *thread = shares ? vcpu_get(0)->host : g_new0(VcpuThread, 1);

    vcpu->host = thread;
    if (shares) {
        g_ptr_array_add(thread->vcpus, vcpu);
        machine_cond_wake_all(&thread->wake);
        return true;
    }
    thread->vcpus = g_ptr_array_new();
    g_ptr_array_add(thread->vcpus, vcpu);
    if (main_loop()) {
        timer_init(&thread->slice, main_loop(), CLOCK_TYPE_REALTIME, slice_ends, thread);
    }

    int result = pthread_create(&thread->pthread, NULL, thread_main, thread);

    if (result != 0) {
        vcpu->host = NULL;
        thread_free(thread);
        return error_set_errno(err, result, "cannot start the thread of CPU %u", vcpu->index);
    }
    return true;
}

/* After a start that failed. The thread ends by itself when it has no other vCPU. */
static void thread_leave(Vcpu *vcpu)
{
    VcpuThread *thread = vcpu->host;

    vcpu->host = NULL;
    if (thread->vcpus->len > 1) {
        g_ptr_array_remove(thread->vcpus, vcpu);
        return;
    }
    machine_unlock();
    pthread_join(thread->pthread, NULL);
    machine_lock();
    thread_free(thread);
}

bool vcpu_start(Vcpu *vcpu, Error **err)
{
    VcpuStart start = {.err = err};

    vcpu->index = vcpu_count();
    vcpu->stop_requested = !run_state_is_running();
    vcpu->stopped = true;
    vcpu->end_requested = false; /* its board may have been taken down and made again */
    vcpu->start = &start;
    g_queue_init(&vcpu->work);
    if (!vcpus) {
        vcpus = g_ptr_array_new();
    }
    g_ptr_array_add(vcpus, vcpu); /* before it runs: safe points ask everyone */
    if (thread_join_or_make(vcpu, err)) {
        vcpu->thread = vcpu->host->pthread;
        while (!start.done) {
            vcpus_wait_change();
        }
        if (start.ok) {
            return true;
        }
        thread_leave(vcpu);
    }
    vcpu->start = NULL;
    g_ptr_array_remove(vcpus, vcpu);
    return false;
}

void vcpus_destroy(void)
{
    g_assert(!self);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        vcpu_get(i)->end_requested = true;
        vcpu_exit(vcpu_get(i));
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        VcpuThread *thread = vcpu_get(i)->host;

        if (!thread) {
            continue; /* ended with an earlier one */
        }
        machine_unlock();
        pthread_join(thread->pthread, NULL);
        machine_lock();
        for (guint n = 0; n < thread->vcpus->len; n++) {
            ((Vcpu *)g_ptr_array_index(thread->vcpus, n))->host = NULL;
        }
        thread_free(thread);
    }
    g_clear_pointer(&vcpus, g_ptr_array_unref);
    safe_point_flush();
}
