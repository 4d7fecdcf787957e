/* SPDX-License-Identifier: MIT */
/*
 * Random page tables for fuzz-system: the first 2 MiB mostly map to themselves, everything else is
 * missing, large, self-referencing, reserved, or leads to devices, ROM and nowhere.
 */
#include "tests/fuzz/fuzz-system.h"

#include <string.h>

#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_PS 0x80ull
#define PTE_G 0x100ull
#define PTE_NX (1ull << 63)
#define PTE_PLAIN (PTE_P | PTE_W | PTE_U)

typedef struct Tables {
    SysCase *c;
    Random *r;
    unsigned entry_size;
    unsigned used; /* tables handed out */
} Tables;

static void put_entry(Tables *t, uint32_t table, unsigned index, uint64_t value)
{
    memcpy(t->c->image + table + index * t->entry_size, &value, t->entry_size);
}

static uint32_t take_table(Tables *t)
{
    return SYS_TABLES + SYS_PAGE * (t->used++ % SYS_TABLE_COUNT);
}

/* Bits a guest may set without a fault, and now and then others. */
static uint64_t random_bits(Tables *t)
{
    uint64_t bits = random_next(t->r) & (PTE_A | PTE_D | PTE_G | 0x18);

    if (random_chance(t->r, 3)) {
        bits |= PTE_PS;
    }
    if (t->entry_size == 8 && random_chance(t->r, 4)) {
        bits |= 1ull << (36 + random_below(t->r, 28));
    }
    return bits;
}

static uint64_t random_entry(Tables *t)
{
    uint64_t bits = random_bits(t) | PTE_P | (random_next(t->r) & (PTE_W | PTE_U));
    uint64_t table = SYS_TABLES + SYS_PAGE * random_below(t->r, SYS_TABLE_COUNT);

    switch (random_below(t->r, 8)) {
    case 0:
        return random_next(t->r);
    case 1:
    case 2:
        return table | bits | PTE_W | PTE_U;
    case 3:
        return (sys_random_physical(t->r) & ~0x1fffffull) | bits | PTE_PS;
    case 4:
        return bits & ~PTE_P;
    case 5:
        return PTE_PLAIN | PTE_PS | PTE_A | PTE_D;
    default:
        return (sys_random_physical(t->r) & ~0xfffull) | bits;
    }
}

/* Under SMEP and SMAP the kernel's pages are its own. */
static uint64_t identity_entry(Tables *t, uint32_t physical)
{
    const SysCase *c = t->c;
    bool is_system = physical < SYS_CODE || physical - SYS_STUBS < SYS_PAGE;
    bool protects = c->cr4 & (CR4_SMEP | CR4_SMAP);
    uint64_t bits = physical | PTE_P | PTE_W | PTE_A | (random_next(t->r) & (PTE_D | PTE_G));

    if (random_chance(t->r, physical < SYS_TABLES ? 3 : 15)) {
        return random_chance(t->r, 50) ? random_entry(t) : bits & ~PTE_W;
    }
    if (c->cpl == 3 ? !is_system || !protects : !protects && random_chance(t->r, 50)) {
        bits |= PTE_U;
    }
    if (c->cr4 & CR4_PAE && c->efer & EFER_NXE && random_chance(t->r, 3)) {
        bits |= PTE_NX;
    }
    return bits;
}

static uint32_t make_leaf(Tables *t)
{
    uint32_t table = take_table(t);
    unsigned count = t->entry_size == 8 ? 512 : 1024;

    for (unsigned i = 0; i < count; i++) {
        uint32_t physical = i * SYS_PAGE;
        put_entry(t, table, i,
                  physical < SYS_RAM_SIZE ? identity_entry(t, physical) : random_entry(t));
    }
    return table;
}

/* A table whose entry 0 leads to `below`; the others that are looked at often are random. */
static uint32_t make_level(Tables *t, uint32_t below, uint64_t rights)
{
    uint32_t table = take_table(t);
    unsigned count = t->entry_size == 8 ? 512 : 1024;
    const unsigned often[] = {1, 2, 3, count / 2 - 1, count / 2, count - 2, count - 1};

    for (unsigned i = 0; i < G_N_ELEMENTS(often); i++) {
        if (random_chance(t->r, 70)) {
            put_entry(t, table, often[i], random_entry(t));
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        put_entry(t, table, (unsigned)random_below(t->r, count), random_entry(t));
    }
    put_entry(t, table, 0, random_chance(t->r, 2) ? random_entry(t) : below | rights);
    return table;
}

/* The four entries have no rights; reserved bits are the load's to refuse. */
static uint32_t make_pdpt(Tables *t, uint32_t below)
{
    uint32_t table = take_table(t);

    for (unsigned i = 1; i < 4; i++) {
        uint64_t target = SYS_TABLES + SYS_PAGE * random_below(t->r, SYS_TABLE_COUNT);
        put_entry(t, table, i, random_chance(t->r, 70) ? target | PTE_P : 0);
    }
    put_entry(t, table, 0, below | PTE_P);
    return table;
}

void sys_tables_make(SysCase *c, Random *r)
{
    Tables t = {c, r, c->paging == SYS_TWO_LEVELS ? 4 : 8, 0};
    const uint64_t rights = PTE_PLAIN | (random_next(r) & PTE_A);
    uint32_t table;

    if (c->paging == SYS_NO_PAGING) {
        c->cr3 = random_next(r) & 0xffffffff;
        return;
    }
    table = make_leaf(&t);
    if (c->paging == SYS_PAE) {
        table = make_pdpt(&t, make_level(&t, table, rights));
    } else {
        unsigned levels = c->paging == SYS_TWO_LEVELS ? 1 : (unsigned)c->paging;
        for (unsigned i = 0; i < levels; i++) {
            table = make_level(&t, table, rights);
        }
    }
    c->cr3 = table | (random_next(r) & 0x18);
    if (c->cr4 & CR4_PCIDE) {
        c->cr3 = table | random_below(r, 8);
    }
}
