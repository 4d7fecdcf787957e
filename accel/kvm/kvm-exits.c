/* SPDX-License-Identifier: MIT */
/* Why KVM_RUN came back, and what is done about each: a table. All under the machine lock, on the
 * vCPU's thread. */
#include "accel/kvm/kvm-internal.h"
#include "softmmu/memory.h"
#include "softmmu/run-end.h"
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>

typedef bool ExitHandler(KvmVcpu *kv); /* false: the vCPU leaves run() */

/* -- Accesses ---------------------------------------------------------------------------------- */

static bool handle_io(KvmVcpu *kv)
{
    struct kvm_run *run = kv->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;

    kv->access_open = kv->in_access = true;
    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        uint64_t value = 0;

        if (run->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&value, data, size);
            address_space_store(&address_space_io, run->io.port, value, size);
        } else {
            value = address_space_load(&address_space_io, run->io.port, size, NULL);
            memcpy(data, &value, size);
        }
    }
    kv->in_access = false;
    return true;
}

static AddressSpace *seen_space(const KvmVcpu *kv)
{
    bool in_smm = kv->run->flags & KVM_RUN_X86_SMM;

    return in_smm && address_space_smm.root ? &address_space_smm : &address_space_memory;
}

/* A store is one access where a CPU makes it as one; parts of larger ones come in odd sizes. */
static bool handle_mmio(KvmVcpu *kv)
{
    struct kvm_run *run = kv->run;
    AddressSpace *as = seen_space(kv);
    uint64_t address = run->mmio.phys_addr, value = 0;
    unsigned size = MIN(run->mmio.len, sizeof(run->mmio.data));
    bool is_single = size == 1 || size == 2 || size == 4 || size == 8;

    kv->access_open = kv->in_access = true;
    if (!is_single && run->mmio.is_write) {
        address_space_write(as, address, run->mmio.data, size);
    } else if (!is_single) {
        address_space_read(as, address, run->mmio.data, size);
    } else if (run->mmio.is_write) {
        memcpy(&value, run->mmio.data, size);
        address_space_store(as, address, value, size);
    } else {
        value = address_space_load(as, address, size, NULL);
        memcpy(run->mmio.data, &value, size);
    }
    kv->in_access = false;
    return true;
}

/* -- The guest's doing ------------------------------------------------------------------------- */

/* Only without the kernel's local APICs: with them it halts in there. */
static bool handle_hlt(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;

    /* All that vcpu->has_work() asks of the state; the rest stays where it is. */
    cpu->eflags = kv->run->if_flag ? cpu->eflags | EFLAGS_IF : cpu->eflags & ~(uint64_t)EFLAGS_IF;
    cpu->smm = kv->run->flags & KVM_RUN_X86_SMM;
    if (kv->vcpu->has_work(kv->vcpu)) {
        return true;
    }
    cpu->halted = true;
    kv->vcpu->halted = true;
    return false;
}

/* A triple fault. */
static bool handle_shutdown(KvmVcpu *kv)
{
    kv->vcpu->ops->save(kv->vcpu);
    log_printf("triple fault of CPU %u\n", kv->vcpu->index);
    system_triple_fault(kv->vcpu->index, kv->cpu->rip);
    return false;
}

static bool handle_system_event(KvmVcpu *kv)
{
    switch (kv->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        return false;
    case KVM_SYSTEM_EVENT_RESET:
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        return false;
    case KVM_SYSTEM_EVENT_CRASH:
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
        return false;
    default:
        return true;
    }
}

static bool go_on(KvmVcpu *kv)
{
    return true;
}

/* The TPR has fallen, of a local APIC that is ours: what that lets through is found on the way back
 * in. */
static bool handle_set_tpr(KvmVcpu *kv)
{
    return true;
}

static bool handle_eoi(KvmVcpu *kv)
{
    if (kvm_end_of_interrupt) {
        kvm_end_of_interrupt(kv->run->eoi.vector);
    }
    return true;
}

/* Not asked for: as without the exit, it is #GP. */
static bool handle_msr(KvmVcpu *kv)
{
    kv->run->msr.error = 1;
    kv->access_open = true;
    return true;
}

static bool handle_dirty_ring(KvmVcpu *kv)
{
    kvm_dirty_ring_full(kv);
    return true;
}

/* -- What ends in a stop ----------------------------------------------------------------------- */

/* The bytes the kernel gives, else those at RIP. */
static void append_code(GString *text, KvmVcpu *kv)
{
    const struct kvm_run *run = kv->run;
    uint8_t bytes[15];
    unsigned count = 0;

    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR && run->emulation_failure.ndata >= 3 &&
        run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
        count = MIN(run->emulation_failure.insn_size, sizeof(bytes));
        memcpy(bytes, run->emulation_failure.insn_bytes, count);
    }
    for (; count < sizeof(bytes); count++) {
        uint64_t physical;

        if (!cpu_debug_translate(kv->cpu, cpu_code_linear(kv->cpu, kv->cpu->rip + count),
                                 &physical) ||
            kvm_memory_is_lost(physical) ||
            address_space_read(&address_space_memory, physical, &bytes[count], 1) != MEM_OK) {
            break;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(text, "%s%02x", i ? " " : "", bytes[i]);
    }
}

static bool report(KvmVcpu *kv, const char *what, const char *meaning, bool with_code)
{
    const X86Cpu *cpu = kv->cpu;
    g_autoptr(GString) code = g_string_new(NULL);
    Error *error = NULL;

    kv->vcpu->ops->save(kv->vcpu);
    if (with_code) {
        append_code(code, kv);
    }
    error_set(&error, "KVM: %s on CPU %u at %04x:%" PRIx64 " (%s); the machine is paused", what,
              kv->vcpu->index, cpu->seg[SEG_CS].selector, cpu->rip,
              code->len ? code->str : "code not readable");
    error_hint(&error, "%s", meaning);
    error_report_free(error);
    vm_stop_request(RUN_STATE_INTERNAL_ERROR);
    return false;
}

bool kvm_report(KvmVcpu *kv, const char *what, const char *meaning)
{
    return report(kv, what, meaning, true);
}

static bool handle_internal_error(KvmVcpu *kv)
{
    static const char meaning[] = "`system_reset` and `cont` start it again; if this KVM has no "
                                  "hardware behind it, -accel tcg runs such guests";

    switch (kv->run->internal.suberror) {
    case KVM_INTERNAL_ERROR_EMULATION:
        return kvm_report(kv, "the kernel cannot emulate the instruction", meaning);
    case KVM_INTERNAL_ERROR_SIMUL_EX:
        return kvm_report(kv, "two exceptions at once", meaning);
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
        return kvm_report(kv, "an exit while an event was delivered", meaning);
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
        return kvm_report(kv, "an exit of the hardware that the kernel does not know", meaning);
    default:
        return kvm_report(kv, "an internal error of the kernel", meaning);
    }
}

static bool handle_fail_entry(KvmVcpu *kv)
{
    g_autofree char *meaning =
        g_strdup_printf("the hardware refuses this state, reason 0x%" PRIx64,
                        (uint64_t)kv->run->fail_entry.hardware_entry_failure_reason);

    return kvm_report(kv, "the guest cannot be entered", meaning);
}

static bool handle_hardware_exit(KvmVcpu *kv)
{
    g_autofree char *meaning = g_strdup_printf("hardware exit reason 0x%" PRIx64,
                                               (uint64_t)kv->run->hw.hardware_exit_reason);

    return kvm_report(kv, "an unknown exit", meaning);
}

static bool handle_exception(KvmVcpu *kv)
{
    return kvm_report(kv, "an exception that was not asked for",
                      "`system_reset` and `cont` start it again");
}

static bool handle_notify(KvmVcpu *kv)
{
    bool context_is_lost = kv->run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID;

    if (!context_is_lost && kvm_options.notify_vmexit != KVM_NOTIFY_INTERNAL_ERROR) {
        return true;
    }
    return kvm_report(kv, "the guest lets no interrupt through",
                      "`system_reset` and `cont` start it again");
}

/* -- The table --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    ExitHandler *handle; /* NULL: no such exit on x86 */
} exits[KVM_EXIT_REASONS] = {
    [KVM_EXIT_UNKNOWN] = {"unknown", handle_hardware_exit},
    [KVM_EXIT_EXCEPTION] = {"exception", handle_exception},
    [KVM_EXIT_IO] = {"io", handle_io},
    [KVM_EXIT_HYPERCALL] = {"hypercall", go_on},
    [KVM_EXIT_DEBUG] = {"debug", kvm_debug_exit},
    [KVM_EXIT_HLT] = {"hlt", handle_hlt},
    [KVM_EXIT_MMIO] = {"mmio", handle_mmio},
    [KVM_EXIT_IRQ_WINDOW_OPEN] = {"irq-window", go_on},
    [KVM_EXIT_SHUTDOWN] = {"shutdown", handle_shutdown},
    [KVM_EXIT_FAIL_ENTRY] = {"fail-entry", handle_fail_entry},
    [KVM_EXIT_INTR] = {"intr", go_on},
    [KVM_EXIT_SET_TPR] = {"set-tpr", handle_set_tpr},
    [KVM_EXIT_TPR_ACCESS] = {"tpr-access", go_on},
    [KVM_EXIT_NMI] = {"nmi", go_on},
    [KVM_EXIT_INTERNAL_ERROR] = {"internal-error", handle_internal_error},
    [KVM_EXIT_SYSTEM_EVENT] = {"system-event", handle_system_event},
    [KVM_EXIT_IOAPIC_EOI] = {"ioapic-eoi", handle_eoi},
    [KVM_EXIT_X86_RDMSR] = {"rdmsr", handle_msr},
    [KVM_EXIT_X86_WRMSR] = {"wrmsr", handle_msr},
    [KVM_EXIT_DIRTY_RING_FULL] = {"dirty-ring-full", handle_dirty_ring},
    [KVM_EXIT_X86_BUS_LOCK] = {"bus-lock", go_on},
    [KVM_EXIT_NOTIFY] = {"notify", handle_notify},
};

const char *kvm_exit_name(unsigned reason)
{
    return reason < KVM_EXIT_REASONS && exits[reason].name ? exits[reason].name : "other";
}

bool kvm_handle_exit(KvmVcpu *kv)
{
    unsigned reason = kv->run->exit_reason;

    kv->exits[MIN(reason, KVM_EXIT_REASONS - 1)]++;
    kvm_posted_flush();
    if (reason < KVM_EXIT_REASONS && exits[reason].handle) {
        return exits[reason].handle(kv);
    }
    g_autofree char *what = g_strdup_printf("an exit of unknown reason %u", reason);
    return kvm_report(kv, what, "`system_reset` and `cont` start it again");
}

void kvm_run_failed(KvmVcpu *kv, int result)
{
    g_autofree char *what = g_strdup_printf("KVM_RUN failed: %s", g_strerror(-result));

    /* memory that the host cannot give the guest we had better not look at, either */
    report(kv, what, "`system_reset` and `cont` start it again", result != -EFAULT);
}
