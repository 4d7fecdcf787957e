/* SPDX-License-Identifier: MIT */
/* Insn: one decoded guest instruction, compact; made by decode.c from Zydis, read by the translator
 * and the helpers. */
#ifndef TARGET_I386_TRANSLATE_INSN_H
#define TARGET_I386_TRANSLATE_INSN_H

#include <stdbool.h>
#include <stdint.h>

#define INSN_MAX_LENGTH 15
#define INSN_MAX_OPERANDS 5
#define INSN_NO_REG 0xff
#define INSN_RIP 16 /* base of a RIP-relative operand */

typedef enum OperandKind {
    OPERAND_NONE,
    OPERAND_REG,
    OPERAND_MEM,
    OPERAND_IMM,
    OPERAND_REL,
    OPERAND_FAR
} OperandKind;
typedef enum RegClass {
    REG_GPR,
    REG_GPR8_HIGH,
    REG_SEGMENT,
    REG_CONTROL,
    REG_DEBUG,
    REG_OTHER
} RegClass;

/* Which enable bits an instruction needs besides its CPUID feature. */
typedef enum InsnGate {
    GATE_NONE,
    GATE_X87,
    GATE_MMX,
    GATE_SSE,
    GATE_AVX,
    GATE_AVX512,
    GATE_WAIT
} InsnGate;

typedef struct InsnOperand {
    uint8_t kind;         /* OperandKind */
    uint8_t reg_class;    /* RegClass: GPR8_HIGH is AH CH DH BH with reg 0-3 */
    uint8_t reg;          /* number in its class */
    uint8_t encoding;     /* ZydisOperandEncoding: which field of the instruction names it */
    uint8_t actions;      /* ZydisOperandActions: read, write, conditional */
    bool hidden;          /* implicit */
    uint16_t size;        /* bytes */
    uint8_t element_size; /* bytes of one element, as far as Zydis knows */
} InsnOperand;

typedef struct Insn {
    uint64_t rip;          /* linear RIP minus CS base: the instruction's own EIP/RIP */
    int64_t displacement;  /* memory operand, sign-extended */
    int64_t immediate;     /* first immediate; REL: displacement of the jump; FAR: offset */
    uint16_t immediate2;   /* ENTER's second; FAR: selector */
    uint16_t mnemonic;     /* ZydisMnemonic */
    uint8_t length;        /* bytes */
    uint8_t operand_bits;  /* effective: 8 16 32 64; near branches in 64-bit code: 64 */
    uint8_t address_bits;  /* effective: 16 32 64 */
    uint8_t stack_bits;    /* 16 32 64, of the mode it was decoded for */
    uint8_t operand_count; /* explicit and implicit ones */
    uint8_t segment;       /* SEG_* of the memory operand after overrides */
    uint8_t base, index;   /* GPR number, INSN_NO_REG; base 16: RIP */
    uint8_t scale;         /* 0-3: shift */
    /* Index into operands of the explicit memory operand, INSN_NO_REG if none. */
    uint8_t memory_operand;
    bool lock, rep, repne; /* prefixes that have that meaning here */
    bool has_immediate, immediate_is_signed;
    bool operand_prefix; /* a 66h that is not a mandatory prefix */
    uint8_t bytes[16];
    uint8_t opcode_offset; /* in bytes: of the last opcode byte */
    uint8_t modrm_offset, sib_offset, displacement_offset, immediate_offset; /* 0: none */
    uint8_t displacement_size, immediate_size; /* bytes; immediate_size counts all immediates */
    uint8_t opcode, opcode_map, modrm;         /* map: ZydisOpcodeMap */
    uint8_t encoding; /* ZydisInstructionEncoding: legacy, 3DNow, XOP, VEX, EVEX */
    uint8_t vector_offset, vector_size; /* of the VEX, XOP or EVEX prefix in bytes */
    uint8_t vector_index;               /* VSIB: number of the index register, else INSN_NO_REG */
    uint8_t rex;                        /* raw byte or 0 */
    uint8_t mandatory_prefix;           /* 66h, F2h, F3h that selects the instruction, or 0 */
    uint32_t gprs_used;                 /* mask of all GPRs it names or implies */
    uint32_t gprs_written;              /* ... and of those it writes */
    bool masked;        /* a mask decides which parts of the memory operand are touched */
    bool only_waits;    /* PAUSE: the block it ends is a round of a loop that does nothing else */
    bool hidden_memory; /* memory operands beside the explicit one: stack, strings... */
    uint16_t flags_read, flags_written,
        flags_undefined; /* arithmetic flags and DF, EFLAGS positions */
    uint16_t isa_set;    /* ZydisISASet */
    uint16_t category;   /* ZydisInstructionCategory */
    uint8_t gate;        /* InsnGate */
    const struct RehostRow *row;
    InsnOperand operands[INSN_MAX_OPERANDS];
} Insn;

/* What a C helper for an instruction answers. */
typedef enum InsnResult {
    INSN_NEXT, /* done; the caller advances RIP by the length */
    INSN_JUMP, /* done; RIP, and whatever else, has been set */
    /* cpu->fault is set; nothing architectural was changed, unless the manual says so. */
    INSN_FAULT,
    INSN_HALT,  /* done; cpu->halted is set; the caller advances RIP */
    INSN_REPEAT /* a page's worth of a REP is done, or elements of a gather; registers are
                 * consistent, RIP stays */
} InsnResult;

struct X86Cpu;
typedef InsnResult InsnHelper(struct X86Cpu *cpu, const Insn *insn);

#endif
