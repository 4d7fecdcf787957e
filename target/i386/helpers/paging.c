/* SPDX-License-Identifier: MIT */
/* Page walks: legacy, PAE, 4- and 5-level paging. Intel SDM vol. 3 ch. 4. */
#include "target/i386/helpers/paging.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"

/*
 * A walk reads the entries from the top, gathers the rights, checks them, and only then sets the
 * accessed and dirty bits, each by a compare-and-swap: if another CPU changed an entry meanwhile
 * the whole walk is made again, so what is cached is what the entries said at one moment.
 */

#define PTE_P 0x1u
#define PTE_W 0x2u
#define PTE_U 0x4u
#define PTE_A 0x20u
#define PTE_D 0x40u
#define PTE_PS 0x80u
#define PTE_G 0x100u
#define PTE_NX (1ull << 63)
#define PTE_KEY_SHIFT 59
#define PTE_ADDRESS_MASK 0x000ffffffffff000ull
#define PTE_PAE_RESERVED 0x7ff0000000000000ull /* bits 52-62 outside IA-32e paging */

typedef struct Walk {
    X86Cpu *cpu;
    uint64_t linear;
    unsigned access;
    bool is_user; /* the access has user rights */
    unsigned entry_size;
    PageEntry entries[PAGING_LEVELS];
    unsigned entry_count;
    uint64_t rights; /* PTE_W and PTE_U as far as every level allows; PTE_NX when one forbids */
    uint64_t page;   /* physical address of the page */
    unsigned page_bits;
} Walk;

static uint64_t a20_mask(const X86Cpu *cpu, uint64_t physical)
{
    return cpu->a20_disabled ? physical & ~(1ull << 20) : physical;
}

static bool is_write(const Walk *walk)
{
    return walk->access & ACCESS_WRITE;
}

static bool is_fetch(const Walk *walk)
{
    return walk->access & ACCESS_EXEC;
}

/* Records #PF; the bits besides P, RSVD and PK follow from the access. Returns false. */
static bool walk_fault(const Walk *walk, uint32_t code)
{
    const X86Cpu *cpu = walk->cpu;
    bool tells_fetch = (cpu->cr4 & CR4_SMEP) || ((cpu->cr4 & CR4_PAE) && (cpu->efer & EFER_NXE));

    if (is_write(walk)) {
        code |= PF_WRITE;
    }
    if (walk->is_user) {
        code |= PF_USER;
    }
    if (is_fetch(walk) && tells_fetch) {
        code |= PF_FETCH;
    }
    return fault_page(walk->cpu, walk->linear, code);
}

/* Reads the entry of a level and adds it to the list. Memory that is not there reads as ones, which
 * are reserved bits. */
static uint64_t read_entry(Walk *walk, uint64_t table, unsigned index)
{
    X86Cpu *cpu = walk->cpu;
    uint64_t address = a20_mask(cpu, table + (uint64_t)index * walk->entry_size);
    PageEntry *entry = &walk->entries[walk->entry_count++];
    uint32_t value32 = UINT32_MAX;

    *entry = (PageEntry){address, UINT64_MAX, physical_host(cpu, address, walk->entry_size)};
    if (entry->host) {
        entry->value = page_entry_load(entry->host, walk->entry_size);
    } else if (walk->entry_size == 8) {
        physical_read_u64(cpu, address, &entry->value);
    } else {
        physical_read_u32(cpu, address, &value32);
        entry->value = value32;
    }
    return entry->value;
}

static bool gather_legacy(Walk *walk)
{
    X86Cpu *cpu = walk->cpu;
    uint32_t linear = (uint32_t)walk->linear;
    uint32_t high_mask = 0;
    uint64_t pde, pte;

    walk->entry_size = 4;
    pde = read_entry(walk, cpu->cr3 & 0xfffff000, linear >> 22);
    if (!(pde & PTE_P)) {
        return walk_fault(walk, 0);
    }
    walk->rights &= pde | PTE_NX;
    if ((pde & PTE_PS) && (cpu->cr4 & CR4_PSE)) {
        if (cpu_has(cpu, FEATURE_PSE36)) { /* bits 13-20 are address bits 32-39 */
            high_mask = (uint32_t)(cpu->model->phys_mask >> 32 & 0xff) << 13;
        }
        if (pde & 0x3fe000 & ~high_mask) {
            return walk_fault(walk, PF_PRESENT | PF_RESERVED);
        }
        walk->page = (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32;
        walk->page_bits = 22;
        return true;
    }
    pte = read_entry(walk, pde & 0xfffff000, linear >> 12 & 0x3ff);
    if (!(pte & PTE_P)) {
        return walk_fault(walk, 0);
    }
    walk->rights &= pte | PTE_NX;
    walk->page = pte & 0xfffff000;
    walk->page_bits = 12;
    return true;
}

/* True when a present 8-byte entry of this level has a reserved bit set. */
static bool has_reserved_bits(const X86Cpu *cpu, uint64_t entry, unsigned level)
{
    uint64_t reserved = PTE_ADDRESS_MASK & ~cpu->model->phys_mask;

    if (!(cpu->efer & EFER_NXE)) {
        reserved |= PTE_NX;
    }
    if (!(cpu->efer & EFER_LMA)) {
        reserved |= PTE_PAE_RESERVED;
    }
    if (entry & PTE_PS) {
        if (level > 3 || (level == 3 && !cpu_has(cpu, FEATURE_PDPE1GB))) {
            reserved |= PTE_PS;
        } else if (level > 1) { /* bit 12 is PAT, then nothing up to the page's address */
            reserved |= ((1ull << (12 + 9 * (level - 1))) - 1) & ~0x1fffull;
        }
    }
    return entry & reserved;
}

/* From `level` (5 to 2 for PAE) down, table at `table`. */
static bool gather_wide(Walk *walk, uint64_t table, unsigned level)
{
    X86Cpu *cpu = walk->cpu;

    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t entry = read_entry(walk, table, walk->linear >> shift & 0x1ff);

        if (!(entry & PTE_P)) {
            return walk_fault(walk, 0);
        }
        if (has_reserved_bits(cpu, entry, level)) {
            return walk_fault(walk, PF_PRESENT | PF_RESERVED);
        }
        walk->rights &= entry | PTE_NX;
        walk->rights |= entry & PTE_NX;
        table = entry & PTE_ADDRESS_MASK;
        if (level == 1 || (entry & PTE_PS)) {
            walk->page = table & ~((1ull << shift) - 1);
            walk->page_bits = shift;
            return true;
        }
    }
}

static bool gather(Walk *walk)
{
    X86Cpu *cpu = walk->cpu;

    walk->entry_count = 0;
    walk->rights = PTE_W | PTE_U;
    if (!(cpu->cr4 & CR4_PAE)) {
        return gather_legacy(walk);
    }
    walk->entry_size = 8;
    if (!(cpu->efer & EFER_LMA)) {
        uint64_t pdpte = cpu->pdpte[walk->linear >> 30 & 3];

        if (!(pdpte & PTE_P)) {
            return walk_fault(walk, 0);
        }
        return gather_wide(walk, pdpte & PTE_ADDRESS_MASK, 2);
    }
    return gather_wide(walk, cpu->cr3 & PTE_ADDRESS_MASK, cpu->cr4 & CR4_LA57 ? 5 : 4);
}

/* The two bits of PKRU (user pages) or PKRS (supervisor pages) for the page's key: bit 0 no access,
 * bit 1 no writes; 0 where keys do not apply. */
static unsigned key_rights(const Walk *walk)
{
    const X86Cpu *cpu = walk->cpu;
    uint64_t leaf = walk->entries[walk->entry_count - 1].value;
    bool user_page = walk->rights & PTE_U;

    if (!(cpu->cr4 & (user_page ? CR4_PKE : CR4_PKS)) || !(cpu->efer & EFER_LMA)) {
        return 0;
    }
    return (user_page ? cpu->pkru : cpu->pkrs) >> (leaf >> PTE_KEY_SHIFT & 15) * 2 & 3;
}

static void compute_rights(const Walk *walk, PageWalk *page)
{
    const X86Cpu *cpu = walk->cpu;
    bool user_page = walk->rights & PTE_U;
    bool write_protect = walk->is_user || (cpu->cr0 & CR0_WP);
    unsigned key = key_rights(walk);
    bool ac_counts = !(walk->access & ACCESS_SYSTEM) && (cpu->eflags & EFLAGS_AC);

    page->may_execute = !(walk->rights & PTE_NX);
    page->may_read = true;
    if (walk->is_user) {
        page->may_read = user_page;
        page->may_execute = page->may_execute && user_page;
    } else if (user_page) {
        page->may_read = !(cpu->cr4 & CR4_SMAP) || ac_counts;
        page->may_execute = page->may_execute && !(cpu->cr4 & CR4_SMEP);
    }
    page->may_write = page->may_read && ((walk->rights & PTE_W) || !write_protect) &&
                      !((key & 2) && write_protect) && !(key & 1);
    page->may_read = page->may_read && !(key & 1);
}

/* The rights of the page as it is; `page` gets them. */
static bool check_access(const Walk *walk, PageWalk *page)
{
    unsigned key = is_fetch(walk) ? 0 : key_rights(walk);
    bool write_protect = walk->is_user || (walk->cpu->cr0 & CR0_WP);
    bool key_forbids = (key & 1) || (is_write(walk) && (key & 2) && write_protect);
    bool allowed;

    compute_rights(walk, page);
    if (is_fetch(walk)) {
        allowed = page->may_execute;
    } else if (is_write(walk)) {
        allowed = page->may_write;
    } else {
        allowed = page->may_read;
    }
    return allowed || walk_fault(walk, PF_PRESENT | (key_forbids ? PF_KEY : 0));
}

/* Sets accessed bits, and the dirty bit of the leaf for a write. False: an entry changed. */
static bool mark_entries(Walk *walk)
{
    for (unsigned i = 0; i < walk->entry_count; i++) {
        PageEntry *entry = &walk->entries[i];
        bool is_leaf = i == walk->entry_count - 1;
        uint64_t bits = PTE_A | (is_leaf && is_write(walk) ? PTE_D : 0);

        if ((entry->value & bits) == bits) {
            continue;
        }
        if (!physical_or_bits(walk->cpu, entry->address, walk->entry_size, entry->value, bits)) {
            return false;
        }
        entry->value |= bits;
    }
    return true;
}

/* Is there nothing left for mark_entries() to do? */
static bool is_marked(const Walk *walk)
{
    for (unsigned i = 0; i < walk->entry_count; i++) {
        bool is_leaf = i == walk->entry_count - 1;
        uint64_t bits = PTE_A | (is_leaf && is_write(walk) ? PTE_D : 0);

        if (~walk->entries[i].value & bits) {
            return false;
        }
    }
    return true;
}

bool paging_walk(X86Cpu *cpu, uint64_t linear, unsigned access, PageWalk *ret_walk)
{
    Walk walk;
    uint64_t leaf;

    if (!(cpu->efer & EFER_LMA)) {
        linear = (uint32_t)linear;
    }
    if (!(cpu->cr0 & CR0_PG)) {
        *ret_walk = (PageWalk){.physical = a20_mask(cpu, linear),
                               .page_bits = 12,
                               .may_read = true,
                               .may_write = true,
                               .may_execute = true};
        return true;
    }
    walk.cpu = cpu;
    walk.linear = linear;
    walk.access = access;
    walk.is_user = cpu->cpl == 3 && !(access & ACCESS_SYSTEM);
    do {
        if (!gather(&walk) || !check_access(&walk, ret_walk)) {
            return false;
        }
        if (access & ACCESS_PEEK && !is_marked(&walk)) {
            return false;
        }
    } while (!mark_entries(&walk));

    leaf = walk.entries[walk.entry_count - 1].value;
    ret_walk->physical = a20_mask(cpu, walk.page | (linear & ((1ull << walk.page_bits) - 1)));
    ret_walk->page_bits = (uint8_t)walk.page_bits;
    ret_walk->may_write = ret_walk->may_write && (leaf & PTE_D);
    ret_walk->global = (leaf & PTE_G) && (cpu->cr4 & CR4_PGE);
    ret_walk->entry_count = (uint8_t)walk.entry_count;
    ret_walk->entry_size = (uint8_t)walk.entry_size;
    for (unsigned i = 0; i < walk.entry_count; i++) {
        ret_walk->entries[i] = walk.entries[i];
    }
    return true;
}

bool paging_load_pdptes(X86Cpu *cpu, uint64_t cr3)
{
    /* Bits 1-2, 5-8 and those above the physical address: reserved in a present entry. */
    uint64_t reserved = 0x1e6 | ~(cpu->model->phys_mask | 0xfff);
    uint64_t entries[4];

    for (unsigned i = 0; i < 4; i++) {
        entries[i] = UINT64_MAX;
        physical_read_u64(cpu, a20_mask(cpu, (cr3 & 0xffffffe0) + i * 8), &entries[i]);
        if ((entries[i] & PTE_P) && (entries[i] & reserved)) {
            return false;
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        cpu->pdpte[i] = entries[i];
    }
    return true;
}

bool paging_is_canonical(const X86Cpu *cpu, uint64_t linear)
{
    unsigned shift = cpu->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

    if (!(cpu->efer & EFER_LMA)) {
        return true;
    }
    return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}
