/* SPDX-License-Identifier: MIT */
/* Random descriptor tables for fuzz-system: what a kernel has, in part broken, and task state
 * segments that lead back into code of the case. */
#include "tests/fuzz/fuzz-system.h"

#include <string.h>

#define ACCESS_CODE 0x9b
#define ACCESS_DATA 0x93
#define ACCESS_DPL(n) ((n) << 5)
#define FLAG_L 2u
#define FLAG_DB 4u
#define FLAG_G 8u
#define FLAT 0xfffffu

#define TYPE_LDT 0x82
#define TYPE_TSS_16 0x81
#define TYPE_CALL_16 0x84
#define TYPE_TASK 0x85
#define TYPE_INTERRUPT_16 0x86
#define TYPE_TSS 0x89
#define TYPE_CALL 0x8c
#define TYPE_INTERRUPT 0x8e

#define BROKEN_PERCENT 6

uint64_t sys_descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)flags << 52 |
           (uint64_t)(base >> 24) << 56;
}

static uint64_t gate(uint16_t selector, uint32_t offset, unsigned access, unsigned low_bits)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)low_bits << 32 |
           (uint64_t)access << 40 | (uint64_t)(offset >> 16) << 48;
}

static bool is_long(const SysCase *c)
{
    return c->efer & EFER_LMA;
}

static uint16_t kernel_code(const SysCase *c, Random *r)
{
    if (is_long(c)) {
        return SYS_SEL_CODE64_0 << 3;
    }
    return random_chance(r, 10) ? SYS_SEL_CODE16_0 << 3 : SYS_SEL_CODE32_0 << 3;
}

static uint32_t code_of(uint16_t selector)
{
    switch (selector >> 3) {
    case SYS_SEL_CODE64_0:
        return SYS_CODE_64;
    case SYS_SEL_CODE16_0:
        return SYS_CODE_16;
    default:
        return SYS_CODE_32;
    }
}

/* -- GDT and LDT ------------------------------------------------------------------------------- */

static uint64_t random_descriptor(Random *r)
{
    switch (random_below(r, 5)) {
    case 0:
        return random_next(r);
    case 1:
        return sys_descriptor((uint32_t)sys_random_linear(r), (uint32_t)random_next(r) & FLAT,
                              0x80 | (random_next(r) & 0x7f), (unsigned)random_below(r, 16));
    case 2:
        return sys_descriptor(0, FLAT, 0x91 | (random_next(r) & 0x6e),
                              (unsigned)random_below(r, 16));
    case 3:
        return gate(sys_random_selector(r), SYS_CODE_32 + (uint32_t)random_below(r, 256),
                    0x80 | (random_next(r) & 0x6f), (unsigned)random_below(r, 32));
    default:
        return sys_descriptor(SYS_OTHER_TSS, 0x67 + (uint32_t)random_below(r, 2) * 0x100,
                              0x81 | (random_next(r) & 0x6a), 0);
    }
}

static void put_gate(uint64_t *table, unsigned index, const SysCase *c, Random *r, unsigned ring)
{
    uint16_t selector = kernel_code(c, r);

    table[index] = gate(selector, code_of(selector), TYPE_CALL | ACCESS_DPL(ring),
                        is_long(c) ? 0 : (unsigned)random_below(r, 4));
    table[index + 1] = 0; /* in long mode the upper half; else a null descriptor */
}

static void fill_gdt(const SysCase *c, Random *r, uint64_t *gdt)
{
    gdt[SYS_SEL_CODE64_0] = sys_descriptor(0, FLAT, ACCESS_CODE, FLAG_G | FLAG_L);
    gdt[SYS_SEL_DATA_0] = gdt[SYS_SEL_DATA32_0] =
        sys_descriptor(0, FLAT, ACCESS_DATA, FLAG_G | FLAG_DB);
    gdt[SYS_SEL_CODE32_0] = sys_descriptor(0, FLAT, ACCESS_CODE, FLAG_G | FLAG_DB);
    gdt[SYS_SEL_CODE16_0] = sys_descriptor(0, 0xffff, ACCESS_CODE, 0);
    gdt[SYS_SEL_DATA16_0] = sys_descriptor(0, 0xffff, ACCESS_DATA, 0);
    gdt[SYS_SEL_CODE32_3] = sys_descriptor(0, FLAT, ACCESS_CODE | ACCESS_DPL(3), FLAG_G | FLAG_DB);
    gdt[SYS_SEL_DATA_3] = sys_descriptor(0, FLAT, ACCESS_DATA | ACCESS_DPL(3), FLAG_G | FLAG_DB);
    gdt[SYS_SEL_CODE64_3] = sys_descriptor(0, FLAT, ACCESS_CODE | ACCESS_DPL(3), FLAG_G | FLAG_L);
    gdt[SYS_SEL_CONFORMING] = sys_descriptor(0, FLAT, ACCESS_CODE | SEG_CONFORMING,
                                             FLAG_G | (is_long(c) ? FLAG_L : FLAG_DB));
    gdt[SYS_SEL_DOWN] = sys_descriptor(0, 3, ACCESS_DATA | SEG_EXPAND_DOWN, FLAG_G | FLAG_DB);
    gdt[SYS_SEL_LDT] = sys_descriptor(SYS_LDT, SYS_LDT_COUNT * 8 - 1, TYPE_LDT, 0);
    gdt[SYS_SEL_TSS] = sys_descriptor(SYS_TSS, 0x167, TYPE_TSS | 2, 0);
    gdt[SYS_SEL_OTHER_TSS] = sys_descriptor(SYS_OTHER_TSS, 0x167, TYPE_TSS, 0);
    put_gate(gdt, SYS_SEL_CALL, c, r, 0);
    put_gate(gdt, SYS_SEL_CALL_3, c, r, 3);
    gdt[SYS_SEL_TASK_GATE] = gate(SYS_SEL_OTHER_TSS << 3, 0, TYPE_TASK | ACCESS_DPL(3), 0);
    gdt[SYS_SEL_CALL_16] =
        gate(SYS_SEL_CODE16_0 << 3, SYS_CODE_16, TYPE_CALL_16 | ACCESS_DPL(3), 2);
    gdt[SYS_SEL_TSS_16] = sys_descriptor(SYS_TSS_16, 0x2b, TYPE_TSS_16, 0);
    for (unsigned ring = 1; ring < 3; ring++) {
        gdt[SYS_SEL_CODE_1 + 2 * (ring - 1)] = sys_descriptor(
            0, FLAT, ACCESS_CODE | ACCESS_DPL(ring), FLAG_G | (is_long(c) ? FLAG_L : FLAG_DB));
        gdt[SYS_SEL_DATA_1 + 2 * (ring - 1)] =
            sys_descriptor(0, FLAT, ACCESS_DATA | ACCESS_DPL(ring), FLAG_G | FLAG_DB);
    }
    gdt[SYS_SEL_READ_ONLY] = sys_descriptor(0, FLAT, 0x91 | ACCESS_DPL(3), FLAG_G | FLAG_DB);
    gdt[SYS_SEL_NOT_PRESENT] = sys_descriptor(0, FLAT, 0x13 | ACCESS_DPL(3), FLAG_G);
    for (unsigned i = SYS_SEL_ANY; i < SYS_GDT_COUNT; i++) {
        gdt[i] = random_descriptor(r);
    }
}

static void break_some(Random *r, uint64_t *table, unsigned first, unsigned count)
{
    for (unsigned i = first; i < count; i++) {
        if (random_chance(r, BROKEN_PERCENT)) {
            table[i] ^= 1ull << random_below(r, 64);
        }
        if (random_chance(r, 15)) {
            table[i] &= ~(1ull << 40); /* not accessed, or a task that is not busy */
        }
    }
}

/* -- IDT --------------------------------------------------------------------------------------- */

static void fill_idt(SysCase *c, Random *r)
{
    unsigned size = is_long(c) ? 16 : 8;

    for (unsigned vector = 0; vector < 256; vector++) {
        uint32_t stub = SYS_STUBS + vector * 16;
        uint16_t selector = kernel_code(c, r);
        unsigned access = TYPE_INTERRUPT | (unsigned)random_below(r, 2);
        uint64_t words[2] = {0};

        if (selector >> 3 == SYS_SEL_CODE16_0) {
            access = TYPE_INTERRUPT_16;
        }
        access |= random_chance(r, 30) ? ACCESS_DPL(3) : 0;
        words[0] = gate(selector, stub, access,
                        random_chance(r, 10) && is_long(c) ? random_below(r, 8) : 0);
        if (random_chance(r, 8)) {
            words[0] = gate(SYS_SEL_OTHER_TSS << 3, 0, TYPE_TASK | ACCESS_DPL(3), 0);
        }
        if (random_chance(r, 8)) {
            words[0] = random_descriptor(r);
        }
        if (random_chance(r, 2)) {
            words[1] = sys_random_value(r);
        }
        memcpy(c->image + SYS_IDT + vector * size, words, size);
    }
}

static void fill_ivt(SysCase *c, Random *r)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        uint16_t pointer[2] = {(uint16_t)(SYS_STUBS + vector * 16), 0};

        if (random_chance(r, 8)) {
            pointer[0] = (uint16_t)random_next(r);
            pointer[1] = random_chance(r, 50) ? 0xffff : 0xf000;
        }
        memcpy(c->image + vector * 4, pointer, sizeof(pointer));
    }
}

/* Handlers: the most end the case, some go on. */
static void fill_stubs(SysCase *c, Random *r)
{
    static const uint8_t returns[][4] = {{0xcf}, {0x48, 0xcf}, {0xcb}, {0x83, 0xc4, 8, 0xcf}};

    memset(c->image + SYS_STUBS, 0xf4, SYS_PAGE);
    for (unsigned vector = 0; vector < 256; vector++) {
        uint8_t *stub = c->image + SYS_STUBS + vector * 16;
        unsigned bits = is_long(c) ? 64 : c->mode < SYS_V8086 ? 16 : 32;

        if (random_chance(r, 12)) {
            memcpy(stub, returns[random_below(r, G_N_ELEMENTS(returns))], 4);
        } else if (random_chance(r, 8)) {
            sys_code_make(r, bits, stub, 15, 3, 0);
        }
    }
}

/* -- Tasks ------------------------------------------------------------------------------------- */

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, 4);
}

static uint32_t random_stack(Random *r)
{
    return SYS_STACK_END - 8 * (uint32_t)random_below(r, 64);
}

static void fill_tss_64(uint8_t *tss, Random *r)
{
    for (unsigned offset = 4; offset < 0x64; offset += 8) {
        uint64_t stack = random_chance(r, 3) ? sys_random_value(r) : random_stack(r);
        memcpy(tss + offset, &stack, 8);
    }
}

static void fill_tss_32(const SysCase *c, uint8_t *tss, Random *r)
{
    static const uint16_t data[] = {SYS_SEL_DATA_0 << 3, SYS_SEL_DATA_3 << 3 | 3,
                                    SYS_SEL_DATA32_0 << 3};
    bool is_user = random_chance(r, 30);
    uint16_t code = is_user ? SYS_SEL_CODE32_3 << 3 | 3 : kernel_code(c, r);
    uint16_t stack = is_user ? SYS_SEL_DATA_3 << 3 | 3 : SYS_SEL_DATA_0 << 3;

    for (unsigned ring = 0; ring < 3; ring++) {
        put32(tss + 4 + ring * 8, random_stack(r));
        put32(tss + 8 + ring * 8,
              ring ? (SYS_SEL_DATA_1 + 2 * (ring - 1)) << 3 | ring : SYS_SEL_DATA_0 << 3);
    }
    put32(tss + 0x1c, random_chance(r, 5) ? (uint32_t)sys_random_value(r) : (uint32_t)c->cr3);
    put32(tss + 0x20, code_of(code) + (random_chance(r, 50) ? 0 : (uint32_t)random_below(r, 64)));
    put32(tss + 0x24, random_chance(r, 30) ? (uint32_t)random_next(r) & 0x3f7fd7 : 2);
    for (unsigned i = 0; i < 8; i++) {
        put32(tss + 0x28 + 4 * i, (uint32_t)sys_random_value(r));
    }
    put32(tss + 0x38, random_stack(r));
    for (unsigned i = 0; i < 6; i++) {
        put32(tss + 0x48 + 4 * i, random_chance(r, 8) ? sys_random_selector(r) : data[i % 3]);
    }
    put32(tss + 0x4c, code);
    put32(tss + 0x50, stack);
    put32(tss + 0x60, random_chance(r, 50) ? SYS_SEL_LDT << 3 : 0);
}

/* The back link, and where the I/O bitmap is and what it says. */
static void finish_tss(uint8_t *tss, Random *r)
{
    uint16_t link = SYS_SEL_OTHER_TSS << 3, map = 0x68;

    memcpy(tss, &link, 2);
    tss[0x64] = random_chance(r, 10);
    if (random_chance(r, 20)) {
        map = (uint16_t)random_next(r);
    }
    memcpy(tss + 0x66, &map, 2);
    for (unsigned i = 0x68; i < 0x168; i++) {
        tss[i] = random_chance(r, 60) ? 0 : (uint8_t)random_next(r);
    }
}

void sys_descriptors_make(SysCase *c, Random *r)
{
    uint64_t gdt[SYS_GDT_COUNT] = {0}, ldt[SYS_LDT_COUNT];
    uint16_t words[22];

    fill_gdt(c, r, gdt);
    break_some(r, gdt, 1, SYS_SEL_ANY);
    memcpy(c->image + SYS_GDT, gdt, sizeof(gdt));
    for (unsigned i = 0; i < SYS_LDT_COUNT; i++) {
        ldt[i] = random_chance(r, 40) ? gdt[1 + random_below(r, 10)] : random_descriptor(r);
    }
    memcpy(c->image + SYS_LDT, ldt, sizeof(ldt));
    if (c->mode == SYS_REAL || c->mode == SYS_UNREAL || c->mode == SYS_V8086) {
        fill_ivt(c, r);
    }
    fill_idt(c, r);
    fill_stubs(c, r);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *tss = c->image + (i ? SYS_OTHER_TSS : SYS_TSS);
        if (is_long(c)) {
            fill_tss_64(tss, r);
        } else {
            fill_tss_32(c, tss, r);
        }
        finish_tss(tss, r);
    }
    for (unsigned i = 0; i < 22; i++) {
        words[i] = (uint16_t)sys_random_value(r);
    }
    words[7] = SYS_CODE_16;
    words[18] = SYS_SEL_CODE16_0 << 3;
    words[19] = SYS_SEL_DATA16_0 << 3;
    memcpy(c->image + SYS_TSS_16, words, sizeof(words));
}
