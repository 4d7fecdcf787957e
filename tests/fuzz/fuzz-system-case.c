/* SPDX-License-Identifier: MIT */
/* A case of fuzz-system: mode, system registers, memory, and the CPU's state at its start, which is
 * one that software could have brought about. */
#include "tests/fuzz/fuzz-system.h"

#include "target/i386/cpu-model.h"

#include <string.h>

#define MAIN_CODE_ROOM 0xe00u

const char *sys_mode_name(SysMode mode)
{
    static const char *const names[SYS_MODES] = {"real",         "unreal",  "v8086", "16-bit prot.",
                                                 "32-bit prot.", "compat.", "long"};

    return names[mode];
}

unsigned sys_case_bits(const SysCase *c)
{
    if (c->mode == SYS_LONG) {
        return 64;
    }
    return c->mode == SYS_PROTECTED_32 || (c->mode == SYS_COMPATIBILITY && !(c->seed & 4)) ? 32
                                                                                           : 16;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

uint64_t sys_random_physical(Random *r)
{
    static const uint32_t places[] = {0xfee00000, 0xfec00000, 0xa0000,    0xb8000,    0xf0000,
                                      0xfffc0000, 0xfffff000, 0x200000,   0xd0000000, 0xfed00000,
                                      0xe0000000, SYS_TABLES, SYS_SMBASE, SYS_GDT,    SYS_CODE};
    uint64_t offset = random_below(r, 0x1000) & (random_chance(r, 50) ? ~0xfull : ~0x7ull);

    switch (random_below(r, 8)) {
    case 0:
        return 1ull << random_below(r, 52);
    case 1:
        return random_next(r) & 0xfffffffffffffull;
    case 2:
    case 3:
        return random_below(r, SYS_RAM_SIZE);
    default:
        return places[random_below(r, G_N_ELEMENTS(places))] + offset;
    }
}

uint64_t sys_random_linear(Random *r)
{
    static const uint64_t edges[] = {
        0xffff,         0xfffffff8,         0x100000000,        0x7ffffffffff8,
        0x800000000000, 0xffff7ffffffffff8, 0xffff800000000000, 0xfffffffffffffff8,
        0x40000000,     0x200000,           0xffffff8000000000, 0xffffffffffe00000};

    switch (random_below(r, 10)) {
    case 0:
        return edges[random_below(r, G_N_ELEMENTS(edges))] - random_below(r, 8);
    case 1:
        return sys_random_physical(r);
    case 2:
        return random_below(r, SYS_TABLES);
    case 3:
        return SYS_TABLES + (random_below(r, SYS_TABLE_COUNT * SYS_PAGE) & ~3ull);
    case 4:
        return (SYS_DATA + SYS_PAGE) - random_below(r, 32);
    default:
        return SYS_DATA + (random_below(r, 0x2000) & ~7ull);
    }
}

uint16_t sys_random_selector(Random *r)
{
    unsigned index = (unsigned)random_below(r, random_chance(r, 75) ? SYS_SEL_ANY : SYS_GDT_COUNT);

    if (random_chance(r, 4)) {
        return (uint16_t)random_next(r);
    }
    if (random_chance(r, 10)) {
        return (uint16_t)(random_below(r, SYS_LDT_COUNT) << 3 | 4 | random_below(r, 4));
    }
    return (uint16_t)(index << 3 | (random_chance(r, 50) ? 0 : random_below(r, 4)));
}

uint64_t sys_random_value(Random *r)
{
    static const uint16_t code[] = {SYS_CODE, SYS_CODE_16, SYS_CODE_32, SYS_CODE_64, SYS_STUBS};

    switch (random_below(r, 10)) {
    case 0:
        return random_next(r);
    case 1:
        return random_below(r, 32);
    case 2:
        return 1ull << random_below(r, 64);
    case 3:
        return (random_next(r) & 0x3f7ed5) | EFLAGS_FIXED;
    case 4:
    case 5:
        return sys_random_selector(r);
    case 6:
        return code[random_below(r, G_N_ELEMENTS(code))] + random_below(r, 128);
    case 7:
        return SYS_STACK + random_below(r, SYS_STACK_END - SYS_STACK);
    default:
        return sys_random_linear(r);
    }
}

/* -- Modes and control registers --------------------------------------------------------------- */

static bool is_long(const SysCase *c)
{
    return c->mode == SYS_COMPATIBILITY || c->mode == SYS_LONG;
}

static void choose_mode(SysCase *c, Random *r)
{
    static const uint8_t weights[SYS_MODES] = {10, 5, 10, 10, 20, 15, 30};
    int left = (int)random_below(r, 100);

    c->mode = SYS_REAL;
    while ((left -= weights[c->mode]) >= 0) {
        c->mode++;
    }
    c->cpl = 0;
    if (c->mode == SYS_V8086) {
        c->cpl = 3;
    } else if (c->mode > SYS_V8086 && random_chance(r, 50)) {
        c->cpl = random_chance(r, 75) ? 3 : (uint8_t)(1 + random_below(r, 2));
    }
    c->paging = SYS_NO_PAGING;
    if (is_long(c)) {
        bool five = cpu_model_current()->cr4_mask & CR4_LA57 && random_chance(r, 25);
        c->paging = five ? SYS_FIVE_LEVELS : SYS_FOUR_LEVELS;
    } else if (c->mode >= SYS_V8086 && random_chance(r, 60)) {
        c->paging = random_chance(r, 50) ? SYS_PAE : SYS_TWO_LEVELS;
    }
}

static void choose_control_registers(SysCase *c, Random *r)
{
    const uint32_t rare = CR4_TSD | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS | CR4_UMIP;
    uint64_t cr4 = random_next(r) & cpu_model_current()->cr4_mask;

    c->cr0 = CR0_ET | (random_next(r) & (CR0_WP | CR0_AM | CR0_NE | CR0_MP));
    c->cr0 |= random_chance(r, 10) ? random_next(r) & (CR0_TS | CR0_EM | CR0_CD) : 0;
    c->cr0 |= c->mode >= SYS_V8086 ? CR0_PE : 0;
    c->cr0 |= c->paging != SYS_NO_PAGING ? CR0_PG : 0;
    cr4 &= ~(uint64_t)(CR4_PAE | CR4_LA57);
    cr4 &= random_chance(r, 60) ? ~(uint64_t)rare : UINT64_MAX;
    cr4 |= random_chance(r, 85) ? CR4_OSFXSR | CR4_OSXSAVE : 0;
    cr4 |=
        c->paging >= SYS_PAE || (c->paging == SYS_NO_PAGING && random_chance(r, 30)) ? CR4_PAE : 0;
    cr4 |= c->paging == SYS_FIVE_LEVELS ? CR4_LA57 : 0;
    if (!is_long(c)) {
        cr4 &= ~(uint64_t)CR4_PCIDE;
    }
    c->cr4 = cr4 & cpu_model_current()->cr4_mask;
    c->efer = random_next(r) & (EFER_SCE | EFER_NXE);
    c->efer |= is_long(c) ? EFER_LME | EFER_LMA : 0;
}

/* -- Memory ------------------------------------------------------------------------------------ */

static void fill_noise(SysCase *c, Random *r, uint32_t at, uint32_t end, unsigned width)
{
    for (; at < end; at += width) {
        uint64_t value = sys_random_value(r);
        memcpy(c->image + at, &value, width);
    }
}

/* XSAVE headers that a restore takes, and some that it refuses. */
static void fill_xsave_areas(SysCase *c, Random *r)
{
    for (uint32_t at = SYS_XSAVE; at < SYS_TABLES; at += 64) {
        uint64_t words[8];
        for (unsigned i = 0; i < 8; i++) {
            words[i] = random_chance(r, 60) ? 0 : sys_random_value(r);
        }
        if (at & 0x40) {
            words[0] = random_next(r) & 7;
            words[1] = random_chance(r, 50) ? 0 : 1ull << 63 | (random_next(r) & 7);
            words[3] = words[4] = 0x1f80;
        }
        memcpy(c->image + at, words, sizeof(words));
    }
}

/* The stack holds frames: offset, selector, flags, stack pointer, stack selector. */
static void fill_stack(SysCase *c, Random *r)
{
    unsigned width = sys_case_bits(c) / 8;
    bool is_user = random_chance(r, 40);

    fill_noise(c, r, SYS_STACK, SYS_STACK_END, width);
    for (uint32_t at = SYS_STACK_END - 0x400; at + 5 * 8 <= SYS_STACK_END;) {
        uint16_t code = is_user ? SYS_SEL_CODE32_3 << 3 | 3 : SYS_SEL_CODE32_0 << 3;
        uint64_t frame[5] = {SYS_CODE_32 + random_below(r, 64), code,
                             (random_next(r) & (random_chance(r, 20) ? 0x3f7fd5 : 0x4cd5)) |
                                 EFLAGS_FIXED,
                             SYS_STACK_END - 8 * random_below(r, 64),
                             is_user ? SYS_SEL_DATA_3 << 3 | 3 : SYS_SEL_DATA_0 << 3};

        if (is_long(c) && random_chance(r, 70)) {
            frame[0] = SYS_CODE_64 + random_below(r, 64);
            frame[1] = is_user ? SYS_SEL_CODE64_3 << 3 | 3 : SYS_SEL_CODE64_0 << 3;
        }
        if (random_chance(r, 15)) {
            frame[random_below(r, 5)] = sys_random_value(r);
        }
        for (unsigned i = 0; i < 5; i++, at += width) {
            memcpy(c->image + at, &frame[i], width);
        }
    }
}

static void make_code(SysCase *c, Random *r)
{
    unsigned count = 4 + (unsigned)random_below(r, 20);

    for (uint32_t page = SYS_CODE; page <= SYS_CODE_64; page += SYS_PAGE) {
        memset(c->image + page, 0xf4, page == SYS_STUBS ? 0 : SYS_PAGE);
    }
    c->insn_count =
        sys_code_make(r, sys_case_bits(c), c->image + SYS_CODE, MAIN_CODE_ROOM, count, c->dropped);
    sys_code_make(r, 16, c->image + SYS_CODE_16, 0x200, 6, 0);
    sys_code_make(r, 32, c->image + SYS_CODE_32, 0x200, 6, 0);
    sys_code_make(r, 64, c->image + SYS_CODE_64, 0x200, 6, 0);
    memset(c->image + SYS_SMBASE + 0x8000, 0xf4, 16);
    sys_code_make(r, 16, c->image + SYS_SMBASE + 0x8000, 0x200, (unsigned)random_below(r, 5), 0);
    if (random_chance(r, 70)) {
        memcpy(c->image + SYS_SMBASE + 0x8000, "\x0f\xaa", 2); /* RSM */
    }
}

void sys_case_make(SysCase *c, uint64_t seed, uint64_t dropped)
{
    Random r;

    memset(c, 0, sizeof(*c));
    c->seed = seed;
    c->dropped = dropped;
    random_seed(&r, seed);
    choose_mode(c, &r);
    choose_control_registers(c, &r);
    c->is_async = random_chance(&r, 30);
    fill_noise(c, &r, SYS_DATA, SYS_XSAVE, sys_case_bits(c) / 8);
    fill_xsave_areas(c, &r);
    fill_stack(c, &r);
    sys_tables_make(c, &r);
    sys_descriptors_make(c, &r);
    make_code(c, &r);
}

/* -- Registers --------------------------------------------------------------------------------- */

static Segment segment_of(uint16_t selector, uint64_t descriptor)
{
    uint32_t limit = (uint32_t)((descriptor & 0xffff) | (descriptor >> 32 & 0xf0000));
    bool in_pages = descriptor >> 55 & 1;

    return (Segment){
        .selector = selector,
        .attributes = (uint16_t)(descriptor >> 40 & 0xf0ff),
        .limit = in_pages ? limit << 12 | 0xfff : limit,
        .base = (descriptor >> 16 & 0xffffff) | (descriptor >> 56) << 24,
    };
}

static void load_real_segments(const SysCase *c, Random *r, X86Cpu *cpu)
{
    static const uint16_t bases[] = {0, 0x800, 0x7ff, 0xd00, 0xffff};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        uint16_t selector = i == SEG_CS ? bases[random_below(r, 3)] : bases[random_below(r, 5)];
        bool is_v8086 = c->mode == SYS_V8086;

        selector = i == SEG_SS || random_chance(r, 50) ? 0 : selector;
        cpu->seg[i] = (Segment){.selector = selector,
                                .attributes = is_v8086 ? 0xf3 : 0x93,
                                .limit = 0xffff,
                                .base = (uint64_t)selector << 4};
        if (c->mode == SYS_UNREAL && random_chance(r, 60)) {
            cpu->seg[i].limit = UINT32_MAX;
            cpu->seg[i].attributes |= SEG_G | (i == SEG_CS ? 0 : random_next(r) & SEG_DB);
        }
    }
}

static uint64_t data_descriptor(Random *r, unsigned ring)
{
    uint32_t base = random_chance(r, 85) ? 0 : (uint32_t)sys_random_linear(r) & ~0xfffu;
    unsigned access = 0x91u | ring << 5 | (random_chance(r, 90) ? SEG_WRITABLE : 0) |
                      (random_chance(r, 5) ? SEG_EXPAND_DOWN : 0);

    if (random_chance(r, 10)) {
        return sys_descriptor(base, (uint32_t)random_below(r, 0x10000), access,
                              random_below(r, 2) * 4);
    }
    return sys_descriptor(base, 0xfffff, access, 8 | (unsigned)random_below(r, 2) * 4);
}

static void load_protected_segments(const SysCase *c, Random *r, X86Cpu *cpu)
{
    unsigned bits = sys_case_bits(c), ring = c->cpl;
    unsigned flags = bits == 64 ? 0xa : bits == 32 ? 0xc : 8;
    uint32_t base =
        bits == 64 || random_chance(r, 70) ? 0 : (random_chance(r, 50) ? 0x8000 : 0x7ff0);

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        bool is_null = i != SEG_SS && random_chance(r, 10);
        cpu->seg[i] =
            is_null ? (Segment){.selector = (uint16_t)random_below(r, 4)}
                    : segment_of((uint16_t)(SYS_SEL_DATA_0 << 3 | ring), data_descriptor(r, ring));
    }
    cpu->seg[SEG_CS] = segment_of((uint16_t)(SYS_SEL_CODE32_0 << 3 | ring),
                                  sys_descriptor(base, 0xfffff, 0x9b | ring << 5, flags));
    cpu->seg[SEG_SS] =
        segment_of((uint16_t)(SYS_SEL_DATA_0 << 3 | ring),
                   sys_descriptor(0, 0xfffff, 0x93 | ring << 5, 8 | (bits == 16 ? 0 : 4)));
    if (c->mode == SYS_LONG && random_chance(r, 20)) { /* FS and GS may lie anywhere */
        cpu->seg[SEG_FS].base = (uint64_t)((int64_t)(sys_random_linear(r) << 16) >> 16);
    }
}

static void load_tables(const SysCase *c, Random *r, X86Cpu *cpu)
{
    uint32_t idt_limit = (c->efer & EFER_LMA ? 256 * 16 : 256 * 8) - 1;
    bool is_real = c->mode <= SYS_UNREAL;

    cpu->gdtr = (DescriptorTable){SYS_GDT, SYS_GDT_COUNT * 8 - 1};
    cpu->idtr = is_real ? (DescriptorTable){0, 0x3ff} : (DescriptorTable){SYS_IDT, idt_limit};
    if (random_chance(r, 4)) {
        cpu->idtr.limit = (uint32_t)random_below(r, 0x400);
    }
    if (random_chance(r, 3)) {
        cpu->gdtr.limit = (uint32_t)random_below(r, 0x200);
    }
    if (!is_real) {
        cpu->tr = segment_of(SYS_SEL_TSS << 3, sys_descriptor(SYS_TSS, 0x167, 0x8b, 0));
        cpu->ldtr =
            segment_of(SYS_SEL_LDT << 3, sys_descriptor(SYS_LDT, SYS_LDT_COUNT * 8 - 1, 0x82, 0));
    }
}

static void load_msrs(Random *r, X86Cpu *cpu)
{
    cpu->star = (uint64_t)(SYS_SEL_CODE32_3 << 3 | 3) << 48 |
                (uint64_t)(SYS_SEL_CODE64_0 << 3) << 32 | SYS_CODE_32;
    cpu->lstar = SYS_CODE_64;
    cpu->cstar = SYS_CODE_64 + 64;
    cpu->fmask = random_next(r) & 0x3f7fd5;
    cpu->sysenter_cs = random_chance(r, 80) ? SYS_SEL_CODE32_0 << 3 : sys_random_selector(r);
    cpu->sysenter_esp = SYS_STACK_END - 64;
    cpu->sysenter_eip = cpu->efer & EFER_LMA ? SYS_CODE_64 : SYS_CODE_32;
    cpu->kernel_gs_base = SYS_DATA;
    cpu->pkru = random_chance(r, 30) ? (uint32_t)random_next(r) : 0;
    if (cpu_has(cpu, FEATURE_PKS) && random_chance(r, 30)) {
        cpu->pkrs = (uint32_t)random_next(r);
    }
    if (random_chance(r, 80)) {
        cpu->xcr0 = cpu->model->xcr0_mask;
    }
    if (random_chance(r, 6)) {
        for (unsigned i = 0; i < 4; i++) {
            cpu->dr[i] =
                random_chance(r, 50) ? SYS_CODE + random_below(r, 64) : sys_random_linear(r);
            cpu->dr[i] = cpu->efer & EFER_LMA ? cpu->dr[i] : (uint32_t)cpu->dr[i];
        }
        cpu->dr[7] = 0x400 | (random_next(r) & 0xffff23ff);
    }
}

static void load_fpu(Random *r, X86Cpu *cpu)
{
    const uint64_t components = 3;

    for (unsigned i = 0; i < 256; i += 8) {
        uint64_t value = sys_random_value(r);
        memcpy(cpu->fpu + 160 + i, &value, 8);
    }
    memcpy(cpu->fpu + 512, &components, 8);
    cpu->fpu[0] = random_chance(r, 80) ? 0x7f : 0x40;
    cpu->fpu[1] = 3;
}

/* Walks as MOV CR3 does: entries with reserved bits would never have been loaded. */
static void load_pdptes(const SysCase *c, X86Cpu *cpu)
{
    for (unsigned i = 0; c->paging == SYS_PAE && i < 4; i++) {
        memcpy(&cpu->pdpte[i], c->image + (c->cr3 & 0xffffffe0) + 8 * i, 8);
    }
}

void sys_case_load(const SysCase *c, X86Cpu *cpu)
{
    Random r;

    random_seed(&r, ~c->seed);
    for (unsigned i = 0; i < 16; i++) {
        cpu->gpr[i] = sys_random_value(&r);
    }
    cpu->gpr[R_RSP] = SYS_STACK_END - 0x200 + (random_below(&r, 16) * 8);
    cpu->cr0 = c->cr0;
    cpu->cr3 = c->cr3;
    cpu->cr4 = c->cr4;
    cpu->efer = c->efer;
    load_pdptes(c, cpu);
    load_tables(c, &r, cpu);
    load_msrs(&r, cpu);
    if (c->mode <= SYS_V8086) {
        load_real_segments(c, &r, cpu);
    } else {
        load_protected_segments(c, &r, cpu);
    }
    cpu->eflags = EFLAGS_FIXED | (random_next(&r) & (EFLAGS_ARITHMETIC | EFLAGS_IF));
    cpu->eflags |= random_chance(&r, 40) ? EFLAGS_IOPL : 0;
    cpu->eflags |= random_chance(&r, 6) ? random_next(&r) & 0x3d4500 : 0;
    cpu->eflags |= c->mode == SYS_V8086 ? EFLAGS_VM : 0;
    cpu->rip = SYS_CODE - cpu->seg[SEG_CS].base;
    if (c->mode != SYS_LONG) { /* what 32-bit modes cannot have set */
        for (unsigned i = 0; i < 16; i++) {
            cpu->gpr[i] = (uint32_t)cpu->gpr[i];
        }
    }
    load_fpu(&r, cpu);
    cpu->nmi_masked = random_chance(&r, 10);
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
}
