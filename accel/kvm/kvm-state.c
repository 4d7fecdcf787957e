/* SPDX-License-Identifier: MIT */
/* Registers between X86Cpu and the kernel: general, segments, control, debug. The order of loading
 * is the kernel's: what decides how the rest is understood comes first. */
#include "accel/kvm/kvm-internal.h"

#include <stddef.h>

/* Where struct kvm_regs has general register R_*. */
static const uint8_t gpr_offsets[16] = {
    [R_RAX] = offsetof(struct kvm_regs, rax), [R_RCX] = offsetof(struct kvm_regs, rcx),
    [R_RDX] = offsetof(struct kvm_regs, rdx), [R_RBX] = offsetof(struct kvm_regs, rbx),
    [R_RSP] = offsetof(struct kvm_regs, rsp), [R_RBP] = offsetof(struct kvm_regs, rbp),
    [R_RSI] = offsetof(struct kvm_regs, rsi), [R_RDI] = offsetof(struct kvm_regs, rdi),
    [R_R8] = offsetof(struct kvm_regs, r8),   [R_R9] = offsetof(struct kvm_regs, r9),
    [R_R10] = offsetof(struct kvm_regs, r10), [R_R11] = offsetof(struct kvm_regs, r11),
    [R_R12] = offsetof(struct kvm_regs, r12), [R_R13] = offsetof(struct kvm_regs, r13),
    [R_R14] = offsetof(struct kvm_regs, r14), [R_R15] = offsetof(struct kvm_regs, r15),
};

/* Both forms of the special registers begin alike, up to here. */
#define SREGS_COMMON offsetof(struct kvm_sregs, interrupt_bitmap)

static void get(KvmVcpu *kv, unsigned long request, void *data, const char *what)
{
    int result = kvm_vcpu_ioctl(kv, request, data);

    if (result < 0) {
        kvm_complain(what, result);
    }
}

/* -- General registers ------------------------------------------------------------------------- */

static void save_regs(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;
    struct kvm_regs regs = {0};

    get(kv, KVM_GET_REGS, &regs, "reading registers");
    for (unsigned i = 0; i < 16; i++) {
        memcpy(&cpu->gpr[i], (const uint8_t *)&regs + gpr_offsets[i], 8);
    }
    cpu->rip = regs.rip;
    cpu->eflags = regs.rflags;
}

static void load_regs(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;
    struct kvm_regs regs = {.rip = cpu->rip, .rflags = cpu->eflags};

    for (unsigned i = 0; i < 16; i++) {
        memcpy((uint8_t *)&regs + gpr_offsets[i], &cpu->gpr[i], 8);
    }
    get(kv, KVM_SET_REGS, &regs, "loading registers");
}

/* -- Segments and control registers ------------------------------------------------------------ */

static struct kvm_segment segment_to_kvm(const Segment *segment)
{
    uint16_t a = segment->attributes;

    return (struct kvm_segment){
        .base = segment->base,
        .limit = segment->limit,
        .selector = segment->selector,
        .type = a & SEG_TYPE_MASK,
        .s = !!(a & SEG_S),
        .dpl = a >> SEG_DPL_SHIFT & 3,
        .present = !!(a & SEG_P),
        .avl = !!(a & SEG_AVL),
        .l = !!(a & SEG_L),
        .db = !!(a & SEG_DB),
        .g = !!(a & SEG_G),
        .unusable = !(a & SEG_P),
    };
}

static Segment segment_from_kvm(const struct kvm_segment *segment)
{
    unsigned a = segment->type | (segment->s ? SEG_S : 0) |
                 (unsigned)segment->dpl << SEG_DPL_SHIFT | (segment->avl ? SEG_AVL : 0) |
                 (segment->l ? SEG_L : 0) | (segment->db ? SEG_DB : 0) | (segment->g ? SEG_G : 0) |
                 (segment->present && !segment->unusable ? SEG_P : 0);

    return (Segment){.selector = segment->selector,
                     .attributes = (uint16_t)a,
                     .limit = segment->limit,
                     .base = segment->base};
}

/* Virtual-8086 mode has segments of one form only; hardware checks that, and finds other ones in a
 * CPU that was reset or written to by a debugger. */
static struct kvm_segment code_to_kvm(const X86Cpu *cpu, unsigned which)
{
    Segment segment = cpu->seg[which];

    if (cpu->eflags & EFLAGS_VM) {
        segment.attributes = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED | 3 << SEG_DPL_SHIFT;
        segment.limit = 0xffff;
        segment.base = (uint64_t)segment.selector << 4;
    }
    return segment_to_kvm(&segment);
}

static uint64_t apic_base(const X86Cpu *cpu)
{
    return cpu->apic_ops && cpu->apic_ops->get_base ? cpu->apic_ops->get_base(cpu->apic) : 0;
}

static void load_sregs(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;
    bool has_pdptes = (cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE) && !(cpu->efer & EFER_LMA);
    struct kvm_sregs2 regs = {
        .cs = code_to_kvm(cpu, SEG_CS),
        .ds = code_to_kvm(cpu, SEG_DS),
        .es = code_to_kvm(cpu, SEG_ES),
        .fs = code_to_kvm(cpu, SEG_FS),
        .gs = code_to_kvm(cpu, SEG_GS),
        .ss = code_to_kvm(cpu, SEG_SS),
        .tr = segment_to_kvm(&cpu->tr),
        .ldt = segment_to_kvm(&cpu->ldtr),
        .gdt = {.base = cpu->gdtr.base, .limit = (uint16_t)cpu->gdtr.limit},
        .idt = {.base = cpu->idtr.base, .limit = (uint16_t)cpu->idtr.limit},
        .cr0 = cpu->cr0,
        .cr2 = cpu->cr2,
        .cr3 = cpu->cr3,
        .cr4 = cpu->cr4,
        .cr8 = cpu->apic_ops ? cpu->apic_ops->get_tpr(cpu->apic) : 0,
        .efer = cpu->efer,
        .apic_base = apic_base(cpu),
        .flags = has_pdptes ? KVM_SREGS2_FLAGS_PDPTRS_VALID : 0,
    };
    struct kvm_sregs old = {0};

    if (kvm.has_sregs2) {
        memcpy(regs.pdptrs, cpu->pdpte, sizeof(regs.pdptrs));
        get(kv, KVM_SET_SREGS2, &regs, "loading special registers");
        return;
    }
    memcpy(&old, &regs, SREGS_COMMON);
    get(kv, KVM_SET_SREGS, &old, "loading special registers");
}

static void save_segments(X86Cpu *cpu, const struct kvm_sregs2 *regs)
{
    cpu->seg[SEG_CS] = segment_from_kvm(&regs->cs);
    cpu->seg[SEG_DS] = segment_from_kvm(&regs->ds);
    cpu->seg[SEG_ES] = segment_from_kvm(&regs->es);
    cpu->seg[SEG_FS] = segment_from_kvm(&regs->fs);
    cpu->seg[SEG_GS] = segment_from_kvm(&regs->gs);
    cpu->seg[SEG_SS] = segment_from_kvm(&regs->ss);
    cpu->tr = segment_from_kvm(&regs->tr);
    cpu->ldtr = segment_from_kvm(&regs->ldt);
    cpu->gdtr = (DescriptorTable){.base = regs->gdt.base, .limit = regs->gdt.limit};
    cpu->idtr = (DescriptorTable){.base = regs->idt.base, .limit = regs->idt.limit};
}

static void save_sregs(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;
    struct kvm_sregs2 regs = {0};
    struct kvm_sregs old = {0};

    if (kvm.has_sregs2) {
        get(kv, KVM_GET_SREGS2, &regs, "reading special registers");
    } else {
        get(kv, KVM_GET_SREGS, &old, "reading special registers");
        memcpy(&regs, &old, SREGS_COMMON);
    }
    save_segments(cpu, &regs);
    cpu->cr0 = regs.cr0;
    cpu->cr2 = regs.cr2;
    cpu->cr3 = regs.cr3;
    cpu->cr4 = regs.cr4;
    cpu->efer = regs.efer;
    if (regs.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) {
        memcpy(cpu->pdpte, regs.pdptrs, sizeof(cpu->pdpte));
    }
    if (kvm_has_kernel_apic() && cpu->apic_ops) {
        cpu->apic_ops->set_base(cpu->apic, regs.apic_base);
        cpu->apic_ops->set_tpr(cpu->apic, (uint8_t)regs.cr8);
    }
}

/* -- Debug registers --------------------------------------------------------------------------- */

static void save_debugregs(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;
    struct kvm_debugregs regs = {0};

    if (!kvm.has_debugregs) {
        return;
    }
    get(kv, KVM_GET_DEBUGREGS, &regs, "reading debug registers");
    memcpy(cpu->dr, regs.db, sizeof(regs.db));
    cpu->dr[6] = regs.dr6;
    cpu->dr[7] = regs.dr7;
}

static void load_debugregs(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;
    struct kvm_debugregs regs = {.dr6 = cpu->dr[6], .dr7 = cpu->dr[7]};

    if (kvm.has_debugregs) {
        memcpy(regs.db, cpu->dr, sizeof(regs.db));
        get(kv, KVM_SET_DEBUGREGS, &regs, "loading debug registers");
    }
}

/* -- Local APIC of the kernel ------------------------------------------------------------------ */

static uint8_t *apic_page(const X86Cpu *cpu)
{
    return cpu->apic_ops && cpu->apic_ops->kernel_page ? cpu->apic_ops->kernel_page(cpu->apic)
                                                       : NULL;
}

static void save_apic(KvmVcpu *kv)
{
    struct kvm_lapic_state state;
    uint8_t *page = apic_page(kv->cpu);

    if (page) {
        get(kv, KVM_GET_LAPIC, &state, "reading the local APIC");
        memcpy(page, state.regs, sizeof(state.regs));
    }
}

/* It goes on by itself: what was saved is stale but for a reset. */
static void load_apic(KvmVcpu *kv)
{
    struct kvm_lapic_state state;
    const uint8_t *page = apic_page(kv->cpu);

    if (page && kv->after_reset) {
        memcpy(state.regs, page, sizeof(state.regs));
        get(kv, KVM_SET_LAPIC, &state, "loading the local APIC");
    }
}

/* -- All --------------------------------------------------------------------------------------- */

void kvm_state_save(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;

    save_regs(kv);
    save_sregs(kv);
    kvm_xsave_save(kv);
    kvm_msrs_save(kv);
    kvm_events_save(kv);
    save_debugregs(kv);
    save_apic(kv);
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
}

void kvm_state_load(KvmVcpu *kv)
{
    if (kv->after_reset) {
        kvm_nested_reset(kv);
    }
    load_sregs(kv);
    load_apic(kv);
    load_regs(kv);
    kvm_xsave_load(kv);
    kvm_msrs_load(kv);
    kvm_events_load(kv);
    load_debugregs(kv);
    kvm_debug_load(kv);
}
