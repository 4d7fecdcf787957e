/* SPDX-License-Identifier: MIT */
/* Re-hosting: which instructions are carried and how, and re-encoding one for the host's 64-bit
 * mode. */
#ifndef TARGET_I386_TRANSLATE_REHOST_H
#define TARGET_I386_TRANSLATE_REHOST_H

#include "target/i386/translate/insn.h"

typedef enum Carry {
    CARRY_NATIVE,     /* the same instruction, registers and memory operand exchanged */
    CARRY_NOTHING,    /* no effect in a guest: multi-byte NOP, prefetch */
    CARRY_LEA,        /* address arithmetic without an access */
    CARRY_BRANCH,     /* near transfers */
    CARRY_STACK,      /* push and pop of registers, immediates and memory */
    CARRY_STRING,     /* MOVS STOS LODS SCAS CMPS */
    CARRY_BIT_STRING, /* BT BTS BTR BTC with a register index into memory */
    CARRY_HELPER      /* plain C: row->helper */
} Carry;

/* One row per mnemonic or, with mnemonic 0, per ISA set; a mnemonic's row goes before its set's. */
typedef struct RehostRow {
    uint16_t mnemonic, isa_set;
    uint8_t carry;
    InsnHelper *helper;
} RehostRow;

/* The row that carries `insn`, NULL: not carried (#UD). */
const RehostRow *rehost_find_row(const Insn *insn);

/* Does the CPU model offer the instructions of a Zydis ISA set (isa-features.c)? */
bool rehost_set_is_offered(unsigned isa_set);

/* How guest operands map to the host in one emission. */
typedef struct RehostMap {
    uint8_t gpr[16];     /* host register number of each guest GPR */
    uint8_t memory_base; /* host register that holds the host address of the memory operand */
    int32_t memory_displacement; /* ... less this */
    bool has_index;              /* ... and less the index register, shifted */
    uint8_t memory_index, memory_scale;
    bool drop_lock; /* nobody else can come between */
} RehostMap;

#define REHOST_MAX_BYTES 20

/*
 * Encodes `insn` (NATIVE or BIT_STRING) for 64-bit mode into `out`. Returns the length, 0 when the
 * combination cannot be encoded (AH..DH beside a register that needs REX): the caller takes another
 * way.
 */
unsigned rehost_encode(const Insn *insn, const RehostMap *map, uint8_t out[REHOST_MAX_BYTES]);

/* Does it lock its memory operand: by the prefix, or as XCHG does without one? */
bool rehost_is_atomic(const Insn *insn);
/* True for x87 and MMX instructions that first raise what an earlier one has left pending. */
bool rehost_waits_for_x87(const Insn *insn);
/* True for x87 instructions, not control instructions: FIP, FDP and FOP are theirs. */
bool rehost_sets_x87_pointers(const Insn *insn);
/* FOP: the low bits of the opcode byte, and ModRM. */
uint16_t rehost_x87_opcode(const Insn *insn);

#endif
