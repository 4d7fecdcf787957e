/* SPDX-License-Identifier: MIT */
/*
 * MONITOR and MWAIT. Intel SDM vol. 2B.
 *
 * MONITOR keeps what the line holds; MWAIT halts like HLT, but has_work() also compares the line,
 * at first after 20 us and by and by only once a millisecond, so that an idle CPU costs little.
 */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"

#define POLL_FIRST_NS 20000

void cpu_mwait_begin(X86Cpu *cpu, bool masked_ends)
{
    cpu->halted = true;
    cpu->monitor.armed = false;
    cpu->monitor.is_waiting = true;
    cpu->monitor.masked_ends = masked_ends;
    cpu->vcpu.halt_poll_ns = POLL_FIRST_NS;
}

void cpu_mwait_end(X86Cpu *cpu)
{
    cpu->halted = false;
    cpu->monitor.is_waiting = false;
    cpu->vcpu.halt_poll_ns = 0;
    __atomic_fetch_and(&cpu->events, ~CPU_EVENT_LINE, __ATOMIC_SEQ_CST);
}

static bool monitor_allowed(X86Cpu *cpu)
{
    bool enabled = cpu->model->is_amd || cpu->misc_enable & MISC_ENABLE_MONITOR;

    return (cpu_has(cpu, FEATURE_MONITOR) && enabled && cpu->cpl == 0) || fault_ud(cpu);
}

/* A line of RAM is kept as it is now; nothing else can be watched, and MWAIT does not wait then. */
static void watch_line(X86Cpu *cpu, uint64_t linear)
{
    LineMonitor *monitor = &cpu->monitor;
    const uint8_t *host =
        access_host_pointer(cpu, linear & ~63ull, sizeof(monitor->bytes), ACCESS_READ);

    monitor->armed = host != NULL;
    if (!host) {
        return;
    }
    monitor->host = host;
    for (unsigned i = 0; i < sizeof(monitor->bytes); i += 8) {
        *(uint64_t *)(void *)(monitor->bytes + i) =
            __atomic_load_n((const uint64_t *)(const void *)(host + i), __ATOMIC_SEQ_CST);
    }
}

InsnResult helper_monitor(X86Cpu *cpu, const Insn *insn)
{
    uint64_t mask = insn->address_bits == 64 ? UINT64_MAX : (1ull << insn->address_bits) - 1;
    uint64_t linear;
    uint8_t byte;

    if (!monitor_allowed(cpu)) {
        return INSN_FAULT;
    }
    if ((uint32_t)cpu->gpr[R_RCX]) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (!access_linear(cpu, insn->segment, cpu->gpr[R_RAX] & mask, 1, ACCESS_READ, &linear) ||
        !access_read(cpu, linear, &byte, 1, ACCESS_READ)) {
        return INSN_FAULT;
    }
    watch_line(cpu, linear);
    return INSN_NEXT;
}

/* ECX bit 0: an interrupt ends it even when masked; the hints in EAX change nothing. */
InsnResult helper_mwait(X86Cpu *cpu, const Insn *insn)
{
    if (!monitor_allowed(cpu)) {
        return INSN_FAULT;
    }
    if ((uint32_t)cpu->gpr[R_RCX] > 1) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (!cpu->monitor.armed) {
        return INSN_NEXT;
    }
    cpu_mwait_begin(cpu, cpu->gpr[R_RCX] & 1);
    return INSN_HALT;
}
