/* SPDX-License-Identifier: MIT */
/* Random cases for fuzz-insn: a few instructions, where they lie, and the state they start from. */
#ifndef TESTS_FUZZ_INSN_CASE_H
#define TESTS_FUZZ_INSN_CASE_H

#include "target/i386/translate/insn.h"
#include "tests/insn/guest-paging.h"
#include "tests/insn/insn-case.h"

#define FUZZ_MAX_INSNS 10
#define FUZZ_NO_TARGET 0xff

/* What of an instruction depends on where it or another one lies. */
typedef enum FuzzFix {
    FIX_NONE,
    FIX_BRANCH,       /* displacement to instruction `target` */
    FIX_ADDRESS,      /* RIP-relative displacement to `address` */
    FIX_CODE,         /* RIP-relative displacement to byte `target_byte` of instruction `target` */
    FIX_CODE_IN_DATA, /* the same as an offset in DS */
    FIX_FAR           /* offset of instruction `target` in segment `selector`, and that */
} FuzzFix;

typedef struct FuzzInsn {
    uint8_t bytes[16];
    uint8_t length;
    uint8_t fix, fix_offset, fix_size;
    uint8_t target, target_byte; /* target == count: what is behind the last one */
    bool may_go;                 /* without it the others still make sense */
    uint64_t address;
    uint16_t selector;
    uint16_t isa_set, mnemonic;
} FuzzInsn;

typedef struct FuzzCase {
    uint64_t seed;
    uint32_t mode; /* CPU_MODE_CS_L, CS_D, SS_B at the start */
    GuestPaging paging;
    FuzzInsn insns[FUZZ_MAX_INSNS];
    unsigned count;
    uint64_t start; /* linear address of the first */
    CaseState state;
    uint8_t gpr_target[16]; /* registers that point at an instruction, else FUZZ_NO_TARGET */
    uint16_t gpr_is_far;    /* ... or at its copy on the far page */
    /* All of memory where it is written down and not drawn; count is 0 then */
    const CaseMemory *fixed_memory, *fixed_variant;
    /* A byte that is other when it is run once more: code replaced by a device */
    bool has_variant;
    uint8_t variant_insn, variant_byte, variant_value;
    /* How it is run */
    bool flush_before, forget_use, flush_between, second_opinion, watch_dirty, in_device;
} FuzzCase;

typedef enum FuzzModes { FUZZ_ALL_MODES, FUZZ_64_BIT, FUZZ_LEGACY } FuzzModes;

void fuzz_case_make(FuzzCase *c, uint64_t seed, FuzzModes modes);
/* Memory and registers as they are before it runs. */
void fuzz_case_lay_out(const FuzzCase *c, CaseMemory *ret_memory, CaseState *ret_state);
/* Address of instruction n. */
uint64_t fuzz_case_address(const FuzzCase *c, unsigned n);
/* The case as it is run once more; itself without a variant. */
FuzzCase fuzz_case_variant(const FuzzCase *c);
/* Takes out instruction n. */
void fuzz_case_drop(FuzzCase *c, unsigned n);

/* Could this instruction be part of a case: carried, and the same everywhere? */
bool fuzz_insn_is_allowed(const Insn *insn);
bool fuzz_decode(uint32_t mode, uint64_t rip, const uint8_t *bytes, unsigned size, Insn *ret_insn);

/* May CR2 be another byte of the operand than here? */
bool fuzz_insn_may_fault_anywhere(const Insn *insn);

#endif
