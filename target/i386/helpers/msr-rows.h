/* SPDX-License-Identifier: MIT */
/* The table of MSRs that are nothing but storage or a constant. */
#ifndef TARGET_I386_HELPERS_MSR_ROWS_H
#define TARGET_I386_HELPERS_MSR_ROWS_H

#include "target/i386/cpu-model.h"

typedef enum MsrRule {
    MSR_BITS,        /* other bits than .mask: #GP */
    MSR_DROPPED,     /* other bits than .mask are dropped */
    MSR_CANONICAL,   /* an address */
    MSR_ENTRY,       /* of SYSENTER: an address; AMD, which has 32 bits, drops the rest */
    MSR_FIXED_RANGE, /* eight memory types */
    MSR_CONSTANT,    /* reads .mask, writes are dropped */
    MSR_READ_ONLY,   /* reads .mask, writes are #GP */
    MSR_WRITE_ONLY   /* reads are #GP, writes are dropped */
} MsrRule;

/* Whose CPUs have it. */
typedef enum MsrVendor { MSR_OF_ANY, MSR_OF_INTEL, MSR_OF_AMD } MsrVendor;

typedef struct MsrRow {
    uint32_t first, last;
    MsrRule rule;
    MsrVendor vendor;
    unsigned feature; /* that it comes with; 0: always there */
    uint32_t offset;  /* of the first in X86Cpu; consecutive ones follow */
    uint64_t mask;
} MsrRow;

/* NULL: no row, or one this CPU has not. Light. */
const MsrRow *msr_row_find(const X86Cpu *cpu, uint32_t msr);

#endif
