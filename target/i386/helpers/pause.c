/* SPDX-License-Identifier: MIT */
/* PAUSE when there are more CPUs than cores: who is waited for may need this core. */
#include "accel/tcg/tcg-internal.h"
#include "target/i386/helpers/helpers.h"

#include <sys/syscall.h>

/* Straight to the kernel: guest FPU state is live. */
InsnResult helper_pause(X86Cpu *cpu, const Insn *insn)
{
    long result;

    if (tcg_single_thread) { /* who is waited for needs this thread */
        __atomic_store_n(&cpu->vcpu.exit_request, 1, __ATOMIC_RELAXED);
        return INSN_NEXT;
    }
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_sched_yield)
                     : "rcx", "r11", "memory");
    return INSN_NEXT;
}
