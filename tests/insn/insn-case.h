/* SPDX-License-Identifier: MIT */
/* A few bytes of user code, the state they start from and the state they leave: what runs natively
 * and translated, and the comparison of both. */
#ifndef TESTS_INSN_CASE_H
#define TESTS_INSN_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CASE_PAGE 4096ull

/* Linear layout, the same on the host and in the guest. What is not listed is not mapped. */
#define CASE_CODE 0x10000000ull  /* 2 pages, all rights */
#define CASE_FAR 0x10010000ull   /* 1 page of code: shares its low 16 bits with the first one */
#define CASE_DATA 0x20000000ull  /* 6 pages: RW RW RO none RW RW */
#define CASE_STACK 0x30000000ull /* 2 pages, RW */
#define CASE_CODE_SIZE (2 * CASE_PAGE)
#define CASE_STACK_SIZE (2 * CASE_PAGE)

typedef struct CasePage {
    uint64_t linear;
    bool may_write, may_execute;
    const char *name;
} CasePage;

#define CASE_PAGES 10
#define CASE_READ_ONLY_PAGE 4 /* its bytes are those of the first image and never change */
extern const CasePage case_pages[CASE_PAGES];

/* Bytes of all pages, in the order of case_pages. */
typedef struct CaseMemory {
    uint8_t page[CASE_PAGES][CASE_PAGE];
} CaseMemory;

/* Address in the image of a linear address that is mapped, else NULL. */
uint8_t *case_memory_at(CaseMemory *memory, uint64_t linear);

typedef struct CaseFpu {
    uint16_t fcw, fsw;
    uint8_t ftw; /* abridged: a bit per physical register that is not empty */
    uint32_t mxcsr;
    uint8_t st[8][10];
    uint8_t xmm[16][16], ymm_high[16][16];
    /* AVX-512; zero where the host has none */
    uint64_t k[8];
    uint8_t zmm_high[16][32], zmm16[16][64]; /* upper halves of ZMM0-15; ZMM16-31 */
} CaseFpu;

typedef struct CaseState {
    uint64_t gpr[16], rip;
    uint64_t eflags; /* CF PF AF ZF SF OF DF */
    /* ES CS SS DS FS GS, see case-segments.h; CS decides the mode */
    uint16_t selector[6];
    uint64_t fs_base, gs_base; /* what the selectors say, anything when those are null */
    CaseFpu fpu;
} CaseState;

#define CASE_EFLAGS 0xcd5u /* what a case starts with */
/* ... and what it may change besides: TF NT RF AC ID */
#define CASE_EFLAGS_SEEN (CASE_EFLAGS | 0x254100u)

typedef enum CaseEnd {
    CASE_EXCEPTION, /* the only way to end */
    CASE_TIMEOUT,
    CASE_REFUSED /* tried a system call natively */
} CaseEnd;

typedef struct CaseOutcome {
    CaseEnd end;
    unsigned vector;
    uint32_t error_code;
    uint64_t cr2; /* #PF only */
    CaseState state;
} CaseOutcome;

/* Is there AVX-512 on this host? */
bool case_has_avx512(void);

/* Where the host's XSAVE puts component `n`, 2 to 7. */
typedef struct CaseComponent {
    unsigned offset, size;
} CaseComponent;
CaseComponent case_component(unsigned n);

/* Between CaseFpu and an XSAVE image in the host's standard form: x87, SSE, AVX, AVX-512. The
 * image's header says which of them are stored; others have their initial values. */
#define CASE_XSAVE_SIZE 2816
void case_fpu_to_image(const CaseFpu *fpu, uint8_t *image);
void case_fpu_from_image(CaseFpu *fpu, const uint8_t *image);

/* True when both ended alike. Differences are
 * printed to `out` unless it is NULL: `left` and `right` name the two runs. */
bool case_outcomes_equal(const CaseOutcome *a, const CaseOutcome *b, FILE *out, const char *left,
                         const char *right);

/* The same for memory. */
bool case_memory_equal(const CaseMemory *a, const CaseMemory *b, FILE *out, const char *left,
                       const char *right);

void case_state_print(const CaseState *state, FILE *out);

#endif
