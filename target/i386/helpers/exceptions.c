/* SPDX-License-Identifier: MIT */
/* Exceptions: delivering them, and what follows when delivery itself fails. Intel
 * SDM vol. 3 ch. 6. */
#include "target/i386/helpers/exceptions.h"

#include "softmmu/run-end.h"
#include "target/i386/helpers/debug-regs.h"
#include "target/i386/helpers/transfer.h"
#include "util/log.h"

#define DR6_FIXED 0xffff0ff0u
#define DR6_BREAKPOINTS 0xfu
#define DR6_BD (1u << 13)
#define DR7_GD (1u << 13)

/* The kind of each exception when one meets another, SDM vol. 3 table 6-4. */
static bool is_contributory(unsigned vector)
{
    return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

static bool makes_double_fault(unsigned first, unsigned second)
{
    if (first == VECTOR_PF) {
        return second == VECTOR_PF || is_contributory(second);
    }
    return is_contributory(first) && is_contributory(second);
}

static bool makes_triple_fault(unsigned first, unsigned second)
{
    return first == VECTOR_DF && (second == VECTOR_PF || is_contributory(second));
}

/* Faults push RF set, so that returning to them does not hit the same instruction breakpoint; traps
 * and interrupts push it clear. */
static bool pushes_resume_flag(const PendingFault *fault)
{
    switch (fault->vector) {
    case VECTOR_DB:
        return fault->resumes || (fault->dr6 & DR6_BD) != 0;
    case VECTOR_NMI:
    case VECTOR_BP:
    case VECTOR_OF:
    case VECTOR_DF:
    case VECTOR_MC:
        return false;
    default:
        return !fault->is_software;
    }
}

static void log_event(X86Cpu *cpu, const char *what, const Event *event)
{
    if (!log_enabled(LOG_INT)) {
        return;
    }
    fpu_park(cpu);
    log_printf("int: cpu %u %s vector %02x error %04x at %04x:%016" G_GINT64_MODIFIER
               "x sp %04x:%016" G_GINT64_MODIFIER "x flags %08x cpl %u cr2 %016" G_GINT64_MODIFIER
               "x\n",
               cpu->vcpu.index, what, event->vector, event->error_code, cpu->seg[SEG_CS].selector,
               (guint64)event->return_rip, cpu->seg[SEG_SS].selector, (guint64)cpu->gpr[R_RSP],
               event->flags, cpu->cpl, (guint64)cpu->cr2);
}

/* Nothing but a reset ends shutdown, and a PC's board answers it with one. */
void exception_shutdown(X86Cpu *cpu)
{
    fpu_park(cpu);
    machine_lock();
    cpu->halted = true;
    cpu->eflags &= ~(uint64_t)EFLAGS_IF;
    system_triple_fault(cpu->vcpu.index, cpu->rip);
    machine_unlock();
}

/* What an exception does besides entering its handler. */
static void record_in_registers(X86Cpu *cpu, const PendingFault *fault)
{
    if (fault->vector == VECTOR_PF) {
        cpu->cr2 = fault->cr2;
    }
    if (fault->vector == VECTOR_DB && !fault->is_software) {
        cpu->dr[6] = (cpu->dr[6] & ~(uint64_t)DR6_BREAKPOINTS) | DR6_FIXED | fault->dr6;
        cpu->dr[7] &= ~(uint64_t)DR7_GD;
        cpu->debugctl &= ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF);
    }
}

static Event event_from_fault(const X86Cpu *cpu, const PendingFault *fault)
{
    Event event = {
        .vector = fault->vector,
        .is_software = fault->is_software,
        .has_error_code = fault->has_error_code,
        .error_code = fault->error_code,
        .return_rip = cpu->rip,
        .flags = (uint32_t)cpu->eflags & ~EFLAGS_RF,
    };

    if (pushes_resume_flag(fault)) {
        event.flags |= EFLAGS_RF;
    }
    return event;
}

/* Delivers, going over to the fault that delivery met, until a handler is entered or nothing is
 * left but shutdown. A software interrupt counts as benign. */
static void deliver_until_done(X86Cpu *cpu, Event event)
{
    bool is_benign = event.is_software;

    while (!event_deliver(cpu, &event)) {
        unsigned first = is_benign ? VECTOR_NONE : event.vector;
        unsigned second = cpu->fault.vector;

        record_in_registers(cpu, &cpu->fault);
        if (makes_triple_fault(first, second)) {
            log_event(cpu, "triple fault", &event);
            exception_shutdown(cpu);
            break;
        }
        if (makes_double_fault(first, second)) {
            fault_raise_error(cpu, VECTOR_DF, 0);
        }
        event = event_from_fault(cpu, &cpu->fault);
        log_event(cpu, "while delivering", &event);
        is_benign = false;
    }
    cpu->fault.vector = VECTOR_NONE;
    cpu->fault.is_software = false;
    cpu->interrupt_shadow = false;
    cpu->shadow_is_mov_ss = false;
}

void exception_deliver(X86Cpu *cpu)
{
    Event event = event_from_fault(cpu, &cpu->fault);

    record_in_registers(cpu, &cpu->fault);
    log_event(cpu, "exception", &event);
    deliver_until_done(cpu, event);
}

void interrupt_deliver(X86Cpu *cpu, unsigned vector)
{
    PendingFault none = {.vector = (uint8_t)vector};
    Event event = event_from_fault(cpu, &none);

    event.flags &= ~EFLAGS_RF;
    if (cpu->mode & CPU_MODE_BREAKPOINTS) { /* between the iterations of a REP RF is kept */
        event.flags |= (uint32_t)cpu->eflags & EFLAGS_RF;
    }
    log_event(cpu, vector == VECTOR_NMI ? "nmi" : "interrupt", &event);
    cpu->halted = false;
    if (vector == VECTOR_NMI) {
        cpu->nmi_masked = true;
    }
    /* Whatever its number, an interrupt is benign: a fault while delivering it is delivered
     * itself. */
    if (event_deliver(cpu, &event)) {
        cpu->interrupt_shadow = false;
        cpu->shadow_is_mov_ss = false;
        return;
    }
    exception_deliver(cpu);
}
