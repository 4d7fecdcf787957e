/* SPDX-License-Identifier: MIT */
/* Cases that are written down, byte by byte: they stay what they are when the generator changes. */
#ifndef TESTS_FUZZ_INSN_FIXED_H
#define TESTS_FUZZ_INSN_FIXED_H

#include "tests/fuzz/fuzz-insn-case.h"
#include "tests/insn/case-segments.h"

typedef struct FixedCase {
    char *name;
    FuzzCase c; /* points to the images below */
    CaseMemory memory, replaced;
    uint64_t ldt[CASE_LDT_ENTRIES];
    const char *missing; /* what the host has not got of what the case needs, or NULL */
} FixedCase;

/* What lies where a case says nothing: INT3 in pages of code, a pattern in the others. */
void fuzz_fixed_fill(CaseMemory *memory);
void fuzz_fixed_fill_page(CaseMemory *memory, unsigned page);

/*
 * Reads the case at lines[*line] and moves on behind it; NULL at the end, or with *ret_error set
 * when a line is not understood. Lines, numbers in hex unless said:
 *     case TEXT                 what it was; begins a case
 *     needs FEATURE             the case is skipped where the host has no such thing: misalignsse
 *     bits 64|32|16             size of the code, and of the stack unless SS says otherwise
 *     paging long|pae|legacy
 *     start ADDRESS             linear; CODE goes there
 *     code BYTES                behind those of the line before
 *     mem ADDRESS BYTES
 *     then ADDRESS BYTES        the case runs again with these: code replaced by a device
 *     ldt N DESCRIPTOR          N decimal
 *     rax ... r15, eflags, es ... gs, fs_base, gs_base, fcw, fsw, ftw, mxcsr VALUE
 *     st, xmm, k N BYTES        lowest byte first, N decimal; registers are zero otherwise
 */
FixedCase *fuzz_fixed_read(char **lines, unsigned *line, char **ret_error);
void fuzz_fixed_free(FixedCase *fixed);

/* Writes `c` down with as little memory as it fails with. */
void fuzz_fixed_print(const FuzzCase *c, bool (*fails)(const FuzzCase *c), FILE *out);

#endif
