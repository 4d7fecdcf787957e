/* SPDX-License-Identifier: MIT */
/* The machine lock: a ticket lock on futexes, so that handover is in order of arrival. */
#include "softmmu/run.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Taking draws a ticket and waits until it is served. Tickets wrap around; fewer than 2^32 threads
 * wait. A waiter sleeps on `serving` with the futex bit of its ticket, so that the holder wakes the
 * next thread and (nearly) no other. Both sides write their own counter before they read the
 * other's, sequentially consistent: either the holder sees the new ticket and wakes, or the waiter
 * sees that it is being served.
 */
static uint32_t next_ticket, serving;
static __thread bool held;

#define SPIN_COUNT 100

/* `deadline`: of the monotonic clock, NULL: none. */
static void futex_wait(uint32_t *word, uint32_t seen, const struct timespec *deadline,
                       uint32_t bits)
{
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline, NULL, bits);
}

static void futex_wake(uint32_t *word, uint32_t bits)
{
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, bits);
}

static uint32_t ticket_bit(uint32_t ticket)
{
    return 1u << (ticket % 32);
}

void machine_lock(void)
{
    g_assert(!held);

    uint32_t ticket = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_SEQ_CST);
    uint32_t now = __atomic_load_n(&serving, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; now != ticket && i < SPIN_COUNT; i++) {
        __builtin_ia32_pause();
        now = __atomic_load_n(&serving, __ATOMIC_SEQ_CST);
    }
    while (now != ticket) {
        futex_wait(&serving, now, NULL, ticket_bit(ticket));
        now = __atomic_load_n(&serving, __ATOMIC_SEQ_CST);
    }
    held = true;
}

void machine_unlock(void)
{
    g_assert(held);
    held = false;

    uint32_t next = __atomic_add_fetch(&serving, 1, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&next_ticket, __ATOMIC_SEQ_CST) != next) {
        futex_wake(&serving, ticket_bit(next));
    }
}

bool machine_lock_held(void)
{
    return held;
}

const LoopLock machine_loop_lock = {machine_lock, machine_unlock};

/*
 * A waker holds the lock, so it cannot slip in between the load and the unlock; one that comes
 * between the unlock and the sleep has changed the number and the kernel does not put us to sleep.
 * Waking nobody is the usual case, and costs no system call.
 */
static void wait_until(MachineCond *cond, const struct timespec *deadline)
{
    __atomic_add_fetch(&cond->waiters, 1, __ATOMIC_SEQ_CST);

    uint32_t seen = __atomic_load_n(&cond->sequence, __ATOMIC_SEQ_CST);

    machine_unlock();
    futex_wait(&cond->sequence, seen, deadline, FUTEX_BITSET_MATCH_ANY);
    machine_lock();
    __atomic_sub_fetch(&cond->waiters, 1, __ATOMIC_SEQ_CST);
}

void machine_cond_wait(MachineCond *cond)
{
    wait_until(cond, NULL);
}

void machine_cond_wait_for(MachineCond *cond, int64_t ns)
{
    struct timespec deadline;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    ns += deadline.tv_nsec;
    deadline.tv_sec += ns / NS_PER_SECOND;
    deadline.tv_nsec = ns % NS_PER_SECOND;
    wait_until(cond, &deadline);
}

void machine_cond_wake_all(MachineCond *cond)
{
    __atomic_add_fetch(&cond->sequence, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&cond->waiters, __ATOMIC_SEQ_CST) > 0) {
        futex_wake(&cond->sequence, FUTEX_BITSET_MATCH_ANY);
    }
}
