/* SPDX-License-Identifier: MIT */
/*
 * Three sets of tables over the same physical pages of the case: 4-level, PAE and 32-bit. Each has
 * ring 0's pages of its own: a GDT with selectors as Linux has them, an IDT whose 256 gates lead to
 * stubs of one HLT each, a TSS, a stack, and the LDT of cases.
 */
#include "tests/insn/guest-paging.h"

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/paging.h"
#include "tests/insn/case-segments.h"

#include <string.h>

#define RAM_SIZE (4u << 20)
#define RAM_PAGES (RAM_SIZE / CASE_PAGE)
#define TSS_LIMIT 0x67u
#define GATE_INTERRUPT 0x8e00u

RamBlock *guest_ram;
uint64_t guest_case_physical[CASE_PAGES];
GuestTables guest_tables[GUEST_PAGINGS];

static struct {
    Region root, region;
    uint16_t free_pages[RAM_PAGES];
    unsigned free_count;
} memory;

/* -- Physical memory -------------------------------------------------------------------------- */

static bool make_memory(Error **err)
{
    RamDesc ram = {.name = "ram", .size = RAM_SIZE};
    RegionDesc root = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc region = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};

    guest_ram = ram_block_new(&ram, err);
    if (!guest_ram) {
        return false;
    }
    region.ram = guest_ram;
    region_init(&memory.root, &root);
    region_init(&memory.region, &region);
    region_add(&memory.root, 0, &memory.region, 0);
    address_space_init(&address_space_memory, &memory.root, "memory");
    return true;
}

static void shuffle_pages(uint64_t seed)
{
    for (unsigned i = 1; i < RAM_PAGES; i++) {
        memory.free_pages[memory.free_count++] = (uint16_t)i;
    }
    for (unsigned i = memory.free_count - 1; i > 0; i--) {
        unsigned j;
        uint16_t page = memory.free_pages[i];

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        j = (unsigned)((seed >> 33) % (i + 1));
        memory.free_pages[i] = memory.free_pages[j];
        memory.free_pages[j] = page;
    }
}

static uint64_t take_page(void)
{
    return memory.free_pages[--memory.free_count] * CASE_PAGE;
}

/* -- Page tables ------------------------------------------------------------------------------ */

typedef struct Format {
    unsigned entry_size, levels, top_bits, bits; /* bits of the address a table decides */
    uint64_t top_rights;                         /* of entries in the uppermost table */
} Format;

static const Format formats[GUEST_PAGINGS] = {
    [GUEST_LONG] = {8, 4, 9, 9, PTE_P | PTE_W | PTE_U},
    [GUEST_PAE] = {8, 3, 2, 9, PTE_P},
    [GUEST_32BIT] = {4, 2, 10, 10, PTE_P | PTE_W | PTE_U},
};

static uint64_t read_entry(const Format *format, const uint8_t *entry)
{
    uint64_t value = 0;

    memcpy(&value, entry, format->entry_size);
    return value;
}

static uint8_t *entry_in(const Format *format, uint64_t table, uint64_t linear, unsigned level)
{
    unsigned bits = level + 1 == format->levels ? format->top_bits : format->bits;
    uint64_t index = linear >> (12 + level * format->bits) & ((1u << bits) - 1);

    return guest_ram->host + table + index * format->entry_size;
}

/* Maps `linear`; tables above are made as needed, with all rights. Without NX in the format that
 * bit is lost. */
static uint8_t *map_page(GuestPaging paging, uint64_t linear, uint64_t physical, uint64_t rights)
{
    const Format *format = &formats[paging];
    uint64_t table = guest_tables[paging].cr3, value = physical | PTE_P | rights;
    uint8_t *entry;

    for (unsigned level = format->levels - 1; level > 0; level--) {
        entry = entry_in(format, table, linear, level);
        if (!read_entry(format, entry)) {
            uint64_t next = take_page() | (level + 1 == format->levels ? format->top_rights
                                                                       : PTE_P | PTE_W | PTE_U);
            memcpy(entry, &next, format->entry_size);
        }
        table = read_entry(format, entry) & PTE_ADDRESS;
    }
    entry = entry_in(format, table, linear, 0);
    memcpy(entry, &value, format->entry_size);
    return entry;
}

static void map_all(GuestPaging paging)
{
    GuestTables *t = &guest_tables[paging];

    t->kernel = paging == GUEST_LONG ? KERNEL_HIGH : KERNEL_LOW;
    t->cr3 = take_page();
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        uint64_t rights = PTE_U | (case_pages[i].may_write ? PTE_W : 0) |
                          (case_pages[i].may_execute ? 0 : PTE_NX);
        t->entry[i] = map_page(paging, case_pages[i].linear, guest_case_physical[i], rights);
    }
    for (unsigned i = 0; i < KERNEL_PAGES; i++) {
        uint64_t physical = take_page();
        map_page(paging, t->kernel + i * CASE_PAGE, physical, PTE_W);
        t->kernel_page[i] = guest_ram->host + physical;
    }
}

/* -- What ring 0 needs ------------------------------------------------------------------------ */

static void put_system_descriptor(uint8_t *gdt, unsigned selector, uint64_t base, unsigned limit,
                                  unsigned type, bool is_wide)
{
    uint64_t words[2] = {case_descriptor_make((uint32_t)base, limit, type, 0), base >> 32};

    memcpy(gdt + selector, words, is_wide ? 16 : 8);
}

static void fill_gdt(const GuestTables *t, bool is_long)
{
    static const uint64_t kernel_code_32 = 0x00cf9b000000ffffull,
                          kernel_code_64 = 0x00af9b000000ffffull,
                          kernel_data = 0x00cf93000000ffffull;
    uint8_t *gdt = t->kernel_page[KERNEL_GDT / CASE_PAGE];

    for (unsigned i = 1; i < CASE_GDT_ENTRIES; i++) {
        uint64_t raw = case_descriptor((uint16_t)(i << 3));
        memcpy(gdt + i * 8, &raw, sizeof(raw));
    }
    memcpy(gdt + SELECTOR_KERNEL_CODE_32, &kernel_code_32, 8);
    memcpy(gdt + SELECTOR_KERNEL_CODE_64, &kernel_code_64, 8);
    memcpy(gdt + SELECTOR_KERNEL_DATA, &kernel_data, 8);
    put_system_descriptor(gdt, SELECTOR_TSS, t->kernel + KERNEL_TSS, TSS_LIMIT, 0x8b, is_long);
    put_system_descriptor(gdt, SELECTOR_LDT, t->kernel + KERNEL_LDT, sizeof(case_ldt) - 1, 0x82,
                          is_long);
}

void guest_set_cpu_number(uint64_t descriptor)
{
    for (GuestPaging paging = 0; paging < GUEST_PAGINGS; paging++) {
        uint8_t *gdt = guest_tables[paging].kernel_page[KERNEL_GDT / CASE_PAGE];
        memcpy(gdt + CASE_CPU_NUMBER, &descriptor, sizeof(descriptor));
    }
}

static void fill_idt(const GuestTables *t, bool is_long)
{
    uint8_t *idt = t->kernel_page[KERNEL_IDT / CASE_PAGE];

    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t handler = t->kernel + KERNEL_STUBS + vector * 16;
        uint64_t code = is_long ? SELECTOR_KERNEL_CODE_64 : SELECTOR_KERNEL_CODE_32;
        unsigned ring = vector == VECTOR_BP || vector == VECTOR_OF ? 3 : 0;
        uint64_t gate[2] = {(handler & 0xffff) | code << 16 |
                                ((uint64_t)GATE_INTERRUPT | ring << 13) << 32 |
                                (handler >> 16 & 0xffff) << 48,
                            handler >> 32};
        memcpy(idt + vector * (is_long ? 16 : 8), gate, is_long ? 16 : 8);
    }
}

static void fill_kernel(GuestPaging paging)
{
    GuestTables *t = &guest_tables[paging];
    uint8_t *tss = t->kernel_page[KERNEL_TSS / CASE_PAGE];
    uint64_t stack = t->kernel + KERNEL_STACK_TOP;
    uint16_t stack_selector = SELECTOR_KERNEL_DATA;
    bool is_long = paging == GUEST_LONG;

    fill_gdt(t, is_long);
    fill_idt(t, is_long);
    memcpy(tss + 4, &stack, is_long ? 8 : 4);
    if (!is_long) {
        memcpy(tss + 8, &stack_selector, 2);
    }
    memset(tss + 0x66, 0xff, 2); /* no I/O permission bitmap */
    memset(t->kernel_page[KERNEL_STUBS / CASE_PAGE], 0xf4, CASE_PAGE); /* HLT */
    memcpy(t->kernel_page[KERNEL_LDT / CASE_PAGE], case_ldt, sizeof(case_ldt));
}

bool guest_paging_init(uint64_t shuffle, Error **err)
{
    if (!make_memory(err)) {
        return false;
    }
    shuffle_pages(shuffle);
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        guest_case_physical[i] = take_page();
    }
    for (GuestPaging paging = 0; paging < GUEST_PAGINGS; paging++) {
        map_all(paging);
        fill_kernel(paging);
    }
    return true;
}

void guest_paging_enter(X86Cpu *cpu, GuestPaging paging)
{
    const GuestTables *t = &guest_tables[paging];
    uint64_t cr4 = CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE | CR4_UMIP |
                   CR4_DE | (paging == GUEST_32BIT ? 0 : CR4_PAE);

    cpu->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE | CR0_AM;
    cpu->cr3 = t->cr3;
    cpu->cr4 = cr4 & cpu->model->cr4_mask;
    cpu->efer = EFER_SCE | EFER_NXE | (paging == GUEST_LONG ? EFER_LME | EFER_LMA : 0);
    cpu->xcr0 = cpu->model->xcr0_mask;
    cpu->gdtr = (DescriptorTable){t->kernel + KERNEL_GDT, CASE_GDT_ENTRIES * 8 - 1};
    cpu->idtr = (DescriptorTable){t->kernel + KERNEL_IDT, 0xfff};
    cpu->tr = (Segment){SELECTOR_TSS, 0x8b, TSS_LIMIT, t->kernel + KERNEL_TSS, 0, 0};
    cpu->ldtr = (Segment){SELECTOR_LDT, 0x82, sizeof(case_ldt) - 1, t->kernel + KERNEL_LDT, 0, 0};
    if (paging == GUEST_PAE) {
        paging_load_pdptes(cpu, cpu->cr3);
    }
    cpu_update_mode(cpu);
    tcg_flush_tlb(cpu);
}
