/* SPDX-License-Identifier: MIT */
/* System management mode: SMI entry and RSM with the 64-bit state save map. AMD APM vol. 2, 10.2.3
 * table 10-1. */
#include "target/i386/helpers/smm.h"

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

/* Offsets from SMBASE. */
#define SMM_ENTRY 0x8000u
#define SAVE_SEGMENTS 0xfe00u /* ES CS SS DS FS GS, 16 bytes each, as all below */
#define SAVE_GDTR 0xfe60u
#define SAVE_LDTR 0xfe70u
#define SAVE_IDTR 0xfe80u
#define SAVE_TR 0xfe90u
#define SAVE_RESTART 0xfec8u /* bytes: I/O restart, HLT restart, NMI mask, CPL */
#define SAVE_EFER 0xfed0u
#define SAVE_REVISION 0xfefcu
#define SAVE_SMBASE 0xff00u
#define SAVE_CR4 0xff48u
#define SAVE_CR3 0xff50u
#define SAVE_CR0 0xff58u
#define SAVE_DR7 0xff60u
#define SAVE_DR6 0xff68u
#define SAVE_RFLAGS 0xff70u
#define SAVE_RIP 0xff78u
#define SAVE_RAX 0xfff8u /* RCX below it and so on down to R15 */

#define REVISION_64BIT 0x00020064u /* SMBASE can be moved; no I/O restart */
#define RESTART_HALT (1u << 8)
#define RESTART_NMI_MASK (1u << 16)
#define DR7_RESET 0x400u
#define REAL_DATA (SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED | SEG_G)
#define RFLAGS_VALID 0x3f7fd5u

static void save_u64(X86Cpu *cpu, uint32_t offset, uint64_t value)
{
    physical_write(cpu, (uint64_t)cpu->smbase + offset, &value, 8);
}

static void save_u32(X86Cpu *cpu, uint32_t offset, uint32_t value)
{
    physical_write(cpu, (uint64_t)cpu->smbase + offset, &value, 4);
}

static uint64_t load_u64(X86Cpu *cpu, uint32_t offset)
{
    uint64_t value = 0;

    physical_read_u64(cpu, (uint64_t)cpu->smbase + offset, &value);
    return value;
}

static uint32_t load_u32(X86Cpu *cpu, uint32_t offset)
{
    uint32_t value = 0;

    physical_read_u32(cpu, (uint64_t)cpu->smbase + offset, &value);
    return value;
}

/* The map packs attributes into 12 bits: type to P, then AVL to G. */
static void save_segment(X86Cpu *cpu, uint32_t offset, const Segment *segment)
{
    uint32_t attributes = (segment->attributes & 0xffu) | (segment->attributes >> 4 & 0xf00u);

    save_u32(cpu, offset, segment->selector | attributes << 16);
    save_u32(cpu, offset + 4, segment->limit);
    save_u64(cpu, offset + 8, segment->base);
}

static Segment load_segment(X86Cpu *cpu, uint32_t offset)
{
    uint32_t word = load_u32(cpu, offset);
    Segment segment = {
        .selector = (uint16_t)word,
        .attributes = (uint16_t)((word >> 16 & 0xff) | (word >> 24 & 0xf) << 12),
        .limit = load_u32(cpu, offset + 4),
        .base = load_u64(cpu, offset + 8),
    };

    return segment;
}

static void save_state(X86Cpu *cpu)
{
    /* RF is kept up where breakpoints make it count */
    uint64_t kept = cpu->mode & CPU_MODE_BREAKPOINTS ? 0 : EFLAGS_RF;
    uint64_t eflags = cpu->eflags & ~kept;
    uint32_t restart = (cpu->halted ? RESTART_HALT : 0) | (cpu->nmi_masked ? RESTART_NMI_MASK : 0);

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        save_segment(cpu, SAVE_SEGMENTS + i * 16, &cpu->seg[i]);
    }
    save_segment(cpu, SAVE_LDTR, &cpu->ldtr);
    save_segment(cpu, SAVE_TR, &cpu->tr);
    save_u32(cpu, SAVE_GDTR + 4, cpu->gdtr.limit);
    save_u64(cpu, SAVE_GDTR + 8, cpu->gdtr.base);
    save_u32(cpu, SAVE_IDTR + 4, cpu->idtr.limit);
    save_u64(cpu, SAVE_IDTR + 8, cpu->idtr.base);
    save_u32(cpu, SAVE_RESTART, restart | (uint32_t)cpu->cpl << 24);
    save_u64(cpu, SAVE_EFER, cpu->efer);
    save_u32(cpu, SAVE_REVISION, REVISION_64BIT);
    save_u32(cpu, SAVE_SMBASE, cpu->smbase);
    save_u64(cpu, SAVE_CR4, cpu->cr4);
    save_u64(cpu, SAVE_CR3, cpu->cr3);
    save_u64(cpu, SAVE_CR0, cpu->cr0);
    save_u64(cpu, SAVE_DR7, cpu->dr[7]);
    save_u64(cpu, SAVE_DR6, cpu->dr[6]);
    save_u64(cpu, SAVE_RFLAGS, eflags);
    save_u64(cpu, SAVE_RIP, cpu->rip);
    for (unsigned i = 0; i < 16; i++) {
        save_u64(cpu, SAVE_RAX - i * 8, cpu->gpr[i]);
    }
}

void smm_enter(X86Cpu *cpu)
{
    Segment code = {.selector = (uint16_t)(cpu->smbase >> 4),
                    .attributes = REAL_DATA,
                    .limit = 0xffffffffu,
                    .base = cpu->smbase};

    cpu->smm = true;
    tcg_flush_tlb(cpu);
    save_state(cpu);
    cpu->halted = false;
    cpu->nmi_masked = true;
    cpu->interrupt_shadow = false;
    cpu->cr0 &= ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    cpu->cr4 = 0;
    cpu->efer = 0;
    cpu->dr[7] = DR7_RESET;
    cpu->eflags = EFLAGS_FIXED;
    cpu->rip = SMM_ENTRY;
    cpu->cpl = 0;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        segment_set_flat(cpu, i, 0, REAL_DATA);
    }
    segment_commit(cpu, SEG_CS, &code);
    cpu_update_mode(cpu);
    tcg_flush_tlb(cpu);
}

/* -- RSM --------------------------------------------------------------------------------------- */

typedef struct ControlImage {
    uint64_t cr0, cr3, cr4, efer;
} ControlImage;

/* Combinations no CPU can be in end in shutdown. */
static bool control_is_valid(const X86Cpu *cpu, const ControlImage *image)
{
    bool paging = image->cr0 & CR0_PG;

    if ((paging && !(image->cr0 & CR0_PE)) || ((image->cr0 & CR0_NW) && !(image->cr0 & CR0_CD))) {
        return false;
    }
    if ((image->efer & EFER_LME) && paging && !(image->cr4 & CR4_PAE)) {
        return false;
    }
    return !(image->cr4 & ~cpu->model->cr4_mask) && !(image->cr0 >> 32);
}

static void restore_control(X86Cpu *cpu, const ControlImage *image)
{
    cpu->cr0 = image->cr0 | CR0_ET;
    cpu->cr4 = image->cr4;
    cpu->cr3 = image->cr3;
    cpu->efer = image->efer & cpu->model->efer_mask & ~(uint64_t)EFER_LMA;
    if ((cpu->efer & EFER_LME) && (cpu->cr0 & CR0_PG)) {
        cpu->efer |= EFER_LMA;
    }
    if ((cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE) && !mode_is_long(cpu)) {
        paging_load_pdptes(cpu, cpu->cr3);
    }
}

static void restore_registers(X86Cpu *cpu)
{
    uint32_t restart = load_u32(cpu, SAVE_RESTART);

    for (unsigned i = 0; i < 16; i++) {
        cpu->gpr[i] = load_u64(cpu, SAVE_RAX - i * 8);
    }
    cpu->dr[6] = load_u64(cpu, SAVE_DR6);
    cpu->dr[7] = load_u64(cpu, SAVE_DR7);
    cpu->eflags = (load_u64(cpu, SAVE_RFLAGS) & RFLAGS_VALID) | EFLAGS_FIXED;
    cpu->rip = load_u64(cpu, SAVE_RIP);
    if (restart & RESTART_HALT) {
        cpu->rip--; /* executes the HLT again */
    }
    cpu->nmi_masked = restart & RESTART_NMI_MASK;
    cpu->gdtr.limit = load_u32(cpu, SAVE_GDTR + 4);
    cpu->gdtr.base = load_u64(cpu, SAVE_GDTR + 8);
    cpu->idtr.limit = load_u32(cpu, SAVE_IDTR + 4);
    cpu->idtr.base = load_u64(cpu, SAVE_IDTR + 8);
    cpu->ldtr = load_segment(cpu, SAVE_LDTR);
    cpu->tr = load_segment(cpu, SAVE_TR);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = load_segment(cpu, SAVE_SEGMENTS + i * 16);
    }
}

InsnResult helper_rsm(X86Cpu *cpu, const Insn *insn)
{
    ControlImage image;

    if (!cpu->smm) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    image.cr0 = load_u64(cpu, SAVE_CR0);
    image.cr3 = load_u64(cpu, SAVE_CR3);
    image.cr4 = load_u64(cpu, SAVE_CR4);
    image.efer = load_u64(cpu, SAVE_EFER);
    if (!control_is_valid(cpu, &image)) {
        exception_shutdown(cpu);
        return INSN_JUMP;
    }
    restore_registers(cpu);
    cpu->smbase = load_u32(cpu, SAVE_SMBASE);
    cpu->smm = false;
    restore_control(cpu, &image);
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
    tcg_flush_tlb(cpu);
    return INSN_JUMP;
}
