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
#define HOST_CACHE_LINE 64 /* bytes */
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

/* Linear memory that follows itself in host memory too. */
typedef struct TlbRange {
    uint64_t first;  /* linear address of the first page */
    uint64_t limit;  /* how far behind that an access may begin */
    uint64_t addend; /* host address less linear address */
} TlbRange;

/* Where an access of user code was found last, and before that: see accel/tcg/slots.c. Of an empty
 * range `first` is no canonical address; no distance from a linear to a host address, which is what
 * every addend is, makes one of it. */
#define TLB_SLOT_EMPTY UINT64_C(0x8080808080808080)
#define TLB_SLOTS 3072
typedef struct TlbSlot {
    TlbRange ranges[2];
    int32_t skip;  /* misses left before it is filled anew */
    uint32_t time; /* of its last filling, low half of the host's counter */
} __attribute__((aligned(64))) TlbSlot;

typedef struct TcgState {
    TlbEntry *tlb;       /* table of the current context */
    uint64_t jump_key;   /* names mode, context, mapping epoch and CS base; never 0 */
    const void *poll;    /* points at poll_word; a kick points it into page 0 */
    uint64_t host_stack; /* C stack pointer while in translated code */
    uint64_t exit_value; /* for the exit reason: slot or Insn */
    uint64_t scratch[8];
    uint64_t windows[16]; /* host addresses that a trace has checked */
    uint64_t aside[2];    /* operands of a FlagsRecipe that have no place of their own */
    uint32_t saved_flags; /* lahf/seto image of the arithmetic flags where the block says so */
    uint32_t poll_word;
    uint64_t fault_pc;   /* host address of a host fault in translated code, for the exit */
    uint32_t fault_trap; /* its trap number */
    uint32_t dozing;     /* atomic, a futex: 1 while PAUSE lets go of the core; a kick clears it */
    uint64_t fault_address;
    struct TcgCpu *own;  /* private part: accel/tcg */
    X86Cpu *self;        /* this CPU: the value of GS base */
    void *thunks;        /* exact mode's pieces of code: the target's */
    void *kept_insns;    /* exact mode's decoded instructions: the target's */
    void *insn_counts;   /* how often C ran which instruction: the target's */
    uint64_t host_flags; /* RFLAGS when translated code was left */
    uint8_t *window;     /* exact mode's: a page without rights, one with, two without */
    uint8_t bounce[BOUNCE_SIZE] __attribute__((aligned(HOST_CACHE_LINE)));
    TlbSlot slots[TLB_SLOTS]; /* of the context TcgCpu.slots_key */
    TlbEntry once;            /* for one access that no entry of the TLB stands for */
    JumpCacheEntry jump_cache[JUMP_CACHE_ENTRIES];
} TcgState;

/* -- Called by the target on the CPU's own thread, no lock needed ------------------------------ */

/* Drops every cached translation of addresses of this CPU (CR0.PG, CR4 bits, EFER.NXE, SMM,
 * A20...). */
void tcg_flush_tlb(X86Cpu *cpu);
/* MOV CR3 and alike: drops what is not global, of this PCID, and not what page tables say now. */
void tcg_flush_tlb_non_global(X86Cpu *cpu);
/* INVLPG: one page in every context. */
void tcg_flush_tlb_page(X86Cpu *cpu, uint64_t linear);
/* The mode, CPL, PCID or EFLAGS.AC under SMAP changed:
 * selects the context and the jump key. Cheap. */
void tcg_context_changed(X86Cpu *cpu);

/* Drops all code translated from that linear address; main thread, every CPU parked. */
void tcg_drop_code_at(uint64_t linear);

#endif
