/* SPDX-License-Identifier: MIT */
/* Text of `info mem` (ranges of equal rights) and `info tlb` (each page), in QEMU's layout. */
#include "target/i386/helpers/access.h"

#define PTE_P 0x1u
#define PTE_W 0x2u
#define PTE_U 0x4u
#define PTE_PS 0x80u
#define PTE_ADDRESS 0x000ffffffffff000ull
#define RIGHTS (PTE_P | PTE_W | PTE_U)

/* A guest's tables may contain themselves: the listing is cut rather than endless. */
#define MAX_ENTRIES 4000000u

typedef struct Listing {
    X86Cpu *cpu;
    GString *text;
    bool each_page;
    unsigned entries_left;
    unsigned linear_bits;
    /* info mem: the range under way; rights 0: none */
    uint64_t range_start;
    uint64_t range_rights;
} Listing;

static uint64_t canonical(const Listing *listing, uint64_t linear)
{
    unsigned shift = 64 - listing->linear_bits;

    if (listing->linear_bits == 32) {
        return linear;
    }
    return (uint64_t)((int64_t)(linear << shift) >> shift);
}

/* Ends the range under way at `linear` when the rights change there. */
static void set_rights(Listing *listing, uint64_t linear, uint64_t rights)
{
    uint64_t old = listing->range_rights, start = listing->range_start;

    if (rights == old) {
        return;
    }
    if (old) {
        g_string_append_printf(listing->text,
                               "%016" G_GINT64_MODIFIER "x-%016" G_GINT64_MODIFIER
                               "x %016" G_GINT64_MODIFIER "x %cr%c\n",
                               canonical(listing, start), canonical(listing, linear),
                               linear - start, old & PTE_U ? 'u' : '-', old & PTE_W ? 'w' : '-');
    }
    listing->range_start = linear;
    listing->range_rights = rights;
}

static void append_page(Listing *listing, uint64_t linear, uint64_t entry, unsigned shift)
{
    static const struct {
        uint8_t bit;
        char letter;
    } flags[] = {{63, 'X'}, {8, 'G'}, {7, 'P'}, {6, 'D'}, {5, 'A'},
                 {4, 'C'},  {3, 'T'}, {2, 'U'}, {1, 'W'}};
    uint64_t page = entry & PTE_ADDRESS & ~((1ull << shift) - 1);

    g_string_append_printf(listing->text, "%016" G_GINT64_MODIFIER "x: %016" G_GINT64_MODIFIER "x ",
                           canonical(listing, linear), page);
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        g_string_append_c(listing->text, entry >> flags[i].bit & 1 ? flags[i].letter : '-');
    }
    g_string_append_c(listing->text, '\n');
}

static uint64_t read_entry(const Listing *listing, uint64_t table, unsigned index, unsigned size)
{
    uint64_t value = 0;
    uint32_t value32 = 0;

    if (size == 8) {
        return physical_read_u64(listing->cpu, table + index * 8, &value) ? value : 0;
    }
    return physical_read_u32(listing->cpu, table + index * 4, &value32) ? value32 : 0;
}

/* Lists a table whose entries map 1 << shift bytes each. */
static void list_table(Listing *listing, uint64_t table, uint64_t linear, unsigned shift,
                       uint64_t rights, unsigned entry_size)
{
    unsigned bits = entry_size == 8 ? 9 : 10;
    unsigned large_limit = entry_size == 8 ? 30 : 22;
    bool large_allowed = entry_size == 8 || (listing->cpu->cr4 & CR4_PSE);

    for (unsigned i = 0; i < 1u << bits; i++, linear += 1ull << shift) {
        uint64_t entry = read_entry(listing, table, i, entry_size);
        uint64_t both = entry & rights;
        bool is_leaf = shift == 12 || ((entry & PTE_PS) && large_allowed && shift <= large_limit);

        if (listing->entries_left == 0) {
            return;
        }
        listing->entries_left--;
        if (!(both & PTE_P)) {
            set_rights(listing, linear, 0);
        } else if (!is_leaf) {
            list_table(listing, entry & PTE_ADDRESS, linear, shift - bits, both, entry_size);
        } else if (listing->each_page) {
            append_page(listing, linear, entry, shift);
        } else {
            set_rights(listing, linear, both);
        }
    }
}

static void list_all(Listing *listing)
{
    X86Cpu *cpu = listing->cpu;

    if (!(cpu->cr4 & CR4_PAE)) {
        list_table(listing, cpu->cr3 & 0xfffff000, 0, 22, RIGHTS, 4);
        return;
    }
    if (cpu->efer & EFER_LMA) {
        list_table(listing, cpu->cr3 & PTE_ADDRESS, 0, cpu->cr4 & CR4_LA57 ? 48 : 39, RIGHTS, 8);
        return;
    }
    for (uint64_t i = 0; i < 4; i++) {
        if (cpu->pdpte[i] & PTE_P) {
            list_table(listing, cpu->pdpte[i] & PTE_ADDRESS, i << 30, 21, RIGHTS, 8);
        } else {
            set_rights(listing, i << 30, 0);
        }
    }
}

char *cpu_mappings_text(X86Cpu *cpu, bool each_page)
{
    Listing listing = {.cpu = cpu,
                       .text = g_string_new(NULL),
                       .each_page = each_page,
                       .entries_left = MAX_ENTRIES,
                       .linear_bits = 32};

    if (!(cpu->cr0 & CR0_PG)) {
        return g_string_free(g_string_append(listing.text, "PG disabled\n"), FALSE);
    }
    if (cpu->efer & EFER_LMA) {
        listing.linear_bits = cpu->cr4 & CR4_LA57 ? 57 : 48;
    }
    list_all(&listing);
    set_rights(&listing, 1ull << listing.linear_bits, 0);
    if (listing.entries_left == 0) {
        g_string_append(listing.text, "(cut here: too many entries)\n");
    }
    return g_string_free(listing.text, FALSE);
}
