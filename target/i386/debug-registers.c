/* SPDX-License-Identifier: MIT */
/*
 * Registers as a debugger numbers them: one table gives their names, their order and how each is
 * read and written. It is the x86-64 set whatever mode the guest is in, and whatever XCR0 turns on.
 */
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"
#include "target/i386/debug.h"
#include "target/i386/helpers/segments.h"
#include "target/i386/helpers/vector-registers.h"

#define YMM_HIGH 576 /* in the XSAVE area: Intel SDM vol. 1 13.4.2, CPUID.0xD:2 */

enum {
    KIND_WORD, /* 64 bits at an offset of X86Cpu, nothing depends on it */
    KIND_EFLAGS,
    KIND_SELECTOR,
    KIND_BASE,
    KIND_CR0,
    KIND_CR3,
    KIND_CR4,
    KIND_CR8,
    KIND_EFER,
    KIND_ST,
    KIND_FPU16, /* 16 bits at an offset of the FXSAVE image */
    KIND_FTAG,
    KIND_POINTER, /* 32 bits of FIP or FDP; `where`: 0, 4, 8, 12 */
    KIND_XMM,
    KIND_MXCSR,
    KIND_YMM_HIGH,
    KIND_ZMM_HIGH,
    KIND_OPMASK
};

#define WORD(name, type, member)                                                                   \
    {                                                                                              \
        name, type, 64, KIND_WORD, offsetof(X86Cpu, member)                                        \
    }
#define CORE(name, type, bits, kind, where)                                                        \
    {                                                                                              \
        name, type, bits, kind, where                                                              \
    }
#define ST(n)                                                                                      \
    {                                                                                              \
        "st" #n, "i387_ext", 80, KIND_ST, n                                                        \
    }
#define XMM(n)                                                                                     \
    {                                                                                              \
        "xmm" #n, "vec128", 128, KIND_XMM, n, DEBUG_FEATURE_SSE                                    \
    }
#define YMM(n)                                                                                     \
    {                                                                                              \
        "ymm" #n "h", "uint128", 128, KIND_YMM_HIGH, n, DEBUG_FEATURE_AVX                          \
    }

#define XMM_MORE(n)                                                                                \
    {                                                                                              \
        "xmm" #n, "vec128", 128, KIND_XMM, n, DEBUG_FEATURE_AVX512                                 \
    }
#define YMM_MORE(n)                                                                                \
    {                                                                                              \
        "ymm" #n "h", "uint128", 128, KIND_YMM_HIGH, n, DEBUG_FEATURE_AVX512                       \
    }
#define ZMM(n)                                                                                     \
    {                                                                                              \
        "zmm" #n "h", "v2ui128", 256, KIND_ZMM_HIGH, n, DEBUG_FEATURE_AVX512                       \
    }
#define OPMASK(n)                                                                                  \
    {                                                                                              \
        "k" #n, "uint64", 64, KIND_OPMASK, n, DEBUG_FEATURE_AVX512                                 \
    }
#define FOUR(row, a, b, c, d) row(a), row(b), row(c), row(d)
/* The 16 that AVX-512 adds. */
#define UPPER(row)                                                                                 \
    FOUR(row, 16, 17, 18, 19), FOUR(row, 20, 21, 22, 23), FOUR(row, 24, 25, 26, 27),               \
        FOUR(row, 28, 29, 30, 31)
#define AVX512_COUNT (16 + 16 + 8 + 32)

static const DebugRegister registers[] = {
    WORD("rax", "int64", gpr[R_RAX]),
    WORD("rbx", "int64", gpr[R_RBX]),
    WORD("rcx", "int64", gpr[R_RCX]),
    WORD("rdx", "int64", gpr[R_RDX]),
    WORD("rsi", "int64", gpr[R_RSI]),
    WORD("rdi", "int64", gpr[R_RDI]),
    WORD("rbp", "data_ptr", gpr[R_RBP]),
    WORD("rsp", "data_ptr", gpr[R_RSP]),
    WORD("r8", "int64", gpr[R_R8]),
    WORD("r9", "int64", gpr[R_R9]),
    WORD("r10", "int64", gpr[R_R10]),
    WORD("r11", "int64", gpr[R_R11]),
    WORD("r12", "int64", gpr[R_R12]),
    WORD("r13", "int64", gpr[R_R13]),
    WORD("r14", "int64", gpr[R_R14]),
    WORD("r15", "int64", gpr[R_R15]),
    WORD("rip", "code_ptr", rip),
    CORE("eflags", "i386_eflags", 32, KIND_EFLAGS, 0),
    CORE("cs", "int32", 32, KIND_SELECTOR, SEG_CS),
    CORE("ss", "int32", 32, KIND_SELECTOR, SEG_SS),
    CORE("ds", "int32", 32, KIND_SELECTOR, SEG_DS),
    CORE("es", "int32", 32, KIND_SELECTOR, SEG_ES),
    CORE("fs", "int32", 32, KIND_SELECTOR, SEG_FS),
    CORE("gs", "int32", 32, KIND_SELECTOR, SEG_GS),
    CORE("ss_base", "int64", 64, KIND_BASE, SEG_SS),
    CORE("ds_base", "int64", 64, KIND_BASE, SEG_DS),
    CORE("es_base", "int64", 64, KIND_BASE, SEG_ES),
    CORE("fs_base", "int64", 64, KIND_BASE, SEG_FS),
    CORE("gs_base", "int64", 64, KIND_BASE, SEG_GS),
    WORD("k_gs_base", "int64", kernel_gs_base),
    CORE("cr0", "i386_cr0", 64, KIND_CR0, 0),
    WORD("cr2", "int64", cr2),
    CORE("cr3", "int64", 64, KIND_CR3, 0),
    CORE("cr4", "i386_cr4", 64, KIND_CR4, 0),
    CORE("cr8", "int64", 64, KIND_CR8, 0),
    CORE("efer", "i386_efer", 64, KIND_EFER, 0),
    ST(0),
    ST(1),
    ST(2),
    ST(3),
    ST(4),
    ST(5),
    ST(6),
    ST(7),
    CORE("fctrl", "int32", 32, KIND_FPU16, FX_FCW),
    CORE("fstat", "int32", 32, KIND_FPU16, FX_FSW),
    CORE("ftag", "int32", 32, KIND_FTAG, 0),
    CORE("fiseg", "int32", 32, KIND_POINTER, 4),
    CORE("fioff", "int32", 32, KIND_POINTER, 0),
    CORE("foseg", "int32", 32, KIND_POINTER, 12),
    CORE("fooff", "int32", 32, KIND_POINTER, 8),
    CORE("fop", "int32", 32, KIND_FPU16, FX_FOP),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
    {"mxcsr", "i386_mxcsr", 32, KIND_MXCSR, 0, DEBUG_FEATURE_SSE},
    YMM(0),
    YMM(1),
    YMM(2),
    YMM(3),
    YMM(4),
    YMM(5),
    YMM(6),
    YMM(7),
    YMM(8),
    YMM(9),
    YMM(10),
    YMM(11),
    YMM(12),
    YMM(13),
    YMM(14),
    YMM(15),
    UPPER(XMM_MORE),
    UPPER(YMM_MORE),
    FOUR(OPMASK, 0, 1, 2, 3),
    FOUR(OPMASK, 4, 5, 6, 7),
    FOUR(ZMM, 0, 1, 2, 3),
    FOUR(ZMM, 4, 5, 6, 7),
    FOUR(ZMM, 8, 9, 10, 11),
    FOUR(ZMM, 12, 13, 14, 15),
    UPPER(ZMM),
};

unsigned debug_register_count(const X86Cpu *cpu)
{
    return G_N_ELEMENTS(registers) - (vector_has_zmm(cpu) ? 0 : AVX512_COUNT);
}

const DebugRegister *debug_register(unsigned number)
{
    return &registers[number];
}

/* -- Reading ----------------------------------------------------------------------------------- */

/* Tag of one x87 register as FSTENV makes it: 0 valid, 1 zero, 2 special, 3 empty. */
static unsigned tag_of(const X86Cpu *cpu, unsigned physical)
{
    unsigned top = fpu_get16(cpu, FX_FSW) >> FSW_TOP_SHIFT & 7;
    unsigned st = FX_ST0 + ((physical - top) & 7) * 16;
    uint64_t mantissa = fpu_get64(cpu, st);
    unsigned exponent = fpu_get16(cpu, st + 8) & 0x7fff;

    if (!(fpu_get16(cpu, FX_FTW) >> physical & 1)) {
        return 3;
    }
    if (exponent == 0 && mantissa == 0) {
        return 1;
    }
    return exponent == 0 || exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
}

static uint64_t tag_word(const X86Cpu *cpu)
{
    uint64_t tags = 0;

    for (unsigned i = 0; i < 8; i++) {
        tags |= (uint64_t)tag_of(cpu, i) << (2 * i);
    }
    return tags;
}

static uint64_t pointer_part(const X86Cpu *cpu, unsigned where)
{
    uint64_t pointer = where < 8 ? cpu->guest_fip : cpu->guest_fdp;

    return where & 4 ? pointer >> 32 : (uint32_t)pointer;
}

static uint64_t read_number(const X86Cpu *cpu, const DebugRegister *r)
{
    switch (r->kind) {
    case KIND_EFLAGS:
        return cpu->eflags;
    case KIND_SELECTOR:
        return cpu->seg[r->where].selector;
    case KIND_BASE:
        return cpu->seg[r->where].base;
    case KIND_CR0:
        return cpu->cr0;
    case KIND_CR3:
        return cpu->cr3;
    case KIND_CR4:
        return cpu->cr4;
    case KIND_CR8:
        return cpu->apic ? cpu->apic_ops->get_tpr(cpu->apic) : 0;
    case KIND_EFER:
        return cpu->efer;
    case KIND_FPU16:
        return fpu_get16(cpu, r->where);
    case KIND_FTAG:
        return tag_word(cpu);
    case KIND_POINTER:
        return pointer_part(cpu, r->where);
    default: /* KIND_MXCSR */
        return fpu_get32(cpu, FX_MXCSR);
    }
}

/* Where the bytes of a register that is memory lie; NULL: it is a number. */
static uint8_t *bytes_of(X86Cpu *cpu, const DebugRegister *r)
{
    switch (r->kind) {
    case KIND_WORD:
        return (uint8_t *)cpu + r->where;
    case KIND_ST:
        return cpu->fpu + FX_ST0 + 16 * r->where;
    case KIND_XMM:
        return vector_byte(cpu, r->where, 0);
    case KIND_YMM_HIGH: /* 0-15 also where the model has no AVX */
        return r->where < 16 ? cpu->fpu + YMM_HIGH + 16 * r->where : vector_byte(cpu, r->where, 16);
    case KIND_ZMM_HIGH:
        return vector_byte(cpu, r->where, 32);
    case KIND_OPMASK:
        return (uint8_t *)opmask(cpu, r->where);
    default:
        return NULL;
    }
}

void debug_register_read(const X86Cpu *cpu, unsigned number, uint8_t *ret_bytes)
{
    const DebugRegister *r = &registers[number];
    const uint8_t *bytes = bytes_of((X86Cpu *)cpu, r);
    uint64_t value;

    if (!bytes) {
        value = read_number(cpu, r);
        bytes = (const uint8_t *)&value;
    }
    memcpy(ret_bytes, bytes, r->bits / 8);
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* After anything that decides how code runs and what addresses mean. */
static void refresh(X86Cpu *cpu)
{
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
    tcg_flush_tlb(cpu);
}

static bool read_linear(X86Cpu *cpu, uint64_t linear, void *buffer, unsigned size)
{
    uint64_t physical;

    return cpu_debug_translate(cpu, linear, &physical) &&
           address_space_read(&address_space_memory, physical, buffer, size) == MEM_OK;
}

/* Loads the hidden part from the descriptor table, as far as there is one; a change of privilege
 * is left to the guest. */
static void write_selector(X86Cpu *cpu, unsigned segment, uint16_t selector)
{
    const DescriptorTable ldt = {cpu->ldtr.base, cpu->ldtr.limit};
    const DescriptorTable *table = selector & 4 ? &ldt : &cpu->gdtr;
    uint32_t words[2];
    Segment loaded;

    if (selector == cpu->seg[segment].selector) {
        return;
    }
    if (!(cpu->mode & CPU_MODE_PE) || cpu->mode & CPU_MODE_VM) {
        segment_set_real(cpu, segment, selector);
        refresh(cpu);
        return;
    }
    if (!(selector & ~3u) || (selector | 7u) > table->limit ||
        !read_linear(cpu, table->base + (selector & ~7u), words, sizeof(words))) {
        return;
    }
    loaded = segment_from_descriptor(selector, words[0], words[1]);
    if ((loaded.attributes & (SEG_S | SEG_P)) != (SEG_S | SEG_P) ||
        !(loaded.attributes & SEG_CODE) != (segment != SEG_CS) ||
        (loaded.attributes >> SEG_DPL_SHIFT & 3) != cpu->cpl) {
        return;
    }
    cpu->seg[segment] = loaded;
    refresh(cpu);
}

/* Bits outside `fixed` change. */
static void write_control(X86Cpu *cpu, uint64_t *control, uint64_t value, uint64_t may_change)
{
    *control = (*control & ~may_change) | (value & may_change);
    refresh(cpu);
}

static void write_cr3(X86Cpu *cpu, uint64_t value)
{
    write_control(cpu, &cpu->cr3, value, cpu->model->phys_mask);
    if (cpu->cr4 & CR4_PAE && !(cpu->efer & EFER_LMA)) {
        address_space_read(&address_space_memory, cpu->cr3 & 0xffffffe0u, cpu->pdpte,
                           sizeof(cpu->pdpte));
    }
}

static void write_tags(X86Cpu *cpu, uint64_t tags)
{
    uint16_t in_use = 0;

    for (unsigned i = 0; i < 8; i++) {
        in_use |= (uint16_t)(((tags >> (2 * i) & 3) != 3) << i);
    }
    fpu_put16(cpu, FX_FTW, in_use);
}

static void write_pointer(X86Cpu *cpu, unsigned where, uint64_t value)
{
    uint64_t pointers[2] = {cpu->guest_fip, cpu->guest_fdp};
    uint64_t *pointer = &pointers[where / 8];

    *pointer = where & 4 ? (uint32_t)*pointer | value << 32
                         : (*pointer & 0xffffffff00000000ull) | (uint32_t)value;
    fpu_set_pointers(cpu, pointers[0], pointers[1], cpu->guest_fop);
}

static void write_fpu16(X86Cpu *cpu, unsigned where, uint16_t value)
{
    if (where == FX_FCW) {
        fpu_set_control(cpu, value);
    } else if (where == FX_FSW) {
        fpu_change_top(cpu, value >> FSW_TOP_SHIFT & 7);
        fpu_put16(cpu, FX_FSW, value & (uint16_t) ~(FSW_ERROR_SUMMARY | FSW_BUSY));
    } else {
        cpu->guest_fop = value & FOP_MASK;
    }
}

#define EFLAGS_DEFINED                                                                             \
    (EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | \
     EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_ID)

static void write_number(X86Cpu *cpu, const DebugRegister *r, uint64_t value)
{
    switch (r->kind) {
    case KIND_EFLAGS:
        write_control(cpu, &cpu->eflags, value, EFLAGS_DEFINED);
        break;
    case KIND_SELECTOR:
        write_selector(cpu, r->where, (uint16_t)value);
        break;
    case KIND_BASE:
        cpu->seg[r->where].base = value;
        refresh(cpu);
        break;
    case KIND_CR0:
        write_control(cpu, &cpu->cr0, value, CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM);
        break;
    case KIND_CR3:
        write_cr3(cpu, value);
        break;
    case KIND_CR4:
        write_control(cpu, &cpu->cr4, value, CR4_TSD | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT);
        break;
    case KIND_CR8:
        if (cpu->apic) {
            cpu->apic_ops->set_tpr(cpu->apic, value & 15);
        }
        break;
    case KIND_EFER:
        write_control(cpu, &cpu->efer, value, EFER_SCE);
        break;
    case KIND_FPU16:
        write_fpu16(cpu, r->where, (uint16_t)value);
        break;
    case KIND_FTAG:
        write_tags(cpu, value);
        break;
    case KIND_POINTER:
        write_pointer(cpu, r->where, value);
        break;
    default: /* KIND_MXCSR */
        fpu_put32(cpu, FX_MXCSR, (uint32_t)value & cpu->model->mxcsr_mask);
        break;
    }
}

/* The XSAVE component a register belongs to, 0 for none. */
static uint64_t component_of(const DebugRegister *r)
{
    switch (r->kind) {
    case KIND_ST:
    case KIND_FPU16:
    case KIND_FTAG:
    case KIND_POINTER:
        return XCR0_X87;
    case KIND_XMM:
        return r->where < 16 ? XCR0_SSE : 1u << XSAVE_HI16_ZMM;
    case KIND_MXCSR:
        return XCR0_SSE;
    case KIND_YMM_HIGH:
        return r->where < 16 ? XCR0_AVX : 1u << XSAVE_HI16_ZMM;
    case KIND_ZMM_HIGH:
        return 1u << (r->where < 16 ? XSAVE_ZMM_HI256 : XSAVE_HI16_ZMM);
    case KIND_OPMASK:
        return 1u << XSAVE_OPMASK;
    default:
        return 0;
    }
}

void debug_register_write(X86Cpu *cpu, unsigned number, const uint8_t *bytes)
{
    const DebugRegister *r = &registers[number];
    uint8_t *place = bytes_of(cpu, r), old[DEBUG_REGISTER_MAX_BYTES];
    uint64_t component = component_of(r), value = 0;

    debug_register_read(cpu, number, old);
    if (memcmp(old, bytes, r->bits / 8) == 0 ||
        (component & (XCR0_AVX | XCR0_AVX512) & ~(uint64_t)cpu->xcr0)) {
        return;
    }
    if (component) {
        fpu_mark_valid(cpu, component);
    }
    if (place) {
        memcpy(place, bytes, r->bits / 8);
    } else {
        memcpy(&value, bytes, MIN(r->bits / 8u, sizeof(value)));
        write_number(cpu, r, value);
    }
}
