/* SPDX-License-Identifier: MIT */
/* Page tables as the monitor sees them: no side effects, no rights; `info mem` (ranges of equal
 * rights) and `info tlb` (each page) in QEMU's layout. Under the machine lock. */
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"

#define PTE_P 0x1u
#define PTE_W 0x2u
#define PTE_U 0x4u
#define PTE_PS 0x80u
#define PTE_ADDRESS 0x000ffffffffff000ull
#define RIGHTS (PTE_P | PTE_W | PTE_U)

/* A guest's tables may contain themselves: the listing is cut rather than endless. */
#define MAX_ENTRIES (1u << 21)

typedef struct Listing {
    X86Cpu *cpu;
    GString *text;
    bool each_page;
    unsigned entries_left;
    unsigned linear_bits;
    /* info mem: the range under way; rights 0: none */
    uint64_t range_start;
    uint64_t range_rights;
    CpuMappingVisit *visit; /* NULL: text is made */
    void *opaque;
} Listing;

/* Sign-extended; the end of the last range, one past all addresses, stays as it is. */
static uint64_t canonical(const Listing *listing, uint64_t linear)
{
    uint64_t sign = 1ull << (listing->linear_bits - 1);

    return listing->linear_bits > 32 && (linear & sign) ? linear | -sign : linear;
}

/* Ends the range under way at `linear` when the rights change there. */
static void set_rights(Listing *listing, uint64_t linear, uint64_t rights)
{
    uint64_t old = listing->range_rights, start = listing->range_start;

    if (rights == old || listing->visit) {
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

/* Address of the page that a leaf names; PSE-36 keeps bits 32-39 in 13-20. */
static uint64_t page_of(uint64_t entry, unsigned shift)
{
    uint64_t high = shift == 22 ? (entry >> 13 & 0xff) << 32 : 0;

    return (entry & PTE_ADDRESS & ~((1ull << shift) - 1)) | high;
}

static void append_page(Listing *listing, uint64_t linear, uint64_t entry, unsigned shift)
{
    static const struct {
        uint8_t bit;
        char letter;
    } flags[] = {{63, 'X'}, {8, 'G'}, {7, 'P'}, {6, 'D'}, {5, 'A'},
                 {4, 'C'},  {3, 'T'}, {2, 'U'}, {1, 'W'}};
    uint64_t page = page_of(entry, shift);

    g_string_append_printf(listing->text, "%016" G_GINT64_MODIFIER "x: %016" G_GINT64_MODIFIER "x ",
                           canonical(listing, linear), page);
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        g_string_append_c(listing->text, entry >> flags[i].bit & 1 ? flags[i].letter : '-');
    }
    g_string_append_c(listing->text, '\n');
}

/* A table entry; memory that is not there reads as not present. */
static uint64_t read_entry(uint64_t table, unsigned index, unsigned size)
{
    uint8_t bytes[8] = {0};
    uint64_t value = 0;

    if (address_space_read(&address_space_memory, table + index * size, bytes, size) != MEM_OK) {
        return 0;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)bytes[i] << (i * 8);
    }
    return value;
}

static bool is_leaf(const X86Cpu *cpu, uint64_t entry, unsigned shift, unsigned entry_size)
{
    bool large_allowed = entry_size == 8 ? shift <= 30 : (cpu->cr4 & CR4_PSE) != 0;

    return shift == 12 || ((entry & PTE_PS) && large_allowed);
}

/* Lists a table whose entries map 1 << shift bytes each. */
static void list_table(Listing *listing, uint64_t table, uint64_t linear, unsigned shift,
                       uint64_t rights, unsigned entry_size)
{
    unsigned bits = entry_size == 8 ? 9 : 10;

    for (unsigned i = 0; i < 1u << bits; i++, linear += 1ull << shift) {
        uint64_t entry = read_entry(table, i, entry_size);
        uint64_t both = entry & rights;

        if (listing->entries_left == 0) {
            return;
        }
        listing->entries_left--;
        if (!(both & PTE_P)) {
            set_rights(listing, linear, 0);
        } else if (!is_leaf(listing->cpu, entry, shift, entry_size)) {
            list_table(listing, entry & PTE_ADDRESS, linear, shift - bits, both, entry_size);
        } else if (listing->visit) {
            listing->visit(canonical(listing, linear), page_of(entry, shift), 1ull << shift,
                           listing->opaque);
        } else if (listing->each_page) {
            append_page(listing, linear, entry, shift);
        } else {
            set_rights(listing, linear, both);
        }
    }
}

/* Where a walk begins: the table, and what its entries map. */
typedef struct Root {
    uint64_t table;
    unsigned shift, entry_size;
} Root;

static Root root_of(const X86Cpu *cpu, uint64_t linear)
{
    if (!(cpu->cr4 & CR4_PAE)) {
        return (Root){.table = cpu->cr3 & 0xfffff000, .shift = 22, .entry_size = 4};
    }
    if (cpu->efer & EFER_LMA) {
        return (Root){.table = cpu->cr3 & PTE_ADDRESS,
                      .shift = cpu->cr4 & CR4_LA57 ? 48 : 39,
                      .entry_size = 8};
    }
    /* PAE pointers were loaded with CR3; one that is not present leads to an empty walk. */
    uint64_t pdpte = cpu->pdpte[linear >> 30 & 3];
    return (Root){.table = pdpte & PTE_ADDRESS, .shift = pdpte & PTE_P ? 21 : 0, .entry_size = 8};
}

static uint64_t a20_mask(const X86Cpu *cpu, uint64_t physical)
{
    return cpu->a20_disabled ? physical & ~(1ull << 20) : physical;
}

bool cpu_debug_translate(X86Cpu *cpu, uint64_t linear, uint64_t *ret_physical)
{
    unsigned bits, shift;
    uint64_t entry = 0;
    Root root;

    linear = cpu->efer & EFER_LMA ? linear : (uint32_t)linear;
    if (!(cpu->cr0 & CR0_PG)) {
        *ret_physical = a20_mask(cpu, linear);
        return true;
    }
    root = root_of(cpu, linear);
    bits = root.entry_size == 8 ? 9 : 10;
    for (shift = root.shift; shift >= 12; shift -= bits) {
        entry = read_entry(root.table, linear >> shift & ((1u << bits) - 1), root.entry_size);
        if (!(entry & PTE_P)) {
            return false;
        }
        if (is_leaf(cpu, entry, shift, root.entry_size)) {
            *ret_physical = a20_mask(cpu, page_of(entry, shift) | (linear & ((1ull << shift) - 1)));
            return true;
        }
        root.table = entry & PTE_ADDRESS;
    }
    return false;
}

static void list_all(Listing *listing)
{
    X86Cpu *cpu = listing->cpu;
    bool is_pae = (cpu->cr4 & CR4_PAE) && !(cpu->efer & EFER_LMA);

    for (uint64_t i = 0; i < (is_pae ? 4 : 1); i++) {
        Root root = root_of(cpu, i << 30);

        if (root.shift) {
            list_table(listing, root.table, i << 30, root.shift, RIGHTS, root.entry_size);
        } else {
            set_rights(listing, i << 30, 0);
        }
    }
}

static Listing new_listing(X86Cpu *cpu)
{
    Listing listing = {.cpu = cpu, .entries_left = MAX_ENTRIES, .linear_bits = 32};

    if (cpu->efer & EFER_LMA) {
        listing.linear_bits = cpu->cr4 & CR4_LA57 ? 57 : 48;
    }
    return listing;
}

char *cpu_mappings_text(X86Cpu *cpu, bool each_page)
{
    Listing listing = new_listing(cpu);

    listing.text = g_string_new(NULL);
    listing.each_page = each_page;
    if (!(cpu->cr0 & CR0_PG)) {
        return g_string_free(g_string_append(listing.text, "PG disabled\n"), FALSE);
    }
    list_all(&listing);
    set_rights(&listing, 1ull << listing.linear_bits, 0);
    if (listing.entries_left == 0) {
        g_string_append(listing.text, "(cut here: too many entries)\n");
    }
    return g_string_free(listing.text, FALSE);
}

bool cpu_mappings_foreach(X86Cpu *cpu, CpuMappingVisit *visit, void *opaque)
{
    Listing listing = new_listing(cpu);

    listing.visit = visit;
    listing.opaque = opaque;
    if (cpu->cr0 & CR0_PG) {
        list_all(&listing);
    }
    return listing.entries_left > 0;
}
