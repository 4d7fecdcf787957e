/* SPDX-License-Identifier: MIT */
/*
 * Random system code for fuzz-system. Most of it are rows: prefix, opcode, what follows. What needs
 * registers to make sense (MSRs, control registers, ports, strings onto devices) is a short
 * sequence of its own, which counts as one instruction.
 */
#include "tests/fuzz/fuzz-system.h"

#include "tests/insn/insn-case.h"

#include <string.h>

typedef struct Code {
    Random *r;
    unsigned bits, length;
    uint8_t bytes[96];
} Code;

/* What follows the opcode. */
typedef enum Tail {
    TAIL_NONE,
    TAIL_MEMORY,   /* ModRM with a memory operand; `reg` fixed, or any when 8 */
    TAIL_REGISTER, /* ModRM with a register */
    TAIL_ANY,      /* ModRM with either */
    TAIL_IMM8,
    TAIL_IMM16,
    TAIL_REL8,
    TAIL_REL, /* by operand size */
    TAIL_FAR  /* offset by operand size, selector */
} Tail;

typedef struct Row {
    uint8_t prefix, map, opcode; /* map 0: one byte; 1: 0F xx */
    uint8_t tail, reg, weight;
} Row;

static const Row rows[] = {
    {0, 0, 0xf4, TAIL_NONE, 0, 1},        /* HLT */
    {0, 0, 0xfa, TAIL_NONE, 0, 3},        /* CLI */
    {0, 0, 0xfb, TAIL_NONE, 0, 4},        /* STI */
    {0, 0, 0x9c, TAIL_NONE, 0, 3},        /* PUSHF */
    {0, 0, 0x9d, TAIL_NONE, 0, 5},        /* POPF */
    {0, 0, 0xcf, TAIL_NONE, 0, 8},        /* IRET */
    {0, 0, 0xcb, TAIL_NONE, 0, 4},        /* RETF */
    {0, 0, 0xca, TAIL_IMM16, 0, 2},       /* RETF n */
    {0, 0, 0xc3, TAIL_NONE, 0, 1},        /* RET */
    {0, 0, 0xcd, TAIL_IMM8, 0, 6},        /* INT */
    {0, 0, 0xcc, TAIL_NONE, 0, 1},        /* INT3 */
    {0, 0, 0xf1, TAIL_NONE, 0, 1},        /* INT1 */
    {0, 0, 0xce, TAIL_NONE, 0, 1},        /* INTO */
    {0, 0, 0x62, TAIL_MEMORY, 8, 1},      /* BOUND */
    {0, 0, 0x9a, TAIL_FAR, 0, 8},         /* CALL FAR */
    {0, 0, 0xea, TAIL_FAR, 0, 8},         /* JMP FAR */
    {0, 0, 0xff, TAIL_MEMORY, 3, 6},      /* CALL FAR m */
    {0, 0, 0xff, TAIL_MEMORY, 5, 6},      /* JMP FAR m */
    {0, 0, 0xe8, TAIL_REL, 0, 2},         /* CALL */
    {0, 0, 0xeb, TAIL_REL8, 0, 3},        /* JMP */
    {0, 0, 0x74, TAIL_REL8, 0, 2},        /* JZ */
    {0, 0, 0xe2, TAIL_REL8, 0, 2},        /* LOOP */
    {0, 0, 0x8e, TAIL_ANY, 8, 10},        /* MOV Sreg */
    {0, 0, 0x8c, TAIL_ANY, 8, 2},         /* MOV r/m, Sreg */
    {0, 0, 0x07, TAIL_NONE, 0, 1},        /* POP ES */
    {0, 0, 0x17, TAIL_NONE, 0, 1},        /* POP SS */
    {0, 0, 0x1f, TAIL_NONE, 0, 1},        /* POP DS */
    {0, 1, 0xa1, TAIL_NONE, 0, 1},        /* POP FS */
    {0, 1, 0xb2, TAIL_MEMORY, 8, 2},      /* LSS */
    {0, 1, 0xb4, TAIL_MEMORY, 8, 1},      /* LFS */
    {0, 0, 0xc5, TAIL_MEMORY, 8, 1},      /* LDS */
    {0, 1, 0x00, TAIL_ANY, 0, 1},         /* SLDT */
    {0, 1, 0x00, TAIL_ANY, 1, 1},         /* STR */
    {0, 1, 0x00, TAIL_ANY, 2, 4},         /* LLDT */
    {0, 1, 0x00, TAIL_ANY, 3, 4},         /* LTR */
    {0, 1, 0x00, TAIL_ANY, 4, 3},         /* VERR */
    {0, 1, 0x00, TAIL_ANY, 5, 3},         /* VERW */
    {0, 1, 0x01, TAIL_MEMORY, 0, 2},      /* SGDT */
    {0, 1, 0x01, TAIL_MEMORY, 1, 2},      /* SIDT */
    {0, 1, 0x01, TAIL_MEMORY, 2, 2},      /* LGDT */
    {0, 1, 0x01, TAIL_MEMORY, 3, 2},      /* LIDT */
    {0, 1, 0x01, TAIL_ANY, 4, 1},         /* SMSW */
    {0, 1, 0x01, TAIL_ANY, 6, 3},         /* LMSW */
    {0, 1, 0x01, TAIL_MEMORY, 7, 4},      /* INVLPG */
    {0, 1, 0x01, TAIL_REGISTER, 8, 4},    /* MONITOR, SWAPGS, XGETBV, CLAC, WRPKRU... */
    {0, 1, 0x02, TAIL_ANY, 8, 4},         /* LAR */
    {0, 1, 0x03, TAIL_ANY, 8, 4},         /* LSL */
    {0, 1, 0x05, TAIL_NONE, 0, 4},        /* SYSCALL */
    {0, 1, 0x07, TAIL_NONE, 0, 4},        /* SYSRET */
    {0, 1, 0x34, TAIL_NONE, 0, 3},        /* SYSENTER */
    {0, 1, 0x35, TAIL_NONE, 0, 3},        /* SYSEXIT */
    {0, 1, 0x06, TAIL_NONE, 0, 2},        /* CLTS */
    {0, 1, 0x08, TAIL_NONE, 0, 1},        /* INVD */
    {0, 1, 0x09, TAIL_NONE, 0, 1},        /* WBINVD */
    {0, 1, 0x0b, TAIL_NONE, 0, 1},        /* UD2 */
    {0, 1, 0xa2, TAIL_NONE, 0, 1},        /* CPUID */
    {0, 1, 0xaa, TAIL_NONE, 0, 4},        /* RSM */
    {0, 1, 0x20, TAIL_REGISTER, 8, 4},    /* MOV r, CR */
    {0, 1, 0x22, TAIL_REGISTER, 8, 4},    /* MOV CR, r */
    {0, 1, 0x21, TAIL_REGISTER, 8, 2},    /* MOV r, DR */
    {0, 1, 0x23, TAIL_REGISTER, 8, 4},    /* MOV DR, r */
    {0, 1, 0x30, TAIL_NONE, 0, 2},        /* WRMSR */
    {0, 1, 0x32, TAIL_NONE, 0, 2},        /* RDMSR */
    {0, 1, 0x33, TAIL_NONE, 0, 1},        /* RDPMC */
    {0, 1, 0xae, TAIL_MEMORY, 8, 12},     /* FXSAVE, FXRSTOR, LDMXCSR, XSAVE, XRSTOR, XSAVEOPT */
    {0, 1, 0xc7, TAIL_MEMORY, 8, 8},      /* CMPXCHG8B, XRSTORS, XSAVEC, XSAVES */
    {0xf3, 1, 0xae, TAIL_REGISTER, 8, 4}, /* RDFSBASE, WRGSBASE... */
    {0, 0, 0xec, TAIL_NONE, 0, 1},        /* IN AL, DX */
    {0, 0, 0xef, TAIL_NONE, 0, 2},        /* OUT DX, EAX */
    {0, 0, 0xe4, TAIL_IMM8, 0, 2},        /* IN AL, n */
    {0, 0, 0xe6, TAIL_IMM8, 0, 3},        /* OUT n, AL */
    {0, 0, 0x6c, TAIL_NONE, 0, 1},        /* INSB */
    {0, 0, 0x6f, TAIL_NONE, 0, 1},        /* OUTS */
    {0, 0, 0xa4, TAIL_NONE, 0, 1},        /* MOVSB */
    {0, 0, 0xab, TAIL_NONE, 0, 1},        /* STOS */
    {0, 0, 0xaf, TAIL_NONE, 0, 1},        /* SCAS */
    {0, 0, 0xc8, TAIL_IMM16, 0, 1},       /* ENTER (the level is the next byte) */
    {0, 0, 0xc9, TAIL_NONE, 0, 1},        /* LEAVE */
    {0, 0, 0x60, TAIL_NONE, 0, 1},        /* PUSHA */
    {0, 0, 0x61, TAIL_NONE, 0, 1},        /* POPA */
    {0, 0, 0x63, TAIL_ANY, 8, 2},         /* ARPL, MOVSXD */
    {0, 0, 0x8f, TAIL_MEMORY, 0, 2},      /* POP m */
    {0, 0, 0xff, TAIL_ANY, 6, 2},         /* PUSH */
    {0, 0, 0x89, TAIL_ANY, 8, 4},         /* MOV */
    {0, 0, 0x8b, TAIL_ANY, 8, 4},         {0, 0, 0x01, TAIL_ANY, 8, 3},     /* ADD */
    {0, 0, 0x87, TAIL_ANY, 8, 2},                                           /* XCHG */
    {0xf0, 1, 0xb1, TAIL_MEMORY, 8, 2},                                     /* LOCK CMPXCHG */
    {0xf0, 1, 0xab, TAIL_ANY, 8, 1},                                        /* LOCK BTS */
    {0, 1, 0x6f, TAIL_ANY, 8, 1},                                           /* MOVQ */
    {0, 1, 0x11, TAIL_ANY, 8, 2},                                           /* MOVUPS */
    {0, 1, 0x28, TAIL_ANY, 8, 1},                                           /* MOVAPS */
    {0, 0, 0xd9, TAIL_ANY, 8, 2},                                           /* x87 */
    {0, 0, 0xdd, TAIL_ANY, 8, 2},         {0x66, 1, 0x38, TAIL_NONE, 0, 1}, /* three-byte map */
};

static void put(Code *code, uint64_t value, unsigned size)
{
    memcpy(code->bytes + code->length, &value, size);
    code->length += size;
}

/* -- Operands ---------------------------------------------------------------------------------- */

/* ModRM, SIB, displacement of a memory operand. Half of them are addresses that mean something. */
static void put_memory(Code *code, unsigned reg)
{
    uint64_t address = sys_random_linear(code->r);

    reg = (reg & 7) << 3;
    if (random_chance(code->r, 30)) {
        address = SYS_XSAVE + (random_below(code->r, 8) << 6);
    }
    if (code->bits == 16) {
        if (random_chance(code->r, 70)) {
            put(code, reg | 6, 1);
            put(code, address, 2);
        } else {
            put(code, 0x40 | reg | random_below(code->r, 8), 1);
            put(code, random_next(code->r), 1);
        }
        return;
    }
    if (random_chance(code->r, 60)) {
        if (code->bits == 64) { /* without RIP */
            put(code, reg | 4, 1);
            put(code, 0x25, 1);
        } else {
            put(code, reg | 5, 1);
        }
        put(code, address, 4);
        return;
    }
    put(code, 0x40 | reg | 4, 1);
    put(code, random_next(code->r), 2);
}

static void put_far(Code *code, bool wide)
{
    static const uint16_t targets[] = {SYS_CODE, SYS_CODE_16, SYS_CODE_32, SYS_CODE_64};
    uint64_t offset = targets[random_below(code->r, 4)] + random_below(code->r, 32);

    if (random_chance(code->r, 10)) {
        offset = sys_random_value(code->r);
    }
    put(code, offset, wide ? 4 : 2);
    put(code, sys_random_selector(code->r), 2);
}

static const Row *random_row(Random *r)
{
    unsigned total = 0, left;
    const Row *row = rows;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        total += rows[i].weight;
    }
    left = (unsigned)random_below(r, total);
    while (left >= row->weight) {
        left -= row->weight;
        row++;
    }
    return row;
}

static void put_tail(Code *code, const Row *row, bool wide)
{
    unsigned reg = row->reg == 8 ? (unsigned)random_below(code->r, 8) : row->reg;
    bool in_memory =
        row->tail == TAIL_MEMORY || (row->tail == TAIL_ANY && random_chance(code->r, 60));

    switch (row->tail) {
    case TAIL_MEMORY:
    case TAIL_REGISTER:
    case TAIL_ANY:
        if (in_memory) {
            put_memory(code, reg);
        } else {
            put(code, 0xc0 | reg << 3 | random_below(code->r, 8), 1);
        }
        break;
    case TAIL_IMM8:
        put(code, random_next(code->r), 1);
        break;
    case TAIL_IMM16:
        put(code, random_below(code->r, 64), 2);
        break;
    case TAIL_REL8:
        put(code, (uint64_t)random_below(code->r, 80) - 40, 1);
        break;
    case TAIL_REL:
        put(code, (uint64_t)random_below(code->r, 80) - 40, wide ? 4 : 2);
        break;
    case TAIL_FAR:
        put_far(code, wide);
        break;
    default:
        break;
    }
}

static void put_row(Code *code)
{
    static const uint8_t prefixes[] = {0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf2, 0xf3, 0xf0, 0x67};
    const Row *row = random_row(code->r);
    bool other_size = random_chance(code->r, 12);

    if (random_chance(code->r, 8)) {
        put(code, prefixes[random_below(code->r, sizeof(prefixes))], 1);
    }
    if (other_size) {
        put(code, 0x66, 1);
    }
    if (row->prefix) {
        put(code, row->prefix, 1);
    }
    if (code->bits == 64 && random_chance(code->r, 35)) {
        put(code, random_chance(code->r, 60) ? 0x48 : 0x40 | random_below(code->r, 16), 1);
    }
    if (row->map) {
        put(code, 0x0f, 1);
    }
    put(code, row->opcode, 1);
    put_tail(code, row, (code->bits == 16) == other_size);
}

/* -- Sequences --------------------------------------------------------------------------------- */

/* MOV of 32 bits, zero-extended: in all modes. */
static void put_load(Code *code, unsigned reg, uint64_t value)
{
    if (code->bits == 16) {
        put(code, 0x66, 1);
    }
    put(code, 0xb8 | reg, 1);
    put(code, value, 4);
}

static void put_load_wide(Code *code, unsigned reg, uint64_t value)
{
    if (code->bits == 64) {
        put(code, 0x48, 1);
        put(code, 0xb8 | reg, 1);
        put(code, value, 8);
    } else {
        put_load(code, reg, value);
    }
}

static void put_msr(Code *code)
{
    static const uint32_t numbers[] = {MSR_APIC_BASE,   MSR_SMM_BASE,
                                       MSR_EFER,        MSR_STAR,
                                       MSR_LSTAR,       MSR_CSTAR,
                                       MSR_FMASK,       MSR_FS_BASE,
                                       MSR_GS_BASE,     MSR_KERNEL_GS_BASE,
                                       MSR_SYSENTER_CS, MSR_SYSENTER_EIP,
                                       MSR_PAT,         MSR_DEBUGCTL,
                                       MSR_MISC_ENABLE, MSR_XSS,
                                       MSR_PKRS,        MSR_TSC_AUX,
                                       MSR_HWCR,        MSR_SYSCFG,
                                       0x200,           0x2ff,
                                       0x250,           MSR_MC0_CTL,
                                       MSR_MCG_STATUS,  MSR_SPEC_CTRL,
                                       MSR_PRED_CMD,    MSR_MISC_FEATURES,
                                       0x80f,           0x830,
                                       0x832,           0x838,
                                       0x83f,           MSR_TSC_DEADLINE};
    uint32_t number = numbers[random_below(code->r, G_N_ELEMENTS(numbers))];
    uint64_t value = sys_random_value(code->r);

    if (random_chance(code->r, 8)) {
        number = random_chance(code->r, 50) ? 0x800 + (uint32_t)random_below(code->r, 0x100)
                                            : (uint32_t)random_next(code->r);
    }
    if (number == MSR_APIC_BASE) {
        value =
            (random_chance(code->r, 50) ? 0xfee00000 : sys_random_physical(code->r) & ~0xfffull) |
            (random_next(code->r) & 0xd00);
    }
    put_load(code, R_RCX, number);
    put_load(code, R_RAX, value);
    put_load(code, R_RDX, random_chance(code->r, 70) ? 0 : value >> 32);
    put(code, random_chance(code->r, 70) ? 0x300f : 0x320f, 2);
}

/* Flips a bit of CR0 or CR4, or loads CR3 or CR8. */
static void put_control(Code *code)
{
    unsigned number = random_chance(code->r, 45) ? 0 : random_chance(code->r, 75) ? 4 : 3;
    unsigned prefix = code->bits == 64 && random_chance(code->r, 10) ? 0x44 : 0;

    if (prefix) {
        put(code, prefix, 1);
    }
    put(code, 0x200f, 2);
    put(code, 0xc0 | number << 3, 1); /* MOV EAX, CR */
    if (number == 3 && random_chance(code->r, 50)) {
        put_load_wide(code, R_RAX,
                      (SYS_TABLES + SYS_PAGE * random_below(code->r, SYS_TABLE_COUNT)) |
                          (random_chance(code->r, 20) ? random_next(code->r) : 0));
    } else if (number != 3) {
        static const uint8_t bits_of_cr0[] = {0, 1, 2, 3, 5, 16, 18, 29, 30, 31};
        unsigned bit = number ? (unsigned)random_below(code->r, 25)
                              : bits_of_cr0[random_below(code->r, sizeof(bits_of_cr0))];
        if (code->bits == 16) {
            put(code, 0x66, 1);
        }
        put(code, 0xf8ba0f, 3); /* BTC EAX, bit */
        put(code, bit, 1);
    }
    if (prefix) {
        put(code, prefix, 1);
    }
    put(code, 0x220f, 2);
    put(code, 0xc0 | number << 3, 1);
}

static void put_xsetbv(Code *code)
{
    put_load(code, R_RCX, random_chance(code->r, 95) ? 0 : 1);
    put_load(code, R_RAX, random_next(code->r) & (random_chance(code->r, 80) ? 0x2e7 : 0xffffffff));
    put_load(code, R_RDX, 0);
    put(code, 0xd1010f, 3);
}

static void put_port(Code *code)
{
    static const uint16_t ports[] = {0xb2,  0x92,  0x20,  0x21,  0xa0,  0xa1,  0x40,  0x43,  0x60,
                                     0x64,  0x70,  0x71,  0xcf8, 0xcfc, 0x3f8, 0x3f9, 0x510, 0x511,
                                     0x1f0, 0x1f7, 0x4d0, 0xcf9, 0xb3,  0x80,  0x61,  0xe9,  0x600};
    static const uint8_t insns[] = {0xec, 0xed, 0xee, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f};
    bool many = random_chance(code->r, 25);

    put_load(code, R_RDX,
             random_chance(code->r, 85) ? ports[random_below(code->r, G_N_ELEMENTS(ports))]
                                        : random_next(code->r) & 0xffff);
    put_load(code, R_RAX,
             random_chance(code->r, 40) ? random_below(code->r, 256) : sys_random_value(code->r));
    if (many) {
        put_load(code, R_RCX, random_below(code->r, 20));
        put(code, 0xf3, 1);
    }
    put(code, insns[many ? 5 + random_below(code->r, 4) : random_below(code->r, sizeof(insns))], 1);
}

/* A string operation from or to anywhere: devices, ROM, page tables, its own bytes. */
static void put_string(Code *code)
{
    static const uint8_t insns[] = {0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xa6, 0xa7};
    uint64_t to =
        random_chance(code->r, 50) ? sys_random_physical(code->r) : sys_random_linear(code->r);

    put_load_wide(code, R_RDI,
                  random_chance(code->r, 10) ? SYS_CODE + random_below(code->r, 256) : to);
    put_load_wide(code, R_RSI, sys_random_linear(code->r));
    put_load(code, R_RCX,
             random_chance(code->r, 95) ? random_below(code->r, 40) : random_next(code->r));
    if (random_chance(code->r, 60)) {
        put(code, random_chance(code->r, 70) ? 0xf3 : 0xf2, 1);
    }
    put(code, insns[random_below(code->r, sizeof(insns))], 1);
}

/* Writes to what the CPU reads by itself: page tables, descriptors, code. */
static void put_write(Code *code)
{
    static const uint32_t places[] = {SYS_TABLES, SYS_TABLES, SYS_GDT, SYS_IDT, SYS_TSS, SYS_CODE};
    uint32_t place = places[random_below(code->r, G_N_ELEMENTS(places))];

    put_load(code, R_RDI,
             place + (random_below(code->r, place == SYS_TABLES ? 0x5000 : 0x400) & ~3ull));
    put_load(code, R_RAX,
             random_chance(code->r, 50) ? sys_random_value(code->r)
                                        : (random_next(code->r) & 0x1fffe7));
    if (code->bits == 16) {
        put(code, 0x6766, 2);
    }
    put(code, random_chance(code->r, 50) ? 0x0789 : 0x0731, 2); /* MOV, XOR [EDI], EAX */
}

static void put_invpcid(Code *code)
{
    put_load(code, R_RAX, random_below(code->r, 5));
    put(code, 0x82380f66, 4);
    put_memory(code, R_RAX);
}

static void put_apic_write(Code *code)
{
    static const uint16_t registers[] = {0x80,  0xb0,  0xd0,  0xe0,  0xf0,  0x280, 0x300,
                                         0x310, 0x320, 0x350, 0x360, 0x370, 0x380, 0x3e0};

    put_load(code, R_RDI, 0xfee00000 + registers[random_below(code->r, G_N_ELEMENTS(registers))]);
    put_load(code, R_RAX, random_next(code->r) & (random_chance(code->r, 50) ? 0x7ff : 0xffffffff));
    if (code->bits == 16) {
        put(code, 0x6766, 2);
    }
    put(code, 0x0789, 2);
}

/* Whatever the opcode map holds. */
static void put_bytes(Code *code)
{
    if (random_chance(code->r, 50)) {
        put(code, 0x0f, 1);
    }
    put(code, random_next(code->r), 1 + (unsigned)random_below(code->r, 7));
}

static void put_insn(Code *code)
{
    static void (*const sequences[])(Code *) = {
        put_msr,  put_control, put_xsetbv,  put_port,  put_string, put_write,
        put_port, put_control, put_invpcid, put_write, put_msr,    put_apic_write};
    unsigned what = (unsigned)random_below(code->r, 100);

    if (what < 60) {
        put_row(code);
    } else if (what < 94) {
        sequences[random_below(code->r, G_N_ELEMENTS(sequences))](code);
    } else {
        put_bytes(code);
    }
}

unsigned sys_code_make(Random *r, unsigned bits, uint8_t *at, unsigned size, unsigned count,
                       uint64_t dropped)
{
    unsigned used = 0, made;

    for (made = 0; made < count; made++) {
        Code code = {.r = r, .bits = bits};

        put_insn(&code);
        if (used + code.length > size) {
            break;
        }
        if (dropped >> made & 1) {
            memset(code.bytes, 0x90, code.length);
        }
        memcpy(at + used, code.bytes, code.length);
        used += code.length;
    }
    return made;
}
