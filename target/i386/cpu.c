/* SPDX-License-Identifier: MIT */
/* X86Cpu: making, resetting, waking and addressing CPUs.
 * Reset values: Intel SDM vol. 3 table 9-1. */
#include "accel/accel.h"
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"
#include "target/i386/cpu-object.h"
#include "target/i386/cpu-topology.h"
#include "target/i386/tsc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 255
#define MAX_APIC_ID 254u /* 255 is everybody */
#define LEVEL_WITH_DIES 0x1fu
#define CPU_ALIGNMENT 4096

#define RESET_VECTOR_BASE 0xffff0000u
#define RESET_PAT 0x0007040600070406ull
#define RESET_SMBASE 0x30000
#define RESET_DR6 0xffff0ff0u
#define RESET_DR7 0x400u
#define RESET_MXCSR 0x1f80
#define RESET_FCW 0x0040

static X86Cpu *cpus[MAX_CPUS];

static void reset_segments(X86Cpu *cpu)
{
    const uint16_t data = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED;

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = (Segment){.limit = 0xffff, .attributes = data};
    }
    cpu->seg[SEG_CS].selector = 0xf000;
    cpu->seg[SEG_CS].base = RESET_VECTOR_BASE;
    cpu->seg[SEG_CS].attributes = data | SEG_CODE;
    cpu->ldtr = (Segment){.limit = 0xffff, .attributes = SEG_P | 0x2}; /* LDT */
    cpu->tr = (Segment){.limit = 0xffff, .attributes = SEG_P | 0xb};   /* busy 32-bit TSS */
    cpu->gdtr = (DescriptorTable){.limit = 0xffff};
    cpu->idtr = (DescriptorTable){.limit = 0xffff};
}

/* What INIT leaves alone and only power-on sets. */
static void reset_power_on(X86Cpu *cpu)
{
    const uint64_t components = XCR0_X87 | XCR0_SSE;
    const uint32_t mxcsr = RESET_MXCSR;
    const uint16_t fcw = RESET_FCW;

    if (cpu_is_bsp(cpu)) {
        tsc_machine_reset();
    }
    cpu->tsc_offset = 0;
    cpu->tsc_adjust = 0;
    cpu->star = cpu->lstar = cpu->cstar = cpu->fmask = 0;
    cpu->kernel_gs_base = cpu->tsc_aux = cpu->spec_ctrl = cpu->xss = 0;
    cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->pat = RESET_PAT;
    cpu->misc_enable = MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS;
    cpu->misc_enable |= cpu_has(cpu, FEATURE_MONITOR) ? MISC_ENABLE_MONITOR : 0;
    cpu->bios_sign = cpu->model->ucode_rev;
    cpu->misc_features = cpu->clock_modulation = cpu->therm_interrupt = 0;
    cpu->hwcr = cpu->model->is_amd && cpu->model->family >= 0x10 ? HWCR_TSC_FREQ_SEL : 0;
    cpu->syscfg = 0;
    memset(cpu->top_mem, 0, sizeof(cpu->top_mem));
    cpu->mtrr_def_type = 0;
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
    memset(cpu->mtrr_base, 0, sizeof(cpu->mtrr_base));
    memset(cpu->mtrr_mask, 0, sizeof(cpu->mtrr_mask));
    cpu->mcg_cap = MCE_BANK_COUNT | MCG_CAP_CTL_P;
    cpu->mcg_status = 0;
    cpu->mcg_ctl = UINT64_MAX;
    memset(cpu->mce_bank, 0, sizeof(cpu->mce_bank));
    cpu->xcr0 = XCR0_X87;
    cpu->pkru = 0;
    cpu->pkrs = 0;
    cpu->smbase = RESET_SMBASE;
    cpu->smm = false;
    __atomic_store_n(&cpu->events, 0, __ATOMIC_SEQ_CST);

    cpu->fpu_live = false;
    memset(cpu->fpu, 0, sizeof(cpu->fpu));
    memcpy(cpu->fpu, &fcw, sizeof(fcw));
    cpu->fpu[4] = 0xff; /* tags: registers hold zeros */
    memcpy(cpu->fpu + 24, &mxcsr, sizeof(mxcsr));
    memcpy(cpu->fpu + XSAVE_LEGACY_SIZE, &components, sizeof(components));
}

void cpu_reset(X86Cpu *cpu, bool is_init)
{
    uint32_t registers[4];
    uint64_t cache_bits = is_init ? cpu->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;

    if (!is_init) {
        reset_power_on(cpu);
    }
    memset(cpu->gpr, 0, sizeof(cpu->gpr));
    cpu_cpuid(cpu, 1, 0, registers);
    cpu->gpr[R_RDX] = registers[0];
    cpu->rip = 0xfff0;
    cpu->eflags = EFLAGS_FIXED;
    reset_segments(cpu);
    cpu->cr0 = cache_bits | CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = 0;
    cpu->efer = 0;
    memset(cpu->pdpte, 0, sizeof(cpu->pdpte));
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = RESET_DR6;
    cpu->dr[7] = RESET_DR7;
    cpu->debugctl = 0;
    cpu->debug_pending = 0;
    cpu->interrupt_shadow = false;
    cpu->shadow_is_mov_ss = false;
    cpu->nmi_masked = false;
    cpu->fault = (PendingFault){.vector = VECTOR_NONE};
    cpu->wait_for_sipi = !cpu_is_bsp(cpu);
    cpu_mwait_end(cpu);
    cpu->monitor.armed = false;
    cpu->halted = cpu->wait_for_sipi;
    cpu->vcpu.halted = cpu->halted;

    cpu->mode = 0;
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
    tcg_flush_tlb(cpu);
}

#define POLL_LAST_NS 1000000

/* Looks whether the line that MWAIT waits for has changed; less often each time. */
static void look_at_line(X86Cpu *cpu)
{
    LineMonitor *monitor = &cpu->monitor;

    uint64_t offset;

    /* RAM may have been unplugged meanwhile, but not while the lock is held */
    if (!ram_block_from_host(monitor->host, &offset) ||
        memcmp(monitor->host, monitor->bytes, sizeof(monitor->bytes))) {
        __atomic_fetch_or(&cpu->events, CPU_EVENT_LINE, __ATOMIC_SEQ_CST);
        return;
    }
    cpu->vcpu.halt_poll_ns = MIN(cpu->vcpu.halt_poll_ns * 5 / 4, POLL_LAST_NS);
}

/* True when an event that would end the halt is there and not masked. */
static bool cpu_has_work(Vcpu *vcpu)
{
    X86Cpu *cpu = vcpu->cpu;
    int events;

    if (cpu->monitor.is_waiting) {
        look_at_line(cpu);
    }
    events = __atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST);
    if (cpu->wait_for_sipi) {
        return events & (CPU_EVENT_INIT | CPU_EVENT_SIPI);
    }
    if (events & CPU_EVENT_MCE || ((events & (CPU_EVENT_INIT | CPU_EVENT_SMI)) && !cpu->smm)) {
        return true;
    }
    if ((events & CPU_EVENT_NMI) && !cpu->nmi_masked) {
        return true;
    }
    if (cpu->monitor.is_waiting &&
        (events & CPU_EVENT_LINE || (events & CPU_EVENT_INTR && cpu->monitor.masked_ends))) {
        return true;
    }
    return (events & CPU_EVENT_INTR) && (cpu->eflags & EFLAGS_IF);
}

uint32_t cpu_apic_id(unsigned index)
{
    const CpuTopology *t = &cpu_model_current()->topology;
    unsigned core = index / t->threads, die = core / t->cores, package = die / t->dies;

    return package << topology_package_shift(t) | die % t->dies << topology_die_shift(t) |
           core % t->cores << topology_core_shift(t) | index % t->threads;
}

bool cpu_topology_set(const CpuTopology *topology, unsigned count, Error **err)
{
    CpuModel *model = cpu_model_current();

    assert(topology->dies && topology->cores && topology->threads);
    model->topology = *topology;
    if (count && cpu_apic_id(count - 1) > MAX_APIC_ID) {
        return error_set(err,
                         "-smp: the last CPU of this shape would have APIC id %u; %u is the "
                         "highest",
                         cpu_apic_id(count - 1), MAX_APIC_ID);
    }
    if (topology->dies > 1 && !model->level_given && !model->is_amd) {
        model->level = model->level < LEVEL_WITH_DIES ? LEVEL_WITH_DIES : model->level;
    }
    return true;
}

/* For good. Much of it are tables of the translator: calloc() hands out fresh pages that nothing
 * has touched yet. */
static X86Cpu *allocate(void)
{
    uint8_t *memory = calloc(1, sizeof(X86Cpu) + CPU_ALIGNMENT);
    uintptr_t excess = (uintptr_t)memory % CPU_ALIGNMENT;

    return memory ? (X86Cpu *)(memory + (excess ? CPU_ALIGNMENT - excess : 0)) : NULL;
}

X86Cpu *cpu_new(unsigned index, Error **err)
{
    X86Cpu *cpu;

    if (index >= MAX_CPUS) {
        error_set(err, "CPU %u: at most %d CPUs are possible", index, MAX_CPUS);
        return NULL;
    }
    assert(!cpus[index]);
    tsc_calibration_begin();
    cpu = allocate();
    if (!cpu) {
        error_set(err, "CPU %u: out of memory", index);
        return NULL;
    }
    cpu->model = cpu_model_current();
    tsc_set_frequency(cpu->model->tsc_hz);
    cpu->apic_id = cpu_apic_id(index);
    cpu->vcpu.index = index;
    cpu->vcpu.cpu = cpu;
    cpu->vcpu.has_work = cpu_has_work;
    cpu->vcpu.ops = accel_current() ? accel_current()->vcpu_ops : NULL;
    cpus[index] = cpu;
    cpu_reset(cpu, false);
    cpu_object_show(cpu);
    return cpu;
}

X86Cpu *cpu_get(unsigned index)
{
    return index < MAX_CPUS ? cpus[index] : NULL;
}

bool cpu_is_bsp(const X86Cpu *cpu)
{
    return cpu->vcpu.index == 0;
}

void cpu_raise_event(X86Cpu *cpu, int event)
{
    if ((__atomic_fetch_or(&cpu->events, event, __ATOMIC_SEQ_CST) & event) != event) {
        vcpu_kick(&cpu->vcpu);
    }
}

void cpu_clear_event(X86Cpu *cpu, int event)
{
    __atomic_fetch_and(&cpu->events, ~event, __ATOMIC_SEQ_CST);
}

static void apply_a20(Vcpu *vcpu, void *opaque)
{
    X86Cpu *cpu = vcpu->cpu;
    bool disabled = GPOINTER_TO_INT(opaque);

    if (cpu->a20_disabled != disabled) {
        cpu->a20_disabled = disabled;
        tcg_flush_tlb(cpu);
    }
}

void cpu_set_a20(X86Cpu *cpu, bool enabled)
{
    if (vcpu_self() == &cpu->vcpu || cpu->vcpu.stopped || !cpu->vcpu.created) {
        apply_a20(&cpu->vcpu, GINT_TO_POINTER(!enabled));
    } else {
        vcpu_post(&cpu->vcpu, apply_a20, GINT_TO_POINTER(!enabled));
    }
}
