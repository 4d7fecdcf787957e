/* SPDX-License-Identifier: MIT */
/* What a flush of the TLB may keep because page tables still say it, and address spaces without
 * PCID (proofs.c, light). */
#ifndef ACCEL_TCG_PROOFS_H
#define ACCEL_TCG_PROOFS_H

#include "accel/tcg.h"
#include "target/i386/helpers/paging.h"

#define PROOF_UPPER 256u /* of which a hint is a byte */
#define PROOF_HINTS 64u

/* An entry of a page table as a walk found it; `host` is where it lies, NULL: nowhere. */
typedef struct ProofEntry {
    const void *host;
    uint64_t value;
} ProofEntry;

/* Of one TLB table: by which entries of page tables its pages were found. */
typedef struct TlbProof {
    ProofEntry leaf[TLB_ENTRIES]; /* by the TLB entry's index; global, unpaged: none */
    ProofEntry upper[PROOF_UPPER];
    unsigned upper_count, entry_size;
    uint64_t root[4];             /* CR3's table, or with PAE the four pointers */
    uint8_t hints[PROOF_HINTS];   /* where in upper[] one is, by a hash of its place */
    bool has_root, is_impossible; /* the latter: too many, in a device, of several roots */
} TlbProof;

/* Entry `i` of the table is filled by that walk. */
void proof_note(const X86Cpu *cpu, TlbProof *proof, unsigned i, const PageWalk *walk);
/* The table holds nothing any more but global pages. */
void proof_forget(TlbProof *proof);
/* Is the root the CPU's, and do the entries above the leaves still say what they said? */
bool proof_holds(const X86Cpu *cpu, const TlbProof *proof);
/* Does the leaf of entry `i`? Its D bit may have been set. */
bool proof_holds_for(const TlbProof *proof, unsigned i);

/* As many as the contexts leave room for, of three kinds each: supervisor, AC set, user. */
#define SPACES (TLB_CONTEXTS / 3)

typedef struct Space {
    uint64_t root[4], last_use;
    bool is_known;
} Space;

/* Has the CPU page tables, and no PCID to tell them apart by? */
bool spaces_are_kept(const X86Cpu *cpu);
/* The one that CR3 names now, perhaps in the place of another that was not used for long. */
unsigned space_find(const X86Cpu *cpu, Space spaces[SPACES], uint64_t turn);

#endif
