/* SPDX-License-Identifier: MIT */
/* 4- and 5-level paging: rights, keys, reserved bits, error codes, accessed and dirty bits at every
 * level; PCIDs. Intel SDM vol. 3 ch. 4. */

#define KEY(n) ((uint64_t)(n) << 59)
#define PWU (P | W | U)

#define CR4_LA57 BIT(12)
#define CR4_PCIDE BIT(17)
#define CR4_PKE BIT(22)
#define CR4_PKS BIT(24)
#define MSR_PKRS 0x6e1u

#define WINDOW 0x8000000000ull /* in 5-level paging beside PML5E 1 */
#define USER_CODE 0x40000000ull
#define FRAME 0x40000000ull     /* of a 1 GiB page; there need not be memory */
#define RAM_FRAME 0x2000000ull  /* of the others, full of INT3 */
#define CODE_FRAME 0x2400000ull /* of USER_CODE */
#define FREE_FRAME 0x2600000ull
#define APIC 0xfee00000ull

#include "paging.h"

typedef uint64_t Table[512] __attribute__((aligned(4096)));
static Table root5, root4, low3, low2, code2; /* first 1 GiB one to one, for ring 0; USER_CODE */
static Table device2;                         /* of the APIC */
static Table window4, window3, window2, window1;
static uint64_t *const window_tables[] = {window1, window2, window3, window4};

enum {
    WP = 1,
    NXE = 2,
    SMEP = 4,
    SMAP = 8,
    AC = 16,
    PKE = 32,
    LA57 = 64,
    PKS = 128,
};

static bool has_la57, has_pku, has_pks, has_1g;

static void make_tables(void)
{
    memset((void *)RAM_FRAME, 0xcc, 0x400000);
    for (unsigned i = 0; i < 512; i++) {
        low2[i] = (uint64_t)i << 21 | P | W | PS;
    }
    low3[0] = (word)low2 | PWU;
    low3[1] = (word)code2 | PWU;
    code2[0] = CODE_FRAME | P | U | PS;
    low3[3] = (word)device2 | PWU;
    device2[APIC >> 21 & 511] = APIC | P | W | PS;
    root4[0] = (word)low3 | PWU;
    root5[0] = (word)root4 | PWU;
}

/* -- Switching --------------------------------------------------------------------------------- */

/* By compatibility mode and paging off, the one way to change CR4.LA57. */
void switch_paging(uint64_t cr3, uint64_t cr4);
__asm__(".globl switch_paging\n"
        "switch_paging:\n"
        "    push %rbx\n"
        "    push $0x18\n" /* SEL_CODE32 */
        "    push $1f\n"
        "    lretq\n"
        "    .code32\n"
        "1:  movl $0x10, %eax\n"
        "    movl %eax, %ss\n"
        "    movl %cr0, %eax\n"
        "    andl $0x7fffffff, %eax\n"
        "    movl %eax, %cr0\n"
        "    movl %esi, %cr4\n"
        "    movl %edi, %cr3\n"
        "    orl $0x80000000, %eax\n"
        "    movl %eax, %cr0\n"
        "    ljmp $0x08, $1f\n" /* SEL_CODE */
        "    .code64\n"
        "1:  pop %rbx\n"
        "    ret\n");

#define CR4_BASE 0x620ull

static void paging_set(unsigned env)
{
    uint64_t cr4 = CR4_BASE | (env & SMEP ? CR4_SMEP : 0) | (env & SMAP ? CR4_SMAP : 0) |
                   (env & PKE ? CR4_PKE : 0) | (env & PKS ? CR4_PKS : 0);
    if (env & LA57) {
        switch_paging((word)root5, CR4_BASE | CR4_LA57);
        cr4 |= CR4_LA57;
    } else {
        switch_paging((word)root4, CR4_BASE);
    }
    set_efer_nxe(env & NXE);
    write_cr4(cr4);
    write_cr0((read_cr0() & ~(word)CR0_WP) | (env & WP ? CR0_WP : 0));
}

static void paging_reset(void)
{
    write_cr0(read_cr0() & ~(word)CR0_WP);
    if (read_cr4() & CR4_LA57) {
        switch_paging((word)root4, CR4_BASE);
    }
    write_cr4(CR4_BASE);
}

static void write_pkru(uint32_t value)
{
    __asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0));
}

static uint64_t window_address(unsigned env)
{
    return WINDOW | (env & LA57 ? BIT(48) : 0);
}

/* -- One page, every right, at every level ----------------------------------------------------- */

typedef struct Row {
    const char *name;
    uint8_t size, env; /* size: level of the leaf, 1 to 3 */
    uint8_t at;        /* level whose entry has `upper`; 0: all have P W U */
    uint64_t upper, leaf;
    uint8_t access;
    int16_t error; /* OK, or that of #PF */
    const char *source;
    uint32_t key_rights; /* PKRU or PKRS */
} Row;
#define OK (-1)

static const Row rows[] = {
    {"4k-read", 1, 0, 0, 0, P, READ, OK, "SDM 3A 4.8", 0},
    {"4k-write", 1, 0, 0, 0, P | W, WRITE, OK, "SDM 3A 4.8", 0},
    {"4k-change", 1, 0, 0, 0, P | W, CHANGE, OK, "SDM 3A 4.8", 0},
    {"4k-fetch", 1, 0, 0, 0, P, FETCH, OK, "SDM 3A 4.8", 0},
    {"4k-user-read", 1, 0, 0, 0, P | U, READ | USER, OK, "SDM 3A 4.6.1", 0},
    {"4k-user-write", 1, 0, 0, 0, PWU, WRITE | USER, OK, "SDM 3A 4.6.1", 0},
    {"2m-read", 2, 0, 0, 0, P, READ, OK, "SDM 3A 4.8", 0},
    {"2m-write", 2, 0, 0, 0, P | W, WRITE, OK, "SDM 3A 4.8", 0},
    {"2m-fetch", 2, 0, 0, 0, P | U, FETCH | USER, OK, "SDM 3A 4.8", 0},
    {"1g-read", 3, 0, 0, 0, P, READ, OK, "SDM 3A 4.8", 0},
    {"1g-write", 3, 0, 0, 0, P | W, WRITE, OK, "SDM 3A 4.8", 0},
    {"absent-1", 1, 0, 0, 0, W | U, READ, 0, "SDM 3A 4.7", 0},
    {"absent-2", 1, 0, 2, W | U, PWU, WRITE, 2, "SDM 3A 4.7", 0},
    {"absent-3", 1, 0, 3, W | U, PWU, READ | USER, 4, "SDM 3A 4.7", 0},
    {"absent-4", 1, 0, 4, W | U, PWU, CHANGE | USER, 6, "SDM 3A 4.7", 0},
    {"absent-5", 1, LA57, 5, W | U, PWU, READ, 0, "SDM 3A 4.7", 0},
    {"absent-fetch", 1, 0, 0, 0, 0, FETCH, 0, "SDM 3A 4.7", 0},
    {"absent-fetch-nxe", 1, NXE, 0, 0, 0, FETCH, 16, "SDM 3A 4.7", 0},
    {"absent-fetch-smep", 1, SMEP, 0, 0, 0, FETCH | USER, 20, "SDM 3A 4.7", 0},
    {"absent-reserved", 1, NXE, 0, 0, BIT(51), READ, 0, "SDM 3A 4.7", 0},
    {"user-1", 1, 0, 0, 0, P | W, READ | USER, 5, "SDM 3A 4.6.1", 0},
    {"user-2", 1, 0, 2, P | W, PWU, READ | USER, 5, "SDM 3A 4.6.1", 0},
    {"user-3", 1, 0, 3, P | W, PWU, WRITE | USER, 7, "SDM 3A 4.6.1", 0},
    {"user-4", 1, 0, 4, P | W, PWU, FETCH | USER, 5, "SDM 3A 4.6.1", 0},
    {"user-5", 1, LA57, 5, P | W, PWU, READ | USER, 5, "SDM 3A 4.6.1", 0},
    {"write-1", 1, 0, 0, 0, P | U, WRITE | USER, 7, "SDM 3A 4.6.1", 0},
    {"write-2", 1, 0, 2, P | U, PWU, WRITE | USER, 7, "SDM 3A 4.6.1", 0},
    {"write-3", 1, 0, 3, P | U, PWU, WRITE | USER, 7, "SDM 3A 4.6.1", 0},
    {"write-4", 1, 0, 4, P | U, PWU, WRITE | USER, 7, "SDM 3A 4.6.1", 0},
    {"write-5", 1, LA57, 5, P | U, PWU, WRITE | USER, 7, "SDM 3A 4.6.1", 0},
    {"wp-1", 1, WP, 0, 0, P, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"wp-2", 1, WP, 2, P, P | W, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"wp-3", 1, WP, 3, P, P | W, CHANGE, 3, "SDM 3A 4.6.1", 0},
    {"wp-4", 1, WP, 4, P, P | W, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"wp-off", 1, 0, 4, P, P, WRITE, OK, "SDM 3A 4.6.1", 0},
    {"wp-2m", 2, WP, 0, 0, P, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"wp-1g", 3, WP, 0, 0, P | U, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"nx-1", 1, NXE, 0, 0, P | NX, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"nx-2", 1, NXE, 2, PWU | NX, P, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"nx-3", 1, NXE, 3, PWU | NX, P | U, FETCH | USER, 21, "SDM 3A 4.6.1", 0},
    {"nx-4", 1, NXE, 4, PWU | NX, P, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"nx-5", 1, NXE | LA57, 5, PWU | NX, P, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"nx-read", 1, NXE, 0, 0, P | NX, READ, OK, "SDM 3A 4.6.1", 0},
    {"nx-2m", 2, NXE, 0, 0, P | NX, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"nx-1g", 3, NXE, 0, 0, P | NX, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"nxe-off-1", 1, 0, 0, 0, P | NX, READ, 9, "SDM 3A 4.5.4", 0},
    {"nxe-off-2", 1, 0, 2, PWU | NX, P, WRITE, 11, "SDM 3A 4.5.4", 0},
    {"nxe-off-3", 1, 0, 3, PWU | NX, P, FETCH, 9, "SDM 3A 4.5.4", 0},
    {"nxe-off-4", 1, 0, 4, PWU | NX, 0, READ | USER, 13, "SDM 3A 4.5.4", 0},
    {"smep-user-page", 1, SMEP, 0, 0, P | U, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"smep-one-supervisor-level", 1, SMEP, 3, P | W, P | U, FETCH, OK, "SDM 3A 4.6.1", 0},
    {"smep-user", 1, SMEP, 0, 0, P | U, FETCH | USER, OK, "SDM 3A 4.6.1", 0},
    {"smep-2m", 2, SMEP, 0, 0, P | U, FETCH, 17, "SDM 3A 4.6.1", 0},
    {"smap-read", 1, SMAP, 0, 0, P | U, READ, 1, "SDM 3A 4.6.1", 0},
    {"smap-write", 1, SMAP, 0, 0, PWU, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"smap-ac", 1, SMAP | AC, 0, 0, PWU, WRITE, OK, "SDM 3A 4.6.1", 0},
    {"smap-ac-wp", 1, SMAP | AC | WP, 0, 0, P | U, WRITE, 3, "SDM 3A 4.6.1", 0},
    {"smap-one-supervisor-level", 1, SMAP, 2, P | W, PWU, READ, OK, "SDM 3A 4.6.1", 0},
    {"smap-fetch", 1, SMAP, 0, 0, P | U, FETCH, OK, "SDM 3A 4.6.1", 0},
    {"smap-user", 1, SMAP, 0, 0, PWU, WRITE | USER, OK, "SDM 3A 4.6.1", 0},
    {"ps-4", 1, 0, 4, PWU | PS, P, READ, 9, "SDM 3A table 4-15", 0},
    {"ps-5", 1, LA57, 5, PWU | PS, P, READ, 9, "SDM 3A table 4-14", 0},
    {"pat-4k", 1, 0, 0, 0, P | PS | G | 0x18, READ, OK, "SDM 3A table 4-20", 0},
    {"pat-2m", 2, 0, 0, 0, P | BIT(12) | G | 0x18, READ, OK, "SDM 3A table 4-18", 0},
    {"pat-1g", 3, 0, 0, 0, P | BIT(12), READ, OK, "SDM 3A table 4-16", 0},
    {"2m-reserved-13", 2, 0, 0, 0, P | BIT(13), READ, 9, "SDM 3A table 4-18", 0},
    {"2m-reserved-20", 2, 0, 0, 0, P | BIT(20), WRITE, 11, "SDM 3A table 4-18", 0},
    {"1g-reserved-13", 3, 0, 0, 0, P | BIT(13), READ, 9, "SDM 3A table 4-16", 0},
    {"1g-reserved-29", 3, 0, 0, 0, PWU | BIT(29), READ | USER, 13, "SDM 3A table 4-16", 0},
    {"ignored-high-1", 1, NXE, 0, 0, P | 0x7ff0000000000e00, READ, OK, "SDM 3A table 4-20", 0},
    {"ignored-high-2", 1, NXE, 2, PWU | 0x7ff0000000000f40, P, READ, OK, "SDM 3A table 4-19", 0},
    {"ignored-high-3", 1, NXE, 3, PWU | 0x7ff0000000000f40, P, READ, OK, "SDM 3A table 4-17", 0},
    {"ignored-high-4", 1, NXE, 4, PWU | 0x7ff0000000000f40, P, READ, OK, "SDM 3A table 4-15", 0},
    {"reserved-before-rights", 1, WP, 0, 0, P | NX, WRITE, 11, "SDM 3A 4.7", 0},
    {"upper-reserved-first", 1, 0, 3, PWU | NX, 0, READ, 9, "SDM 3A 4.7", 0},

    /* keys: rights of key 1 are bits 2 (no access) and 3 (no writes) */
    {"key-allowed", 1, PKE, 0, 0, PWU | KEY(1), WRITE | USER, OK, "SDM 3A 4.6.2", ~0xcu},
    {"key-ad-read", 1, PKE, 0, 0, PWU | KEY(1), READ | USER, 0x25, "SDM 3A 4.6.2", 4},
    {"key-ad-write", 1, PKE, 0, 0, PWU | KEY(1), WRITE | USER, 0x27, "SDM 3A 4.6.2", 4},
    {"key-ad-supervisor", 1, PKE, 0, 0, PWU | KEY(1), READ, 0x21, "SDM 3A 4.6.2", 4},
    {"key-ad-fetch", 1, PKE, 0, 0, PWU | KEY(1), FETCH | USER, OK, "SDM 3A 4.6.2", 4},
    {"key-wd-read", 1, PKE, 0, 0, PWU | KEY(1), READ | USER, OK, "SDM 3A 4.6.2", 8},
    {"key-wd-write", 1, PKE, 0, 0, PWU | KEY(1), WRITE | USER, 0x27, "SDM 3A 4.6.2", 8},
    {"key-wd-change", 1, PKE, 0, 0, PWU | KEY(1), CHANGE | USER, 0x27, "SDM 3A 4.6.2", 8},
    {"key-wd-supervisor", 1, PKE, 0, 0, PWU | KEY(1), WRITE, OK, "SDM 3A 4.6.2", 8},
    {"key-wd-supervisor-wp", 1, PKE | WP, 0, 0, PWU | KEY(1), WRITE, 0x23, "SDM 3A 4.6.2", 8},
    {"key-supervisor-page", 1, PKE, 0, 0, P | W | KEY(1), WRITE, OK, "SDM 3A 4.6.2", 4},
    {"key-15", 1, PKE, 0, 0, PWU | KEY(15), READ | USER, 0x25, "SDM 3A 4.6.2", 0x40000000},
    {"key-2m", 2, PKE, 0, 0, PWU | KEY(1), READ | USER, 0x25, "SDM 3A 4.6.2", 4},
    {"key-1g", 3, PKE, 0, 0, PWU | KEY(1), WRITE | USER, 0x27, "SDM 3A 4.6.2", 8},
    {"key-absent", 1, PKE, 0, 0, W | U | KEY(1), READ | USER, 4, "SDM 3A 4.7", 4},
    {"key-and-user", 1, PKE, 0, 0, P | W | KEY(1), READ | USER, 5, "SDM 3A 4.7", 4},
    {"key-and-write", 1, PKE, 0, 0, P | U | KEY(1), WRITE | USER, 0x27, "SDM 3A 4.7", 8},
    {"key-read-only", 1, PKE, 0, 0, P | U | KEY(1), WRITE | USER, 7, "SDM 3A 4.7", 0},
    {"pks-ad-read", 1, PKS, 0, 0, P | W | KEY(1), READ, 0x21, "SDM 3A 4.6.2", 4},
    {"pks-wd-write", 1, PKS | WP, 0, 0, P | W | KEY(1), WRITE, 0x23, "SDM 3A 4.6.2", 8},
    {"pks-wd-write-no-wp", 1, PKS, 0, 0, P | W | KEY(1), WRITE, OK, "SDM 3A 4.6.2", 8},
    {"pks-wd-read", 1, PKS, 0, 0, P | W | KEY(1), READ, OK, "SDM 3A 4.6.2", 8},
    {"pks-user-page", 1, PKS, 0, 0, PWU | KEY(1), READ, OK, "SDM 3A 4.6.2", 4},
    {"pks-fetch", 1, PKS, 0, 0, P | KEY(1), FETCH, OK, "SDM 3A 4.6.2", 4},
};

static void set_window(unsigned size, unsigned env, unsigned at, uint64_t upper, uint64_t leaf)
{
    uint64_t frame = size == 3 ? FRAME : RAM_FRAME;
    uint64_t *root = env & LA57 ? window4 : root4;

    root5[1] = (word)window4 | (at == 5 ? upper : PWU);
    root[1] = (word)window3 | (at == 4 ? upper : PWU);
    window3[0] = (word)window2 | (at == 3 ? upper : PWU);
    window2[0] = (word)window1 | (at == 2 ? upper : PWU);
    window_tables[size - 1][0] = frame | leaf | (size > 1 ? PS : 0);
}

/* Accessed and dirty bits, two bits a level from the leaf up; the lowest two are the leaf's. */
static uint32_t window_bits(unsigned size, unsigned env)
{
    uint32_t bits = 0;
    if (env & LA57) {
        bits = root5[1] >> 5 & 3;
    }
    bits = bits << 2 | (*(env & LA57 ? &window4[1] : &root4[1]) >> 5 & 3);
    for (unsigned level = 3; level >= size; level--) {
        bits = bits << 2 | (window_tables[level - 1][0] >> 5 & 3);
    }
    return bits;
}

static bool can_run(const Row *row)
{
    return (has_la57 || !(row->env & LA57)) && (has_pku || !(row->env & PKE)) &&
           (has_pks || !(row->env & PKS)) && (has_1g || row->size < 3);
}

/* After a fault the leaf is as it was; whether upper entries are marked is the CPU's choice. */
static void check_row(const Row *row, unsigned env, const char *suffix)
{
    bool writes = (row->access & 3) == WRITE || (row->access & 3) == CHANGE;
    unsigned levels = (env & LA57 ? 5 : 4) - row->size + 1;
    uint32_t mask = 3, want = row->leaf >> 5 & 3;
    char name[64];

    *(uint8_t *)RAM_FRAME = *(uint8_t *)FRAME = 0xcc;
    set_window(row->size, env, row->at, row->upper, row->leaf);
    paging_set(env);
    if (env & PKE) {
        write_pkru(row->key_rights);
    } else if (env & PKS) {
        write_msr(MSR_PKRS, row->key_rights);
    }
    Trap trap = touch(row->access, window_address(env), env & AC);
    if (env & PKE) {
        write_pkru(0);
    } else if (env & PKS) {
        write_msr(MSR_PKRS, 0);
    }
    uint32_t bits = window_bits(row->size, env);
    paging_reset();
    format(name, sizeof(name), "%s%s", row->name, suffix);
    check(name, outcome(&trap, window_address(env)),
          row->error == OK ? DONE : page_fault((unsigned)row->error), row->source);
    if (row->error == OK) {
        mask = (1u << (2 * levels)) - 1;
        want = (0x155 | (writes ? 2 : 0)) & mask;
        if (row->upper & D) { /* ignored there: stays */
            want |= 2u << (2 * (row->at - row->size));
        }
    }
    format(name, sizeof(name), "%s%s-a-d", row->name, suffix);
    check(name, bits & mask, want & mask, "SDM 3A 4.8");
}

static void check_rows(void)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (!can_run(&rows[i])) {
            check_skip(rows[i].name, "this CPU lacks the feature");
            continue;
        }
        check_row(&rows[i], rows[i].env, "");
        if (has_la57 && !(rows[i].env & LA57)) {
            check_row(&rows[i], rows[i].env | LA57, "-la57");
        }
    }
}

static void check_physical_width(void)
{
    unsigned width = cpuid(0x80000008, 0).eax & 0xff;
    char name[40];

    for (unsigned level = 1; level <= 4 && width < 52; level++) {
        for (unsigned bit = width; bit < 52; bit += bit == 51 ? 1 : 51 - width) {
            set_window(1, 0, level, PWU | BIT(bit), P | (level == 1 ? BIT(bit) : 0));
            paging_set(0);
            Trap trap = touch(READ, WINDOW, false);
            format(name, sizeof(name), "width-level-%u-bit-%s", level, bit == 51 ? "51" : "first");
            check(name, outcome(&trap, WINDOW), page_fault(9), "SDM 3A 4.5.4");
            if (width == 51) {
                break;
            }
        }
    }
    set_window(1, 0, 0, 0, P | BIT(width - 1));
    paging_set(0);
    Trap trap = touch(READ, WINDOW, false);
    check("width-last-bit", outcome(&trap, WINDOW), DONE, "SDM 3A 4.5.4");
}

/* Calls the entry of WINDOW as code, with EAX and CF 1; EAX, and CF as bit 16. */
static uint32_t run_entry(void)
{
    uint32_t a = 1;
    bool carry;

    __asm__ volatile("stc; call *%2" : "+a"(a), "=@ccc"(carry) : "r"(window1) : "memory");
    return a | (uint32_t)carry << 16;
}

/* An entry that is code, too: 03 C0 C3 adds EAX to itself, with A set 23 C0 C3 is AND and with D
 * 63 C0 C3 MOVSXD, which leaves CF. Bits set by a walk change code like any other write. */
static void check_entry_is_code(void)
{
    const uint64_t add_ret = 0xc3c003;
    uint32_t was_added = 0;

    set_window(1, 0, 0, 0, 0);
    window1[0] = add_ret;
    paging_set(0);
    for (unsigned i = 0; i < 20; i++) {
        was_added += run_entry() == 2;
    }
    check("entry-as-code", was_added, 20, "SDM 3A 8.1.3");
    (void)*(volatile uint8_t *)WINDOW;
    check("entry-as-code-accessed", run_entry(), 1, "SDM 3A 4.8");
    *(volatile uint8_t *)WINDOW = 0;
    check("entry-as-code-dirty", run_entry(), 0x10001, "SDM 3A 4.8");
    paging_reset();
}

/* -- RDPKRU, WRPKRU, STAC, CLAC ---------------------------------------------------------------- */

static void check_key_instructions(void)
{
    if (!has_pku) {
        check_skip("rdpkru", "no PKU");
        return;
    }
    CATCH("rdpkru", : "a"(0), "c"(0), "d"(0));
    check("rdpkru-pke-off", caught.vector, 6, "SDM 2B RDPKRU");
    CATCH("wrpkru", : "a"(0), "c"(0), "d"(0));
    check("wrpkru-pke-off", caught.vector, 6, "SDM 2B WRPKRU");
    paging_set(PKE);
    check("ospke", cpuid(7, 0).ecx >> 4 & 1, 1, "SDM 2A CPUID");
    write_pkru(0x12345678);
    uint64_t a = ~0ull, d = ~0ull;
    CATCH("rdpkru", "+a"(a), "+d"(d) : "c"(0));
    check("rdpkru", a, 0x12345678, "SDM 2B RDPKRU");
    check("rdpkru-edx", d, 0, "SDM 2B RDPKRU");
    CATCH("rdpkru", "+a"(a), "+d"(d) : "c"(1));
    check_trap("rdpkru-ecx", &caught, 13, 0, 0, "SDM 2B RDPKRU");
    CATCH("wrpkru", : "a"(0), "c"(1), "d"(0));
    check_trap("wrpkru-ecx", &caught, 13, 0, 0, "SDM 2B WRPKRU");
    CATCH("wrpkru", : "a"(0), "c"(0), "d"(1));
    check_trap("wrpkru-edx", &caught, 13, 0, 0, "SDM 2B WRPKRU");
    CATCH("wrpkru", : "a"(0), "c"(1ull << 32), "d"(1ull << 32));
    check("wrpkru-high-halves-ignored", caught.vector, NO_TRAP, "SDM 2B WRPKRU");
    write_pkru(0);
    paging_reset();
}

static void check_ac_instructions(void)
{
    static const uint8_t stac[] = {0x0f, 0x01, 0xcb, 0xcc}, clac[] = {0x0f, 0x01, 0xca, 0xcc};
    word flags;

    memcpy((void *)CODE_FRAME, stac, sizeof(stac));
    Regs user = {
        .ip = USER_CODE, .cs = SEL_USER, .ss = SEL_USER_DATA, .sp = user_stack_top(), .flags = 2};
    Trap trap = run(&user);
    check_trap("stac-ring-3", &trap, 6, 0, 0, "SDM 2B STAC");
    memcpy((void *)CODE_FRAME, clac, sizeof(clac));
    trap = run(&user);
    check_trap("clac-ring-3", &trap, 6, 0, 0, "SDM 2A CLAC");
    paging_set(SMAP);
    set_window(1, 0, 0, 0, PWU);
    CATCH("stac; movb (%1), %%al; pushfq; pop %0; clac", "=r"(flags) : "r"(WINDOW) : "eax");
    check("stac", caught.vector << 1 | (flags >> 18 & 1), NO_TRAP << 1 | 1, "SDM 2B STAC");
    CATCH("stac; clac; movb (%1), %%al; pushfq; pop %0", "=r"(flags) : "r"(WINDOW) : "eax");
    check_trap("clac", &caught, 14, 1, 6, "SDM 2A CLAC");
    paging_reset();
}

/* The GDT lies in a user page: SMAP forbids it to the CPU whatever AC says. */
static void check_implicit_smap(void)
{
    static const uint8_t load_es[] = {0x8e, 0xc0, 0xcc};
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = {sizeof(gdt) - 1, WINDOW + 0xf00},
                              own = {sizeof(gdt) - 1, (word)gdt};

    memcpy((void *)(FREE_FRAME + 0xf00), gdt, sizeof(gdt));
    *(uint64_t *)(FREE_FRAME + 0x1080) = descriptor(0, 0xfffff, 0xf2, 0xc);
    memcpy((void *)CODE_FRAME, load_es, sizeof(load_es));
    for (unsigned user = 0; user < 2; user++) {
        set_window(1, 0, 0, 0, P | W);
        window1[0] = FREE_FRAME | P | W;
        window1[1] = (FREE_FRAME + 0x1000) | P | W | (user ? U : 0);
        paging_set(SMAP);
        __asm__ volatile("lgdt %0" : : "m"(pointer) : "memory");
        write_cr2(UNTOUCHED_CR2);
        Trap trap = run(&(Regs){.ip = USER_CODE,
                                .cs = SEL_USER,
                                .ss = SEL_USER_DATA,
                                .sp = user_stack_top(),
                                .flags = 2 | FLAGS_AC,
                                .ax = 0x183});
        __asm__ volatile("lgdt %0" : : "m"(own) : "memory");
        paging_reset();
        check(user ? "smap-implicit" : "supervisor-implicit", outcome(&trap, WINDOW + 0x1080),
              user ? page_fault(1) : DONE, "SDM 3A 4.6.1");
    }
    window1[1] = 0;
}

/* -- Flushes ----------------------------------------------------------------------------------- */

/* The page shows 11h or 22h. */
static void show(unsigned n)
{
    window1[0] = (RAM_FRAME + n * 0x1000) | (window1[0] & (0xfff & ~(A | D)));
    __asm__ volatile("" : : : "memory");
}

static unsigned seen(void)
{
    return *(volatile uint8_t *)WINDOW;
}

static uint32_t invpcid(uint64_t type, uint64_t pcid, uint64_t address)
{
    uint64_t operand[2] = {pcid, address};
    return CATCH("invpcid %0, %1", : "m"(operand), "r"(type));
}

static void check_flushes(void)
{
    static const char *const names[] = {"invlpg", "mov-cr3", "invlpg-upper", "invlpg-offset"};

    *(uint8_t *)RAM_FRAME = 0x11;
    *(uint8_t *)(RAM_FRAME + 0x1000) = 0x22;
    paging_set(0);
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        set_window(1, 0, 0, 0, P | W);
        write_cr3(read_cr3());
        unsigned first = seen();
        if (i == 2) { /* another table at level 2 */
            static Table other;
            other[0] = (RAM_FRAME + 0x1000) | P | W;
            window2[0] = (word)other | PWU;
        } else {
            show(1);
        }
        if (i == 1) {
            write_cr3(read_cr3());
        } else {
            __asm__ volatile("invlpg (%0)" : : "r"(WINDOW + (i == 3 ? 0xfff : 0)) : "memory");
        }
        check(names[i], first << 8 | seen(), 0x1122, "SDM 3A 4.10.4.1");
    }
    CATCH("invlpg (%0)", : "r"(BIT(63)) : "memory");
    check("invlpg-non-canonical", caught.vector, NO_TRAP, "SDM 2A INVLPG");
    for (unsigned size = 2; size <= (has_1g ? 3 : 2); size++) {
        set_window(size, 0, 0, 0, P | W);
        window3[0] &= ~FRAME | (size == 2 ? ~0ull : 0); /* 1 GiB: from 0 on, which is memory */
        write_cr3(read_cr3());
        seen();
        window_tables[size - 1][0] = 0;
        __asm__ volatile("invlpg (%0)" : : "r"(WINDOW + 0x1ff000) : "memory");
        Trap trap = touch(READ, WINDOW, false);
        check(size == 2 ? "invlpg-2m" : "invlpg-1g", outcome(&trap, WINDOW), page_fault(0),
              "SDM 3A 4.10.4.1");
    }
    paging_reset();
}

static void check_invpcid_faults(void)
{
    static const struct {
        const char *name;
        uint64_t type, pcid, address;
        unsigned vector, vector_pcide;
    } cases[] = {
        {"type-0", 0, 0, WINDOW, NO_TRAP, NO_TRAP},
        {"type-1", 1, 0, 0, NO_TRAP, NO_TRAP},
        {"type-2", 2, 0, 0, NO_TRAP, NO_TRAP},
        {"type-3", 3, 0, 0, NO_TRAP, NO_TRAP},
        {"type-4", 4, 0, 0, 13, 13},
        {"type-high", BIT(32), 0, 0, 13, 13},
        {"type-0-pcid", 0, 1, WINDOW, 13, NO_TRAP},
        {"type-1-pcid", 1, 0xfff, 0, 13, NO_TRAP},
        {"type-2-pcid", 2, 1, 0, NO_TRAP, NO_TRAP},
        {"type-3-pcid", 3, 1, 0, NO_TRAP, NO_TRAP},
        {"type-0-reserved", 0, 0x1000, WINDOW, 13, 13},
        {"type-1-reserved", 1, BIT(63), 0, 13, 13},
        {"type-2-reserved", 2, 0x1000, 0, 13, 13},
        {"type-3-reserved", 3, BIT(63), 0, 13, 13},
        {"type-0-non-canonical", 0, 0, BIT(63), 13, 13},
        {"type-1-non-canonical", 1, 0, BIT(63), NO_TRAP, NO_TRAP},
        {"type-2-non-canonical", 2, 0, BIT(63), NO_TRAP, NO_TRAP},
    };
    static const uint8_t user[] = {0x66, 0x0f, 0x38, 0x82, 0x06, 0xcc}; /* invpcid (%rsi), %rax */
    char name[48];

    for (unsigned pcide = 0; pcide < 2; pcide++) {
        write_cr4(CR4_BASE | (pcide ? CR4_PCIDE : 0));
        for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            format(name, sizeof(name), "invpcid-%s%s", cases[i].name, pcide ? "-pcide" : "");
            check(name, invpcid(cases[i].type, cases[i].pcid, cases[i].address),
                  pcide ? cases[i].vector_pcide : cases[i].vector, "SDM 2A INVPCID");
        }
    }
    memcpy((void *)CODE_FRAME, user, sizeof(user));
    Trap trap = run(&(Regs){.ip = USER_CODE,
                            .cs = SEL_USER,
                            .ss = SEL_USER_DATA,
                            .sp = user_stack_top(),
                            .flags = 2,
                            .ax = 3,
                            .si = USER_CODE});
    check_trap("invpcid-ring-3", &trap, 13, 0, 0, "SDM 2A INVPCID");
    CATCH("invpcid (%0), %1", : "r"(WINDOW + 0x5000), "r"(3ull));
    check_trap("invpcid-operand-missing", &caught, 14, 0, 0, "SDM 2A INVPCID");
    CATCH("invpcid (%0), %1", : "r"(BIT(63)), "r"(3ull));
    check_trap("invpcid-operand-non-canonical", &caught, 13, 0, 0, "SDM 2A INVPCID");
    write_cr4(CR4_BASE);
}

#define NO_FLUSH BIT(63)

/* Two address spaces whose windows show 11h and 22h, then what each INVPCID makes of a change. */
static void check_pcids(void)
{
    static Table other4, other3, other2, other1;
    static const char *const names[] = {"invpcid-address", "invpcid-context", "invpcid-all-global",
                                        "invpcid-all"};

    memcpy(other4, root4, sizeof(Table));
    other4[1] = (word)other3 | PWU;
    other3[0] = (word)other2 | PWU;
    other2[0] = (word)other1 | PWU;
    other1[0] = (RAM_FRAME + 0x1000) | P | W;
    *(uint8_t *)RAM_FRAME = 0x11;
    *(uint8_t *)(RAM_FRAME + 0x1000) = 0x22;
    *(uint8_t *)(RAM_FRAME + 0x2000) = 0x33;
    set_window(1, 0, 0, 0, P | W);
    write_cr4(CR4_BASE | CR4_PCIDE | CR4_PGE);
    write_cr3((word)root4 | 1);
    uint32_t values = seen();
    write_cr3((word)other4 | 2);
    values = values << 8 | seen();
    write_cr3((word)root4 | 1 | NO_FLUSH);
    values = values << 8 | seen();
    write_cr3((word)other4 | 2 | NO_FLUSH);
    values = values << 8 | seen();
    check("pcid-switch", values, 0x11221122, "SDM 3A 4.10.1");
    check("cr3-bit-63-not-kept", read_cr3(), (word)other4 | 2, "SDM 3A 2.5");
    for (unsigned type = 0; type < 4; type++) { /* of the other PCID, then of the present one */
        other1[0] = (RAM_FRAME + 0x1000) | P | W;
        write_cr3((word)other4 | 2);
        values = seen();
        write_cr3((word)root4 | 1 | NO_FLUSH);
        other1[0] = (RAM_FRAME + 0x2000) | P | W;
        invpcid(type, 2, WINDOW);
        write_cr3((word)other4 | 2 | NO_FLUSH);
        values = values << 8 | seen();
        other1[0] = (RAM_FRAME + 0x1000) | P | W;
        invpcid(type, 2, WINDOW);
        values = values << 8 | seen();
        check(names[type], values, 0x223322, "SDM 2A INVPCID");
    }
    other1[0] = (RAM_FRAME + 0x1000) | P | W | G;
    invpcid(2, 0, 0);
    values = seen();
    other1[0] = (RAM_FRAME + 0x2000) | P | W | G;
    invpcid(2, 0, 0);
    check("invpcid-drops-global", values << 8 | seen(), 0x2233, "SDM 2A INVPCID");

    /* MOV CR3 with bit 63 clear flushes the PCID it loads. */
    other1[0] = (RAM_FRAME + 0x1000) | P | W;
    invpcid(2, 0, 0);
    values = seen();
    write_cr3((word)root4 | 1);
    other1[0] = (RAM_FRAME + 0x2000) | P | W;
    write_cr3((word)other4 | 2);
    check("mov-cr3-flushes-pcid", values << 8 | seen(), 0x2233, "SDM 3A 4.10.4.1");
    CATCH("mov %0, %%cr4", : "r"(CR4_BASE) : "memory");
    check("pcide-off", caught.vector, NO_TRAP, "SDM 3A 4.10.1");
    CATCH("mov %0, %%cr4", : "r"(CR4_BASE | CR4_PCIDE) : "memory");
    check("pcide-on-pcid", caught.vector, 13, "SDM 3A 4.10.1");
    write_cr3((word)root4);
    CATCH("mov %0, %%cr4", : "r"(CR4_BASE | CR4_PCIDE) : "memory");
    check("pcide-on", caught.vector, NO_TRAP, "SDM 3A 4.10.1");
    write_cr4(CR4_BASE);
}

/* -- Accessed and dirty bits are set by locked writes ------------------------------------------ */

#define ROUNDS 2000u /* fits into bits 52 to 62 */

static void count_in_entry(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock addq %1, %0" : "+m"(window1[0]) : "r"(BIT(52)));
    }
}

static void check_atomic_marks(void)
{
    unsigned missing = 0;

    if (cpu_count() < 2) {
        check_skip("marks-are-atomic", "one CPU");
        return;
    }
    set_window(1, 0, 0, 0, P | W);
    write_cr3((word)root4);
    cpus_start();
    cpu_run(1, count_in_entry, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock andq %1, %0" : "+m"(window1[0]) : "r"(~(A | D)));
        __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
        *(volatile uint8_t *)WINDOW = (uint8_t)i;
        missing += (*(volatile uint64_t *)window1 & (A | D)) != (A | D);
    }
    cpu_wait(1);
    check("marks-are-atomic", window1[0] >> 52, ROUNDS, "SDM 3A 4.8");
    check("marks-are-never-lost", missing, 0, "SDM 3A 4.8");
}

int main(void);
int main(void)
{
    has_la57 = cpuid(7, 0).ecx >> 16 & 1;
    has_pku = cpuid(7, 0).ecx >> 3 & 1;
    has_pks = cpuid(7, 0).ecx >> 31 & 1;
    has_1g = cpuid(0x80000001, 0).edx >> 26 & 1;
    make_tables();
    paging_set(0);
    check_rows();
    check_physical_width();
    check_entry_is_code();
    check_key_instructions();
    check_ac_instructions();
    check_implicit_smap();
    check_flushes();
    if (cpuid(7, 0).ebx >> 10 & 1) {
        check_invpcid_faults();
        check_pcids();
    } else {
        check_skip("invpcid", "no INVPCID");
    }
    check_atomic_marks();
    return 0;
}
