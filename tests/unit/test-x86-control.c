/* SPDX-License-Identifier: MIT */
/* Control registers, MSRs and FPU state instructions over a byte array; FPU images are compared
 * with what the host's own instructions make. */
#include "tests/unit/x86-mock.h"

#include <Zydis/Zydis.h>
#include <string.h>

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/paging.h"
#include "util/log.h"

#define AREA 0x20000u
#define IMAGE_SIZE 4096u

int64_t tsc_machine_offset;
uint64_t tsc_ratio;

uint64_t cpu_tsc_frequency_hz(void)
{
    return 3000000000;
}

static uint64_t flushed_page;

void tcg_flush_tlb_page(X86Cpu *cpu, uint64_t linear)
{
    flushed_page = linear;
}

/* A CPU of `-cpu max` in long mode, ring 0, paging on. */
static X86Cpu *new_cpu(void)
{
    X86Cpu *cpu = mock_cpu_new();

    g_free(cpu->model);
    g_assert_true(cpu_model_select("max,+la57", NULL));
    cpu->model = g_memdup2(cpu_model_current(), sizeof(CpuModel));
    mock_enter_long(cpu, 0);
    cpu->cr0 |= CR0_PG | CR0_ET;
    cpu->cr4 = CR4_PAE;
    cpu->xcr0 = XCR0_X87;
    cpu_update_mode(cpu);
    mock_flush_count = 0;
    return cpu;
}

/* MOV CRn/DRn, RAX */
static bool move_to(X86Cpu *cpu, InsnHelper *helper, unsigned reg_class, unsigned reg,
                    uint64_t value)
{
    Insn insn = {
        .operands = {{.kind = OPERAND_REG, .reg_class = (uint8_t)reg_class, .reg = (uint8_t)reg},
                     {.kind = OPERAND_REG, .reg_class = REG_GPR, .reg = R_RAX}}};

    cpu->gpr[R_RAX] = value;
    cpu->fault.vector = VECTOR_NONE;
    return helper(cpu, &insn) == INSN_NEXT;
}

static bool move_to_cr(X86Cpu *cpu, unsigned reg, uint64_t value)
{
    return move_to(cpu, helper_mov_control, REG_CONTROL, reg, value);
}

static void expect_gp(X86Cpu *cpu, bool moved)
{
    g_assert_false(moved);
    mock_expect_fault(cpu, VECTOR_GP, 0);
}

static void test_cr0_rules(void)
{
    X86Cpu *cpu = new_cpu();
    uint64_t good = cpu->cr0;

    expect_gp(cpu, move_to_cr(cpu, 0, good | 1ull << 32));
    expect_gp(cpu, move_to_cr(cpu, 0, good | CR0_NW));
    expect_gp(cpu, move_to_cr(cpu, 0, good & ~(uint64_t)CR0_PE));
    expect_gp(cpu, move_to_cr(cpu, 0, good & ~(uint64_t)CR0_PG)); /* 64-bit code */
    g_assert_cmphex(cpu->cr0, ==, good);
    g_assert_cmpuint(mock_flush_count, ==, 0);
    g_assert_true(move_to_cr(cpu, 0, (good & ~(uint64_t)CR0_ET) | CR0_TS | 1 << 8));
    g_assert_cmphex(cpu->cr0, ==, good | CR0_TS);
    g_assert_cmpuint(mock_flush_count, ==, 0);
    g_assert_false(cpu->mode & CPU_MODE_FPU);
    g_assert_true(move_to_cr(cpu, 0, good ^ CR0_WP));
    g_assert_cmpuint(mock_flush_count, ==, 1);
    cpu->cpl = 3;
    expect_gp(cpu, move_to_cr(cpu, 0, good));
    mock_cpu_free(cpu);
}

/* Into long mode and out of it, as boot code goes. */
static void test_long_mode_switch(void)
{
    X86Cpu *cpu = new_cpu();

    mock_enter_protected(cpu, 0);
    cpu->efer = EFER_LME;
    cpu->cr0 = CR0_PE | CR0_ET;
    cpu->cr4 = 0;
    expect_gp(cpu, move_to_cr(cpu, 0, CR0_PE | CR0_PG)); /* without PAE */
    cpu->cr4 = CR4_PAE;
    cpu->seg[SEG_CS].attributes |= SEG_L;
    expect_gp(cpu, move_to_cr(cpu, 0, CR0_PE | CR0_PG));
    cpu->seg[SEG_CS].attributes &= (uint16_t)~SEG_L;
    g_assert_true(move_to_cr(cpu, 0, CR0_PE | CR0_PG));
    g_assert_true(cpu->efer & EFER_LMA);
    g_assert_true(cpu->mode & CPU_MODE_LMA);
    g_assert_true(move_to_cr(cpu, 4, CR4_PAE | CR4_PCIDE));
    expect_gp(cpu, move_to_cr(cpu, 0, CR0_PE)); /* PCIDE must go first */
    expect_gp(cpu, move_to_cr(cpu, 4, 0));      /* PAE may not */
    expect_gp(cpu, move_to_cr(cpu, 4, CR4_PAE | CR4_LA57));
    g_assert_true(move_to_cr(cpu, 4, CR4_PAE));
    g_assert_true(move_to_cr(cpu, 0, CR0_PE));
    g_assert_false(cpu->efer & EFER_LMA);
    g_assert_true(cpu->efer & EFER_LME);
    g_assert_true(move_to_cr(cpu, 4, CR4_PAE | CR4_LA57));
    mock_cpu_free(cpu);
}

static void test_cr3_pcid(void)
{
    X86Cpu *cpu = new_cpu();
    const uint64_t no_flush = 1ull << 63;

    expect_gp(cpu, move_to_cr(cpu, 3, no_flush | 0x5000));
    expect_gp(cpu, move_to_cr(cpu, 3, 1ull << 45));
    cpu->cr3 = 0x5001;
    expect_gp(cpu, move_to_cr(cpu, 4, CR4_PAE | CR4_PCIDE)); /* CR3[11:0] must be 0 */
    cpu->cr3 = 0x5000;
    g_assert_true(move_to_cr(cpu, 4, CR4_PAE | CR4_PCIDE));
    mock_flush_count = 0;
    g_assert_true(move_to_cr(cpu, 3, no_flush | 0x7003));
    g_assert_cmphex(cpu->cr3, ==, 0x7003);
    g_assert_cmpuint(mock_flush_count, ==, 0);
    g_assert_true(move_to_cr(cpu, 3, 0x7004));
    g_assert_cmpuint(mock_flush_count, ==, 1);
    expect_gp(cpu, move_to_cr(cpu, 4, CR4_PAE | 1u << 31));
    g_assert_false(move_to_cr(cpu, 1, 0));
    mock_expect_fault(cpu, VECTOR_UD, 0);
    mock_cpu_free(cpu);
}

static void test_debug_registers(void)
{
    X86Cpu *cpu = new_cpu();

    g_assert_true(move_to(cpu, helper_mov_debug, REG_DEBUG, 7, 0x401));
    g_assert_true(cpu->mode & CPU_MODE_BREAKPOINTS);
    expect_gp(cpu, move_to(cpu, helper_mov_debug, REG_DEBUG, 7, 1ull << 32));
    g_assert_true(move_to(cpu, helper_mov_debug, REG_DEBUG, 4, 0)); /* DR6 by its old name */
    g_assert_cmphex(cpu->dr[6], ==, 0xffff0ff0);
    cpu->cr4 |= CR4_DE;
    g_assert_false(move_to(cpu, helper_mov_debug, REG_DEBUG, 4, 0));
    mock_expect_fault(cpu, VECTOR_UD, 0);
    g_assert_true(move_to(cpu, helper_mov_debug, REG_DEBUG, 7, 0x2400)); /* GD */
    g_assert_false(move_to(cpu, helper_mov_debug, REG_DEBUG, 0, 0x1234));
    mock_expect_fault(cpu, VECTOR_DB, 0);
    g_assert_cmphex(cpu->fault.dr6, ==, 0x2000);
    g_assert_true(move_to(cpu, helper_mov_debug, REG_DEBUG, 0, 0x1234));
    g_assert_cmphex(cpu->dr[0], ==, 0x1234);
    mock_cpu_free(cpu);
}

static Insn memory_insn(unsigned mnemonic, uint64_t address)
{
    return (Insn){.mnemonic = (uint16_t)mnemonic,
                  .displacement = (int64_t)address,
                  .segment = SEG_DS,
                  .operand_bits = 64,
                  .address_bits = 64,
                  .encoding = ZYDIS_INSTRUCTION_ENCODING_LEGACY};
}

static void test_descriptor_tables(void)
{
    X86Cpu *cpu = new_cpu();
    Insn insn = memory_insn(ZYDIS_MNEMONIC_LGDT, AREA);

    mock_poke(AREA, 0x1234, 2);
    mock_poke(AREA + 2, 0xffff800000abcdefull, 8);
    g_assert_cmpint(helper_lgdt(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gdtr.base, ==, 0xffff800000abcdefull);
    g_assert_cmphex(cpu->gdtr.limit, ==, 0x1234);
    mock_poke(AREA + 2, 0x0100000000000000ull, 8);
    g_assert_cmpint(helper_lidt(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    g_assert_cmphex(cpu->idtr.base, ==, MOCK_IDT);
    mock_poke(AREA + 2, 0x0000800000000000ull, 8); /* CR4.LA57 is clear, but the CPU has it */
    g_assert_cmpint(helper_lidt(cpu, &insn), ==, INSN_NEXT);
    cpu->model->features[FEATURE_7_ECX] &= ~(1u << (FEATURE_LA57 % 32));
    g_assert_cmpint(helper_lidt(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    insn.displacement = AREA + 0x100;
    g_assert_cmpint(helper_sgdt(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(mock_peek(AREA + 0x100, 2), ==, 0x1234);
    g_assert_cmphex(mock_peek(AREA + 0x102, 8), ==, 0xffff800000abcdefull);

    mock_enter_long(cpu, 3);
    g_assert_cmpint(helper_sidt(cpu, &insn), ==, INSN_NEXT);
    cpu->cr4 |= CR4_UMIP;
    g_assert_cmpint(helper_sidt(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    mock_cpu_free(cpu);
}

static InsnResult load_task_register(X86Cpu *cpu, uint16_t selector)
{
    Insn insn = {.operands = {{.kind = OPERAND_REG, .reg = R_RAX, .size = 2}}};

    cpu->gpr[R_RAX] = selector;
    return helper_ltr(cpu, &insn);
}

static void test_task_register(void)
{
    X86Cpu *cpu = new_cpu();
    uint64_t address = cpu->gdtr.base + SEL_TSS;

    mock_descriptor(SEL_TSS, MOCK_TSS, 0x67, SEG_P | 9);
    mock_poke(address + 8, 0, 8);
    g_assert_cmpint(load_task_register(cpu, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    g_assert_cmpint(load_task_register(cpu, SEL_TSS), ==, INSN_NEXT);
    g_assert_cmphex(cpu->tr.base, ==, MOCK_TSS);
    g_assert_cmphex(mock_peek(address + 5, 1), ==, 0x8b);
    g_assert_cmpint(load_task_register(cpu, SEL_TSS), ==, INSN_FAULT); /* busy now */
    mock_expect_fault(cpu, VECTOR_GP, SEL_TSS);
    mock_poke(address + 5, 0x09, 1);
    g_assert_cmpint(load_task_register(cpu, SEL_TSS), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_NP, SEL_TSS);
    mock_cpu_free(cpu);
}

static InsnResult invpcid(X86Cpu *cpu, uint64_t type, uint64_t pcid, uint64_t linear)
{
    Insn insn = memory_insn(ZYDIS_MNEMONIC_INVPCID, AREA);

    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RAX, .size = 8};
    cpu->gpr[R_RAX] = type;
    mock_poke(AREA, pcid, 8);
    mock_poke(AREA + 8, linear, 8);
    return helper_invpcid(cpu, &insn);
}

static void test_invpcid(void)
{
    X86Cpu *cpu = new_cpu();

    g_assert_cmpint(invpcid(cpu, 0, 5, 0x1000), ==, INSN_FAULT); /* PCIDs are off */
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->cr4 |= CR4_PCIDE;
    g_assert_cmpint(invpcid(cpu, 0, 5, 0x7000), ==, INSN_NEXT);
    g_assert_cmphex(flushed_page, ==, 0x7000);
    g_assert_cmpint(invpcid(cpu, 0, 5, 1ull << 62), ==, INSN_FAULT);
    g_assert_cmpint(invpcid(cpu, 1, 0x1000, 0), ==, INSN_FAULT);
    g_assert_cmpint(invpcid(cpu, 4, 0, 0), ==, INSN_FAULT);
    g_assert_cmpuint(mock_flush_count, ==, 0);
    for (unsigned type = 1; type <= 3; type++) {
        g_assert_cmpint(invpcid(cpu, type, 0, 0), ==, INSN_NEXT);
        g_assert_cmpuint(mock_flush_count, ==, type);
    }
    mock_cpu_free(cpu);
}

/* -- MSRs -------------------------------------------------------------------------------------- */

static bool write_msr(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    cpu->gpr[R_RCX] = msr;
    cpu->gpr[R_RAX] = (uint32_t)value;
    cpu->gpr[R_RDX] = value >> 32;
    cpu->fault.vector = VECTOR_NONE;
    return helper_wrmsr(cpu, NULL) == INSN_NEXT;
}

static uint64_t read_msr(X86Cpu *cpu, uint32_t msr)
{
    cpu->gpr[R_RCX] = msr;
    g_assert_cmpint(helper_rdmsr(cpu, NULL), ==, INSN_NEXT);
    return cpu->gpr[R_RAX] | cpu->gpr[R_RDX] << 32;
}

static void test_efer(void)
{
    X86Cpu *cpu = new_cpu();
    uint64_t old = cpu->efer;

    expect_gp(cpu, write_msr(cpu, MSR_EFER, old & ~(uint64_t)EFER_LME)); /* while PG */
    expect_gp(cpu, write_msr(cpu, MSR_EFER, old | 1u << 12));            /* SVME */
    g_assert_true(write_msr(cpu, MSR_EFER, (old | EFER_NXE) & ~(uint64_t)EFER_LMA));
    g_assert_cmphex(cpu->efer, ==, old | EFER_NXE);
    g_assert_cmpuint(mock_flush_count, ==, 1);
    cpu->model->efer_mask &= ~(uint64_t)EFER_NXE;
    expect_gp(cpu, write_msr(cpu, MSR_EFER, old | EFER_NXE));
    mock_cpu_free(cpu);
}

static void test_tsc(void)
{
    X86Cpu *cpu = new_cpu();
    uint64_t first, second;

    g_assert_true(write_msr(cpu, MSR_TSC, 1000));
    first = read_msr(cpu, MSR_TSC);
    second = read_msr(cpu, MSR_TSC);
    g_assert_cmpuint(first, >=, 1000);
    g_assert_cmpuint(second, >, first);
    g_assert_cmpuint(second, <, 1ull << 40);
    g_assert_cmphex(read_msr(cpu, MSR_TSC_ADJUST), ==, cpu->tsc_offset);
    first = read_msr(cpu, MSR_TSC_ADJUST);
    g_assert_true(write_msr(cpu, MSR_TSC_ADJUST, first + (1ull << 50)));
    g_assert_cmpuint(read_msr(cpu, MSR_TSC), >, 1ull << 50);
    cpu->tsc_aux = 9;
    g_assert_cmpint(helper_rdtscp(cpu, NULL), ==, INSN_NEXT);
    g_assert_cmpuint(cpu->gpr[R_RCX], ==, 9);
    cpu->cr4 |= CR4_TSD;
    g_assert_cmpint(helper_rdtsc(cpu, NULL), ==, INSN_NEXT);
    mock_enter_long(cpu, 3);
    g_assert_cmpint(helper_rdtsc(cpu, NULL), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    mock_cpu_free(cpu);
}

static bool set_xcr0(X86Cpu *cpu, uint64_t value)
{
    cpu->gpr[R_RCX] = 0;
    cpu->gpr[R_RAX] = (uint32_t)value;
    cpu->gpr[R_RDX] = value >> 32;
    return helper_xsetbv(cpu, NULL) == INSN_NEXT;
}

static void test_xcr0(void)
{
    X86Cpu *cpu = new_cpu();

    g_assert_false(set_xcr0(cpu, 3));
    mock_expect_fault(cpu, VECTOR_UD, 0);
    cpu->cr4 |= CR4_OSXSAVE;
    g_assert_true(set_xcr0(cpu, 3));
    expect_gp(cpu, set_xcr0(cpu, 2));
    expect_gp(cpu, set_xcr0(cpu, 5));
    expect_gp(cpu, set_xcr0(cpu, 1ull << 62 | 3));
    expect_gp(cpu, set_xcr0(cpu, 0x47)); /* a part of AVX-512 */
    if (cpu->model->xcr0_mask & XCR0_AVX) {
        g_assert_true(set_xcr0(cpu, 7));
        g_assert_true(cpu->mode & CPU_MODE_AVX);
    }
    cpu->gpr[R_RCX] = 0;
    g_assert_cmpint(helper_xgetbv(cpu, NULL), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RAX], ==, cpu->xcr0);
    mock_cpu_free(cpu);
}

/* -- FPU state against the host ---------------------------------------------------------------- */

typedef struct Image {
    uint8_t bytes[IMAGE_SIZE];
} __attribute__((aligned(64))) Image;

/* Those of the host among x87, SSE, AVX and AVX-512. */
static uint64_t components(void)
{
    static uint64_t known;

    if (!known) {
        known = new_cpu()->model->xcr0_mask & (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512);
    }
    return known;
}

static uint32_t some_components(GRand *random)
{
    return g_rand_int(random) & (uint32_t)components();
}

/* An instruction run on the host: registers from `in`, operand `area`, EAX = asked; registers after
 * it in `after`. */
typedef void HostOp(const Image *in, Image *area, Image *after, uint64_t asked);

#define HOST_OP(name, text)                                                                        \
    static void host_##name(const Image *in, Image *area, Image *after, uint64_t asked)            \
    {                                                                                              \
        static Image saved;                                                                        \
                                                                                                   \
        __asm__ volatile("mov %5, %%rax; xor %%edx, %%edx; xsave64 (%0); xrstor64 (%1);"           \
                         "mov %4, %%rax;" text ";"                                                 \
                         "mov %5, %%rax; xsave64 (%3); xrstor64 (%0)"                              \
                         :                                                                         \
                         : "r"(&saved), "r"(in), "r"(area), "r"(after), "r"(asked),                \
                           "r"(components())                                                       \
                         : "rax", "rdx", "memory");                                                \
    }

HOST_OP(nop, "nop")
HOST_OP(fxsave, "fxsave (%2)")
HOST_OP(fxsave64, "fxsave64 (%2)")
HOST_OP(xsave, "xsave (%2)")
HOST_OP(xsave64, "xsave64 (%2)")
HOST_OP(xsavec64, "xsavec64 (%2)")
HOST_OP(xsaveopt64, "xsaveopt64 (%2)")
HOST_OP(fxrstor64, "fxrstor64 (%2)")
HOST_OP(xrstor64, "xrstor64 (%2)")
HOST_OP(fnstenv, "fnstenv (%2)")
HOST_OP(fnsave, "fnsave (%2)")
HOST_OP(fldenv, "fnclex; fldenv (%2)")
HOST_OP(frstor, "fnclex; frstor (%2)")
HOST_OP(fnstenv16, ".byte 0x66; fnstenv (%2)")
HOST_OP(fnsave16, ".byte 0x66; fnsave (%2)")
HOST_OP(ldmxcsr, "ldmxcsr (%2)")
HOST_OP(stmxcsr, "stmxcsr (%2)")

typedef struct FpuCase {
    const char *name;
    HostOp *host;
    InsnHelper *helper;
    unsigned mnemonic, operand_bits;
    enum { SAVES, LOADS_COMPACTED, LOADS } kind;
} FpuCase;

#define CASE(host_name, helper_name, mnemonic_name, bits, what)                                    \
    {                                                                                              \
#host_name, host_##host_name, helper_##helper_name, ZYDIS_MNEMONIC_##mnemonic_name, bits,  \
            what                                                                                   \
    }

static const FpuCase fpu_cases[] = {
    CASE(fxsave, fxsave, FXSAVE, 32, SAVES),
    CASE(fxsave64, fxsave, FXSAVE64, 64, SAVES),
    CASE(xsave, xsave, XSAVE, 32, SAVES),
    CASE(xsave64, xsave, XSAVE64, 64, SAVES),
    CASE(xsavec64, xsave, XSAVEC64, 64, SAVES),
    CASE(xsaveopt64, xsave, XSAVEOPT64, 64, SAVES),
    CASE(fnstenv, fnstenv, FNSTENV, 32, SAVES),
    CASE(fnsave, fnsave, FNSAVE, 32, SAVES),
    CASE(fnstenv16, fnstenv, FNSTENV, 16, SAVES),
    CASE(fnsave16, fnsave, FNSAVE, 16, SAVES),
    CASE(stmxcsr, stmxcsr, STMXCSR, 32, SAVES),
    CASE(fxrstor64, fxrstor, FXRSTOR64, 64, LOADS),
    CASE(xrstor64, xrstor, XRSTOR64, 64, LOADS),
    CASE(xrstor64, xrstor, XRSTOR64, 64, LOADS_COMPACTED),
    CASE(fldenv, fldenv, FLDENV, 32, LOADS),
    CASE(frstor, frstor, FRSTOR, 32, LOADS),
    CASE(ldmxcsr, ldmxcsr, LDMXCSR, 32, LOADS),
};

/* Random registers; no exception pending, no pointers (see fpu_set_pointers()). */
static void random_image(GRand *random, Image *image, uint64_t components)
{
    static const uint16_t exponents[] = {0, 0x3fff, 0x7fff, 0xffff, 0x8000, 0x4005};
    uint16_t mxcsr = g_rand_boolean(random) ? 0x1f80 : (uint16_t)g_rand_int(random);

    for (unsigned i = 0; i < IMAGE_SIZE; i++) {
        image->bytes[i] = (uint8_t)g_rand_int(random);
    }
    memset(image->bytes + 512, 0, 64);
    memcpy(image->bytes + 512, &components, 8);
    image->bytes[0] |= 0x3f;         /* control: all masked */
    image->bytes[2] &= 0x7f;         /* status: no summary */
    image->bytes[3] &= 0x7f;         /* not busy */
    memset(image->bytes + 5, 0, 19); /* FOP, FIP, FDP */
    memset(image->bytes + 26, 0, 6); /* MXCSR_MASK */
    memcpy(image->bytes + 24, &mxcsr, 2);
    for (unsigned i = 0; i < 8; i++) {
        uint16_t exponent = exponents[g_rand_int_range(random, 0, G_N_ELEMENTS(exponents))];

        memcpy(image->bytes + 32 + i * 16 + 8, &exponent, 2);
        memset(image->bytes + 32 + i * 16 + 10, 0, 6);
        if (g_rand_boolean(random)) {
            memset(image->bytes + 32 + i * 16, 0, 8);
        }
    }
}

/* A CPU that holds what the host holds after XRSTOR of the image. */
static X86Cpu *fpu_cpu(const Image *image)
{
    X86Cpu *cpu = new_cpu();
    Image normalised, unused;

    cpu->cr4 |= CR4_OSXSAVE | CR4_OSFXSR;
    cpu->xcr0 = components();
    cpu_update_mode(cpu);
    memset(&normalised, 0, sizeof(normalised));
    host_nop(image, &unused, &normalised, 0);
    memcpy(cpu->fpu, &normalised, sizeof(normalised));
    return cpu;
}

static bool is_same(const FpuCase *c, unsigned round, const uint8_t *ours, const uint8_t *theirs,
                    unsigned start, unsigned end)
{
    for (unsigned i = start; i < end; i++) {
        if (ours[i] != theirs[i]) {
            g_test_message("%s, round %u: byte %u is %02x, the host has %02x", c->name, round, i,
                           ours[i], theirs[i]);
            return false;
        }
    }
    return true;
}

/* An operand for loads: an environment is random words, a compacted area a real one. */
static void make_operand(GRand *random, const FpuCase *c, Image *area)
{
    Image source, unused;
    uint32_t in_use = some_components(random);

    random_image(random, area, in_use);
    if (c->kind == LOADS_COMPACTED) {
        source = *area;
        memset(area, 0, sizeof(*area));
        host_xsavec64(&source, area, &unused, some_components(random));
    } else if (c->helper == helper_frstor || c->helper == helper_fldenv) {
        memset(area->bytes + 12, 0, 16); /* pointers */
        area->bytes[4] &= 0x7f;          /* status */
        area->bytes[5] &= 0x7f;
    }
}

static bool run_case(GRand *random, const FpuCase *c, unsigned round)
{
    uint32_t asked = some_components(random);
    Insn insn = memory_insn(c->mnemonic, AREA);
    Image start, area, after;
    X86Cpu *cpu;
    bool same;

    /* x87 in use always: hosts differ in what FNSAVE finds in registers that XRSTOR initialised. */
    random_image(random, &start, some_components(random) | XCR0_X87);
    make_operand(random, c, &area);
    if (c->kind == SAVES) { /* so that a byte left alone shows */
        memset(area.bytes + 512, 0, 64);
    }
    if (c->helper == helper_ldmxcsr) {
        memset(area.bytes, 0, 8);
        area.bytes[0] = (uint8_t)g_rand_int(random);
    }
    insn.operand_bits = (uint8_t)c->operand_bits;
    insn.operands[0] = (InsnOperand){.kind = OPERAND_MEM, .size = 4};
    cpu = fpu_cpu(&start);
    memcpy(mock_memory + AREA, &area, sizeof(area));
    memset(&after, 0, sizeof(after));
    c->host(&start, &area, &after, asked);
    cpu->gpr[R_RAX] = asked;
    g_assert_cmpint(c->helper(cpu, &insn), ==, INSN_NEXT);
    same = is_same(c, round, mock_memory + AREA, area.bytes, 0, IMAGE_SIZE) &&
           is_same(c, round, cpu->fpu, after.bytes, 0, 28) &&
           is_same(c, round, cpu->fpu, after.bytes, 32, 416);
    for (unsigned i = XSAVE_AVX; i < XSAVE_PKRU; i++) {
        const XsaveComponent *x = &cpu->model->xsave[i];
        same = same && is_same(c, round, cpu->fpu, after.bytes, x->offset, x->offset + x->size);
    }
    mock_cpu_free(cpu);
    return same;
}

/* The host's kernel may switch threads in the middle, and the processor then takes a component for
 * used that was not: a difference counts when it is there three times. */
static void run_round(GRand *random, const FpuCase *c, unsigned round)
{
    bool same = false;

    for (unsigned i = 0; i < 3 && !same; i++) {
        GRand *copy = g_rand_copy(random);
        same = run_case(copy, c, round);
        g_rand_free(copy);
    }
    g_assert_true(same);
    g_rand_int(random);
}

static bool host_has(unsigned feature)
{
    uint32_t available[FEATURE_WORD_COUNT];

    cpu_features_available(available);
    return available[feature / 32] >> (feature % 32) & 1;
}

static void test_fpu_like_host(void)
{
    GRand *random = g_rand_new_with_seed(42);

    if (!host_has(FEATURE_AVX) || !host_has(FEATURE_XSAVEC)) {
        g_test_skip("the host lacks AVX or XSAVEC");
    } else {
        for (unsigned round = 0; round < 100 * G_N_ELEMENTS(fpu_cases); round++) {
            run_round(random, &fpu_cases[round % G_N_ELEMENTS(fpu_cases)], round);
        }
    }
    g_rand_free(random);
}

static X86Cpu *initial_fpu_cpu(void)
{
    X86Cpu *cpu = new_cpu();

    cpu->cr4 |= CR4_OSXSAVE | CR4_OSFXSR;
    cpu->xcr0 = cpu->model->xcr0_mask & components();
    mock_poke(AREA + 24, 0x1f80, 4);
    return cpu;
}

static void expect_fpu_fault(X86Cpu *cpu, InsnHelper *helper, unsigned mnemonic, uint64_t address,
                             unsigned vector)
{
    Insn insn = memory_insn(mnemonic, address);

    insn.operands[0] = (InsnOperand){.kind = OPERAND_MEM, .size = 4};
    cpu->gpr[R_RAX] = UINT32_MAX;
    cpu->fault.vector = VECTOR_NONE;
    g_assert_cmpint(helper(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, vector);
}

static void test_fpu_faults(void)
{
    X86Cpu *cpu = initial_fpu_cpu();

    expect_fpu_fault(cpu, helper_fxsave, ZYDIS_MNEMONIC_FXSAVE64, AREA + 8, VECTOR_GP);
    expect_fpu_fault(cpu, helper_xsave, ZYDIS_MNEMONIC_XSAVE64, AREA + 16, VECTOR_GP);
    mock_absent_page = AREA + 0x1000;
    expect_fpu_fault(cpu, helper_xsave, ZYDIS_MNEMONIC_XSAVE64, AREA + 0xe00, VECTOR_PF);
    g_assert_cmphex(mock_peek(AREA + 0xe00, 8), ==, 0);
    mock_absent_page = UINT64_MAX;
    mock_poke(AREA + 512, 8, 8); /* XSTATE_BV outside of XCR0 */
    expect_fpu_fault(cpu, helper_xrstor, ZYDIS_MNEMONIC_XRSTOR64, AREA, VECTOR_GP);
    mock_poke(AREA + 512, 1, 8);
    mock_poke(AREA + 528, 1, 8); /* reserved header bytes */
    expect_fpu_fault(cpu, helper_xrstor, ZYDIS_MNEMONIC_XRSTOR64, AREA, VECTOR_GP);
    mock_poke(AREA + 528, 0, 8);
    mock_poke(AREA + 520, 1, 8); /* XCOMP_BV of the standard form */
    expect_fpu_fault(cpu, helper_xrstor, ZYDIS_MNEMONIC_XRSTOR64, AREA, VECTOR_GP);
    mock_poke(AREA + 520, 0, 8);
    expect_fpu_fault(cpu, helper_xrstor, ZYDIS_MNEMONIC_XRSTORS64, AREA, VECTOR_GP);
    mock_poke(AREA + 24, 1u << 31, 4); /* MXCSR */
    expect_fpu_fault(cpu, helper_xrstor, ZYDIS_MNEMONIC_XRSTOR64, AREA, VECTOR_GP);
    expect_fpu_fault(cpu, helper_fxrstor, ZYDIS_MNEMONIC_FXRSTOR64, AREA, VECTOR_GP);
    expect_fpu_fault(cpu, helper_ldmxcsr, ZYDIS_MNEMONIC_LDMXCSR, AREA + 24, VECTOR_GP);
    cpu->cr0 |= CR0_TS;
    expect_fpu_fault(cpu, helper_xsave, ZYDIS_MNEMONIC_XSAVE64, AREA, VECTOR_NM);
    expect_fpu_fault(cpu, helper_fnstenv, ZYDIS_MNEMONIC_FNSTENV, AREA, VECTOR_NM);
    cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    expect_fpu_fault(cpu, helper_xsave, ZYDIS_MNEMONIC_XSAVE64, AREA, VECTOR_UD);
    mock_cpu_free(cpu);
}

/* Pointers are the guest's, never those of the host's registers. */
static void test_fpu_pointers(void)
{
    X86Cpu *cpu = initial_fpu_cpu();
    Insn load = memory_insn(ZYDIS_MNEMONIC_FXRSTOR64, AREA);
    Insn save = memory_insn(ZYDIS_MNEMONIC_FXSAVE64, AREA + 0x400);
    uint64_t host_address = 0x00007f0011223344ull;

    mock_poke(AREA + 8, 0xffff888000001234ull, 8);
    mock_poke(AREA + 16, 0xffff888000005678ull, 8);
    g_assert_cmpint(helper_fxrstor(cpu, &load), ==, INSN_NEXT);
    g_assert_cmpint(helper_fxsave(cpu, &save), ==, INSN_NEXT);
    g_assert_cmphex(mock_peek(AREA + 0x408, 8), ==, 0xffff888000001234ull);
    g_assert_cmphex(mock_peek(AREA + 0x410, 8), ==, 0xffff888000005678ull);
    memcpy(cpu->fpu + 8, &host_address, 8);
    memcpy(cpu->fpu + 16, &host_address, 8);
    g_assert_cmpint(helper_fxsave(cpu, &save), ==, INSN_NEXT);
    g_assert_cmphex(mock_peek(AREA + 0x408, 8), ==, 0xffff888000001234ull);
    g_assert_cmphex(mock_peek(AREA + 0x410, 8), ==, 0xffff888000005678ull);
    mock_cpu_free(cpu);
}

/* Real mode environments hold linear pointers; a pending exception makes FWAIT fault. */
static void test_real_environment(void)
{
    X86Cpu *cpu = initial_fpu_cpu();
    Insn insn = memory_insn(ZYDIS_MNEMONIC_FNSTENV, 0x8000);
    uint64_t fip = 0xabcde, fdp = 0x54321;

    mock_enter_real(cpu);
    insn.operand_bits = 16;
    cpu->guest_fip = fip;
    cpu->guest_fdp = fdp;
    cpu->guest_fop = 0x123;
    uint64_t at = cpu->seg[SEG_DS].base + 0x8000;
    g_assert_cmpint(helper_fnstenv(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(mock_peek(at + 6, 2), ==, 0xbcde);
    g_assert_cmphex(mock_peek(at + 8, 2), ==, 0xa123);
    g_assert_cmphex(mock_peek(at + 10, 2), ==, 0x4321);
    g_assert_cmphex(mock_peek(at + 12, 2), ==, 0x5000);
    mock_poke(at + 0, 0x0340, 2); /* everything unmasked... */
    mock_poke(at + 2, 0x0004, 2); /* ...and a division by zero */
    g_assert_cmpint(helper_fldenv(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->guest_fip, ==, fip);
    g_assert_cmphex(cpu->fpu[2], ==, 0x84);
    cpu->cr0 |= CR0_NE;
    g_assert_cmpint(helper_fwait(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_MF);
    g_assert_cmpint(helper_fninit(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmpint(helper_fwait(cpu, &insn), ==, INSN_NEXT);
    mock_cpu_free(cpu);
}

/* CLZERO takes the line of the linear address; MOVDIR64B an aligned one in ES. */
static void test_line_stores(void)
{
    X86Cpu *cpu = new_cpu();
    Insn clzero = {.segment = SEG_GS, .address_bits = 64, .memory_operand = INSN_NO_REG};
    Insn movdir = {.segment = SEG_DS,
                   .address_bits = 32,
                   .displacement = AREA + 0x105,
                   .operands = {{.kind = OPERAND_REG, .reg = R_RDI}}};

    memset(mock_memory + AREA, 0x77, 0x200);
    cpu->seg[SEG_GS].base = 0x10;
    cpu->gpr[R_RAX] = AREA + 0x7f - 0x10;
    g_assert_cmpint(helper_clzero(cpu, &clzero), ==, INSN_NEXT);
    for (unsigned i = 0; i < 0x200; i++) {
        g_assert_cmphex(mock_memory[AREA + i], ==, i / 64 == 1 ? 0 : 0x77);
    }
    clzero.address_bits = 32;
    cpu->gpr[R_RAX] = 0x500000000 + AREA + 0xc0 - 0x10;
    g_assert_cmpint(helper_clzero(cpu, &clzero), ==, INSN_NEXT);
    g_assert_cmphex(mock_memory[AREA + 0xc0], ==, 0);
    mock_absent_page = AREA;
    g_assert_cmpint(helper_clzero(cpu, &clzero), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_PF);
    mock_absent_page = UINT64_MAX;

    cpu->model->features[FEATURE_7_ECX] &= ~(3u << 27);
    g_assert_cmpint(helper_movdir64b(cpu, &movdir), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_UD);
    cpu->model->features[FEATURE_7_ECX] |= 3u << 27;
    cpu->gpr[R_RDI] = AREA + 0x20;
    g_assert_cmpint(helper_movdir64b(cpu, &movdir), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->gpr[R_RDI] = 0x100000000 + AREA + 0x1000;
    mock_absent_page = AREA + 0x1000;
    g_assert_cmpint(helper_movdir64b(cpu, &movdir), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_PF);
    mock_absent_page = UINT64_MAX;
    if (__builtin_cpu_supports("movdir64b")) {
        memset(mock_memory + AREA + 0x105, 0x55, 64);
        g_assert_cmpint(helper_movdir64b(cpu, &movdir), ==, INSN_NEXT);
        g_assert_cmphex(mock_memory[AREA + 0x103f], ==, 0x55);
        g_assert_cmphex(mock_memory[AREA + 0x1040], ==, 0);
    }
    mock_cpu_free(cpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/control/cr0-rules", test_cr0_rules);
    g_test_add_func("/control/long-mode-switch", test_long_mode_switch);
    g_test_add_func("/control/cr3-pcid", test_cr3_pcid);
    g_test_add_func("/control/debug-registers", test_debug_registers);
    g_test_add_func("/control/descriptor-tables", test_descriptor_tables);
    g_test_add_func("/control/task-register", test_task_register);
    g_test_add_func("/control/invpcid", test_invpcid);
    g_test_add_func("/control/xcr0", test_xcr0);
    g_test_add_func("/stores/lines", test_line_stores);
    g_test_add_func("/msr/efer", test_efer);
    g_test_add_func("/msr/tsc", test_tsc);
    g_test_add_func("/fpu/like-host", test_fpu_like_host);
    g_test_add_func("/fpu/faults", test_fpu_faults);
    g_test_add_func("/fpu/pointers", test_fpu_pointers);
    g_test_add_func("/fpu/real-environment", test_real_environment);
    return g_test_run();
}
