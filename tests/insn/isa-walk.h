/* SPDX-License-Identifier: MIT */
/* What test-isa-walk walks: every form of every instruction in a fixed order, and what a CPU model
 * promises of it. */
#ifndef TESTS_INSN_ISA_WALK_H
#define TESTS_INSN_ISA_WALK_H

#include "target/i386/translate/insn.h"

#include <glib.h>

/* An encoding that stands for its form: mnemonic, kinds and sizes of its operands, prefix family,
 * with or without an opmask. Memory operands are [RBX], or [RBX + XMM4] for gathers. */
typedef struct IsaForm {
    uint8_t bytes[16];
    Insn insn; /* as the current CPU model decodes it */
} IsaForm;

/* Vector register that gathers and scatters index with; as a GPR in SIB it is none. */
#define ISA_WALK_INDEX 4

/* Array of IsaForm: up to two encodings of each form, the same ones each time for a CPU model.
 * `mode` as for decode_insn(). */
GArray *isa_walk_forms(uint32_t mode);

typedef enum IsaPromise {
    ISA_PROMISED,     /* CPUID says so, or every x86-64 processor has it */
    ISA_NOT_PROMISED, /* has to be #UD */
    ISA_NOP           /* not promised; some of its codes are NOPs then */
} IsaPromise;

/* Has a set forms in this mode at all? */
bool isa_walk_is_in_mode(unsigned isa_set, uint32_t mode);

/* By the manuals, not by the translator's own table. */
IsaPromise isa_walk_promise(unsigned isa_set);

/* How a carried form that silicon cannot be asked about ends in ring 3. */
typedef struct IsaEnd {
    const char *reason; /* why not natively; NULL: there is no reason known */
    bool may_run;       /* in the guest */
    uint32_t vectors;   /* mask of those that may end it; vector 3: it went through */
} IsaEnd;

IsaEnd isa_walk_end(const Insn *insn);

#endif
