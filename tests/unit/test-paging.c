/* SPDX-License-Identifier: MIT */
/* Page walks over page tables in a small array: every paging mode, rights, error codes, A and D. */
#include <string.h>

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/paging.h"

#define MEMORY_SIZE 0x40000u
#define TABLE5 0x1000u
#define TABLE4 0x2000u
#define TABLE3 0x3000u
#define TABLE2 0x4000u
#define TABLE1 0x5000u
#define LINEAR 0x00007f1234567abcull
#define FRAME 0x8765432000ull

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX (1ull << 63)

static uint8_t memory[MEMORY_SIZE];
static void (*before_or)(void); /* what another CPU does just before the compare-and-swap */
static CpuModel model;

/* -- What paging.c stands on ------------------------------------------------------------------- */

const void *physical_host(const X86Cpu *cpu, uint64_t physical, unsigned size)
{
    return NULL; /* all by physical_read_...() */
}

bool physical_read_u64(X86Cpu *cpu, uint64_t physical, uint64_t *ret)
{
    if (physical + 8 > MEMORY_SIZE) {
        return false;
    }
    memcpy(ret, memory + physical, 8);
    return true;
}

bool physical_read_u32(X86Cpu *cpu, uint64_t physical, uint32_t *ret)
{
    if (physical + 4 > MEMORY_SIZE) {
        return false;
    }
    memcpy(ret, memory + physical, 4);
    return true;
}

bool physical_or_bits(X86Cpu *cpu, uint64_t physical, unsigned size, uint64_t expected,
                      uint64_t bits)
{
    uint64_t value = 0;

    if (before_or) {
        before_or();
        before_or = NULL;
    }
    memcpy(&value, memory + physical, size);
    if (value != expected) {
        return false;
    }
    value |= bits;
    memcpy(memory + physical, &value, size);
    return true;
}

/* -- A CPU and its tables ---------------------------------------------------------------------- */

static X86Cpu *cpu_make(uint64_t cr4, uint64_t efer, uint64_t cr3)
{
    static X86Cpu cpu;

    memset(&cpu, 0, sizeof(cpu));
    memset(memory, 0, sizeof(memory));
    memset(&model, 0, sizeof(model));
    model.phys_mask = (1ull << 40) - 1;
    model.phys_bits = 40;
    model.features[FEATURE_PDPE1GB / 32] |= 1u << FEATURE_PDPE1GB % 32;
    model.features[FEATURE_PSE36 / 32] |= 1u << FEATURE_PSE36 % 32;
    cpu.model = &model;
    cpu.cr0 = CR0_PE | CR0_PG | CR0_WP;
    cpu.cr4 = cr4;
    cpu.efer = efer;
    cpu.cr3 = cr3;
    cpu.mode = efer & EFER_LMA ? CPU_MODE_CS_L : 0;
    cpu.fault.vector = VECTOR_NONE;
    return &cpu;
}

static void put64(uint64_t address, uint64_t value)
{
    memcpy(memory + address, &value, 8);
}

static uint64_t get64(uint64_t address)
{
    uint64_t value;

    memcpy(&value, memory + address, 8);
    return value;
}

static void put32(uint64_t address, uint32_t value)
{
    memcpy(memory + address, &value, 4);
}

static uint32_t get32(uint64_t address)
{
    uint32_t value;

    memcpy(&value, memory + address, 4);
    return value;
}

static uint64_t slot(unsigned level, uint64_t linear)
{
    static const uint64_t tables[] = {0, TABLE1, TABLE2, TABLE3, TABLE4, TABLE5};

    return tables[level] + (linear >> (12 + 9 * (level - 1)) & 511) * 8;
}

/* Tables from `levels` down to 4 KiB pages; flags for every level. */
static void map_wide(uint64_t linear, unsigned levels, uint64_t flags)
{
    static const uint64_t tables[] = {FRAME, TABLE1, TABLE2, TABLE3, TABLE4};

    for (unsigned level = levels; level >= 1; level--) {
        put64(slot(level, linear), tables[level - 1] | flags);
    }
}

static X86Cpu *long_cpu(uint64_t cr4)
{
    X86Cpu *cpu = cpu_make(CR4_PAE | cr4, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE, TABLE4);

    map_wide(LINEAR, 4, P | W | U);
    return cpu;
}

static void expect_fault(X86Cpu *cpu, uint64_t linear, unsigned access, uint32_t code)
{
    PageWalk walk;

    cpu->fault = (PendingFault){.vector = VECTOR_NONE};
    g_assert_false(paging_walk(cpu, linear, access, &walk));
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_PF);
    g_assert_true(cpu->fault.has_error_code);
    g_assert_cmphex(cpu->fault.error_code, ==, code);
    g_assert_cmphex(cpu->fault.cr2, ==, linear);
}

static PageWalk expect_page(X86Cpu *cpu, uint64_t linear, unsigned access, uint64_t physical)
{
    PageWalk walk;

    cpu->fault = (PendingFault){.vector = VECTOR_NONE};
    g_assert_true(paging_walk(cpu, linear, access, &walk));
    g_assert_cmphex(walk.physical, ==, physical);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_NONE);
    return walk;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void test_no_paging(void)
{
    X86Cpu *cpu = cpu_make(0, 0, 0);
    PageWalk walk;

    cpu->cr0 = CR0_PE;
    walk = expect_page(cpu, 0xfff123456ull, ACCESS_WRITE, 0xff123456);
    g_assert_true(walk.may_read && walk.may_write && walk.may_execute && !walk.global);
    cpu->a20_disabled = true;
    expect_page(cpu, 0x100010, ACCESS_READ, 0x10);
    expect_page(cpu, 0x300010, ACCESS_READ, 0x200010);
}

static void test_legacy_small(void)
{
    X86Cpu *cpu = cpu_make(0, 0, TABLE4 | 0x18);
    uint32_t linear = 0x12345678;
    uint64_t pde = TABLE4 + (linear >> 22) * 4, pte = TABLE1 + (linear >> 12 & 1023) * 4;
    PageWalk walk;

    expect_fault(cpu, linear, ACCESS_READ, 0);
    expect_fault(cpu, linear, ACCESS_WRITE, PF_WRITE);
    put32(pde, TABLE1 | P | W | U | PS); /* PS means nothing without CR4.PSE */
    expect_fault(cpu, linear, ACCESS_EXEC, 0);
    put32(pte, 0xabcde000 | P);
    walk = expect_page(cpu, linear, ACCESS_READ, 0xabcde678);
    g_assert_cmpuint(walk.page_bits, ==, 12);
    g_assert_true(walk.may_read && walk.may_execute && !walk.may_write);
    g_assert_cmphex(get32(pde), ==, (TABLE1 | P | W | U | PS | A));
    g_assert_cmphex(get32(pte), ==, (0xabcde000 | P | A));

    expect_fault(cpu, linear, ACCESS_WRITE, PF_PRESENT | PF_WRITE);
    cpu->cr0 &= ~(uint64_t)CR0_WP;
    expect_page(cpu, linear, ACCESS_WRITE, 0xabcde678);
    g_assert_cmphex(get32(pte), ==, (0xabcde000 | P | A | D));
    cpu->cpl = 3;
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_USER);
    expect_page(cpu, linear, ACCESS_READ | ACCESS_SYSTEM, 0xabcde678);
}

static void test_legacy_large(void)
{
    X86Cpu *cpu = cpu_make(CR4_PSE | CR4_PGE, 0, TABLE4);
    uint32_t linear = 0xc0345678;
    uint64_t pde = TABLE4 + (linear >> 22) * 4;
    PageWalk walk;

    put32(pde, 0x80400000 | 0x5a << 13 | P | W | PS | G);
    walk = expect_page(cpu, linear, ACCESS_WRITE, 0x5a80400000ull | (linear & 0x3fffff));
    g_assert_cmpuint(walk.page_bits, ==, 22);
    g_assert_true(walk.global && walk.may_write);
    put32(pde, 0x80400000 | 1 << 21 | P | W | PS);
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_RESERVED);
    model.phys_mask = (1ull << 36) - 1;
    put32(pde, 0x80400000 | 0x1f << 13 | P | PS);
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_RESERVED);
    put32(pde, 0x80400000 | 0xf << 13 | P | PS);
    expect_page(cpu, linear, ACCESS_READ, 0xf80400000ull | (linear & 0x3fffff));
    model.features[FEATURE_PSE36 / 32] = 0;
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_RESERVED);
}

static void test_pae(void)
{
    X86Cpu *cpu = cpu_make(CR4_PAE, EFER_NXE, TABLE3 | 0x20);
    uint32_t linear = 0x92345678;
    uint64_t pde = TABLE2 + (linear >> 21 & 511) * 8, pte = TABLE1 + (linear >> 12 & 511) * 8;

    put64(TABLE3 + 0x20 + 2 * 8, TABLE2 | P);
    g_assert_true(paging_load_pdptes(cpu, cpu->cr3));
    g_assert_cmphex(cpu->pdpte[2], ==, (TABLE2 | P));
    expect_fault(cpu, 0x12345678, ACCESS_READ, 0);
    put64(pde, TABLE1 | P | W | U);
    put64(pte, 0x1234567000ull | P | W | U | NX);
    expect_page(cpu, linear, ACCESS_WRITE, 0x1234567678ull);
    expect_fault(cpu, linear, ACCESS_EXEC, PF_PRESENT | PF_FETCH);
    g_assert_cmphex(get64(pte), ==, (0x1234567000ull | P | W | U | NX | A | D));
    put64(pte, 0x1234567000ull | P | 1ull << 52); /* ignored in 4-level paging, reserved here */
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_RESERVED);
    put64(pte, 1ull << 40 | P);
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_RESERVED);
    put64(pde, 0x40200000 | P | W | PS);
    expect_page(cpu, linear, ACCESS_READ, 0x40200000 | (linear & 0x1fffff));
    put64(pde, 0x40200000 | 1 << 13 | P | W | PS);
    expect_fault(cpu, linear, ACCESS_READ, PF_PRESENT | PF_RESERVED);
}

static void test_pdptes(void)
{
    X86Cpu *cpu = cpu_make(CR4_PAE, 0, TABLE3);

    put64(TABLE3, TABLE2 | P);
    g_assert_true(paging_load_pdptes(cpu, TABLE3));
    put64(TABLE3 + 8, W); /* not present: nothing is reserved */
    g_assert_true(paging_load_pdptes(cpu, TABLE3));
    for (unsigned bit = 1; bit < 64; bit++) {
        bool is_reserved = (1ull << bit & 0x1e6) || bit >= 40;

        put64(TABLE3 + 24, P | 1ull << bit);
        cpu->pdpte[0] = 42;
        g_assert_true(paging_load_pdptes(cpu, TABLE3) == !is_reserved);
        g_assert_cmphex(cpu->pdpte[0], ==, is_reserved ? 42 : TABLE2 | P);
    }
}

static void test_long_levels(void)
{
    X86Cpu *cpu = long_cpu(0);
    PageWalk walk = expect_page(cpu, LINEAR, ACCESS_READ, FRAME | (LINEAR & 0xfff));

    g_assert_true(walk.may_read && !walk.may_write && walk.may_execute); /* D is clear */
    for (unsigned level = 1; level <= 4; level++) {
        g_assert_cmphex(get64(slot(level, LINEAR)) & (A | D), ==, A);
    }
    walk = expect_page(cpu, LINEAR, ACCESS_WRITE, FRAME | (LINEAR & 0xfff));
    g_assert_true(walk.may_write);
    g_assert_cmphex(get64(slot(1, LINEAR)) & (A | D), ==, A | D);
    g_assert_cmphex(get64(slot(2, LINEAR)) & (A | D), ==, A);

    put64(slot(2, LINEAR), 0x7f00200000ull | P | W | PS | 1 << 12 /* PAT */);
    walk = expect_page(cpu, LINEAR, ACCESS_WRITE, 0x7f00200000ull | (LINEAR & 0x1fffff));
    g_assert_cmpuint(walk.page_bits, ==, 21);
    g_assert_cmphex(get64(slot(2, LINEAR)) & (A | D), ==, A | D);
    put64(slot(3, LINEAR), 0x7f40000000ull | P | PS);
    walk = expect_page(cpu, LINEAR, ACCESS_READ, 0x7f40000000ull | (LINEAR & 0x3fffffff));
    g_assert_cmpuint(walk.page_bits, ==, 30);
    model.features[FEATURE_PDPE1GB / 32] = 0;
    expect_fault(cpu, LINEAR, ACCESS_READ, PF_PRESENT | PF_RESERVED);
}

static void test_five_levels(void)
{
    uint64_t linear = 0x00ab7f1234567abcull;
    X86Cpu *cpu = cpu_make(CR4_PAE | CR4_LA57, EFER_LMA | EFER_LME, TABLE5);

    map_wide(linear, 5, P | W);
    expect_page(cpu, linear, ACCESS_READ, FRAME | 0xabc);
    expect_fault(cpu, linear ^ 1ull << 50, ACCESS_READ, 0);
    g_assert_true(paging_is_canonical(cpu, linear));
    g_assert_false(paging_is_canonical(cpu, 1ull << 56));
    cpu->cr4 &= ~(uint64_t)CR4_LA57;
    g_assert_false(paging_is_canonical(cpu, linear));
    g_assert_true(paging_is_canonical(cpu, 0xffff800000000000ull));
    g_assert_false(paging_is_canonical(cpu, 0x0000800000000000ull));
    cpu->mode = 0; /* compatibility code: of its handlers it is asked, too */
    g_assert_false(paging_is_canonical(cpu, 0x0000800000000000ull));
    cpu->efer = 0;
    g_assert_true(paging_is_canonical(cpu, 0x0000800000000000ull));
}

/* Each bit of each level by itself: which are reserved. */
static void test_reserved_bits(void)
{
    for (unsigned level = 1; level <= 4; level++) {
        for (unsigned bit = 1; bit < 64; bit++) {
            X86Cpu *cpu = long_cpu(0);
            uint64_t entry = get64(slot(level, LINEAR)) | 1ull << bit;
            bool reserved = bit >= 40 && bit < 52;

            if (bit >= 12 && bit < 40 && level > 1) {
                continue; /* another table */
            }
            if (bit == 7 && (level == 2 || level == 3)) {
                continue; /* a large page */
            }
            reserved = reserved || (bit == 7 && level == 4);
            put64(slot(level, LINEAR), entry);
            if (reserved) {
                expect_fault(cpu, LINEAR, ACCESS_READ, PF_PRESENT | PF_RESERVED);
            } else {
                expect_page(cpu, LINEAR, ACCESS_READ,
                            (FRAME | (LINEAR & 0xfff)) |
                                (level == 1 && bit >= 12 && bit < 40 ? 1ull << bit : 0));
            }
        }
    }
    for (unsigned level = 1; level <= 4; level++) {
        X86Cpu *cpu = long_cpu(0);

        cpu->efer &= ~(uint64_t)EFER_NXE;
        put64(slot(level, LINEAR), get64(slot(level, LINEAR)) | NX);
        expect_fault(cpu, LINEAR, ACCESS_WRITE, PF_PRESENT | PF_RESERVED | PF_WRITE);
    }
    for (unsigned bit = 13; bit < 21; bit++) {
        X86Cpu *cpu = long_cpu(0);

        put64(slot(2, LINEAR), 0x200000 | P | PS | 1ull << bit);
        expect_fault(cpu, LINEAR, ACCESS_READ, PF_PRESENT | PF_RESERVED);
    }
}

/* One setting of everything that decides about an access, and what the manual says of it. */
typedef struct Case {
    bool user_page, writable, nx;
    bool wp, smep, smap, ac, nxe;
    bool ring3, system;
} Case;

static bool allowed_by_manual(const Case *c, unsigned kind)
{
    bool user_access = c->ring3 && !c->system;

    if (kind == ACCESS_EXEC) {
        bool executable = !(c->nx && c->nxe);

        return executable && (user_access ? c->user_page : !(c->user_page && c->smep));
    }
    if (user_access) {
        return c->user_page && (kind == ACCESS_READ || c->writable);
    }
    if (c->user_page && c->smap && (c->system || !c->ac)) {
        return false;
    }
    return kind == ACCESS_READ || c->writable || !c->wp;
}

static X86Cpu *case_cpu(const Case *c, unsigned weak_level)
{
    X86Cpu *cpu = long_cpu((c->smep ? CR4_SMEP : 0) | (c->smap ? CR4_SMAP : 0));
    uint64_t entry = get64(slot(weak_level, LINEAR));

    entry &= ~(uint64_t)((c->user_page ? 0 : U) | (c->writable ? 0 : W));
    put64(slot(weak_level, LINEAR), entry | (c->nx && c->nxe ? NX : 0));
    cpu->cr0 = CR0_PE | CR0_PG | (c->wp ? CR0_WP : 0);
    cpu->efer = EFER_LMA | EFER_LME | (c->nxe ? EFER_NXE : 0);
    cpu->eflags = c->ac ? EFLAGS_AC : 0;
    cpu->cpl = c->ring3 ? 3 : 0;
    put64(slot(1, LINEAR), get64(slot(1, LINEAR)) | D); /* so that may_write tells the right */
    return cpu;
}

static void check_case(const Case *c, unsigned weak_level, unsigned kind)
{
    X86Cpu *cpu = case_cpu(c, weak_level);
    unsigned access = kind | (c->system ? ACCESS_SYSTEM : 0);
    PageWalk walk;

    if (!allowed_by_manual(c, kind)) {
        expect_fault(cpu, LINEAR, access,
                     PF_PRESENT | (kind == ACCESS_WRITE ? PF_WRITE : 0) |
                         (c->ring3 && !c->system ? PF_USER : 0) |
                         (kind == ACCESS_EXEC && (c->nxe || c->smep) ? PF_FETCH : 0));
        g_assert_cmphex(get64(slot(1, LINEAR)) & A, ==, 0);
        return;
    }
    walk = expect_page(cpu, LINEAR, access, FRAME | (LINEAR & 0xfff));
    g_assert_true(walk.may_read == allowed_by_manual(c, ACCESS_READ));
    g_assert_true(walk.may_write == allowed_by_manual(c, ACCESS_WRITE));
    g_assert_true(walk.may_execute == allowed_by_manual(c, ACCESS_EXEC));
}

static void test_rights_matrix(void)
{
    static const unsigned kinds[] = {ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC};

    for (unsigned bits = 0; bits < 1u << 10; bits++) {
        Case c = {.user_page = bits & 1,
                  .writable = bits & 2,
                  .nx = bits & 4,
                  .wp = bits & 8,
                  .smep = bits & 16,
                  .smap = bits & 32,
                  .ac = bits & 64,
                  .nxe = bits & 128,
                  .ring3 = bits & 256,
                  .system = bits & 512};

        for (unsigned level = 1; level <= 4; level++) {
            for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
                check_case(&c, level, kinds[k]);
            }
        }
    }
}

static void test_protection_keys(void)
{
    X86Cpu *cpu = long_cpu(CR4_PKE);
    PageWalk walk;

    put64(slot(1, LINEAR), get64(slot(1, LINEAR)) | 5ull << 59 | D);
    cpu->cpl = 3;
    walk = expect_page(cpu, LINEAR, ACCESS_READ, FRAME | 0xabc);
    g_assert_true(walk.may_write);
    cpu->pkru = 2u << 10; /* key 5: no writes */
    walk = expect_page(cpu, LINEAR, ACCESS_READ, FRAME | 0xabc);
    g_assert_true(walk.may_read && !walk.may_write && walk.may_execute);
    expect_fault(cpu, LINEAR, ACCESS_WRITE, PF_PRESENT | PF_WRITE | PF_USER | PF_KEY);
    cpu->pkru = 1u << 10; /* key 5: nothing but execution */
    expect_fault(cpu, LINEAR, ACCESS_READ, PF_PRESENT | PF_USER | PF_KEY);
    walk = expect_page(cpu, LINEAR, ACCESS_EXEC, FRAME | 0xabc);
    g_assert_true(!walk.may_read && !walk.may_write && walk.may_execute);
    cpu->cpl = 0;
    expect_fault(cpu, LINEAR, ACCESS_READ, PF_PRESENT | PF_KEY);
    cpu->pkru = 2u << 10;
    cpu->cr0 &= ~(uint64_t)CR0_WP;
    expect_page(cpu, LINEAR, ACCESS_WRITE, FRAME | 0xabc);
    cpu->pkru = 1u << 10; /* supervisor pages have no key */
    put64(slot(2, LINEAR), get64(slot(2, LINEAR)) & ~(uint64_t)U);
    expect_page(cpu, LINEAR, ACCESS_READ, FRAME | 0xabc);
}

/* Another CPU write-protects the page between our look and our update. */
static void revoke_write(void)
{
    put64(slot(1, LINEAR), get64(slot(1, LINEAR)) & ~(uint64_t)W);
}

static void move_page(void)
{
    put64(slot(1, LINEAR), 0x1111111000ull | P | W | U);
}

static void test_changed_meanwhile(void)
{
    X86Cpu *cpu = long_cpu(0);

    for (unsigned level = 2; level <= 4; level++) {
        put64(slot(level, LINEAR), get64(slot(level, LINEAR)) | A);
    }
    before_or = move_page;
    expect_page(cpu, LINEAR, ACCESS_WRITE, 0x1111111000ull | (LINEAR & 0xfff));
    g_assert_cmphex(get64(slot(1, LINEAR)), ==, (0x1111111000ull | P | W | U | A | D));
    put64(slot(1, LINEAR), FRAME | P | W | U);
    before_or = revoke_write;
    expect_fault(cpu, LINEAR, ACCESS_WRITE, PF_PRESENT | PF_WRITE);
    g_assert_cmphex(get64(slot(1, LINEAR)), ==, (FRAME | P | U));
}

static void test_tables_outside_memory(void)
{
    X86Cpu *cpu = long_cpu(0);

    put64(slot(3, LINEAR), 0x7000000000ull | P | W | U);
    expect_fault(cpu, LINEAR, ACCESS_READ, PF_PRESENT | PF_RESERVED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/paging/none", test_no_paging);
    g_test_add_func("/paging/legacy-small", test_legacy_small);
    g_test_add_func("/paging/legacy-large", test_legacy_large);
    g_test_add_func("/paging/pae", test_pae);
    g_test_add_func("/paging/pdptes", test_pdptes);
    g_test_add_func("/paging/long-levels", test_long_levels);
    g_test_add_func("/paging/five-levels", test_five_levels);
    g_test_add_func("/paging/reserved-bits", test_reserved_bits);
    g_test_add_func("/paging/rights-matrix", test_rights_matrix);
    g_test_add_func("/paging/protection-keys", test_protection_keys);
    g_test_add_func("/paging/changed-meanwhile", test_changed_meanwhile);
    g_test_add_func("/paging/tables-outside-memory", test_tables_outside_memory);
    return g_test_run();
}
