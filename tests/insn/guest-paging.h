/* SPDX-License-Identifier: MIT */
/* The guest's RAM, its page tables in every format, and the tables ring 0 needs. */
#ifndef TESTS_INSN_GUEST_PAGING_H
#define TESTS_INSN_GUEST_PAGING_H

#include "softmmu/memory.h"
#include "target/i386/cpu.h"
#include "tests/insn/insn-case.h"

#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0xffffffffff000ull

/* How the guest runs a case: in long mode, or without it under either format of 32-bit tables. */
typedef enum GuestPaging { GUEST_LONG, GUEST_PAE, GUEST_32BIT, GUEST_PAGINGS } GuestPaging;

/* Offsets of what only ring 0 sees, from the start of its pages. */
#define KERNEL_GDT 0x0000
#define KERNEL_IDT 0x1000
#define KERNEL_TSS 0x2000
#define KERNEL_STUBS 0x3000 /* one page: 16 bytes each */
#define KERNEL_STACK_TOP 0x6000
#define KERNEL_LDT 0x6000
#define KERNEL_PAGES 7
#define KERNEL_LOW 0xe0000000ull /* without long mode */
#define KERNEL_HIGH 0xffff800000000000ull

#define SELECTOR_KERNEL_CODE_32 0x08
#define SELECTOR_KERNEL_CODE_64 0x10
#define SELECTOR_KERNEL_DATA 0x18
#define SELECTOR_TSS 0x40
#define SELECTOR_LDT 0x50

typedef struct GuestTables {
    uint64_t kernel; /* linear address of ring 0's pages */
    uint64_t cr3;
    uint8_t *kernel_page[KERNEL_PAGES];
    uint8_t *entry[CASE_PAGES]; /* last level entry of each page of the case: its low 32 bits */
} GuestTables;

/* Makes RAM and all tables; `shuffle` decides which physical pages hold what. */
bool guest_paging_init(uint64_t shuffle, Error **err);

extern RamBlock *guest_ram;
extern uint64_t guest_case_physical[CASE_PAGES];
extern GuestTables guest_tables[GUEST_PAGINGS];

/* What the host's kernel has in its entry for the CPU's number at this moment. */
void guest_set_cpu_number(uint64_t descriptor);

/* Control registers, descriptor tables and TR for running under `paging`. */
void guest_paging_enter(X86Cpu *cpu, GuestPaging paging);

#endif
