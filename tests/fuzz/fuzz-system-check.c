/* SPDX-License-Identifier: MIT */
/* What fuzz-system checks behind a run: that two runs came to the same, and that the CPU is in a
 * state that a CPU can be in, with a TLB that page tables account for. */
#include "tests/fuzz/fuzz-system.h"

#include "accel/tcg/tcg-internal.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/paging.h"
#include "tests/insn/insn-case.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINES 12

typedef struct Member {
    const char *name;
    size_t offset;
    unsigned size, count; /* of an element, of them */
} Member;

#define MEMBER(m)                                                                                  \
    {                                                                                              \
#m, offsetof(X86Cpu, m), sizeof(((X86Cpu *)0)->m), 1                                       \
    }
#define ARRAY(m)                                                                                   \
    {                                                                                              \
#m, offsetof(X86Cpu, m), sizeof(((X86Cpu *)0)->m[0]), G_N_ELEMENTS(((X86Cpu *)0)->m)       \
    }

static const Member members[] = {
    ARRAY(gpr),
    MEMBER(rip),
    MEMBER(cr0),
    MEMBER(cr2),
    MEMBER(cr3),
    MEMBER(cr4),
    MEMBER(xcr0),
    ARRAY(pdpte),
    ARRAY(dr),
    MEMBER(debugctl),
    MEMBER(efer),
    MEMBER(star),
    MEMBER(lstar),
    MEMBER(cstar),
    MEMBER(fmask),
    MEMBER(pat),
    MEMBER(tsc_aux),
    MEMBER(misc_enable),
    MEMBER(spec_ctrl),
    MEMBER(xss),
    MEMBER(sysenter_cs),
    MEMBER(sysenter_esp),
    MEMBER(sysenter_eip),
    MEMBER(mcg_status),
    MEMBER(mtrr_def_type),
    ARRAY(mtrr_base),
    ARRAY(mtrr_mask),
    MEMBER(pkru),
    MEMBER(pkrs),
    MEMBER(smbase),
    MEMBER(cpl),
    MEMBER(nmi_masked),
    MEMBER(smm),
    MEMBER(a20_disabled),
    MEMBER(halted),
    MEMBER(mode),
    MEMBER(events),
    MEMBER(wait_for_sipi),
    MEMBER(kernel_gs_base),
    MEMBER(hwcr),
    MEMBER(syscfg),
    MEMBER(wait_for_sipi),
};

typedef struct Differences {
    FILE *out;
    unsigned count;
} Differences;

static void compare(Differences *d, const char *name, unsigned index, uint64_t a, uint64_t b)
{
    if (a == b) {
        return;
    }
    if (d->out && d->count < MAX_LINES) {
        fprintf(d->out, "  %s[%u]: %" PRIx64 ", %" PRIx64 "\n", name, index, a, b);
    }
    d->count++;
}

static uint64_t number_at(const void *at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return value;
}

static void compare_segment(Differences *d, const char *name, const Segment *a, const Segment *b)
{
    compare(d, name, 0, a->selector, b->selector);
    compare(d, name, 1, a->attributes, b->attributes);
    compare(d, name, 2, a->limit, b->limit);
    compare(d, name, 3, a->base, b->base);
}

static void compare_segments(Differences *d, const X86Cpu *a, const X86Cpu *b)
{
    static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs"};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        compare_segment(d, names[i], &a->seg[i], &b->seg[i]);
    }
    compare_segment(d, "ldtr", &a->ldtr, &b->ldtr);
    compare_segment(d, "tr", &a->tr, &b->tr);
    compare(d, "gdtr", 0, a->gdtr.base, b->gdtr.base);
    compare(d, "gdtr", 1, a->gdtr.limit, b->gdtr.limit);
    compare(d, "idtr", 0, a->idtr.base, b->idtr.base);
    compare(d, "idtr", 1, a->idtr.limit, b->idtr.limit);
}

static void compare_fpu(Differences *d, const X86Cpu *a, const X86Cpu *b)
{
    CaseFpu left, right;

    case_fpu_from_image(&left, a->fpu);
    case_fpu_from_image(&right, b->fpu);
    for (unsigned i = 0; i + 8 <= sizeof(left); i += 8) {
        compare(d, "fpu", i, number_at((uint8_t *)&left + i, 8),
                number_at((uint8_t *)&right + i, 8));
    }
}

/* RF is kept up where breakpoints make it count. */
static uint64_t visible_flags(const X86Cpu *cpu)
{
    return cpu->mode & CPU_MODE_BREAKPOINTS ? cpu->eflags : cpu->eflags & ~(uint64_t)EFLAGS_RF;
}

bool sys_results_equal(const SysResult *a, const SysResult *b, FILE *out)
{
    Differences d = {out, 0};

    compare(&d, "end", 0, a->end, b->end);
    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        for (unsigned k = 0; k < members[i].count; k++) {
            size_t at = members[i].offset + k * members[i].size;
            compare(&d, members[i].name, k,
                    number_at((const uint8_t *)&a->cpu + at, members[i].size),
                    number_at((const uint8_t *)&b->cpu + at, members[i].size));
        }
    }
    compare(&d, "eflags", 0, visible_flags(&a->cpu), visible_flags(&b->cpu));
    compare_segments(&d, &a->cpu, &b->cpu);
    compare_fpu(&d, &a->cpu, &b->cpu);
    for (uint32_t at = 0; at < SYS_RAM_SIZE; at += SYS_PAGE) {
        for (uint32_t i = at; memcmp(a->ram + at, b->ram + at, SYS_PAGE) && i < at + SYS_PAGE;
             i += 4) {
            compare(&d, "memory", i, number_at(a->ram + i, 4), number_at(b->ram + i, 4));
        }
    }
    return d.count == 0;
}

/* -- Invariants -------------------------------------------------------------------------------- */

static bool demand(FILE *out, bool holds, const char *what, uint64_t value)
{
    if (!holds && out) {
        fprintf(out, "  broken: %s (%" PRIx64 ")\n", what, value);
    }
    return holds;
}

static bool is_canonical(const X86Cpu *cpu, uint64_t linear)
{
    unsigned shift = cpu->cr4 & CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}

/* Derived state equals what it is derived from. */
static bool derived_state_holds(X86Cpu *cpu, SysEnd end, FILE *out)
{
    uint32_t mode = cpu->mode;
    uint8_t cpl = cpu->cpl;
    const TcgCpu *own = cpu->tcg.own;
    uint64_t jump_key = cpu->tcg.jump_key;
    Segment kept[SEG_COUNT];
    bool ok = demand(out, own->contexts[own->current].key == tlb_context_key(cpu), "context",
                     own->contexts[own->current].key);

    ok &= demand(out, cpu->tcg.tlb == own->contexts[own->current].table->entries, "TLB", 0);
    memcpy(kept, cpu->seg, sizeof(kept));
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
        ok &= demand(out, kept[i].fast_read_limit == cpu->seg[i].fast_read_limit, "fast read limit",
                     i);
        ok &= demand(out, kept[i].fast_write_limit == cpu->seg[i].fast_write_limit,
                     "fast write limit", i);
    }
    ok &= demand(out, mode == cpu->mode, "mode", mode ^ cpu->mode);
    ok &= demand(out, cpl == cpu->cpl, "cpl", cpl);
    /* shutdown may come while CS is another task's */
    ok &= demand(out, end == SYS_STOPPED || jump_key == cpu->tcg.jump_key, "jump key", jump_key);
    return ok;
}

static bool control_state_holds(const X86Cpu *cpu, SysEnd end, FILE *out)
{
    /* AMD's SYSRET goes anywhere, and faults there */
    bool may_leave = cpu->model->is_amd && end != SYS_HALTED;
    const CpuModel *model = cpu->model;
    bool is_protected = cpu->cr0 & CR0_PE, lma = cpu->efer & EFER_LMA, ok = true;
    bool is_64bit = lma && cpu->seg[SEG_CS].attributes & SEG_L;

    ok &= demand(out, !(cpu->cr0 & CR0_PG) || is_protected, "PG without PE", cpu->cr0);
    ok &= demand(out, lma == (cpu->efer & EFER_LME && cpu->cr0 & CR0_PG), "LMA", cpu->efer);
    ok &= demand(out, !lma || cpu->cr4 & CR4_PAE, "LMA without PAE", cpu->cr4);
    ok &= demand(out, !(cpu->cr4 & ~model->cr4_mask), "CR4", cpu->cr4);
    ok &= demand(out, lma || !(cpu->cr4 & CR4_PCIDE), "PCIDE outside long mode", cpu->cr4);
    ok &= demand(out, !(cpu->cr0 >> 32), "CR0", cpu->cr0);
    ok &= demand(out, !(cpu->xcr0 & ~model->xcr0_mask) && cpu->xcr0 & 1, "XCR0", cpu->xcr0);
    ok &= demand(out, (cpu->eflags & 0xffffffffffc0802aull) == 2, "EFLAGS", cpu->eflags);
    ok &= demand(out, !(cpu->eflags & EFLAGS_VM) || (is_protected && !lma), "VM", cpu->eflags);
    ok &= demand(out, !(cpu->dr[6] >> 32) && !(cpu->dr[7] >> 32), "DR6, DR7", cpu->dr[7]);
    ok &= demand(out, cpu->gdtr.limit <= 0xffff && cpu->idtr.limit <= 0xffff, "GDTR, IDTR", 0);
    ok &= demand(out, is_64bit ? may_leave || is_canonical(cpu, cpu->rip) : !(cpu->rip >> 32),
                 "RIP", cpu->rip);
    ok &= demand(out, !is_64bit || !(cpu->seg[SEG_CS].attributes & SEG_DB), "CS.L and CS.D", 0);
    ok &= demand(out, is_canonical(cpu, cpu->seg[SEG_FS].base), "FS", cpu->seg[SEG_FS].base);
    ok &= demand(out, is_canonical(cpu, cpu->seg[SEG_GS].base), "GS", cpu->seg[SEG_GS].base);
    ok &= demand(out, cpu->fault.vector == VECTOR_NONE || !cpu->fault.is_software, "fault", 0);
    return ok;
}

/* -- The TLB ----------------------------------------------------------------------------------- */

/* Has the guest changed a page table since the case began, other than by use? */
static bool tables_changed(const SysCase *c, const SysResult *result)
{
    for (uint32_t at = SYS_TABLES; at < SYS_TABLES + SYS_TABLE_COUNT * SYS_PAGE; at++) {
        uint8_t added = result->ram[at] & (uint8_t)~c->image[at];
        if ((added & ~0x60) || c->image[at] & ~result->ram[at]) {
            return true;
        }
    }
    return false;
}

static bool entry_is_granted(X86Cpu *cpu, const TlbEntry *entry, uint64_t page, FILE *out)
{
    const struct {
        uint64_t tag;
        unsigned access;
        const char *name;
    } rights[] = {{entry->tag_read, ACCESS_READ, "read"},
                  {entry->tag_write, ACCESS_WRITE, "write"},
                  {entry->tag_exec, ACCESS_EXEC, "execute"}};
    PageWalk walk;

    for (unsigned i = 0; i < G_N_ELEMENTS(rights); i++) {
        const FlatRange *range;
        if (rights[i].tag != page) {
            continue;
        }
        if (!paging_walk(cpu, page, rights[i].access | ACCESS_PEEK, &walk)) {
            demand(out, false, rights[i].name, page);
            return demand(out, false, "error code", cpu->fault.error_code);
        }
        range = address_space_lookup(&address_space_memory, walk.physical);
        if (!demand(out,
                    range && range->host &&
                        range->host + (walk.physical - range->start) == (uint8_t *)entry->host,
                    "place", page)) {
            return false;
        }
    }
    return true;
}

/* Entries of the present context; by walks that follow the tables the case began with. */
static bool tlb_holds(const SysCase *c, const SysResult *result, FILE *out)
{
    X86Cpu *cpu = sys_machine_cpu();
    const TcgCpu *own = cpu->tcg.own;
    const TlbTable *table = own->contexts[own->current].table;
    PendingFault kept = cpu->fault;
    bool ok = true;

    if (result->cr3_changed || tables_changed(c, result)) {
        return true;
    }
    for (unsigned i = 0; i < TLB_ENTRIES && ok; i++) {
        const TlbEntry *entry = &table->entries[i];
        uint64_t invalid = tlb_invalid_tag(i);
        uint64_t page = entry->tag_read != invalid    ? entry->tag_read
                        : entry->tag_write != invalid ? entry->tag_write
                                                      : entry->tag_exec;
        ok = page == invalid || entry_is_granted(cpu, entry, page, out);
    }
    cpu->fault = kept;
    return ok;
}

bool sys_invariants_hold(const SysCase *c, const SysResult *result, FILE *out)
{
    X86Cpu *cpu = sys_machine_cpu();
    bool ok = control_state_holds(cpu, result->end, out);

    ok &= derived_state_holds(cpu, result->end, out);
    machine_unlock(); /* tables may lie in devices */
    ok &= tlb_holds(c, result, out);
    machine_lock();
    return ok;
}
