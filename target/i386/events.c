/* SPDX-License-Identifier: MIT */
/* Events between instructions: INIT and SIPI, machine checks, SMI, NMI, interrupts. */
#include "accel/tcg/tcg-internal.h"
#include "target/i386/debug.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/segments.h"
#include "target/i386/helpers/smm.h"

uint64_t target_context_key(const X86Cpu *cpu)
{
    uint64_t key = cpu->cr4 & CR4_PCIDE ? cpu->cr3 & 0xfff : 0;

    if (cpu->cpl == 3) {
        key |= TLB_KEY_USER;
    } else if (cpu->cr4 & CR4_SMAP && cpu->eflags & EFLAGS_AC) {
        key |= TLB_KEY_AC;
    }
    return cpu->smm ? key | 1u << 14 : key;
}

/* Asks the APIC; -1 when the request has gone meanwhile. */
static int acknowledge(X86Cpu *cpu)
{
    int vector;

    fpu_park(cpu);
    machine_lock();
    vector = cpu->apic_ops->has_interrupt(cpu->apic) ? cpu->apic_ops->acknowledge(cpu->apic) : -1;
    if (!cpu->apic_ops->has_interrupt(cpu->apic)) {
        cpu_clear_event(cpu, CPU_EVENT_INTR);
    }
    machine_unlock();
    return vector;
}

/* Start-up IPI: real mode at vector << 12. */
static void start_at_sipi(X86Cpu *cpu)
{
    segment_set_real(cpu, SEG_CS, (uint16_t)(cpu->sipi_vector << 8));
    cpu->rip = 0;
    cpu->wait_for_sipi = false;
    cpu->halted = false;
    cpu_update_mode(cpu);
}

void cpu_take_reset_events(X86Cpu *cpu, int events)
{
    fpu_park(cpu);
    machine_lock();
    if (events & CPU_EVENT_INIT) {
        cpu_clear_event(cpu, CPU_EVENT_INIT);
        cpu_reset(cpu, true);
    } else if (cpu->wait_for_sipi) {
        cpu_clear_event(cpu, CPU_EVENT_SIPI);
        start_at_sipi(cpu);
    } else {
        cpu_clear_event(cpu, CPU_EVENT_SIPI); /* only a waiting CPU listens */
    }
    machine_unlock();
}

static bool mwait_ends(const X86Cpu *cpu, int events)
{
    int ending = CPU_EVENT_LINE | CPU_EVENT_MCE | (cpu->smm ? 0 : CPU_EVENT_SMI) |
                 (cpu->nmi_masked ? 0 : CPU_EVENT_NMI) |
                 (cpu->eflags & EFLAGS_IF || cpu->monitor.masked_ends ? CPU_EVENT_INTR : 0);

    return events & ending;
}

/* The guest may have switched machine checks off in the one instruction of an interrupt shadow. */
static void take_machine_check(X86Cpu *cpu)
{
    __atomic_and_fetch(&cpu->events, ~CPU_EVENT_MCE, __ATOMIC_SEQ_CST);
    cpu->halted = false;
    if (cpu->cr4 & CR4_MCE) {
        interrupt_deliver(cpu, VECTOR_MC);
    } else {
        exception_shutdown(cpu);
    }
}

bool target_process_events(X86Cpu *cpu)
{
    int events = __atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST);
    int vector;

    if (cpu->smm) { /* INIT waits for RSM like SMI; it stays up in cpu->events */
        events &= ~CPU_EVENT_INIT;
    }
    if (events & (CPU_EVENT_INIT | CPU_EVENT_SIPI)) {
        cpu_take_reset_events(cpu, events);
        return true;
    }
    if (cpu->wait_for_sipi || cpu->interrupt_shadow) {
        return false;
    }
    if (cpu->monitor.is_waiting && mwait_ends(cpu, events)) {
        cpu_mwait_end(cpu); /* and then the event is taken, if it is not masked */
    }
    if (cpu->debugger & DEBUGGER_NO_INTERRUPTS) {
        return false;
    }
    if (events & CPU_EVENT_MCE) {
        take_machine_check(cpu);
        return true;
    }
    if (events & CPU_EVENT_SMI && !cpu->smm) {
        __atomic_and_fetch(&cpu->events, ~CPU_EVENT_SMI, __ATOMIC_SEQ_CST);
        smm_enter(cpu);
        return true;
    }
    if (events & CPU_EVENT_NMI && !cpu->nmi_masked) {
        __atomic_and_fetch(&cpu->events, ~CPU_EVENT_NMI, __ATOMIC_SEQ_CST);
        cpu->halted = false;
        cpu->nmi_masked = true;
        interrupt_deliver(cpu, VECTOR_NMI);
        return true;
    }
    if (events & CPU_EVENT_INTR && cpu->eflags & EFLAGS_IF && (vector = acknowledge(cpu)) >= 0) {
        cpu->halted = false;
        interrupt_deliver(cpu, (unsigned)vector);
        return true;
    }
    return false;
}
