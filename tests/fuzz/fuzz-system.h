/* SPDX-License-Identifier: MIT */
/* Random system code for fuzz-system: memory, registers and code of a case, the machine it runs
 * in, and what must hold behind it. */
#ifndef TESTS_FUZZ_SYSTEM_H
#define TESTS_FUZZ_SYSTEM_H

#include "target/i386/cpu.h"
#include "tests/fuzz/fuzz-random.h"

#include <stdio.h>

typedef struct Error Error;

#define SYS_RAM_SIZE (2u << 20)
#define SYS_PAGE 4096u

/* Physical layout of the first 64 KiB, the same linear where paging is on and nothing is broken. */
#define SYS_GDT 0x1000u /* 64 descriptors */
#define SYS_GDT_COUNT 64u
#define SYS_IDT 0x2000u
#define SYS_LDT 0x3000u /* 16 descriptors */
#define SYS_LDT_COUNT 16u
#define SYS_TSS 0x4000u       /* the current task's */
#define SYS_OTHER_TSS 0x4400u /* 32 bits, 64 bits in long mode */
#define SYS_TSS_16 0x4800u
#define SYS_STACK 0x6000u /* two pages */
#define SYS_STACK_END 0x8000u
#define SYS_CODE 0x8000u
#define SYS_STUBS 0x9000u   /* handlers, 16 bytes each */
#define SYS_CODE_16 0xa000u /* other code, by its size */
#define SYS_CODE_32 0xb000u
#define SYS_CODE_64 0xc000u
#define SYS_DATA 0xd000u  /* two pages: pointers, descriptors, noise */
#define SYS_XSAVE 0xf000u /* XSAVE and FXSAVE areas */
#define SYS_TABLES 0x10000u
#define SYS_TABLE_COUNT 16u
#define SYS_SMBASE 0x30000u

/* What the GDT holds unless it is broken; index << 3. */
enum {
    SYS_SEL_NULL,
    SYS_SEL_CODE64_0,
    SYS_SEL_DATA_0,
    SYS_SEL_CODE32_0,
    SYS_SEL_DATA32_0,
    SYS_SEL_CODE16_0,
    SYS_SEL_DATA16_0,
    SYS_SEL_CODE32_3,
    SYS_SEL_DATA_3,
    SYS_SEL_CODE64_3,
    SYS_SEL_CONFORMING,
    SYS_SEL_DOWN,
    SYS_SEL_LDT = 12, /* two descriptors in long mode, as the next three */
    SYS_SEL_TSS = 14,
    SYS_SEL_OTHER_TSS = 16,
    SYS_SEL_CALL = 18,
    SYS_SEL_CALL_3 = 20,
    SYS_SEL_TASK_GATE = 22,
    SYS_SEL_CALL_16,
    SYS_SEL_TSS_16,
    SYS_SEL_CODE_1,
    SYS_SEL_DATA_1,
    SYS_SEL_CODE_2,
    SYS_SEL_DATA_2,
    SYS_SEL_READ_ONLY,
    SYS_SEL_NOT_PRESENT,
    SYS_SEL_ANY /* from here on: anything */
};

typedef enum SysMode {
    SYS_REAL,
    SYS_UNREAL,
    SYS_V8086,
    SYS_PROTECTED_16,
    SYS_PROTECTED_32,
    SYS_COMPATIBILITY,
    SYS_LONG,
    SYS_MODES
} SysMode;

typedef enum SysPaging {
    SYS_NO_PAGING,
    SYS_TWO_LEVELS,
    SYS_PAE,
    SYS_FOUR_LEVELS,
    SYS_FIVE_LEVELS
} SysPaging;

#define SYS_MAX_INSNS 64

typedef struct SysCase {
    uint64_t seed, dropped; /* a bit per instruction that is NOPs instead */
    SysMode mode;
    SysPaging paging;
    uint8_t cpl;
    bool is_async; /* interrupts come at random times */
    uint64_t cr0, cr3, cr4, efer, rip;
    uint32_t cs_base;
    unsigned insn_count;         /* of the main code */
    uint8_t image[SYS_RAM_SIZE]; /* of RAM */
} SysCase;

/* Memory and modes. */
void sys_case_make(SysCase *c, uint64_t seed, uint64_t dropped);
/* All of a CPU that was just reset; the CPU is parked. */
void sys_case_load(const SysCase *c, X86Cpu *cpu);
unsigned sys_case_bits(const SysCase *c);
const char *sys_mode_name(SysMode mode);

/* Numbers that mean something to somebody: selectors, code, data, flags, devices, noise. */
uint64_t sys_random_value(Random *r);
uint64_t sys_random_linear(Random *r);
uint64_t sys_random_physical(Random *r);
uint16_t sys_random_selector(Random *r);

/* Page tables, and what CR3 holds (fuzz-system-tables.c). */
void sys_tables_make(SysCase *c, Random *r);
/* GDT, LDT, IDT and TSSs (fuzz-system-descriptors.c). */
void sys_descriptors_make(SysCase *c, Random *r);
uint64_t sys_descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags);

/* Code of `bits` 16, 32 or 64 to `at`, at most `size` bytes; instructions of `dropped` are NOPs.
 * Returns their number (fuzz-system-code.c). */
unsigned sys_code_make(Random *r, unsigned bits, uint8_t *at, unsigned size, unsigned count,
                       uint64_t dropped);

/* -- The machine (fuzz-system-machine.c) ------------------------------------------------------- */

typedef enum SysEngine {
    SYS_EXACT,
    SYS_EXACT_FLUSHED, /* the TLB is emptied before each instruction */
    SYS_TRANSLATED
} SysEngine;

typedef enum SysEnd {
    SYS_HALTED,  /* for good */
    SYS_STOPPED, /* a reset or a power-off */
    SYS_TIMEOUT
} SysEnd;

typedef struct SysResult {
    SysEnd end;
    unsigned steps; /* of exact mode */
    bool cr3_changed;
    /* It read the time, ran page tables, whose A and D bits come and go, or had its APIC send
     * something, which arrives when it arrives. */
    bool undecided;
    X86Cpu cpu;
    uint8_t ram[SYS_RAM_SIZE];
} SysResult;

/* `tcg`: more options of -accel tcg. */
bool sys_machine_init(const char *tcg, Error **err);
void sys_machine_fini(void);
X86Cpu *sys_machine_cpu(void);
/* The case from its start; the CPU is left as it ended. `trace`: prints each step of exact mode. */
void sys_machine_run(const SysCase *c, SysEngine engine, bool trace, SysResult *ret_result);
/* A signal handler's: ends the run of a case that takes too long. Seconds since it began. */
unsigned sys_machine_tick(void);

/* -- Checks (fuzz-system-check.c) -------------------------------------------------------------- */

/* True when both runs came to the same; differences are printed to `out` unless NULL. */
bool sys_results_equal(const SysResult *a, const SysResult *b, FILE *out);
/* What must hold behind any run, of the CPU as it is; `image`: the memory it began with. */
bool sys_invariants_hold(const SysCase *c, const SysResult *result, FILE *out);

#endif
