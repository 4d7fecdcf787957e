/* SPDX-License-Identifier: MIT */
/* Translator: the state of one block's translation, shared by the files that emit parts of it. */
#ifndef TARGET_I386_TRANSLATE_TRANSLATOR_H
#define TARGET_I386_TRANSLATE_TRANSLATOR_H

#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/translate/insn.h"
#include "target/i386/translate/rehost.h"

#define MAX_BLOCK_INSNS TCG_MAX_BLOCK_INSNS
#define MAX_MARKS (MAX_BLOCK_INSNS * 8)
#define MAX_COLDS (MAX_BLOCK_INSNS * 6)

#define GPR_OFFSET(n) (offsetof(X86Cpu, gpr) + 8 * (size_t)(n))
#define TCG_OFFSET(field) offsetof(X86Cpu, tcg.field)

/* Where the guest's arithmetic flags are at this point of the code. */
typedef enum FlagsPlace { FLAGS_HOST, FLAGS_SAVED, FLAGS_BOTH } FlagsPlace;

/* Code out of line: what a failed check jumps to, or the stub of a direct jump. */
typedef struct Cold {
    uint8_t *place;   /* rel32 that jumps here */
    uint8_t *retry;   /* where to go on after a refill; NULL: exact mode */
    uint64_t rip;     /* of the instruction */
    uint8_t access;   /* of the refill */
    const Insn *exit; /* leave to C with this instruction */
    JumpSlot *slot;   /* a jump's stub: slot and target */
    uint64_t target;
} Cold;

typedef struct Translator {
    X86Cpu *cpu;
    Block *block;
    Emitter *e;
    uint32_t mode;
    FlagsPlace flags;
    const Insn *insn; /* the one being emitted */
    uint8_t *start;   /* writable view of the block's code */
    InsnMark marks[MAX_MARKS];
    unsigned mark_count;
    Cold colds[MAX_COLDS];
    unsigned cold_count;
    bool ended; /* control has left; nothing may follow */
} Translator;

/* Host register of a guest GPR, or INSN_NO_REG for R13-R15, which live in cpu->gpr. */
static inline uint8_t host_of(unsigned gpr)
{
    return gpr < R_RSP    ? (uint8_t)gpr
           : gpr == R_RSP ? HOST_R15
           : gpr == R_RBP ? HOST_R14
           : gpr < R_R13  ? (uint8_t)gpr
                          : INSN_NO_REG;
}

/* Guest GPR in some host register: its own, or `scratch` after loading it there. Flags stay. */
unsigned translate_use_gpr(Translator *t, unsigned gpr, unsigned scratch);

/* Notes that host code from here on belongs to t->insn. */
void translate_mark(Translator *t);

/* -- flags.c ----------------------------------------------------------------------------------- */

/* Before code that destroys the host's flags: they are in saved_flags afterwards. Destroys T2. */
void flags_save(Translator *t);
/* Makes the host's flags the guest's. Destroys T2, keeps T1. */
void flags_restore(Translator *t);
/* To be called right before t->insn itself runs, and after it. */
void flags_before(Translator *t);
void flags_after(Translator *t);

/* -- address.c --------------------------------------------------------------------------------- */

/* T1 = effective address of the memory operand, truncated, without segment. Destroys T2. Flags
 * stay. */
void address_effective(Translator *t);
/* From an effective address in T1: T1 = host address, for `access` 1 read, 2 write, 3 both, of
 * `size` bytes. Flags end up saved. Destroys T2. `retry` is where a refill starts again (NULL: at
 * the check). */
void address_check(Translator *t, unsigned segment, unsigned size, unsigned access);
/* Pieces of it: T1 = linear address in, T2 = entry out; then T1 = offset in the page after a check
 * that goes to a refill. */
void address_lookup_page(Translator *t, unsigned access, unsigned greatest_offset);
void address_add_host(Translator *t);
/* Registers a jump to out-of-line code. */
Cold *address_add_cold(Translator *t, uint8_t *place);
/* Both for the memory operand. */
void address_operand(Translator *t, unsigned size, unsigned access);

/* -- control-flow.c ---------------------------------------------------------------------------- */

/* A copy of t->insn that lives as long as the block. */
const Insn *control_keep_insn(Translator *t);
/* Leaves to C, which runs t->insn; ends the block. */
void control_exit_insn(Translator *t);
/* Direct jump through slot `n`; ends this path. */
void control_goto(Translator *t, unsigned n, uint64_t target);
/* CARRY_BRANCH; ends the block. */
void control_branch(Translator *t);
/* Out-of-line code of the block. */
void control_emit_colds(Translator *t);

/* -- string-emit.c ----------------------------------------------------------------------------- */

/* CARRY_STRING: inline where it is simple, else ends the block. */
void string_emit(Translator *t);

/* -- stack-emit.c ------------------------------------------------------------------------------ */

/* CARRY_STACK; false: C has to do it. */
bool stack_emit(Translator *t);
/* T1 = host address of the stack slot below (push) or at (pop) the stack pointer. */
void stack_check_push(Translator *t, unsigned size);
void stack_check_pop(Translator *t, unsigned size);
/* Moves the guest's stack pointer; flags must be saved. Destroys T2 in 16-bit stacks. */
void stack_move(Translator *t, int32_t bytes);
/* Bytes of a stack operand of t->insn. */
unsigned stack_operand_size(const Translator *t);

#endif
