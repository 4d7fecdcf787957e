/* SPDX-License-Identifier: MIT */
/* Translator state embedded in a CPU, and what a target gives and gets.
 * Design: docs/design/tcg.md. */
#ifndef ACCEL_TCG_H
#define ACCEL_TCG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct X86Cpu X86Cpu;

#define TLB_BITS 13
#define TLB_ENTRIES (1u << TLB_BITS)
#define TLB_CONTEXTS 16
#define JUMP_CACHE_BITS 16
#define JUMP_CACHE_ENTRIES (1u << JUMP_CACHE_BITS)
#define BOUNCE_SIZE 4224
/* Bits of a context's key: without them it is the supervisor's that implicit accesses use. */
#define TLB_KEY_USER (1u << 12)
#define TLB_KEY_AC (1u << 13)

/*
 * A software TLB entry of index i = (linear >> 12) % TLB_ENTRIES. A tag is the linear address of
 * the page the right holds for, else tlb_invalid_tag(i): a page of another index, which no address
 * looked up here can equal.
 */
typedef struct TlbEntry {
    uint64_t tag_read, tag_write, tag_exec;
    uint64_t host; /* host address of the page */
} TlbEntry;

static inline uint64_t tlb_invalid_tag(unsigned index)
{
    return (uint64_t)(index ^ 1) << 12;
}

/* Where indirect jumps go: index is the low 16 bits of RIP. */
typedef struct JumpCacheEntry {
    uint64_t rip, key; /* guest RIP; TcgState.jump_key at the time; 0: empty */
    const void *code;  /* host entry point */
    const struct Block *block;
} JumpCacheEntry;

/* The page that an access of user code found last, and host address less linear address in it. */
#define TLB_SLOTS 128
typedef struct TlbSlot {
    uint64_t page, addend;
} TlbSlot;
/* A page that is none, with an addend that makes a host address that is none. */
#define TLB_SLOT_EMPTY_BYTE 0x80

typedef struct TcgState {
    TlbEntry *tlb;       /* table of the current context */
    uint64_t jump_key;   /* names mode, context, mapping epoch and CS base; never 0 */
    const void *poll;    /* points at poll_word; a kick points it into page 0 */
    uint64_t host_stack; /* C stack pointer while in translated code */
    uint64_t exit_value; /* for the exit reason: slot or Insn */
    uint64_t scratch[8];
    uint64_t windows[16];        /* host addresses that a trace has checked */
    TlbSlot slots[2][TLB_SLOTS]; /* for reads, for writes; of the context `slots_key` */
    uint64_t slots_key;          /* context number << 32 | epoch */
    uint8_t slots_used;          /* by translated code: not all are empty */
    uint32_t saved_flags; /* lahf/seto image of the arithmetic flags where the block says so */
    uint32_t poll_word;
    uint64_t fault_pc;   /* host address of a host fault in translated code, for the exit */
    uint32_t fault_trap; /* its trap number */
    uint64_t fault_address;
    struct TcgCpu *own;  /* private part: accel/tcg */
    X86Cpu *self;        /* this CPU: the value of GS base */
    void *thunks;        /* exact mode's pieces of code: the target's */
    void *kept_insns;    /* exact mode's decoded instructions: the target's */
    void *insn_counts;   /* how often C ran which instruction: the target's */
    uint64_t host_flags; /* RFLAGS when translated code was left */
    uint8_t *window;     /* exact mode's: a page without rights, one with, two without */
    uint8_t bounce[BOUNCE_SIZE] __attribute__((aligned(64)));
    JumpCacheEntry jump_cache[JUMP_CACHE_ENTRIES];
} TcgState;

/* -- Called by the target on the CPU's own thread, no lock needed ------------------------------ */

/* Drops every cached translation of addresses of this CPU (CR0.PG, CR4 bits, EFER.NXE, SMM,
 * A20...). */
void tcg_flush_tlb(X86Cpu *cpu);
/* MOV CR3 and alike without PCID: drops all but global entries. */
void tcg_flush_tlb_non_global(X86Cpu *cpu);
/* INVLPG: one page in every context. */
void tcg_flush_tlb_page(X86Cpu *cpu, uint64_t linear);
/* The mode, CPL, PCID or EFLAGS.AC under SMAP changed:
 * selects the context and the jump key. Cheap. */
void tcg_context_changed(X86Cpu *cpu);

/* Drops all code translated from that linear address; main thread, every CPU parked. */
void tcg_drop_code_at(uint64_t linear);

#endif
