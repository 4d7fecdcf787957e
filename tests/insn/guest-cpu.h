/* SPDX-License-Identifier: MIT */
/* Runs a case in a guest: CPU, paging, IDT and memory made in process, the translator used as a
 * machine uses it. */
#ifndef TESTS_INSN_GUEST_CPU_H
#define TESTS_INSN_GUEST_CPU_H

#include "target/i386/cpu.h"
#include "tests/insn/guest-paging.h"
#include "tests/insn/insn-case.h"

typedef struct Error Error;

/* The CPU model of the guest to come; when this was not called, "max" as of the host's maker. */
void guest_choose_model(const char *name);

/* More options of -accel tcg for the guest to come: "opt-chain=off,..."; "" at first. */
void guest_choose_tcg(const char *options);

/* Makes RAM, page tables and `cpus` CPUs and calls fn(opaque) on the thread of the first one;
 * returns when that has returned. The others stay parked: with them, writes to code take the way of
 * writes by other threads. `cache_mib` is the size of the code cache. `shuffle` decides which
 * physical pages hold what. */
bool guest_main(unsigned cpus, unsigned cache_mib, uint64_t shuffle, void (*fn)(void *opaque),
                void *opaque, Error **err);

/* -- All of these inside of fn */

X86Cpu *guest_cpu(void);

/* Which tables and modes the following runs have; long mode at first. */
void guest_use(GuestPaging paging);

/* Fills the pages. Pages with code are written as a device writes them, and only bytes that change:
 * what was translated before stays when `image` holds the same code. */
void guest_set_memory(const CaseMemory *image);
void guest_get_memory(CaseMemory *ret_memory);

typedef enum GuestHow { GUEST_TRANSLATED, GUEST_EXACT } GuestHow;

/* Runs until an exception halts it, or `guest_interrupt` was called. */
void guest_run(GuestHow how, const CaseState *state, CaseOutcome *ret_outcome);
/* Async-signal-safe: ends a run that takes too long. */
void guest_interrupt(void);

/* Empties the soft TLB; with `forget_use` the guest's A and D bits are cleared too. */
void guest_flush_tlb(bool forget_use);
/* Drops what is translated of the case's code. */
void guest_forget_code(void);

/* The page table entry of case_pages[n], and whether migration has seen a write to it since
 * guest_clear_dirty(). */
uint64_t guest_page_entry(unsigned n);
bool guest_page_is_dirty(unsigned n);
void guest_clear_dirty(void);

/* Bytes at RIP of the current state, for walking through a case with target_exact_step(). */
unsigned guest_fetch(uint64_t linear, uint8_t bytes[16]);
/* Loads the state without running. */
void guest_load(const CaseState *state);
/* One instruction in exact mode; true: halted. */
bool guest_step(void);

#endif
