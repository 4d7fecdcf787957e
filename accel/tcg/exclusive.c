/* SPDX-License-Identifier: MIT */
/*
 * Several CPUs in one code cache.
 *
 * The code lock guards blocks, pages with code and chains. Looking up a block and running one needs
 * no lock: what is dropped stays where it is until a flush. Two things need more, because they
 * touch what another CPU may be using at this moment: a flush, and withdrawing write permission
 * from a page that is about to be translated (a store between its check and its write would be
 * lost). They run exclusively: the code lock is held, and every other CPU is between two turns of
 * its loop, a safe point.
 *
 * A CPU says `running` before it looks whether somebody wants to be exclusive, and who wants that
 * says so before looking who is running: one of them sees the other. A CPU that waits for the code
 * lock is not running, so nobody waits for it. The lock is a leaf: its holder takes no other.
 */
#include "accel/tcg/tcg-internal.h"

#include <pthread.h>
#include <sched.h>

bool tcg_parallel, tcg_overcommitted;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int exclusive_wanted; /* atomic */

void code_lock(X86Cpu *cpu)
{
    if (tcg_parallel) {
        __atomic_store_n(&cpu->tcg.own->running, 0, __ATOMIC_SEQ_CST);
        pthread_mutex_lock(&lock);
        __atomic_store_n(&cpu->tcg.own->running, 1, __ATOMIC_SEQ_CST);
    }
}

void code_unlock(void)
{
    if (tcg_parallel) {
        pthread_mutex_unlock(&lock);
    }
}

void turn_wait(X86Cpu *cpu)
{
    __atomic_store_n(&cpu->tcg.own->running, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&lock);
    __atomic_store_n(&cpu->tcg.own->running, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

bool exclusive_is_wanted(void)
{
    return __atomic_load_n(&exclusive_wanted, __ATOMIC_SEQ_CST);
}

void exclusive_begin(X86Cpu *cpu)
{
    if (!tcg_parallel) {
        return;
    }
    __atomic_store_n(&exclusive_wanted, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *other = vcpu_get(i)->cpu;
        if (other == cpu || !other->tcg.own) {
            continue;
        }
        while (__atomic_load_n(&other->tcg.own->running, __ATOMIC_SEQ_CST)) {
            other->vcpu.ops->kick(&other->vcpu);
            sched_yield();
        }
    }
}

void exclusive_end(void)
{
    __atomic_store_n(&exclusive_wanted, 0, __ATOMIC_SEQ_CST);
}
