/* SPDX-License-Identifier: MIT */
/* Code out of line: what it is for, and what is known where it is jumped to. */
#ifndef TARGET_I386_TRANSLATE_COLD_H
#define TARGET_I386_TRANSLATE_COLD_H

#include "accel/tcg/block.h"
#include "accel/tcg/slots.h"
#include "target/i386/translate/insn.h"

typedef enum ColdKind {
    COLD_CHECK,  /* refill or exact mode */
    COLD_EXIT,   /* `exit` */
    COLD_STUB,   /* `slot` and `target` */
    COLD_SIDE,   /* goes on at `target` */
    COLD_APART,  /* goes on at `target`, which the jump cache does not know */
    COLD_LOOKUP, /* goes on at the RIP in T1 */
    COLD_WINDOW, /* refill or go on in a block that checks each access; target: greatest offset */
    COLD_SLOT,   /* look the page up in the TLB: address_slot_miss() */
    COLD_DIRECT, /* the same for an access that names the guest's registers: direct_miss() */
    COLD_LINE,   /* exact mode if the operand at T1 lies in two cache lines; target: last offset */
    COLD_HOT,    /* this block has been entered often */
    COLD_STALE   /* its bytes have changed */
} ColdKind;

/* Code out of line: what a failed check jumps to, or the stub of a direct jump. */
typedef struct Cold {
    uint8_t *place;   /* rel32 that jumps here */
    uint8_t *retry;   /* where to go on after a refill; NULL: exact mode */
    uint8_t access;   /* of the refill */
    uint8_t size;     /* of the access, log2 + 1; 0: some other, or of more than one access */
    const Insn *exit; /* leave to C with this instruction */
    JumpSlot *slot;   /* a jump's stub: slot and target */
    uint64_t target;
    uint8_t kind;        /* ColdKind */
    uint8_t miss;        /* COLD_SLOT: what becomes of the check behind it */
    TlbSlotUse slot_use; /* COLD_SLOT, COLD_DIRECT */
    uint8_t t2_gpr;      /* COLD_DIRECT: which of R13-R15 T2 holds */
    bool in_shadow;      /* of the STI before it */
    bool at_home;        /* Translator.at_home */
    uint8_t flags;       /* FlagsPlace when it is jumped to */
    FlagsRecipe recipe;
    const Insn *insn;
} Cold;

#endif
