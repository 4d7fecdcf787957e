/* SPDX-License-Identifier: MIT */
/*
 * PAUSE. Who waits in a loop for a time, an interrupt or another CPU's store lets go of the core.
 *
 * A loop that has done nothing but wait for long naps for a fraction of that time. So a wait
 * becomes longer by no more than the fraction, and a short one does not change at all. A kick ends
 * a nap: no interrupt and nobody who wants this CPU to stand still is held up.
 *
 * It must be waiting and nothing else: if a CPU that gets a lock every microsecond napped meanwhile
 * it would be slower by far. The translator tells: where a trace that begins behind the PAUSE leads
 * to it again and stores nothing, it is always the same round. A way around the loop that gets
 * something done ends at a copy of the PAUSE in another block.
 *
 * With more CPUs than cores each PAUSE yields besides: who is waited for may need this core.
 */
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/helpers/helpers.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#define LONGEST_ROUND_US 5
#define FIRST_NAP_US 100 /* of waiting before */
#define NAP_FRACTION 8
#define LONGEST_NAP_US 100

/* Straight to the kernel: guest FPU state is live. */
static void call_kernel(long number, void *a, long b, long c, const void *d)
{
    register const void *r10 __asm__("r10") = d;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
}

/* The kick points `poll` elsewhere before it looks at `dozing`, we look at `poll` after saying it.
 */
static void nap(X86Cpu *cpu, uint64_t us)
{
    struct timespec rest = {.tv_nsec = (long)us * 1000};

    __atomic_store_n(&cpu->tcg.dozing, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&cpu->tcg.poll, __ATOMIC_SEQ_CST) == &cpu->tcg.poll_word) {
        call_kernel(SYS_futex, &cpu->tcg.dozing, FUTEX_WAIT_PRIVATE, 1, &rest);
        COUNT_UP(cpu->tcg.own->statistics.naps);
    }
    __atomic_store_n(&cpu->tcg.dozing, 0, __ATOMIC_SEQ_CST);
}

static void spin(X86Cpu *cpu, const Insn *insn, PauseSpin *spin)
{
    uint64_t ticks_per_us = __atomic_load_n(&tcg_ticks_per_us, __ATOMIC_RELAXED);
    uint64_t now = __rdtsc();

    if (!insn->only_waits || insn != spin->insn ||
        now - spin->last > LONGEST_ROUND_US * ticks_per_us) {
        spin->insn = insn;
        spin->since = now;
    } else if (now - spin->since > FIRST_NAP_US * ticks_per_us) {
        uint64_t us = (now - spin->since) / (NAP_FRACTION * ticks_per_us);

        nap(cpu, MIN(us, LONGEST_NAP_US));
        now = __rdtsc();
    }
    spin->last = now;
}

InsnResult helper_pause(X86Cpu *cpu, const Insn *insn)
{
    if (tcg_single_thread && tcg_overcommitted) { /* who is waited for needs this thread */
        __atomic_store_n(&cpu->vcpu.exit_request, 1, __ATOMIC_RELAXED);
        return INSN_NEXT;
    }
    if (tcg_overcommitted) {
        call_kernel(SYS_sched_yield, NULL, 0, 0, NULL);
    }
    if (tcg_options.opt_pause) {
        spin(cpu, insn, &cpu->tcg.own->spin);
    }
    return INSN_NEXT;
}
