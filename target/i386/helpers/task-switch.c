/* SPDX-License-Identifier: MIT */
/* Hardware task switches: 16- and 32-bit TSS. Intel SDM vol. 3 ch. 7. */
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

#define DR7_LOCAL_ENABLES 0x155u
#define DR6_BT (1u << 15)
#define EFLAGS_VALID 0x3f7fd5u
#define NO_FIELD 0xffu

/* Where things lie in a TSS, and how large it must be. */
typedef struct TssLayout {
    uint8_t size, width;                /* least bytes; bytes of a register slot */
    uint8_t cr3, eip, eflags, gpr, seg; /* offsets */
    uint8_t seg_stride, seg_count;      /* segments in the order ES CS SS DS FS GS */
    uint8_t ldt, trap;
} TssLayout;

static const TssLayout layout16 = {.size = 0x2c,
                                   .width = 2,
                                   .cr3 = NO_FIELD,
                                   .eip = 0x0e,
                                   .eflags = 0x10,
                                   .gpr = 0x12,
                                   .seg = 0x22,
                                   .seg_stride = 2,
                                   .seg_count = 4,
                                   .ldt = 0x2a,
                                   .trap = NO_FIELD};
static const TssLayout layout32 = {.size = 0x68,
                                   .width = 4,
                                   .cr3 = 0x1c,
                                   .eip = 0x20,
                                   .eflags = 0x24,
                                   .gpr = 0x28,
                                   .seg = 0x48,
                                   .seg_stride = 4,
                                   .seg_count = 6,
                                   .ldt = 0x60,
                                   .trap = 0x64};

#define TSS_BYTES 0x68

/* A TSS in memory, its bytes, and how to read them. */
typedef struct Tss {
    const TssLayout *layout;
    Segment segment;
    uint16_t words[TSS_BYTES / 2];
} Tss;

static uint32_t tss_get(const Tss *tss, unsigned offset)
{
    uint32_t value = tss->words[offset / 2];

    if (tss->layout->width == 4) {
        value |= (uint32_t)tss->words[offset / 2 + 1] << 16;
    }
    return value;
}

static void tss_set(Tss *tss, unsigned offset, uint32_t value)
{
    tss->words[offset / 2] = (uint16_t)value;
    if (tss->layout->width == 4) {
        tss->words[offset / 2 + 1] = (uint16_t)(value >> 16);
    }
}

static uint16_t tss_selector(const Tss *tss, unsigned segment)
{
    return tss->words[(tss->layout->seg + segment * tss->layout->seg_stride) / 2];
}

static void tss_set_layout(Tss *tss)
{
    bool is_32bit = tss->segment.attributes & 8;

    tss->layout = is_32bit ? &layout32 : &layout16;
}

static bool tss_load(X86Cpu *cpu, Tss *tss)
{
    return access_read(cpu, (uint32_t)tss->segment.base, tss->words, tss->layout->size,
                       ACCESS_SYSTEM);
}

static bool is_tss(const Segment *segment, bool busy)
{
    unsigned type = segment->attributes & (SEG_S | SEG_TYPE_MASK);

    return busy ? type == SYSTEM_TSS32_BUSY || type == SYSTEM_TSS16_BUSY
                : type == SYSTEM_TSS32 || type == SYSTEM_TSS16;
}

bool task_check_target(X86Cpu *cpu, uint16_t selector)
{
    Segment tss;

    if (selector_is_null(selector) || (selector & 4)) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, &tss)) {
        return false;
    }
    if (!is_tss(&tss, false)) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    return (tss.attributes & SEG_P) || fault_selector(cpu, VECTOR_NP, selector);
}

/* The TSS to go to, checked and read. */
static bool fetch_new_tss(X86Cpu *cpu, uint16_t selector, TaskSwitchCause cause, Tss *ret_tss)
{
    if (selector & 4) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    if (!segment_fetch(cpu, selector, VECTOR_TS, &ret_tss->segment)) {
        return false;
    }
    if (!is_tss(&ret_tss->segment, cause == TASK_SWITCH_IRET)) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    if (!(ret_tss->segment.attributes & SEG_P)) {
        return fault_selector(cpu, VECTOR_NP, selector);
    }
    tss_set_layout(ret_tss);
    if (ret_tss->segment.limit < ret_tss->layout->size - 1u) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    return tss_load(cpu, ret_tss);
}

static bool set_busy(X86Cpu *cpu, Segment *tss, bool busy)
{
    uint64_t linear = (uint32_t)(cpu->gdtr.base + (tss->selector & 0xfff8u) + 5);
    uint8_t type;

    tss->attributes &= (uint16_t)~SYSTEM_BUSY;
    tss->attributes |= busy ? SYSTEM_BUSY : 0;
    type = (uint8_t)tss->attributes;
    return access_write(cpu, linear, &type, 1, ACCESS_WRITE | ACCESS_SYSTEM);
}

/* Everything that will be written must be writable before anything is. */
static bool probe_writes(X86Cpu *cpu, const Tss *old, const Tss *new)
{
    unsigned access = ACCESS_WRITE | ACCESS_SYSTEM;
    uint64_t table = cpu->gdtr.base + 5;

    return access_probe(cpu, (uint32_t)old->segment.base, old->layout->size, access) &&
           access_probe(cpu, (uint32_t) new->segment.base, 2, access) &&
           access_probe(cpu, (uint32_t)(table + (old->segment.selector & 0xfff8u)), 1, access) &&
           access_probe(cpu, (uint32_t)(table + (new->segment.selector & 0xfff8u)), 1, access);
}

static bool save_old(X86Cpu *cpu, Tss *old, TaskSwitchCause cause, uint64_t next_rip)
{
    const TssLayout *layout = old->layout;
    uint32_t eflags = (uint32_t)cpu->eflags;
    unsigned first = layout->eip;
    unsigned end = layout->seg + layout->seg_stride * layout->seg_count;

    if (cause == TASK_SWITCH_IRET) {
        eflags &= ~EFLAGS_NT;
    }
    if (cause != TASK_SWITCH_EVENT) {
        eflags &= ~EFLAGS_RF; /* it is served, and may be old */
    }
    tss_set(old, layout->eip, (uint32_t)next_rip);
    tss_set(old, layout->eflags, eflags);
    for (unsigned i = 0; i < 8; i++) {
        tss_set(old, layout->gpr + i * layout->width, (uint32_t)cpu->gpr[i]);
    }
    for (unsigned i = 0; i < layout->seg_count; i++) {
        old->words[(layout->seg + i * layout->seg_stride) / 2] = cpu->seg[i].selector;
    }
    return access_write(cpu, (uint32_t)(old->segment.base + first), &old->words[first / 2],
                        end - first, ACCESS_WRITE | ACCESS_SYSTEM);
}

/* -- The new task's state; from here on faults are its own ------------------------------------- */

static bool load_address_space(X86Cpu *cpu, const Tss *tss)
{
    uint32_t cr3;

    if (tss->layout->cr3 == NO_FIELD || !(cpu->cr0 & CR0_PG)) {
        return true;
    }
    cr3 = tss_get(tss, tss->layout->cr3);
    if ((cpu->cr4 & CR4_PAE) && !paging_load_pdptes(cpu, cr3)) {
        return fault_gp(cpu, 0);
    }
    cpu->cr3 = cr3;
    tcg_flush_tlb_non_global(cpu);
    return true;
}

static bool load_ldt(X86Cpu *cpu, uint16_t selector)
{
    Segment ldt;

    cpu->ldtr = (Segment){.selector = selector};
    if (selector_is_null(selector)) {
        return true;
    }
    if (selector & 4) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    if (!segment_fetch(cpu, selector, VECTOR_TS, &ldt)) {
        return false;
    }
    if ((ldt.attributes & (SEG_P | SEG_S | SEG_TYPE_MASK)) != (SEG_P | SYSTEM_LDT)) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    cpu->ldtr = ldt;
    return true;
}

static bool load_code(X86Cpu *cpu, uint16_t selector)
{
    unsigned rpl = selector & 3, dpl;
    Segment cs;

    if (selector_is_null(selector)) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    if (!segment_fetch(cpu, selector, VECTOR_TS, &cs)) {
        return false;
    }
    dpl = segment_dpl(&cs);
    if (!segment_is_code(&cs) || (segment_is_conforming(&cs) ? dpl > rpl : dpl != rpl)) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    if (!(cs.attributes & SEG_P)) {
        return fault_selector(cpu, VECTOR_NP, selector);
    }
    if (!segment_set_accessed(cpu, &cs)) {
        return false;
    }
    segment_commit(cpu, SEG_CS, &cs);
    return true;
}

/* segment_load() with #TS where it says #GP. */
static bool load_segment(X86Cpu *cpu, unsigned segment, uint16_t selector)
{
    if (segment_load(cpu, segment, selector)) {
        return true;
    }
    if (cpu->fault.vector == VECTOR_GP) {
        cpu->fault.vector = VECTOR_TS;
    }
    return false;
}

static bool load_segments(X86Cpu *cpu, const Tss *tss)
{
    static const uint8_t data_segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    /* SS first: with a usable stack, #TS about the others can go through an ordinary gate. */
    if (!load_segment(cpu, SEG_SS, tss_selector(tss, SEG_SS)) ||
        !load_code(cpu, tss_selector(tss, SEG_CS))) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(data_segments); i++) {
        unsigned n = data_segments[i];

        if (n < tss->layout->seg_count && !load_segment(cpu, n, tss_selector(tss, n))) {
            return false;
        }
    }
    return code_check_offset(cpu, &cpu->seg[SEG_CS], cpu->rip);
}

/* Registers, and selectors with hidden parts that are not usable yet. */
static void load_registers(X86Cpu *cpu, const Tss *tss, bool nested)
{
    const TssLayout *layout = tss->layout;
    uint64_t upper = layout->width == 2 ? 0xffff0000u : 0;
    uint32_t eflags = tss_get(tss, layout->eflags) & EFLAGS_VALID;
    unsigned ring = tss_selector(tss, SEG_CS) & 3;

    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = upper | tss_get(tss, layout->gpr + i * layout->width);
    }
    cpu->rip = tss_get(tss, layout->eip);
    flags_set(cpu, nested ? eflags | EFLAGS_NT : eflags);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        uint16_t selector = i < layout->seg_count ? tss_selector(tss, i) : 0;

        if (mode_is_v8086(cpu)) {
            segment_set_real(cpu, i, selector);
        } else {
            Segment unusable = segment_null_stack(ring);

            unusable.selector = selector;
            segment_commit(cpu, i, &unusable);
        }
    }
    cpu->cpl = mode_is_v8086(cpu) ? 3 : (uint8_t)ring;
    cpu_update_mode(cpu);
}

static bool push_error_code(X86Cpu *cpu, const Tss *tss, uint32_t error_code)
{
    uint64_t value = error_code;
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_push(cpu, &stack, &value, 1, tss->layout->width)) {
        return false;
    }
    stack_commit_pointer(cpu, &stack);
    return true;
}

static bool enter_task(X86Cpu *cpu, const Tss *tss, bool nested, const uint32_t *error_code)
{
    cpu->tr = tss->segment;
    cpu->cr0 |= CR0_TS;
    cpu->dr[7] &= ~(uint64_t)DR7_LOCAL_ENABLES;
    load_registers(cpu, tss, nested);
    if (!load_address_space(cpu, tss) || !load_ldt(cpu, tss->words[tss->layout->ldt / 2])) {
        return false;
    }
    if (!mode_is_v8086(cpu) && !load_segments(cpu, tss)) {
        return false;
    }
    cpu_update_mode(cpu);
    if (error_code && !push_error_code(cpu, tss, *error_code)) {
        return false;
    }
    if (tss->layout->trap != NO_FIELD && (tss->words[tss->layout->trap / 2] & 1)) {
        fault_raise(cpu, VECTOR_DB);
        cpu->fault.dr6 = DR6_BT;
        return false;
    }
    return true;
}

bool task_switch(X86Cpu *cpu, uint16_t selector, TaskSwitchCause cause, uint64_t next_rip,
                 const uint32_t *error_code)
{
    uint16_t link = cpu->tr.selector;
    bool nested = cause == TASK_SWITCH_CALL || cause == TASK_SWITCH_EVENT;
    Tss old, new;

    old.segment = cpu->tr;
    tss_set_layout(&old);
    if (!fetch_new_tss(cpu, selector, cause, &new) || !tss_load(cpu, &old) ||
        !probe_writes(cpu, &old, &new)) {
        return false;
    }
    /* Probed: the writes below cannot fault. */
    if (!nested) {
        set_busy(cpu, &old.segment, false);
    }
    save_old(cpu, &old, cause, next_rip);
    if (nested) {
        access_write(cpu, (uint32_t) new.segment.base, &link, 2, ACCESS_WRITE | ACCESS_SYSTEM);
    }
    set_busy(cpu, &new.segment, true);
    /* A task that left itself by CALL and alike may have been entered anew: read again. */
    if (new.segment.base == old.segment.base && !tss_load(cpu, &new)) {
        return false;
    }
    return enter_task(cpu, &new, nested, error_code);
}
