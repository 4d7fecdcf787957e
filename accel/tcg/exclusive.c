/* SPDX-License-Identifier: MIT */
/*
 * Several CPUs in one code cache.
 *
 * The code lock guards blocks, pages with code and chains. Looking up a block and running one needs
 * no lock: what is dropped stays where it is until every CPU has ended its turn. Three things need
 * more, because they touch what another CPU may be using at this moment: taking space from a CPU
 * that stays in a turn, withdrawing write permission from a page that is about to be translated (a
 * store between its check and its write would be lost), and LOCK on an operand in two cache lines,
 * beside code or in a device. They run exclusively: the code lock is held, and every other CPU
 * stands still.
 *
 * A CPU stands still between two turns of its loop, while it waits for the code lock, and while a
 * device it has called waits for other CPUs (standing_wait_begin()). It says `running` before it
 * looks whether somebody wants to be exclusive, and who wants that says so before looking who is
 * running: one of them sees the other. Who becomes exclusive kicks those that run and sleeps on
 * `stood_still`, which they count up. A kick is never lost: a turn disarms it before it says
 * `running`, so one that was meant for this turn is met by its translated code.
 *
 * In the middle of a turn a CPU may hold pointers to blocks and instructions. So while one stands
 * still there nothing it may look at is overwritten (regions.c); who wants its space makes do with
 * exact mode for an instruction. A CPU that waits in code_lock() holds none, or looks again.
 *
 * Under the code lock the machine lock may be taken (a LOCK operand beside code is written by way
 * of the address space), never the other way round.
 */
#include "accel/tcg/tcg-internal.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

bool tcg_parallel, tcg_overcommitted;
int exclusive_wanted;
uint32_t stood_still;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const X86Cpu *lock_owner; /* atomic: says to a CPU whether it is the one */

/* In the middle of an instruction: keeps pointers to blocks and instructions. */
static void code_lock_within(X86Cpu *cpu)
{
    if (tcg_parallel) {
        stand_still(cpu);
        pthread_mutex_lock(&lock);
        __atomic_store_n(&lock_owner, cpu, __ATOMIC_RELAXED);
        __atomic_store_n(&cpu->tcg.own->running, 1, __ATOMIC_SEQ_CST);
    }
}

void code_lock(X86Cpu *cpu)
{
    __atomic_store_n(&cpu->tcg.own->waits_empty, 1, __ATOMIC_SEQ_CST);
    code_lock_within(cpu);
    __atomic_store_n(&cpu->tcg.own->waits_empty, 0, __ATOMIC_SEQ_CST);
}

void code_unlock(void)
{
    if (tcg_parallel) {
        __atomic_store_n(&lock_owner, NULL, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&lock);
    }
}

bool code_lock_forbids_devices(const X86Cpu *cpu)
{
    return tcg_parallel && __atomic_load_n(&lock_owner, __ATOMIC_RELAXED) == cpu &&
           !cpu->tcg.own->has_operand;
}

void turn_wait(X86Cpu *cpu)
{
    code_lock(cpu);
    code_unlock();
}

bool exclusive_is_wanted(void)
{
    return __atomic_load_n(&exclusive_wanted, __ATOMIC_SEQ_CST);
}

static void wait_for(X86Cpu *other)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&stood_still, __ATOMIC_SEQ_CST);

        if (!__atomic_load_n(&other->tcg.own->running, __ATOMIC_SEQ_CST)) {
            return;
        }
        other->vcpu.ops->kick(&other->vcpu);
        syscall(SYS_futex, &stood_still, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
}

void exclusive_begin(X86Cpu *cpu)
{
    if (!tcg_parallel) {
        return;
    }
    __atomic_store_n(&exclusive_wanted, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *other = vcpu_get(i)->cpu;

        if (other != cpu && other->tcg.own) {
            wait_for(other);
        }
    }
}

void exclusive_end(void)
{
    __atomic_store_n(&exclusive_wanted, 0, __ATOMIC_SEQ_CST);
}

bool flush_is_safe(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const X86Cpu *cpu = vcpu_get(i)->cpu;

        if (cpu->tcg.own && __atomic_load_n(&cpu->tcg.own->waits_in_turn, __ATOMIC_SEQ_CST)) {
            return false;
        }
    }
    return true;
}

void exclusive_operand_begin(X86Cpu *cpu)
{
    code_lock_within(cpu);
    exclusive_begin(cpu);
    cpu->tcg.own->has_operand = true;
}

void exclusive_operand_end(X86Cpu *cpu)
{
    cpu->tcg.own->has_operand = false;
    exclusive_end();
    code_unlock();
}

void standing_wait_begin(Vcpu *vcpu)
{
    X86Cpu *cpu = vcpu->cpu;
    TcgCpu *own = cpu->tcg.own;

    if (tcg_parallel && __atomic_load_n(&own->running, __ATOMIC_RELAXED)) {
        if (own->has_operand) { /* of a device: there is nothing to be atomic with */
            exclusive_end();
            code_unlock();
        }
        __atomic_store_n(&own->waits_in_turn, 1, __ATOMIC_SEQ_CST);
        stand_still(cpu);
    }
}

/* Who is exclusive may be waiting for the machine lock, so it is dropped before waiting for him. */
void standing_wait_end(Vcpu *vcpu)
{
    X86Cpu *cpu = vcpu->cpu;
    TcgCpu *own = cpu->tcg.own;

    if (!__atomic_load_n(&own->waits_in_turn, __ATOMIC_RELAXED)) {
        return;
    }
    machine_unlock();
    code_lock_within(cpu);
    __atomic_store_n(&own->waits_in_turn, 0, __ATOMIC_SEQ_CST);
    if (own->has_operand) {
        exclusive_begin(cpu);
    } else {
        code_unlock();
    }
    machine_lock();
}
