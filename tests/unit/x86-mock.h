/* SPDX-License-Identifier: MIT */
/* A CPU for tests of system instructions: 1 MiB of flat memory without paging, ready-made
 * descriptor tables, ports that remember. */
#ifndef TESTS_UNIT_X86_MOCK_H
#define TESTS_UNIT_X86_MOCK_H

#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/transfer.h"

#define MOCK_MEMORY_SIZE 0x100000u

/* Where things lie. Up to MOCK_USER ring 3 may not touch anything itself. */
#define MOCK_USER 0x9900u
#define MOCK_GDT 0x1000u
#define MOCK_LDT 0x1800u
#define MOCK_IDT 0x2000u
#define MOCK_TSS 0x4000u
#define MOCK_OTHER_TSS 0x5000u
#define MOCK_RING0_STACK 0x9000u
#define MOCK_RING1_STACK 0x9800u
#define MOCK_STACK 0xa000u /* of the code that runs */
#define MOCK_IST1 0xb000u
#define MOCK_OTHER_STACK 0xc000u

/* Selectors of the GDT; add the RPL. The L bit of the code segments follows mock_enter_*(). */
enum {
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x18,
    SEL_DATA3 = 0x20,
    SEL_CODE0_32 = 0x28, /* 32-bit whatever the mode */
    SEL_CODE3_32 = 0x30,
    SEL_CONFORMING0 = 0x38,
    SEL_CODE1 = 0x40,
    SEL_DATA1 = 0x48,
    SEL_CODE16 = 0x50,    /* ring 0, 64 KiB limit */
    SEL_READ_ONLY = 0x58, /* ring 0 data */
    SEL_EXECUTE_ONLY = 0x60,
    SEL_ABSENT_DATA = 0x68,
    SEL_ABSENT_CODE = 0x70,
    SEL_TSS = 0x78,  /* 16 bytes */
    SEL_LDT = 0x88,  /* 16 bytes */
    SEL_GATE = 0x98, /* 16 bytes, for the test */
    SEL_OTHER_TSS = 0xa8,
    SEL_DATA16 = 0xb0, /* ring 0, B clear */
    SEL_END = 0xb8
};

extern uint8_t mock_memory[MOCK_MEMORY_SIZE];
extern uint64_t mock_absent_page;  /* accesses to it fault; UINT64_MAX: none */
extern int mock_fault_at;          /* the access of this number, from 0, faults; -1: none */
extern unsigned mock_reset_count;  /* system_reset_request() */
extern unsigned mock_flush_count;  /* TLB flushes of any kind */
extern uint32_t mock_port_log[64]; /* values stored; loads give 1, 2, 3... */
extern unsigned mock_port_stores, mock_port_loads;
extern uint16_t mock_port_last;

/* A fresh CPU, memory and tables; free with mock_cpu_free(). */
X86Cpu *mock_cpu_new(void);
void mock_cpu_free(X86Cpu *cpu);

/* Two bytes long, 32-bit addresses, no operand in memory: the test fills in the rest. */
Insn mock_insn(unsigned operand_bits);

/* Modes, running at CS:0x100 with the stack at MOCK_STACK. */
void mock_enter_real(X86Cpu *cpu);
void mock_enter_v8086(X86Cpu *cpu, unsigned iopl);
void mock_enter_protected(X86Cpu *cpu, unsigned ring);
void mock_enter_long(X86Cpu *cpu, unsigned ring);
void mock_enter_compatibility(X86Cpu *cpu, unsigned ring);

void mock_poke(uint64_t address, uint64_t value, unsigned size);
uint64_t mock_peek(uint64_t address, unsigned size);
void mock_descriptor(uint16_t selector, uint32_t base, uint32_t limit, unsigned attributes);
/* An IDT entry in the form of the CPU's mode; `type` with P and DPL: 0x8e, 0xef... */
void mock_gate(const X86Cpu *cpu, unsigned vector, unsigned type, uint16_t selector,
               uint64_t offset, unsigned ist);

/* Compares what a fault left in cpu->fault. */
void mock_expect_fault(const X86Cpu *cpu, unsigned vector, uint32_t error_code);

#endif
