/* SPDX-License-Identifier: MIT */
/*
 * A debugger under KVM. The CPU's four debug registers serve watchpoints first, then breakpoints.
 * With more breakpoints than that the guest runs in single steps and every address is looked up:
 * slow, but guest memory stays as it is. Hardware has no watchpoint that only reads hit: it stops
 * at writes, too.
 */
#include "accel/kvm/kvm-internal.h"
#include "target/i386/debug-private.h"

#define DR_COUNT 4
#define DR6_HITS 0xfu
#define DR7_EXACT 0x600u /* LE, GE and the bit that is always one */
#define DR7_GLOBAL_ENABLE 2u

/* Length as DR7 has it. */
static unsigned encoded_size(uint64_t size)
{
    return size == 8 ? 2 : size == 4 ? 3 : size == 2 ? 1 : 0;
}

static unsigned encoded_kind(DebugKind kind)
{
    return kind == DEBUG_WATCH_WRITE ? 1 : kind >= DEBUG_WATCH_READ ? 3 : 0;
}

/* Which point register n serves; watchpoints come last in the list. NULL: none. */
static const DebugPoint *point_of(unsigned n)
{
    return n < debug_point_count ? &debug_points[debug_point_count - 1 - n] : NULL;
}

static bool has_too_many_breaks(void)
{
    return debug_break_count && debug_point_count > DR_COUNT;
}

static bool wants_steps(const X86Cpu *cpu)
{
    return cpu->debugger & DEBUGGER_STEP || has_too_many_breaks();
}

static void set_registers(struct kvm_guest_debug *debug)
{
    debug->control |= KVM_GUESTDBG_USE_HW_BP;
    debug->arch.debugreg[7] = DR7_EXACT;
    for (unsigned n = 0; n < DR_COUNT; n++) {
        const DebugPoint *point = point_of(n);
        unsigned kind = point ? encoded_kind(point->kind) : 0;

        if (!point) {
            break;
        }
        debug->arch.debugreg[n] = point->linear;
        debug->arch.debugreg[7] |= (uint64_t)DR7_GLOBAL_ENABLE << 2 * n;
        debug->arch.debugreg[7] |= (uint64_t)(kind | (kind ? encoded_size(point->size) << 2 : 0))
                                   << (16 + 4 * n);
    }
}

void kvm_debug_load(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;
    struct kvm_guest_debug debug = {0};
    int result;

    if (debug_point_count) {
        debug.control |= KVM_GUESTDBG_ENABLE;
        set_registers(&debug);
    }
    if (wants_steps(cpu)) {
        debug.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    }
    if (cpu->debugger & DEBUGGER_NO_INTERRUPTS &&
        kvm_check(KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_BLOCKIRQ) {
        debug.control |= KVM_GUESTDBG_BLOCKIRQ;
    }
    if (!debug.control && !kv->is_debugged) {
        return;
    }
    kv->is_debugged = debug.control;
    result = kvm_vcpu_ioctl(kv, KVM_SET_GUEST_DEBUG, &debug);
    if (result < 0) {
        kvm_complain("setting breakpoints", result);
    }
}

static bool stop(KvmVcpu *kv, DebugKind kind, uint64_t linear)
{
    debug_stop_now(kv->cpu, (DebugHit){(uint8_t)kind, linear});
    return false;
}

bool kvm_debug_exit(KvmVcpu *kv)
{
    const struct kvm_debug_exit_arch *arch = &kv->run->debug.arch;

    for (unsigned n = 0; n < DR_COUNT; n++) {
        const DebugPoint *point = point_of(n);

        if (point && arch->dr6 & DR6_HITS & 1u << n && point->kind >= DEBUG_WATCH_WRITE) {
            return stop(kv, point->kind, point->linear);
        }
    }
    if (kv->cpu->debugger & DEBUGGER_STEP) {
        return stop(kv, DEBUG_STEP, 0);
    }
    if (debug_is_break(arch->pc)) {
        return stop(kv, DEBUG_BREAK_SOFTWARE, arch->pc);
    }
    return true;
}
