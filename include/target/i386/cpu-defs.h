/* SPDX-License-Identifier: MIT */
/* Names and numbers of the architecture: registers, flags, control bits, MSRs, vectors. Intel SDM
 * vol. 3, AMD APM vol. 2. */
#ifndef TARGET_I386_CPU_DEFS_H
#define TARGET_I386_CPU_DEFS_H

enum {
    R_RAX,
    R_RCX,
    R_RDX,
    R_RBX,
    R_RSP,
    R_RBP,
    R_RSI,
    R_RDI,
    R_R8,
    R_R9,
    R_R10,
    R_R11,
    R_R12,
    R_R13,
    R_R14,
    R_R15
};
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

#define EFLAGS_CF 0x1u
#define EFLAGS_FIXED 0x2u /* always one */
#define EFLAGS_PF 0x4u
#define EFLAGS_AF 0x10u
#define EFLAGS_ZF 0x40u
#define EFLAGS_SF 0x80u
#define EFLAGS_TF 0x100u
#define EFLAGS_IF 0x200u
#define EFLAGS_DF 0x400u
#define EFLAGS_OF 0x800u
#define EFLAGS_IOPL 0x3000u
#define EFLAGS_IOPL_SHIFT 12
#define EFLAGS_NT 0x4000u
#define EFLAGS_RF 0x10000u
#define EFLAGS_VM 0x20000u
#define EFLAGS_AC 0x40000u
#define EFLAGS_VIF 0x80000u
#define EFLAGS_VIP 0x100000u
#define EFLAGS_ID 0x200000u
#define EFLAGS_ARITHMETIC (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)

#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)

#define CR4_VME (1u << 0)
#define CR4_PVI (1u << 1)
#define CR4_TSD (1u << 2)
#define CR4_DE (1u << 3)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define CR4_MCE (1u << 6)
#define CR4_PGE (1u << 7)
#define CR4_PCE (1u << 8)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP (1u << 11)
#define CR4_LA57 (1u << 12)
#define CR4_FSGSBASE (1u << 16)
#define CR4_PCIDE (1u << 17)
#define CR4_OSXSAVE (1u << 18)
#define CR4_SMEP (1u << 20)
#define CR4_SMAP (1u << 21)
#define CR4_PKE (1u << 22)
#define CR4_PKS (1u << 24)

#define EFER_SCE (1u << 0)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define EFER_NXE (1u << 11)
#define EFER_FFXSR (1u << 14)

/* Segment.attributes */
#define SEG_TYPE_MASK 0xfu
#define SEG_ACCESSED 0x1u
#define SEG_WRITABLE 0x2u    /* data */
#define SEG_READABLE 0x2u    /* code */
#define SEG_EXPAND_DOWN 0x4u /* data */
#define SEG_CONFORMING 0x4u  /* code */
#define SEG_CODE 0x8u
#define SEG_S 0x10u
#define SEG_DPL_SHIFT 5
#define SEG_P 0x80u
#define SEG_AVL 0x1000u
#define SEG_L 0x2000u
#define SEG_DB 0x4000u
#define SEG_G 0x8000u

enum {
    VECTOR_DE,
    VECTOR_DB,
    VECTOR_NMI,
    VECTOR_BP,
    VECTOR_OF,
    VECTOR_BR,
    VECTOR_UD,
    VECTOR_NM,
    VECTOR_DF,
    VECTOR_CSO,
    VECTOR_TS,
    VECTOR_NP,
    VECTOR_SS,
    VECTOR_GP,
    VECTOR_PF,
    VECTOR_MF = 16,
    VECTOR_AC,
    VECTOR_MC,
    VECTOR_XM,
    VECTOR_NONE = 255
};

#define PF_PRESENT 0x1u
#define PF_WRITE 0x2u
#define PF_USER 0x4u
#define PF_RESERVED 0x8u
#define PF_FETCH 0x10u
#define PF_KEY 0x20u

/* X86Cpu.mode: everything besides RIP and the page that decides what code a block holds. */
#define CPU_MODE_CS_L (1u << 0) /* 64-bit code */
#define CPU_MODE_CS_D (1u << 1) /* 32-bit default size */
#define CPU_MODE_SS_B (1u << 2) /* 32-bit stack pointer (64-bit code: ignored) */
#define CPU_MODE_LMA (1u << 3)
#define CPU_MODE_PE (1u << 4)
#define CPU_MODE_VM (1u << 5)
#define CPU_MODE_PG (1u << 6)
#define CPU_MODE_CPL_SHIFT 7 /* 2 bits */
#define CPU_MODE_CPL_MASK (3u << CPU_MODE_CPL_SHIFT)
#define CPU_MODE_FLAT_CS                                                                           \
    (1u << 9) /* base 0, limit 4 GiB - 1: EIP needs no base or check (64-bit: always) */
#define CPU_MODE_FLAT_DATA                                                                         \
    (1u << 10) /* ES, SS, DS: base 0, limit 4 GiB - 1, read-write, expand-up */
#define CPU_MODE_SMM (1u << 11)
#define CPU_MODE_TF (1u << 12)     /* one instruction a block, exact */
#define CPU_MODE_FPU (1u << 13)    /* x87 allowed: !CR0.EM && !CR0.TS */
#define CPU_MODE_SSE (1u << 14)    /* FPU && CR4.OSFXSR */
#define CPU_MODE_AVX (1u << 15)    /* TS clear && CR4.OSXSAVE && XCR0[2:1] = 3, protected mode */
#define CPU_MODE_AVX512 (1u << 16) /* AVX && XCR0[7:5] = 7 */
#define CPU_MODE_WAIT (1u << 17)   /* FWAIT allowed: !(CR0.MP && CR0.TS) */
#define CPU_MODE_DF (1u << 19)     /* strings go down; the host's DF is always clear */
#define CPU_MODE_AC (1u << 20)     /* ring 3 under CR0.AM and EFLAGS.AC: exact */
#define CPU_MODE_BREAKPOINTS (1u << 18) /* DR7 enables something, or a debugger does: exact */

#define MTRR_COUNT 8 /* variable ranges */
#define MCE_BANK_COUNT 10

#define MISC_ENABLE_FAST_STRINGS (1ull << 0)
#define MISC_ENABLE_NO_BTS (1ull << 11)
#define MISC_ENABLE_NO_PEBS (1ull << 12)
#define MISC_ENABLE_EIST (1ull << 16)
#define MISC_ENABLE_MONITOR (1ull << 18)
#define MISC_ENABLE_LIMIT_CPUID (1ull << 22)
#define MISC_ENABLE_XD_DISABLE (1ull << 34)
#define MISC_FEATURES_CPUID_FAULT 1ull
#define HWCR_MC_STATUS_WRITE (1ull << 18)
#define HWCR_TSC_FREQ_SEL (1ull << 24) /* the TSC runs at the frequency of P-state 0 */

#define MSR_TSC 0x10
#define MSR_PLATFORM_ID 0x17
#define MSR_APIC_BASE 0x1b
#define APIC_BASE_BSP (1 << 8)
#define APIC_BASE_X2APIC (1 << 10)
#define APIC_BASE_ENABLE (1 << 11) /* CPUID.1 EDX[9] follows it */
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_TSC_ADJUST 0x3b
#define MSR_SPEC_CTRL 0x48
#define MSR_PRED_CMD 0x49
#define MSR_BIOS_SIGN 0x8b
#define MSR_MTRRCAP 0xfe
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_MISC_FEATURES 0x140
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_MCG_CAP 0x179
#define MCG_CAP_BANKS 0xffull      /* how many there are */
#define MCG_CAP_CTL_P 0x100ull     /* there is MCG_CTL */
#define MCG_CAP_SER_P 0x1000000ull /* software may recover from errors */
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL 0x17b
#define MSR_MISC_ENABLE 0x1a0
#define MSR_MTRR_PHYSBASE0 0x200
#define MSR_MTRR_FIX64K 0x250
#define MSR_MTRR_FIX16K_0 0x258
#define MSR_MTRR_FIX16K_1 0x259
#define MSR_MTRR_FIX4K_0 0x268
#define MSR_DEBUGCTL 0x1d9
#define MSR_PAT 0x277
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MSR_MC0_CTL 0x400
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_PKRS 0x6e1
#define MSR_X2APIC_FIRST 0x800
#define MSR_X2APIC_LAST 0x8ff
#define MSR_XSS 0xda0
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103
#define MSR_SYSCFG 0xc0010010
#define MSR_HWCR 0xc0010015
#define MSR_SMM_BASE 0xc0010111

#endif
