/* SPDX-License-Identifier: MIT */
/*
 * The guest of a case: 4-level paging with shuffled physical pages, a GDT that only interrupt
 * delivery reads, an IDT whose 256 gates lead to stubs of one HLT each, and a stack for ring 0. The
 * case runs in ring 3 with selectors as Linux has them; an exception ends it in its stub, where the
 * frame on the stack says the rest.
 */
#include "tests/insn/guest-cpu.h"

#include "accel/accel.h"
#include "accel/tcg/tcg-internal.h"
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/access.h"
#include "util/bitmap.h"

#include <string.h>

#define RAM_SIZE (4u << 20)
#define RAM_PAGES (RAM_SIZE / CASE_PAGE)

/* Linear addresses of what only ring 0 sees. */
#define KERNEL 0xffff800000000000ull
#define GDT KERNEL
#define IDT (KERNEL + 0x1000)
#define TSS (KERNEL + 0x2000)
#define STUBS (KERNEL + 0x3000) /* one page: 16 bytes each */
#define STACK_TOP (KERNEL + 0x6000)
#define KERNEL_PAGES 6

#define SELECTOR_KERNEL_CODE 0x10
#define SELECTOR_KERNEL_DATA 0x18
#define SELECTOR_USER_DATA 0x2b
#define SELECTOR_USER_CODE 0x33
#define SELECTOR_TSS 0x40
#define DESCRIPTOR_CODE_0 0x00af9b000000ffffull
#define DESCRIPTOR_DATA_0 0x00cf93000000ffffull
#define DESCRIPTOR_DATA_3 0x00cff3000000ffffull
#define DESCRIPTOR_CODE_3 0x00affb000000ffffull

#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0xffffffffff000ull

#define EXACT_STEPS 4000000u

static struct {
    Region root, ram_region;
    RamBlock *ram;
    uint16_t free_pages[RAM_PAGES];
    unsigned free_count;
    uint64_t cr3;
    uint64_t case_physical[CASE_PAGES];
    uint64_t *case_entry[CASE_PAGES];
    X86Cpu *cpu;
    void (*fn)(void *opaque);
    void *opaque;
    bool done;
    MachineCond done_cond;
    volatile int interrupted;
} guest;

X86Cpu *guest_cpu(void)
{
    return guest.cpu;
}

/* -- Physical memory -------------------------------------------------------------------------- */

static void shuffle_pages(uint64_t seed)
{
    for (unsigned i = 1; i < RAM_PAGES; i++) {
        guest.free_pages[guest.free_count++] = (uint16_t)i;
    }
    for (unsigned i = guest.free_count - 1; i > 0; i--) {
        unsigned j;
        uint16_t page = guest.free_pages[i];

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        j = (unsigned)((seed >> 33) % (i + 1));
        guest.free_pages[i] = guest.free_pages[j];
        guest.free_pages[j] = page;
    }
}

static uint64_t take_page(void)
{
    return guest.free_pages[--guest.free_count] * CASE_PAGE;
}

static uint64_t *table_at(uint64_t physical)
{
    return (uint64_t *)(guest.ram->host + physical);
}

/* The page table entry for `linear`; levels above are made as needed, with all rights. */
static uint64_t *entry_for(uint64_t linear)
{
    uint64_t table = guest.cr3;

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table_at(table)[linear >> shift & 511];
        if (!*entry) {
            *entry = take_page() | PTE_P | PTE_W | PTE_U;
        }
        table = *entry & PTE_ADDRESS;
    }
    return &table_at(table)[linear >> 12 & 511];
}

static uint64_t *map_page(uint64_t linear, uint64_t rights, uint64_t *ret_physical)
{
    uint64_t *entry = entry_for(linear);

    *ret_physical = take_page();
    *entry = *ret_physical | PTE_P | rights;
    return entry;
}

/* -- What ring 0 needs ------------------------------------------------------------------------ */

static void fill_gdt(uint8_t *page)
{
    uint64_t tss[2] = {0x67 | (TSS & 0xffffff) << 16 | 0x8bull << 40 | (TSS >> 24 & 0xff) << 56,
                       TSS >> 32};

    *(uint64_t *)(page + SELECTOR_KERNEL_CODE) = DESCRIPTOR_CODE_0;
    *(uint64_t *)(page + SELECTOR_KERNEL_DATA) = DESCRIPTOR_DATA_0;
    *(uint64_t *)(page + (SELECTOR_USER_DATA & ~7)) = DESCRIPTOR_DATA_3;
    *(uint64_t *)(page + (SELECTOR_USER_CODE & ~7)) = DESCRIPTOR_CODE_3;
    memcpy(page + SELECTOR_TSS, tss, sizeof(tss));
}

static void fill_idt(uint8_t *page)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t handler = STUBS + vector * 16;
        unsigned ring = vector == VECTOR_BP || vector == VECTOR_OF ? 3 : 0;
        uint64_t gate[2] = {(handler & 0xffff) | SELECTOR_KERNEL_CODE << 16 |
                                (0x8e00ull | ring << 13) << 32 | (handler >> 16 & 0xffff) << 48,
                            handler >> 32};
        memcpy(page + vector * 16, gate, sizeof(gate));
    }
}

static void fill_kernel(void)
{
    uint64_t physical[KERNEL_PAGES], stack = STACK_TOP;

    for (unsigned i = 0; i < KERNEL_PAGES; i++) {
        map_page(KERNEL + i * CASE_PAGE, PTE_W, &physical[i]);
    }
    fill_gdt(guest.ram->host + physical[0]);
    fill_idt(guest.ram->host + physical[1]);
    memcpy(guest.ram->host + physical[2] + 4, &stack, sizeof(stack));
    memset(guest.ram->host + physical[2] + 0x66, 0xff, 2);  /* no I/O permission bitmap */
    memset(guest.ram->host + physical[3], 0xf4, CASE_PAGE); /* HLT */
}

static void map_case_pages(void)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        uint64_t rights = PTE_U | (case_pages[i].may_write ? PTE_W : 0) |
                          (case_pages[i].may_execute ? 0 : PTE_NX);
        guest.case_entry[i] = map_page(case_pages[i].linear, rights, &guest.case_physical[i]);
    }
}

/* -- Memory of the case ----------------------------------------------------------------------- */

static uint8_t *page_host(unsigned n)
{
    return guest.ram->host + guest.case_physical[n];
}

static void set_code_page(unsigned n, const uint8_t *bytes)
{
    uint8_t *host = page_host(n);
    unsigned first = 0, last = (unsigned)CASE_PAGE;

    if (!memcmp(host, bytes, CASE_PAGE)) {
        return;
    }
    while (host[first] == bytes[first]) {
        first++;
    }
    while (host[last - 1] == bytes[last - 1]) {
        last--;
    }
    memcpy(host + first, bytes + first, last - first);
    ram_block_mark_dirty(guest.ram, guest.case_physical[n] + first, last - first);
}

void guest_set_memory(const CaseMemory *image)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_execute) {
            set_code_page(i, image->page[i]);
        } else {
            memcpy(page_host(i), image->page[i], CASE_PAGE);
        }
    }
}

void guest_get_memory(CaseMemory *ret_memory)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        memcpy(ret_memory->page[i], page_host(i), CASE_PAGE);
    }
}

uint64_t guest_page_entry(unsigned n)
{
    return *guest.case_entry[n];
}

bool guest_page_is_dirty(unsigned n)
{
    return bitmap_test(guest.ram->dirty[DIRTY_MIGRATION], guest.case_physical[n] / CASE_PAGE);
}

void guest_clear_dirty(void)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        ram_block_test_and_clear_dirty(guest.ram, DIRTY_MIGRATION, guest.case_physical[i],
                                       CASE_PAGE);
    }
}

void guest_flush_tlb(bool forget_use)
{
    for (unsigned i = 0; forget_use && i < CASE_PAGES; i++) {
        *guest.case_entry[i] &= ~(PTE_A | PTE_D);
    }
    tcg_flush_tlb(guest.cpu);
}

void guest_forget_code(void)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_execute) {
            ram_block_mark_dirty(guest.ram, guest.case_physical[i], CASE_PAGE);
        }
    }
}

unsigned guest_fetch(uint64_t linear, uint8_t bytes[16])
{
    unsigned size = 0;

    for (; size < 15; size++) {
        unsigned n = 0;
        while (n < CASE_PAGES && linear + size - case_pages[n].linear >= CASE_PAGE) {
            n++;
        }
        if (n == CASE_PAGES || !case_pages[n].may_execute) {
            break;
        }
        bytes[size] = page_host(n)[linear + size - case_pages[n].linear];
    }
    return size;
}

/* -- Running ---------------------------------------------------------------------------------- */

static void set_segment(X86Cpu *cpu, unsigned n, uint16_t selector, uint64_t descriptor)
{
    cpu->seg[n] = (Segment){.selector = selector};
    if (descriptor) {
        cpu->seg[n].limit = UINT32_MAX;
        cpu->seg[n].attributes = (uint16_t)(descriptor >> 40 & 0xf0ff);
    }
}

/* Registers that no case changes. */
static void set_system_state(X86Cpu *cpu)
{
    cpu->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE | CR0_AM;
    cpu->cr3 = guest.cr3;
    cpu->cr4 = (CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE |
                CR4_UMIP | CR4_DE) &
               cpu->model->cr4_mask;
    cpu->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    cpu->xcr0 = cpu->model->xcr0_mask;
    cpu->gdtr = (DescriptorTable){GDT, 0x7f};
    cpu->idtr = (DescriptorTable){IDT, 0xfff};
    cpu->tr = (Segment){SELECTOR_TSS, 0x8b, 0x67, TSS, 0, 0};
    cpu->ldtr = (Segment){0};
    tcg_flush_tlb(cpu);
}

void guest_load(const CaseState *state)
{
    X86Cpu *cpu = guest.cpu;

    memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
    cpu->rip = state->rip;
    cpu->eflags = state->eflags | EFLAGS_FIXED | EFLAGS_IF;
    cpu->cr2 = 0;
    cpu->halted = cpu->vcpu.halted = false;
    cpu->interrupt_shadow = false;
    cpu->fpu_live = false;
    memset(cpu->fpu, 0, 4096);
    case_fpu_to_image(&state->fpu, cpu->fpu);
    cpu->guest_fip = cpu->guest_fdp = cpu->guest_fop = 0;
    set_segment(cpu, SEG_CS, SELECTOR_USER_CODE, DESCRIPTOR_CODE_3);
    set_segment(cpu, SEG_SS, SELECTOR_USER_DATA, DESCRIPTOR_DATA_3);
    set_segment(cpu, SEG_DS, 0, 0);
    set_segment(cpu, SEG_ES, 0, 0);
    set_segment(cpu, SEG_FS, 0, 0);
    set_segment(cpu, SEG_GS, 0, 0);
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
}

bool guest_step(void)
{
    X86Cpu *cpu = guest.cpu;

    target_exact_step(cpu);
    fpu_park(cpu);
    if (code_writes_pending) {
        code_writes_process();
    }
    return cpu->halted;
}

static bool pushes_error_code(unsigned vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) ||
           vector == VECTOR_AC;
}

/* Reads the frame that the exception left. */
static void read_outcome(CaseOutcome *outcome)
{
    const X86Cpu *cpu = guest.cpu;
    uint64_t frame[6], *from = frame;
    uint64_t stub = cpu->rip - 1 - STUBS;
    unsigned i;

    memset(outcome, 0, sizeof(*outcome));
    memcpy(outcome->state.gpr, cpu->gpr, sizeof(cpu->gpr));
    case_fpu_from_image(&outcome->state.fpu, cpu->fpu);
    outcome->state.rip = cpu->rip;
    if (guest.interrupted || !cpu->halted || stub >= CASE_PAGE || stub % 16) {
        outcome->end = CASE_TIMEOUT;
        return;
    }
    outcome->vector = (unsigned)(stub / 16);
    for (i = 0; i < 6; i++) {
        uint64_t linear = cpu->gpr[R_RSP] + 8 * i;
        uint64_t entry = linear < STACK_TOP && linear >= STACK_TOP - 2 * CASE_PAGE
                             ? *entry_for(linear) & PTE_ADDRESS
                             : 0;
        memcpy(&frame[i], guest.ram->host + entry + (linear & (CASE_PAGE - 1)), 8);
    }
    if (pushes_error_code(outcome->vector)) {
        outcome->error_code = (uint32_t)*from++;
    }
    outcome->cr2 = outcome->vector == VECTOR_PF ? cpu->cr2 : 0;
    outcome->state.rip = from[0];
    outcome->state.eflags = from[2] & CASE_EFLAGS;
    outcome->state.gpr[R_RSP] = from[3];
}

void guest_run(GuestHow how, const CaseState *state, CaseOutcome *ret_outcome)
{
    X86Cpu *cpu = guest.cpu;

    guest.interrupted = 0;
    guest_load(state);
    if (how == GUEST_EXACT) {
        unsigned left = EXACT_STEPS;
        while (!guest_step() && --left && !guest.interrupted) {
        }
    } else {
        while (!cpu->halted && !guest.interrupted) {
            cpu->vcpu.exit_request = 0;
            cpu->vcpu.ops->run(&cpu->vcpu);
        }
    }
    read_outcome(ret_outcome);
}

void guest_interrupt(void)
{
    guest.interrupted = 1;
    __atomic_store_n(&guest.cpu->vcpu.exit_request, 1, __ATOMIC_SEQ_CST);
    guest.cpu->vcpu.ops->kick(&guest.cpu->vcpu);
}

/* -- Making it -------------------------------------------------------------------------------- */

static bool no_interrupt(void *apic)
{
    return false;
}

static int nothing_to_acknowledge(void *apic)
{
    return -1;
}

static const CpuApicOps apic_ops = {.has_interrupt = no_interrupt,
                                    .acknowledge = nothing_to_acknowledge};

static bool make_memory(Error **err)
{
    RamDesc ram = {.name = "ram", .size = RAM_SIZE};
    RegionDesc root = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc region = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};

    guest.ram = ram_block_new(&ram, err);
    if (!guest.ram) {
        return false;
    }
    region.ram = guest.ram;
    region_init(&guest.root, &root);
    region_init(&guest.ram_region, &region);
    region_add(&guest.root, 0, &guest.ram_region, 0);
    address_space_init(&address_space_memory, &guest.root, "memory");
    return true;
}

static bool make_cpus(unsigned count, Error **err)
{
    for (unsigned i = 0; i < count; i++) {
        X86Cpu *cpu = cpu_new(i, err);
        if (!cpu) {
            return false;
        }
        cpu->apic_ops = &apic_ops;
        if (!vcpu_start(&cpu->vcpu, err)) {
            return false;
        }
    }
    guest.cpu = cpu_get(0);
    return true;
}

static void run_on_cpu(Vcpu *vcpu, void *opaque)
{
    machine_unlock();
    set_system_state(guest.cpu);
    guest.fn(guest.opaque);
    machine_lock();
    guest.done = true;
    machine_cond_wake_all(&guest.done_cond);
}

bool guest_main(unsigned cpus, unsigned cache_mib, uint64_t shuffle, void (*fn)(void *opaque),
                void *opaque, Error **err)
{
    g_autofree char *accel = g_strdup_printf("tcg,tb-size=%u", cache_mib);
    bool ok;

    guest.fn = fn;
    guest.opaque = opaque;
    machine_lock();
    ok = accel_select(&accel, 1, err) && cpu_model_select("max", err) && make_memory(err);
    if (ok) {
        shuffle_pages(shuffle);
        guest.cr3 = take_page();
        fill_kernel();
        map_case_pages();
        ok = make_cpus(cpus, err);
    }
    if (ok) {
        vcpu_post(&guest.cpu->vcpu, run_on_cpu, NULL);
        while (!guest.done) {
            machine_cond_wait(&guest.done_cond);
        }
        vcpus_destroy();
    }
    machine_unlock();
    return ok;
}
