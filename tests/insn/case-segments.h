/* SPDX-License-Identifier: MIT */
/* The descriptors a case may name: those a 64-bit Linux process has in its GDT, and an LDT of our
 * own, the same natively and in the guest. */
#ifndef TESTS_INSN_CASE_SEGMENTS_H
#define TESTS_INSN_CASE_SEGMENTS_H

#include "target/i386/cpu.h"

#define CASE_CODE_32 0x23 /* flat code of 32-bit programs */
#define CASE_DATA_3 0x2b  /* flat data */
#define CASE_CODE_64 0x33
#define CASE_CPU_NUMBER 0x78 /* a segment whose limit names the CPU */

#define CASE_GDT_ENTRIES 16
#define CASE_LDT_ENTRIES 128

/* Selectors of 64-bit code, for CaseState.selector. */
#define CASE_SELECTORS_64                                                                          \
    {                                                                                              \
        [SEG_CS] = CASE_CODE_64, [SEG_SS] = CASE_DATA_3                                            \
    }

/* Raw descriptors; filled once, before native_init() and guest_main(). The kernel takes only ring 3
 * code and data, marked accessed, conforming code only when not present. */
extern uint64_t case_ldt[CASE_LDT_ENTRIES];

/* A raw one: type as in Segment.attributes bits 0-7, `flags` SEG_G, SEG_DB, SEG_AVL. */
uint64_t case_descriptor_make(uint32_t base, uint32_t limit, unsigned type, unsigned flags);

/* What a selector names in the GDT of user code or in the LDT; 0: nothing. */
uint64_t case_descriptor(uint16_t selector);

/* The hidden part that loading it gives. */
Segment case_segment(uint16_t selector);

#endif
