/* SPDX-License-Identifier: MIT */
/* 32-bit paging with 4 KiB and 4 MiB pages, PAE paging with 4 KiB and 2 MiB pages: rights, reserved
 * bits, error codes, accessed and dirty bits. Intel SDM vol. 3 ch. 4. */

#define CR0_PG 0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u

#define WINDOW 0x40000000u    /* the page under test, and those behind it */
#define USER_CODE 0x50000000u /* what ring 3 runs */
#define FRAME 0x800000u       /* physical memory of the window, full of INT3 */
#define CODE_FRAME 0xc00000u  /* of USER_CODE */
#define FREE_FRAME 0xd00000u  /* for descriptor tables */

#include "paging.h"

/* Two-level tables and PAE tables; both map the first 16 MiB one to one for ring 0. */
static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t identity[4][1024] __attribute__((aligned(4096)));
static uint32_t window_table[1024] __attribute__((aligned(4096)));
static uint32_t code_table[1024] __attribute__((aligned(4096)));
static uint64_t pointers[4] __attribute__((aligned(32)));
static uint64_t pae_directory[2][512] __attribute__((aligned(4096)));
static uint64_t pae_window[512] __attribute__((aligned(4096)));

/* What the machine is in while a case runs. */
enum {
    WP = 1,
    NXE = 2,
    SMEP = 4,
    SMAP = 8,
    AC = 16,
    NO_PSE = 32,
    PGE = 64,
};
typedef enum Mode { LEGACY_4K, LEGACY_4M, PAE_4K, PAE_2M } Mode;

static bool is_pae(Mode mode)
{
    return mode >= PAE_4K;
}

static void make_tables(void)
{
    memset((void *)FRAME, 0xcc, 0x400000);
    for (unsigned i = 0; i < 4096; i++) {
        identity[i / 1024][i % 1024] = i << 12 | P | W;
    }
    for (unsigned i = 0; i < 4; i++) {
        directory[i] = (uint32_t)identity[i] | P | W;
    }
    code_table[0] = CODE_FRAME | P | U;
    directory[USER_CODE >> 22] = (uint32_t)code_table | P | U;
    for (unsigned i = 0; i < 8; i++) {
        pae_directory[0][i] = i << 21 | P | W | PS;
    }
    pae_directory[1][USER_CODE >> 21 & 511] = CODE_FRAME | P | U | PS;
    pointers[0] = (uint32_t)pae_directory[0] | P;
    pointers[1] = (uint32_t)pae_directory[1] | P;
}

static void paging_off(void)
{
    write_cr0(read_cr0() & ~(CR0_PG | CR0_WP));
    write_cr4(0);
}

static void paging_on(Mode mode, unsigned env)
{
    paging_off();
    set_efer_nxe(env & NXE);
    write_cr4((is_pae(mode)   ? CR4_PAE
               : env & NO_PSE ? 0
                              : CR4_PSE) |
              (env & SMEP ? CR4_SMEP : 0) | (env & SMAP ? CR4_SMAP : 0) |
              (env & PGE ? CR4_PGE : 0));
    write_cr3(is_pae(mode) ? (uint32_t)pointers : (uint32_t)directory);
    write_cr0(read_cr0() | CR0_PG | (env & WP ? CR0_WP : 0));
}

/* -- One page, every right --------------------------------------------------------------------- */

typedef struct Row {
    const char *name;
    uint8_t mode, env;
    uint64_t upper, leaf; /* bits besides the address; 2 and 4 MiB pages: leaf alone */
    uint8_t access;
    int16_t error; /* OK, or that of #PF */
    const char *source;
} Row;
#define OK (-1)

static const Row rows[] = {
    {"4k-read", LEGACY_4K, 0, P, P, READ, OK, "SDM 3A 4.8"},
    {"4k-write", LEGACY_4K, 0, P | W, P | W, WRITE, OK, "SDM 3A 4.8"},
    {"4k-change", LEGACY_4K, 0, P | W, P | W, CHANGE, OK, "SDM 3A 4.8"},
    {"4k-fetch", LEGACY_4K, 0, P, P, FETCH, OK, "SDM 3A 4.8"},
    {"4k-no-directory-entry", LEGACY_4K, 0, W | U, P | W | U, READ, 0, "SDM 3A 4.7"},
    {"4k-no-entry", LEGACY_4K, 0, P | W | U, W | U, READ, 0, "SDM 3A 4.7"},
    {"4k-no-entry-write", LEGACY_4K, 0, P | W | U, W | U, WRITE, 2, "SDM 3A 4.7"},
    {"4k-no-entry-change", LEGACY_4K, 0, P | W | U, W | U, CHANGE, 2, "SDM 3A 4.7"},
    {"4k-no-entry-fetch", LEGACY_4K, 0, P | W | U, W | U, FETCH, 0, "SDM 3A 4.7"},
    {"4k-no-entry-user", LEGACY_4K, 0, P | W | U, W | U, READ | USER, 4, "SDM 3A 4.7"},
    {"4k-no-entry-user-write", LEGACY_4K, 0, P | W | U, W | U, WRITE | USER, 6, "SDM 3A 4.7"},
    {"4k-no-entry-user-fetch", LEGACY_4K, 0, P | W | U, W | U, FETCH | USER, 4, "SDM 3A 4.7"},
    {"4k-nxe-means-nothing", LEGACY_4K, NXE, P | W | U, W | U, FETCH, 0, "SDM 3A 4.7"},
    {"4k-smep-tells-fetch", LEGACY_4K, SMEP, P | W | U, W | U, FETCH, 16, "SDM 3A 4.7"},
    {"4k-user-read", LEGACY_4K, 0, P | U, P | U, READ | USER, OK, "SDM 3A 4.6.1"},
    {"4k-user-write", LEGACY_4K, 0, P | W | U, P | W | U, WRITE | USER, OK, "SDM 3A 4.6.1"},
    {"4k-user-fetch", LEGACY_4K, 0, P | U, P | U, FETCH | USER, OK, "SDM 3A 4.6.1"},
    {"4k-user-read-supervisor", LEGACY_4K, 0, P | W | U, P | W, READ | USER, 5, "SDM 3A 4.6.1"},
    {"4k-user-read-upper", LEGACY_4K, 0, P | W, P | W | U, READ | USER, 5, "SDM 3A 4.6.1"},
    {"4k-user-write-read-only", LEGACY_4K, 0, P | W | U, P | U, WRITE | USER, 7, "SDM 3A 4.6.1"},
    {"4k-user-write-upper", LEGACY_4K, 0, P | U, P | W | U, WRITE | USER, 7, "SDM 3A 4.6.1"},
    {"4k-user-change-read-only", LEGACY_4K, 0, P | U, P | U, CHANGE | USER, 7, "SDM 3A 4.6.1"},
    {"4k-user-fetch-supervisor", LEGACY_4K, 0, P | U, P, FETCH | USER, 5, "SDM 3A 4.6.1"},
    {"4k-write-read-only", LEGACY_4K, 0, P, P, WRITE, OK, "SDM 3A 4.6.1"},
    {"4k-write-user-read-only", LEGACY_4K, 0, P | U, P | U, WRITE, OK, "SDM 3A 4.6.1"},
    {"4k-wp-write-read-only", LEGACY_4K, WP, P | W, P, WRITE, 3, "SDM 3A 4.6.1"},
    {"4k-wp-write-upper", LEGACY_4K, WP, P, P | W, WRITE, 3, "SDM 3A 4.6.1"},
    {"4k-wp-write-user", LEGACY_4K, WP, P | U | W, P | U, WRITE, 3, "SDM 3A 4.6.1"},
    {"4k-wp-write", LEGACY_4K, WP, P | W, P | W, WRITE, OK, "SDM 3A 4.6.1"},
    {"4k-smep-fetch", LEGACY_4K, SMEP, P | U, P | U, FETCH, 17, "SDM 3A 4.6.1"},
    {"4k-smep-fetch-upper-supervisor", LEGACY_4K, SMEP, P, P | U, FETCH, OK, "SDM 3A 4.6.1"},
    {"4k-smep-read", LEGACY_4K, SMEP, P | U, P | U, READ, OK, "SDM 3A 4.6.1"},
    {"4k-smep-user-fetch", LEGACY_4K, SMEP, P | U, P | U, FETCH | USER, OK, "SDM 3A 4.6.1"},
    {"4k-smap-read", LEGACY_4K, SMAP, P | U, P | U, READ, 1, "SDM 3A 4.6.1"},
    {"4k-smap-write", LEGACY_4K, SMAP, P | W | U, P | W | U, WRITE, 3, "SDM 3A 4.6.1"},
    {"4k-smap-ac-write", LEGACY_4K, SMAP | AC, P | W | U, P | W | U, WRITE, OK, "SDM 3A 4.6.1"},
    {"4k-smap-fetch", LEGACY_4K, SMAP, P | U, P | U, FETCH, OK, "SDM 3A 4.6.1"},
    {"4k-smap-supervisor", LEGACY_4K, SMAP, P | U, P, READ, OK, "SDM 3A 4.6.1"},
    {"4k-smap-user", LEGACY_4K, SMAP, P | U, P | U, READ | USER, OK, "SDM 3A 4.6.1"},
    {"4k-pat-global-available", LEGACY_4K, PGE, P, P | PS | G | 0xe18, READ, OK, "SDM 3A 4.3"},
    {"4k-ps-without-pse", LEGACY_4K, NO_PSE, P | PS, P, READ, OK, "SDM 3A 4.3"},
    {"4k-accessed-stays", LEGACY_4K, 0, P | A, P | A | D, READ, OK, "SDM 3A 4.8"},

    {"4m-read", LEGACY_4M, 0, 0, P, READ, OK, "SDM 3A 4.8"},
    {"4m-write", LEGACY_4M, 0, 0, P | W, WRITE, OK, "SDM 3A 4.8"},
    {"4m-pat-bit", LEGACY_4M, 0, 0, P | BIT(12) | G, READ, OK, "SDM 3A 4.3"},
    {"4m-reserved-21", LEGACY_4M, 0, 0, P | BIT(21), READ, 9, "SDM 3A 4.3"},
    {"4m-reserved-21-user", LEGACY_4M, 0, 0, P | W | U | BIT(21), WRITE | USER, 15, "SDM 3A 4.3"},
    {"4m-reserved-not-present", LEGACY_4M, 0, 0, BIT(21), READ, 0, "SDM 3A 4.7"},
    {"4m-user-read-supervisor", LEGACY_4M, 0, 0, P, READ | USER, 5, "SDM 3A 4.6.1"},
    {"4m-wp-write-read-only", LEGACY_4M, WP, 0, P, WRITE, 3, "SDM 3A 4.6.1"},
    {"4m-smep-fetch", LEGACY_4M, SMEP, 0, P | U, FETCH, 17, "SDM 3A 4.6.1"},

    {"pae-read", PAE_4K, 0, P, P, READ, OK, "SDM 3A 4.8"},
    {"pae-write", PAE_4K, 0, P | W, P | W, WRITE, OK, "SDM 3A 4.8"},
    {"pae-fetch", PAE_4K, 0, P, P, FETCH, OK, "SDM 3A 4.8"},
    {"pae-no-entry", PAE_4K, 0, P | W, W, READ, 0, "SDM 3A 4.7"},
    {"pae-no-entry-fetch", PAE_4K, 0, P | W, W, FETCH, 0, "SDM 3A 4.7"},
    {"pae-no-entry-fetch-nxe", PAE_4K, NXE, P | W, W, FETCH, 16, "SDM 3A 4.7"},
    {"pae-no-directory-entry", PAE_4K, NXE, W, P | W, WRITE, 2, "SDM 3A 4.7"},
    {"pae-nx-fetch", PAE_4K, NXE, P, P | NX, FETCH, 17, "SDM 3A 4.6.1"},
    {"pae-nx-upper-fetch", PAE_4K, NXE, P | NX, P, FETCH, 17, "SDM 3A 4.6.1"},
    {"pae-nx-user-fetch", PAE_4K, NXE, P | U, P | U | NX, FETCH | USER, 21, "SDM 3A 4.6.1"},
    {"pae-nx-read", PAE_4K, NXE, P, P | NX, READ, OK, "SDM 3A 4.6.1"},
    {"pae-nx-without-nxe", PAE_4K, 0, P, P | NX, READ, 9, "SDM 3A 4.4.2"},
    {"pae-nx-without-nxe-fetch", PAE_4K, 0, P | NX, P, FETCH, 9, "SDM 3A 4.4.2"},
    {"pae-reserved-62", PAE_4K, NXE, P, P | BIT(62), READ, 9, "SDM 3A 4.4.2"},
    {"pae-reserved-52", PAE_4K, NXE, P, P | BIT(52), READ, 9, "SDM 3A 4.4.2"},
    {"pae-reserved-52-upper", PAE_4K, NXE, P | BIT(52), P, FETCH, 25, "SDM 3A 4.4.2"},
    {"pae-reserved-51", PAE_4K, NXE, P, P | BIT(51), READ, 9, "SDM 3A 4.4.2"},
    {"pae-reserved-before-rights", PAE_4K, WP, P, P | BIT(52), WRITE, 11, "SDM 3A 4.7"},
    {"pae-upper-reserved-leaf-missing", PAE_4K, 0, P | BIT(52), 0, READ, 9, "SDM 3A 4.7"},
    {"pae-user-write-read-only", PAE_4K, 0, P | W | U, P | U, WRITE | USER, 7, "SDM 3A 4.6.1"},
    {"pae-wp-write-read-only", PAE_4K, WP, P | W, P, WRITE, 3, "SDM 3A 4.6.1"},
    {"pae-smep-fetch", PAE_4K, SMEP, P | U, P | U, FETCH, 17, "SDM 3A 4.6.1"},
    {"pae-smap-read", PAE_4K, SMAP, P | U, P | U, READ, 1, "SDM 3A 4.6.1"},
    {"2m-read", PAE_2M, 0, 0, P, READ, OK, "SDM 3A 4.8"},
    {"2m-write", PAE_2M, 0, 0, P | W, WRITE, OK, "SDM 3A 4.8"},
    {"2m-pat-bit", PAE_2M, 0, 0, P | BIT(12) | G, READ, OK, "SDM 3A 4.4.2"},
    {"2m-reserved-13", PAE_2M, 0, 0, P | BIT(13), READ, 9, "SDM 3A 4.4.2"},
    {"2m-reserved-20", PAE_2M, 0, 0, P | W | BIT(20), WRITE, 11, "SDM 3A 4.4.2"},
    {"2m-nx-fetch", PAE_2M, NXE, 0, P | NX, FETCH, 17, "SDM 3A 4.6.1"},
    {"2m-nx-without-nxe", PAE_2M, 0, 0, P | NX, WRITE, 11, "SDM 3A 4.4.2"},
};

static void set_window(Mode mode, uint64_t upper, uint64_t leaf)
{
    switch (mode) {
    case LEGACY_4K:
        directory[WINDOW >> 22] = (uint32_t)(upper | (uint32_t)window_table);
        window_table[0] = (uint32_t)leaf | FRAME;
        break;
    case LEGACY_4M:
        directory[WINDOW >> 22] = (uint32_t)leaf | FRAME | PS;
        break;
    case PAE_4K:
        pae_directory[1][0] = upper | (uint32_t)pae_window;
        pae_window[0] = leaf | FRAME;
        break;
    default:
        pae_directory[1][0] = leaf | FRAME | PS;
        break;
    }
}

/* The entries of the window as they are: accessed and dirty bits, leaf << 8 | upper. */
static uint32_t window_bits(Mode mode)
{
    uint32_t leaf, upper = 0;
    switch (mode) {
    case LEGACY_4K:
        leaf = window_table[0], upper = directory[WINDOW >> 22];
        break;
    case LEGACY_4M:
        leaf = directory[WINDOW >> 22];
        break;
    case PAE_4K:
        leaf = (uint32_t)pae_window[0], upper = (uint32_t)pae_directory[1][0];
        break;
    default:
        leaf = (uint32_t)pae_directory[1][0];
        break;
    }
    return (leaf & (A | D)) << 8 | (upper & (A | D));
}

/* After a fault the leaf is as it was; whether upper entries are marked is the CPU's choice. */
static void check_row(const Row *row)
{
    bool has_upper = row->mode == LEGACY_4K || row->mode == PAE_4K;
    bool writes = (row->access & 3) == WRITE || (row->access & 3) == CHANGE;
    uint32_t want_bits = (row->leaf & (A | D)) << 8, mask = 0xffff;
    char name[64];

    *(uint8_t *)FRAME = 0xcc;
    set_window(row->mode, row->upper, row->leaf);
    paging_on(row->mode, row->env);
    Trap trap = touch(row->access, WINDOW, row->env & AC);
    uint32_t bits = window_bits(row->mode);
    paging_off();
    check(row->name, outcome(&trap, WINDOW),
          row->error == OK ? DONE : page_fault((unsigned)row->error), row->source);
    if (row->error == OK) {
        want_bits |= A << 8 | (writes ? D << 8 : 0) | (has_upper ? A : 0) | (row->upper & (A | D));
    } else {
        mask = 0xff00;
    }
    format(name, sizeof(name), "%s-a-d", row->name);
    check(name, bits & mask, want_bits & mask, "SDM 3A 4.8");
}

static void check_rows(void)
{
    Cpuid features = cpuid(7, 0);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if ((rows[i].env & SMEP && !(features.ebx & BIT(7))) ||
            (rows[i].env & SMAP && !(features.ebx & BIT(20)))) {
            check_skip(rows[i].name, "no SMEP or SMAP");
            continue;
        }
        check_row(&rows[i]);
    }
}

/* -- Addresses --------------------------------------------------------------------------------- */

static void check_physical_width(void)
{
    unsigned width = cpuid(0x80000008, 0).eax & 0xff;
    char name[40];

    for (unsigned bit = 13; bit < 22; bit++) { /* PSE-36: these are address bits 32 to 39 */
        bool reserved = bit == 21 || bit + 19 >= (width < 40 ? width : 40);
        set_window(LEGACY_4M, 0, P | BIT(bit));
        paging_on(LEGACY_4M, 0);
        Trap trap = touch(READ, WINDOW, false);
        paging_off();
        format(name, sizeof(name), "pse36-bit-%u", bit);
        check(name, outcome(&trap, WINDOW), reserved ? page_fault(9) : DONE, "SDM 3A table 4-4");
    }
    set_window(LEGACY_4M, 0, P | BIT(13));
    paging_on(LEGACY_4M, 0);
    bool is_ram = *(volatile uint32_t *)(WINDOW + 0x1000) == 0xcccccccc;
    paging_off();
    check("pse36-is-above-4g", is_ram, width == 32, "SDM 3A 4.3");
    for (unsigned bit = width - 1; bit < 52 && bit <= width; bit++) {
        set_window(PAE_4K, P | BIT(bit), P);
        paging_on(PAE_4K, 0);
        Trap trap = touch(READ, WINDOW, false);
        paging_off();
        if (bit >= width) { /* below, the table is where no memory is */
            check("pae-upper-physical-width", outcome(&trap, WINDOW), page_fault(9),
                  "SDM 3A table 4-9");
        }
        set_window(PAE_4K, P, P | BIT(bit));
        paging_on(PAE_4K, 0);
        trap = touch(READ, WINDOW, false);
        paging_off();
        format(name, sizeof(name), "pae-width-%s", bit < width ? "last" : "first-reserved");
        check(name, outcome(&trap, WINDOW), bit < width ? DONE : page_fault(9), "SDM 3A 4.4.2");
    }
}

/* -- PDPTEs ------------------------------------------------------------------------------------ */

static void check_pointers(void)
{
    static const struct {
        const char *name;
        uint64_t bits;
        unsigned vector;
    } entries[] = {
        {"pdpte-present", P, NO_TRAP},        {"pdpte-absent", 0x1e6, NO_TRAP},
        {"pdpte-pwt-pcd", P | 0x18, NO_TRAP}, {"pdpte-available", P | 0xe00, NO_TRAP},
        {"pdpte-bit-1", P | 2, 13},           {"pdpte-bit-2", P | 4, 13},
        {"pdpte-bit-5", P | 0x20, 13},        {"pdpte-bit-7", P | 0x80, 13},
        {"pdpte-bit-8", P | 0x100, 13},       {"pdpte-bit-63", P | NX, 13},
        {"pdpte-bit-52", P | BIT(52), 13},
    };
    char name[40];

    for (unsigned i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
        paging_on(PAE_4K, NXE);
        pointers[2] = entries[i].bits;
        CATCH("mov %0, %%cr3", : "r"(pointers));
        check(entries[i].name, caught.vector, entries[i].vector, "SDM 3A 4.4.1");
        paging_off();
        write_cr4(CR4_PAE);
        CATCH("mov %0, %%cr0", : "r"(read_cr0() | CR0_PG));
        format(name, sizeof(name), "%s-cr0", entries[i].name);
        check(name, caught.vector, entries[i].vector, "SDM 3A 4.4.1");
        paging_off();
        pointers[2] = 0;
    }

    /* The registers hold until the next load: absent in memory is still present. */
    set_window(PAE_4K, P, P);
    paging_on(PAE_4K, 0);
    pointers[1] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
    Trap trap = touch(READ, WINDOW, false);
    check("pdpte-change-not-seen", outcome(&trap, WINDOW), DONE, "SDM 3A 4.4.1");
    write_cr3(read_cr3());
    trap = touch(READ, WINDOW, false);
    check("pdpte-change-by-cr3", outcome(&trap, WINDOW), page_fault(0), "SDM 3A 4.4.1");
    pointers[1] = (uint32_t)pae_directory[1] | P;
    write_cr4(read_cr4() ^ CR4_PGE);
    trap = touch(READ, WINDOW, false);
    check("pdpte-change-by-cr4-pge", outcome(&trap, WINDOW), DONE, "SDM 3A 4.4.1");
    pointers[1] = (uint32_t)pae_directory[1] | P | 2;
    CATCH("mov %0, %%cr4", : "r"(read_cr4() ^ CR4_PGE));
    check("pdpte-reserved-cr4-pge", caught.vector, 13, "SDM 3A 4.4.1");
    pointers[1] = (uint32_t)pae_directory[1] | P;
    paging_off();

    /* CR3 takes a table that is not page aligned. */
    static uint64_t shifted[8] __attribute__((aligned(64)));
    memcpy(shifted + 4, pointers, sizeof(pointers));
    paging_on(PAE_4K, 0);
    write_cr3((uint32_t)(shifted + 4) | 0x1f);
    trap = touch(READ, WINDOW, false);
    check("pae-cr3-32-byte-aligned", outcome(&trap, WINDOW), DONE, "SDM 3A table 4-7");
    paging_off();
}

/* -- What is cached ---------------------------------------------------------------------------- */

static volatile uint8_t *const window = (volatile uint8_t *)WINDOW;

/* Maps the window to FRAME, reads, maps it to FRAME + 4096, flushes by `flush`, reads. */
static void check_flush(const char *name, uint32_t bits, void (*flush)(void), const char *source)
{
    *(uint8_t *)FRAME = 0x11;
    *(uint8_t *)(FRAME + 4096) = 0x22;
    set_window(LEGACY_4K, P | W, P | bits);
    paging_on(LEGACY_4K, PGE);
    uint32_t seen = window[0];
    window_table[0] += 4096;
    flush();
    seen = seen << 8 | window[0];
    paging_off();
    check(name, seen, 0x1122, source);
    memset((void *)FRAME, 0xcc, 0x2000);
}

static void by_invlpg(void)
{
    __asm__ volatile("invlpg 0x123(%0)" : : "r"(WINDOW) : "memory");
}
static void by_cr3(void)
{
    write_cr3(read_cr3());
}
static void by_pge(void)
{
    write_cr4(read_cr4() & ~CR4_PGE);
    write_cr4(read_cr4() | CR4_PGE);
}
static void by_pg(void)
{
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr0(read_cr0() | CR0_PG);
}

static void check_caching(void)
{
    check_flush("invlpg", 0, by_invlpg, "SDM 3A 4.10.4.1");
    check_flush("invlpg-global", G, by_invlpg, "SDM 3A 4.10.4.1");
    check_flush("mov-cr3", 0, by_cr3, "SDM 3A 4.10.4.1");
    check_flush("pge-toggle-global", G, by_pge, "SDM 3A 4.10.4.1");
    check_flush("pg-toggle-global", G, by_pg, "SDM 3A 4.10.4.1");

    /* INVLPG of any address in a large page drops all of it. */
    set_window(LEGACY_4M, 0, P | W);
    paging_on(LEGACY_4M, 0);
    (void)window[0x3ff000], (void)window[0x1000];
    __asm__ volatile("" : : : "memory");
    directory[WINDOW >> 22] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW + 0x200000) : "memory");
    Trap first = touch(READ, WINDOW + 0x1000, false), last = touch(READ, WINDOW + 0x3ff000, false);
    paging_off();
    check("invlpg-4m-first", outcome(&first, WINDOW + 0x1000), page_fault(0), "SDM 3A 4.10.4.1");
    check("invlpg-4m-last", outcome(&last, WINDOW + 0x3ff000), page_fault(0), "SDM 3A 4.10.4.1");

    /* More rights need no flush: what would fault is walked again. */
    set_window(LEGACY_4K, P | W | U, P);
    paging_on(LEGACY_4K, WP);
    Trap trap = touch(READ, WINDOW, false);
    window_table[0] |= W;
    trap = touch(WRITE, WINDOW, false);
    check("write-right-added", outcome(&trap, WINDOW), DONE, "SDM 3A 4.10.4.3");
    window_table[0] |= U;
    trap = touch(WRITE | USER, WINDOW, false);
    check("user-right-added", outcome(&trap, WINDOW), DONE, "SDM 3A 4.10.4.3");
    paging_off();

    /* Dirty is set by the first write, whatever was cached by the read before. */
    set_window(LEGACY_4K, P | W, P | W);
    paging_on(LEGACY_4K, 0);
    (void)window[8];
    uint32_t bits = window_bits(LEGACY_4K);
    window[8] = 0xcc;
    bits |= window_bits(LEGACY_4K) << 16;
    window_table[0] &= ~(A | D);
    by_invlpg();
    (void)window[8];
    paging_off();
    check("dirty-by-first-write", bits, ((A | D) << 8 | A) << 16 | A << 8 | A, "SDM 3A 4.8");
    check("accessed-again-after-invlpg", window_bits(LEGACY_4K), A << 8 | A, "SDM 3A 4.8");
}

/* -- Accesses that cross pages ----------------------------------------------------------------- */

static void check_crossing(void)
{
    static const struct {
        const char *name;
        uint8_t code[8];
        uint32_t ax; /* operand */
        uint32_t error, cr2;
        uint8_t first, second; /* bits of the two pages */
    } cases[] = {
        {"cross-read-second", {0x8b, 0x08, 0xcc}, 0xffe, 4, 0x1000, P | W | U, 0},
        {"cross-read-first", {0x8b, 0x08, 0xcc}, 0xffe, 4, 0xffe, 0, 0},
        {"cross-write-second", {0x89, 0x08, 0xcc}, 0xffd, 6, 0x1000, P | W | U, 0},
        {"cross-write-read-only", {0x89, 0x08, 0xcc}, 0xffd, 7, 0x1000, P | W | U, P | U},
        {"cross-add-second", {0x01, 0x08, 0xcc}, 0xffd, 6, 0x1000, P | W | U, 0},
        {"cross-lock-second", {0xf0, 0x01, 0x08, 0xcc}, 0xffd, 6, 0x1000, P | W | U, 0},
        {"cross-push-second", {0xff, 0x30, 0xcc}, 0xffd, 4, 0x1000, P | W | U, 0},
        {"cross-supervisor", {0x8b, 0x08, 0xcc}, 0xffe, 5, 0x1000, P | W | U, P | W},
        {"cross-x87-store", {0xdd, 0x10, 0xcc}, 0xff9, 6, 0x1000, P | W | U, 0},
        {"cross-fetch-first", {0xff, 0xe0}, 0xffe, 4, 0xffe, 0, P | U},
        {"cross-fetch-second", {0xff, 0xe0}, 0xffe, 4, 0x1000, P | U, 0},
        {"cross-fetch-supervisor", {0xff, 0xe0}, 0xffe, 5, 0x1000, P | U, P},
    };
    static const uint8_t mov_eax[] = {0xb8, 1, 2, 3, 4, 0xcc};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        set_window(LEGACY_4K, P | W | U, cases[i].first);
        window_table[1] = FRAME + 4096 + cases[i].second;
        memset((void *)(FRAME + 0xff0), 0xcc, 0x20);
        if (cases[i].code[0] == 0xff && cases[i].code[1] == 0xe0) {
            memcpy((void *)(FRAME + cases[i].ax), mov_eax, sizeof(mov_eax));
        }
        memcpy((void *)CODE_FRAME, cases[i].code, 8);
        paging_on(LEGACY_4K, 0);
        __asm__ volatile("fninit");
        write_cr2(UNTOUCHED_CR2);
        Trap trap = run(&(Regs){.ip = USER_CODE,
                                .cs = SEL_USER,
                                .ss = SEL_USER_DATA,
                                .sp = user_stack_top(),
                                .flags = 2,
                                .ax = WINDOW + cases[i].ax,
                                .cx = 0x55555555});
        paging_off();
        check(cases[i].name, outcome(&trap, WINDOW + cases[i].cr2), page_fault(cases[i].error),
              "SDM 3A 4.7");
        if (cases[i].code[0] != 0xff) {
            char name[40];
            format(name, sizeof(name), "%s-nothing-written", cases[i].name);
            check(name, *(uint32_t *)(FRAME + 0xffc), 0xcccccccc, "SDM 3A 6.6");
        }
    }
    memset((void *)(FRAME + 0xff0), 0xcc, 0x20);
}

/* -- Accesses that the CPU makes for itself ---------------------------------------------------- */

static void load_gdt(uint32_t base)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof(gdt) - 1, base};
    __asm__ volatile("lgdt %0" : : "m"(pointer));
}

static Trap run_code(const void *code, unsigned size, uint32_t ax)
{
    memcpy((void *)CODE_FRAME, code, size);
    write_cr2(UNTOUCHED_CR2);
    return run(&(Regs){.ip = USER_CODE,
                       .cs = SEL_USER,
                       .ss = SEL_USER_DATA,
                       .sp = user_stack_top(),
                       .flags = 2,
                       .ax = ax});
}

/* The GDT in the window: ring 3 loads a segment from it. 100h is in the page, as is all else. */
static void check_implicit_gdt(void)
{
    static const uint8_t load_es[] = {0x8e, 0xc0, 0xcc};
    static const struct {
        const char *name;
        uint32_t first, second; /* bits of the pages of 0-FFh and of 100h */
        unsigned env;
        uint32_t want;
    } cases[] = {
        {"gdt-supervisor-page", P | W, P | W, 0, DONE},
        {"gdt-missing", P | W, W, 0, 14u << 16},
        {"gdt-read-only", P | W, P, WP, 14u << 16 | 3},
        {"gdt-read-only-no-wp", P | W, P, 0, DONE},
        {"gdt-user-page-smap", P | W, P | W | U, SMAP, 14u << 16 | 1},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].env & SMAP && !(cpuid(7, 0).ebx & BIT(20))) {
            check_skip(cases[i].name, "no SMAP");
            continue;
        }
        memcpy((void *)(FREE_FRAME + 0xf00), gdt, sizeof(gdt));
        *(uint64_t *)(FREE_FRAME + 0x1000 + 0x80) = descriptor(0, 0xfffff, 0xf2, 0xc);
        directory[WINDOW >> 22] = (uint32_t)window_table | P | W | U;
        window_table[0] = FREE_FRAME | cases[i].first;
        window_table[1] = (FREE_FRAME + 0x1000) | cases[i].second;
        paging_on(LEGACY_4K, cases[i].env);
        load_gdt(WINDOW + 0xf00);
        Trap trap = run_code(load_es, sizeof(load_es), 0x180 | 3);
        load_gdt((uint32_t)gdt);
        paging_off();
        /* The accessed bit is a byte, or the doubleword around it. */
        if (trap.vector == 14 && trap.error == 3) {
            trap.cr2 &= ~7u;
        }
        check(cases[i].name, outcome(&trap, WINDOW + 0x1080), cases[i].want, "SDM 3A 4.6");
    }
}

/* The IDT begins 14 entries before the end of a page, so that #PF has its own in the next one. */
static void check_implicit_idt(void)
{
    static const uint8_t code[] = {0xcc, 0xcc};
    uint32_t offset = 0x1000 - 14 * 8;
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {0x7ff, WINDOW + offset}, old;

    memcpy((void *)(FREE_FRAME + offset), idt, 0x800);
    directory[WINDOW >> 22] = (uint32_t)window_table | P | W | U;
    window_table[0] = FREE_FRAME | W | U;
    window_table[1] = (FREE_FRAME + 0x1000) | P;
    paging_on(LEGACY_4K, WP);
    __asm__ volatile("sidt %0; lidt %1" : "=m"(old) : "m"(pointer));
    Trap trap = run_code(code, sizeof(code), 0);
    check("idt-missing", outcome(&trap, WINDOW + offset + 3 * 8), page_fault(0), "SDM 3A 4.7");
    check("idt-missing-ip", trap.regs.ip, USER_CODE, "SDM 3A 6.5");
    window_table[0] |= P;
    window_table[0] &= ~U;
    trap = run_code(code, sizeof(code), 0);
    check("idt-supervisor-page", outcome(&trap, 0), DONE, "SDM 3A 4.6");
    __asm__ volatile("lidt %0" : : "m"(old));
    paging_off();
}

/* A TSS at the end of a page, its I/O map in the next. */
static void check_implicit_tss(void)
{
    static const uint8_t in[] = {0xe4, 0x10, 0xcc};
    uint32_t offset = 0x1000 - sizeof(Tss);
    Tss *own = (Tss *)(FREE_FRAME + offset);

    memset((void *)FREE_FRAME, 0, 0x3000);
    *own = tss[0];
    own->io_map = sizeof(Tss);
    directory[WINDOW >> 22] = (uint32_t)window_table | P | W | U;
    window_table[0] = FREE_FRAME | P | W;
    window_table[1] = (FREE_FRAME + 0x1000) | W;
    paging_on(LEGACY_4K, WP);
    gdt[SEL_FREE / 8] = descriptor(WINDOW + offset, 0x1000, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(SEL_FREE));
    Trap trap = run_code(in, sizeof(in), 0);
    check("io-map-missing", outcome(&trap, WINDOW + 0x1002), page_fault(0), "SDM 3A 4.6");
    window_table[1] |= P;
    trap = run_code(in, sizeof(in), 0);
    check("io-map-supervisor-page", outcome(&trap, 0), DONE, "SDM 3A 4.6");
    gdt[SEL_TSS / 8] &= ~(2ull << 40);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
    paging_off();
}

/* Paging wraps at 4 GiB: an operand from FFFFFFFEh on goes on at 0. */
static void check_wrap(void)
{
    directory[1023] = (uint32_t)window_table | P | W;
    window_table[1023] = FRAME | P | W;
    memset((void *)FRAME, 0xcc, 4096);
    *(uint16_t *)(FRAME + 0xffe) = 0x1234;
    paging_on(LEGACY_4K, 0);
    uint32_t low, value = 0;
    __asm__ volatile("movzwl (%1), %0" : "=r"(low) : "r"(0));
    CATCH("movl (%1), %0", "=a"(value) : "r"(0xfffffffe));
    uint32_t accessed = window_table[1023] & A;
    check("wrap-at-4g-accessed", accessed, caught.vector == NO_TRAP ? A : 0, "SDM 3A 4.8");
    (void)*(volatile uint8_t *)0xffffffff;
    check("last-byte-accessed", window_table[1023] & A, A, "SDM 3A 4.8");
    paging_off();
    directory[1023] = 0;
    if (caught.vector == NO_TRAP) {
        check("wrap-at-4g", value, low << 16 | 0x1234, "SDM 3A 3.3.1");
    } else { /* the manual leaves a limit that is exceeded to the CPU */
        check("wrap-at-4g", caught.vector, 13, "SDM 3A 5.3");
    }
}

int main(void);
int main(void)
{
    make_tables();
    check_rows();
    check_physical_width();
    check_pointers();
    check_caching();
    check_crossing();
    check_implicit_gdt();
    check_implicit_idt();
    check_implicit_tss();
    check_wrap();
    return 0;
}
