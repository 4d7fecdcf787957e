/* SPDX-License-Identifier: MIT */
/* Far JMP CALL RET, call gates, SYSCALL and SYSENTER, task switches. */
#include "tests/unit/x86-mock.h"

#include "target/i386/cpu-model.h"

#define TARGET 0x5000u

static X86Cpu *cpu;

static void set_up(void)
{
    cpu = mock_cpu_new();
}

static void tear_down(void)
{
    mock_cpu_free(cpu);
}

static Insn far_insn(unsigned operand_bits, uint16_t selector, uint64_t offset)
{
    Insn insn = mock_insn(operand_bits);

    insn.immediate = (int64_t)offset;
    insn.immediate2 = selector;
    return insn;
}

static InsnResult run_jmp(uint16_t selector, uint64_t offset)
{
    Insn insn = far_insn(32, selector, offset);

    return helper_jmp_far(cpu, &insn);
}

static InsnResult run_call(uint16_t selector, uint64_t offset)
{
    Insn insn = far_insn(32, selector, offset);

    return helper_call_far(cpu, &insn);
}

static InsnResult run_ret(unsigned operand_bits, unsigned release)
{
    Insn insn = mock_insn(operand_bits);

    insn.opcode = release ? 0xca : 0xcb;
    insn.immediate = release;
    return helper_ret_far(cpu, &insn);
}

static uint64_t stacked(unsigned n, unsigned size)
{
    return mock_peek(cpu->gpr[R_RSP] + n * size, size);
}

/* -- Direct transfers -------------------------------------------------------------------------- */

static void test_real(void)
{
    Insn insn = far_insn(16, 0x2000, 0x1234);

    set_up();
    mock_enter_real(cpu);
    g_assert_cmpint(helper_call_far(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x1234);
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, 0x20000);
    g_assert_cmphex(stacked(0, 2), ==, 0x102);
    g_assert_cmphex(stacked(1, 2), ==, 0);
    g_assert_cmpint(run_ret(16, 6), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK + 6);
    g_assert_cmpint(run_jmp(0x2000, 0x10000), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    /* The jump into protected mode. */
    cpu->cr0 |= CR0_PE;
    cpu_update_mode(cpu);
    g_assert_cmpint(run_jmp(SEL_CODE0, TARGET), ==, INSN_JUMP);
    g_assert_cmphex(cpu->mode & CPU_MODE_CS_D, ==, CPU_MODE_CS_D);
    tear_down();
}

typedef struct JumpCase {
    unsigned ring;
    uint16_t selector;
    uint64_t offset;
    unsigned fault;
    uint32_t error_code;
} JumpCase;

static const JumpCase jump_cases[] = {
    {0, SEL_CODE0, TARGET, VECTOR_NONE, 0},
    {3, SEL_CODE3 | 3, TARGET, VECTOR_NONE, 0},
    {3, SEL_CODE3, TARGET, VECTOR_NONE, 0},
    {3, SEL_CONFORMING0, TARGET, VECTOR_NONE, 0},
    {0, 3, TARGET, VECTOR_GP, 0},
    {0, SEL_END, TARGET, VECTOR_GP, SEL_END},
    {0, SEL_DATA0, TARGET, VECTOR_GP, SEL_DATA0},
    {0, SEL_CODE0 | 1, TARGET, VECTOR_GP, SEL_CODE0},
    {3, SEL_CODE0, TARGET, VECTOR_GP, SEL_CODE0},
    {0, SEL_CODE3, TARGET, VECTOR_GP, SEL_CODE3},
    {0, SEL_LDT, TARGET, VECTOR_GP, SEL_LDT},
    {0, SEL_ABSENT_CODE, TARGET, VECTOR_NP, SEL_ABSENT_CODE},
    {0, SEL_CODE16, 0x10000, VECTOR_GP, 0},
};

static void test_jumps(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(jump_cases) * 2; i++) {
        const JumpCase *c = &jump_cases[i / 2];
        bool is_call = i & 1, done;

        set_up();
        mock_enter_protected(cpu, c->ring);
        done = (is_call ? run_call : run_jmp)(c->selector, c->offset) == INSN_JUMP;
        g_test_message("case %u", i);
        g_assert_cmpint(done, ==, c->fault == VECTOR_NONE);
        mock_expect_fault(cpu, c->fault, c->error_code);
        g_assert_cmphex(cpu->rip, ==, done ? c->offset : 0x100);
        g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - (done && is_call ? 8 : 0));
        g_assert_cmpuint(cpu->cpl, ==, c->ring);
        if (done) {
            g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, (c->selector & 0xfffc) | c->ring);
        }
        tear_down();
    }
}

static void test_long_jump(void)
{
    Insn insn = mock_insn(64);

    set_up();
    mock_enter_compatibility(cpu, 0);
    g_assert_cmpint(run_jmp(SEL_CODE0, TARGET), ==, INSN_JUMP);
    g_assert_true(mode_is_64bit(cpu));
    insn.memory_operand = 0;
    insn.segment = SEG_DS;
    insn.displacement = 0x8000;
    mock_poke(0x8000, 0xffff800000001000, 8);
    mock_poke(0x8008, SEL_CODE0, 2);
    g_assert_cmpint(helper_jmp_far(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0xffff800000001000);
    mock_poke(0x8000, 0x800000000000, 8);
    g_assert_cmpint(helper_jmp_far(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    mock_descriptor(SEL_GATE, 0, 0xfffff, 0xe09a); /* L and D */
    mock_poke(0x8000, TARGET, 8);
    mock_poke(0x8008, SEL_GATE, 2);
    g_assert_cmpint(helper_jmp_far(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, SEL_GATE);
    tear_down();
}

/* -- Call gates -------------------------------------------------------------------------------- */

static void call_gate(unsigned type, uint16_t selector, uint32_t offset, unsigned parameters)
{
    mock_poke(MOCK_GDT + SEL_GATE, (offset & 0xffff) | (uint32_t)selector << 16, 4);
    mock_poke(MOCK_GDT + SEL_GATE + 4, (offset & 0xffff0000) | type << 8 | parameters, 4);
}

static void test_call_gate_inner(void)
{
    set_up();
    mock_enter_protected(cpu, 3);
    call_gate(0xec, SEL_CODE0, TARGET, 3);
    for (unsigned i = 0; i < 3; i++) {
        mock_poke(MOCK_STACK + 4 * i, 0x1111 * (i + 1), 4);
    }
    g_assert_cmpint(run_call(SEL_GATE | 3, 0xdead), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK - 28);
    g_assert_cmphex(stacked(0, 4), ==, 0x102);
    g_assert_cmphex(stacked(1, 4), ==, SEL_CODE3 | 3);
    g_assert_cmphex(stacked(2, 4), ==, 0x1111);
    g_assert_cmphex(stacked(3, 4), ==, 0x2222);
    g_assert_cmphex(stacked(4, 4), ==, 0x3333);
    g_assert_cmphex(stacked(5, 4), ==, MOCK_STACK);
    g_assert_cmphex(stacked(6, 4), ==, SEL_DATA3 | 3);

    g_assert_cmpint(run_ret(32, 12), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK + 12);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA3 | 3);
    tear_down();
}

static void test_call_gate_16bit(void)
{
    set_up();
    mock_enter_protected(cpu, 3);
    call_gate(0xe4, SEL_CODE0, 0xffff0000 | TARGET, 2);
    mock_poke(MOCK_STACK, 0x22221111, 4);
    g_assert_cmpint(run_call(SEL_GATE | 3, 0), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK - 12);
    g_assert_cmphex(stacked(2, 2), ==, 0x1111);
    g_assert_cmphex(stacked(3, 2), ==, 0x2222);
    tear_down();
}

static void test_call_gate_64bit(void)
{
    set_up();
    mock_enter_compatibility(cpu, 3);
    call_gate(0xec, SEL_CODE0, TARGET, 0);
    mock_poke(MOCK_GDT + SEL_GATE + 8, 0xffff8000, 4);
    mock_poke(MOCK_GDT + SEL_GATE + 12, 0, 4);
    g_assert_cmpint(run_call(SEL_GATE | 3, 0), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0xffff800000000000 | TARGET);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK - 32);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, 0);
    g_assert_cmphex(stacked(1, 8), ==, SEL_CODE3_32 | 3);
    g_assert_cmphex(stacked(3, 8), ==, SEL_DATA3 | 3);
    g_assert_cmpint(run_ret(64, 0), ==, INSN_JUMP);
    g_assert_false(mode_is_64bit(cpu));
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);

    mock_poke(MOCK_GDT + SEL_GATE + 12, 0x100, 4); /* the upper half must look like type 0 */
    g_assert_cmpint(run_call(SEL_GATE | 3, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, SEL_GATE);
    tear_down();
}

static void test_call_gate_errors(void)
{
    static const struct {
        unsigned ring, type;
        uint16_t code, rpl;
        bool is_jmp;
        unsigned fault;
        uint32_t error_code;
    } cases[] = {
        {3, 0x8c, SEL_CODE0, 3, false, VECTOR_GP, SEL_GATE}, /* gate DPL 0 */
        {0, 0xac, SEL_CODE0, 3, false, VECTOR_GP, SEL_GATE}, /* RPL above its DPL */
        {0, 0x6c, SEL_CODE0, 0, false, VECTOR_NP, SEL_GATE},
        {0, 0x8c, 0, 0, false, VECTOR_GP, 0},
        {0, 0x8c, SEL_DATA0, 0, false, VECTOR_GP, SEL_DATA0},
        {0, 0x8c, SEL_CODE3, 0, false, VECTOR_GP, SEL_CODE3},
        {0, 0x8c, SEL_ABSENT_CODE, 0, false, VECTOR_NP, SEL_ABSENT_CODE},
        {3, 0xec, SEL_CODE0, 3, true, VECTOR_GP, SEL_CODE0}, /* JMP does not change rings */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        InsnResult result;

        set_up();
        mock_enter_protected(cpu, cases[i].ring);
        call_gate(cases[i].type, cases[i].code, TARGET, 0);
        g_test_message("case %u", i);
        result = (cases[i].is_jmp ? run_jmp : run_call)(SEL_GATE | cases[i].rpl, 0);
        g_assert_cmpint(result, ==, INSN_FAULT);
        mock_expect_fault(cpu, cases[i].fault, cases[i].error_code);
        g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
        g_assert_cmpuint(cpu->cpl, ==, cases[i].ring);
        tear_down();
    }
}

static void test_ret_errors(void)
{
    set_up();
    cpu->model->is_amd = true;
    mock_enter_protected(cpu, 3);
    mock_poke(MOCK_STACK, TARGET, 4);
    mock_poke(MOCK_STACK + 4, SEL_CODE0, 4); /* inwards */
    g_assert_cmpint(run_ret(32, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, SEL_CODE0);
    mock_poke(MOCK_STACK + 4, 0, 4);
    g_assert_cmpint(run_ret(32, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->seg[SEG_SS].limit = MOCK_STACK + 6; /* the frame does not fit */
    g_assert_cmpint(run_ret(32, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_SS, 0);
    cpu->model->is_amd = false; /* reads no more than the selector */
    g_assert_cmpint(run_ret(32, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->seg[SEG_SS].limit = MOCK_STACK + 4;
    g_assert_cmpint(run_ret(32, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_SS, 0);
    tear_down();
}

/* -- SYSCALL and SYSENTER ---------------------------------------------------------------------- */

static void test_syscall(void)
{
    Insn insn = mock_insn(64);

    set_up();
    mock_enter_long(cpu, 3);
    cpu->star = (uint64_t)(SEL_CODE3 - 8) << 48 | (uint64_t)SEL_CODE0 << 32;
    cpu->lstar = 0xffffffff81000000;
    cpu->fmask = EFLAGS_IF | EFLAGS_TF | EFLAGS_AC;
    cpu->eflags |= EFLAGS_CF | EFLAGS_RF | EFLAGS_AC;
    g_assert_cmpint(helper_syscall(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0xffffffff81000000);
    g_assert_cmphex(cpu->gpr[R_RCX], ==, 0x102);
    g_assert_cmphex(cpu->gpr[R_R11], ==, EFLAGS_FIXED | EFLAGS_CF | EFLAGS_AC | EFLAGS_IF);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_CF);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, SEL_CODE0);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA0);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);

    g_assert_cmpint(helper_sysret(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, (SEL_CODE3 + 8) | 3);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_CODE3 | 3);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_CF | EFLAGS_AC | EFLAGS_IF);
    g_assert_true(mode_is_64bit(cpu));

    g_assert_cmpint(helper_sysret(cpu, &insn), ==, INSN_FAULT); /* from ring 3 */
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->efer &= ~(uint64_t)EFER_SCE;
    g_assert_cmpint(helper_syscall(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    tear_down();
}

static void test_sysret_canonical(void)
{
    Insn insn = mock_insn(64);

    for (unsigned is_amd = 0; is_amd < 2; is_amd++) {
        set_up();
        cpu->model->is_amd = is_amd;
        mock_enter_long(cpu, 0);
        cpu->gpr[R_RCX] = 0x800000000000;
        g_assert_cmpint(helper_sysret(cpu, &insn), ==, is_amd ? INSN_JUMP : INSN_FAULT);
        g_assert_cmpuint(cpu->cpl, ==, is_amd ? 3 : 0);
        g_assert_cmphex(cpu->rip, ==, is_amd ? 0x800000000000 : 0x100);
        tear_down();
    }
}

static void test_sysret_compatibility(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_long(cpu, 0);
    cpu->star = (uint64_t)(SEL_CODE3 | 3) << 48;
    cpu->gpr[R_RCX] = 0x1234567800001000;
    cpu->gpr[R_R11] = EFLAGS_IF;
    g_assert_cmpint(helper_sysret(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x1000);
    g_assert_false(mode_is_64bit(cpu));
    g_assert_cmphex(cpu->mode & CPU_MODE_CS_D, ==, CPU_MODE_CS_D);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, SEL_CODE3 | 3);

    /* SYSCALL from here: AMD's CSTAR, undefined with Intel. */
    cpu->cstar = 0x9000;
    g_assert_cmpint(helper_syscall(cpu, &insn), ==, INSN_FAULT);
    cpu->model->is_amd = true;
    g_assert_cmpint(helper_syscall(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x9000);
    g_assert_true(mode_is_64bit(cpu));
    tear_down();
}

/* Outside of long mode only AMD has it. */
static void test_syscall_legacy(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 3);
    cpu->efer = EFER_SCE;
    cpu->star = (uint64_t)SEL_CODE3 << 48 | (uint64_t)SEL_CODE0 << 32 | TARGET;
    g_assert_cmpint(helper_syscall(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    cpu->model->is_amd = true;
    g_assert_cmpint(helper_syscall(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->gpr[R_RCX], ==, 0x102);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_CODE0 + 8);
    g_assert_cmphex(cpu->seg[SEG_CS].attributes, ==, 0xc09b);
    g_assert_cmpint(helper_sysret(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_IF);
    g_assert_cmphex(cpu->seg[SEG_CS].attributes, ==, 0xc0fb);
    tear_down();
}

static void test_sysenter(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 3);
    g_assert_cmpint(helper_sysenter(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->sysenter_cs = SEL_CODE0;
    cpu->sysenter_esp = MOCK_RING0_STACK;
    cpu->sysenter_eip = TARGET;
    g_assert_cmpint(helper_sysenter(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA0);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED);
    cpu->gpr[R_RCX] = MOCK_STACK;
    cpu->gpr[R_RDX] = 0x102;
    g_assert_cmpint(helper_sysexit(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, (SEL_CODE0 + 16) | 3);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, (SEL_CODE0 + 24) | 3);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmpint(helper_sysexit(cpu, &insn), ==, INSN_FAULT);
    tear_down();

    set_up();
    mock_enter_long(cpu, 3);
    cpu->sysenter_cs = SEL_CODE0;
    cpu->sysenter_eip = 0xffffffff81000000;
    cpu->model->is_amd = true;
    g_assert_cmpint(helper_sysenter(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    cpu->model->is_amd = false;
    g_assert_cmpint(helper_sysenter(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0xffffffff81000000);
    tear_down();
}

/* -- Task switches ----------------------------------------------------------------------------- */

/* Ring 0 code at TARGET in the other TSS. */
static void fill_other_task(void)
{
    static const uint16_t selectors[] = {SEL_DATA3, SEL_CODE0, SEL_DATA0, SEL_DATA0, 0, SEL_DATA3};

    mock_poke(MOCK_OTHER_TSS + 0x1c, 0x77000, 4);
    mock_poke(MOCK_OTHER_TSS + 0x20, TARGET, 4);
    mock_poke(MOCK_OTHER_TSS + 0x24, EFLAGS_FIXED | EFLAGS_CF, 4);
    for (unsigned i = 0; i < 8; i++) {
        mock_poke(MOCK_OTHER_TSS + 0x28 + 4 * i, i == R_RSP ? MOCK_OTHER_STACK : 0x1000 + i, 4);
    }
    for (unsigned i = 0; i < 6; i++) {
        mock_poke(MOCK_OTHER_TSS + 0x48 + 4 * i, selectors[i], 2);
    }
    mock_poke(MOCK_OTHER_TSS + 0x60, SEL_LDT, 2);
}

static unsigned tss_type(uint16_t selector)
{
    return (unsigned)mock_peek(MOCK_GDT + selector + 5, 1) & 0xf;
}

static void test_task_jmp(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    fill_other_task();
    cpu->gpr[R_RBX] = 0xb0b0b0b0;
    g_assert_cmpint(run_jmp(SEL_OTHER_TSS, 0), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->gpr[R_RCX], ==, 0x1001);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_OTHER_STACK);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_CF);
    g_assert_cmphex(cpu->tr.selector, ==, SEL_OTHER_TSS);
    g_assert_cmphex(cpu->tr.base, ==, MOCK_OTHER_TSS);
    g_assert_cmphex(cpu->seg[SEG_GS].selector, ==, SEL_DATA3);
    g_assert_cmphex(cpu->seg[SEG_FS].attributes & SEG_P, ==, 0);
    g_assert_cmphex(cpu->cr0 & CR0_TS, ==, CR0_TS);
    g_assert_cmphex(tss_type(SEL_TSS), ==, SYSTEM_TSS32);
    g_assert_cmphex(tss_type(SEL_OTHER_TSS), ==, SYSTEM_TSS32_BUSY);
    /* What the old task was. */
    g_assert_cmphex(mock_peek(MOCK_TSS + 0x20, 4), ==, 0x102);
    g_assert_cmphex(mock_peek(MOCK_TSS + 0x24, 4), ==, EFLAGS_FIXED | EFLAGS_IF);
    g_assert_cmphex(mock_peek(MOCK_TSS + 0x34, 4), ==, 0xb0b0b0b0);
    g_assert_cmphex(mock_peek(MOCK_TSS + 0x4c, 2), ==, SEL_CODE0);

    g_assert_cmpint(run_jmp(SEL_TSS, 0), ==, INSN_JUMP); /* and back */
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->gpr[R_RBX], ==, 0xb0b0b0b0);
    tear_down();
}

static void test_task_call_iret(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    cpu->cr0 |= CR0_PG;
    cpu->cr3 = 0x33000;
    mock_poke(MOCK_TSS + 0x1c, 0x33000, 4);
    mock_poke(MOCK_TSS + 0x60, SEL_LDT, 2);
    fill_other_task();
    mock_poke(MOCK_GDT + SEL_GATE, (uint32_t)SEL_OTHER_TSS << 16, 4); /* through a task gate */
    mock_poke(MOCK_GDT + SEL_GATE + 4, 0x8500, 4);
    g_assert_cmpint(run_call(SEL_GATE, 0), ==, INSN_JUMP);
    g_assert_cmphex(cpu->cr3, ==, 0x77000);
    g_assert_cmpuint(mock_flush_count, ==, 1);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_CF | EFLAGS_NT);
    g_assert_cmphex(mock_peek(MOCK_OTHER_TSS, 2), ==, SEL_TSS);
    g_assert_cmphex(tss_type(SEL_TSS), ==, SYSTEM_TSS32_BUSY);

    cpu->rip = 0x6000;
    g_assert_cmpint(helper_iret(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->cr3, ==, 0x33000);
    g_assert_cmphex(cpu->tr.selector, ==, SEL_TSS);
    g_assert_cmphex(tss_type(SEL_OTHER_TSS), ==, SYSTEM_TSS32);
    g_assert_cmphex(mock_peek(MOCK_OTHER_TSS + 0x20, 4), ==, 0x6002);
    g_assert_cmphex(mock_peek(MOCK_OTHER_TSS + 0x24, 4) & EFLAGS_NT, ==, 0);
    tear_down();
}

static void test_task_gate_interrupt(void)
{
    set_up();
    mock_enter_protected(cpu, 3);
    fill_other_task();
    mock_gate(cpu, VECTOR_DF, 0x85, SEL_OTHER_TSS, 0, 0);
    fault_gp(cpu, 0); /* its gate is empty: double fault */
    exception_deliver(cpu);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_OTHER_STACK - 4);
    g_assert_cmphex(stacked(0, 4), ==, 0);
    g_assert_cmphex(mock_peek(MOCK_TSS + 0x20, 4), ==, 0x100);
    g_assert_cmpuint(mock_reset_count, ==, 0);
    tear_down();
}

/* A 16-bit TSS has 16-bit registers and four segments; FS and GS become null. */
static void test_task_16bit(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    cpu->dr[7] |= 0x3ff;
    mock_descriptor(SEL_OTHER_TSS, MOCK_OTHER_TSS, 0x2b, SEG_P | SYSTEM_TSS16);
    mock_poke(MOCK_OTHER_TSS + 0x0e, TARGET, 2);
    mock_poke(MOCK_OTHER_TSS + 0x10, EFLAGS_FIXED, 2);
    for (unsigned i = 0; i < 8; i++) {
        mock_poke(MOCK_OTHER_TSS + 0x12 + 2 * i, 0x7000 + i, 2);
    }
    mock_poke(MOCK_OTHER_TSS + 0x22, SEL_DATA3, 2);
    mock_poke(MOCK_OTHER_TSS + 0x24, SEL_CODE16, 2);
    mock_poke(MOCK_OTHER_TSS + 0x26, SEL_DATA16, 2);
    mock_poke(MOCK_OTHER_TSS + 0x28, SEL_DATA0, 2);
    g_assert_cmpint(run_call(SEL_OTHER_TSS, 0), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->gpr[R_RBX] & 0xffff, ==, 0x7003);
    g_assert_cmphex(cpu->seg[SEG_ES].selector, ==, SEL_DATA3);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA16);
    g_assert_cmphex(cpu->seg[SEG_FS].selector, ==, 0);
    g_assert_cmphex(cpu->ldtr.selector, ==, 0);
    g_assert_cmphex(cpu->dr[7], ==, 0x400 | 0x2aa); /* local breakpoints are the old task's */
    g_assert_cmphex(tss_type(SEL_OTHER_TSS), ==, SYSTEM_TSS16_BUSY);
    cpu->gpr[R_RDI] = 0xabcd;
    mock_poke(MOCK_OTHER_TSS + 0x2a, 0x5a5a, 2); /* not written by a switch */
    g_assert_cmpint(helper_iret(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(mock_peek(MOCK_OTHER_TSS + 0x20, 2), ==, 0xabcd);
    g_assert_cmphex(mock_peek(MOCK_OTHER_TSS + 0x28, 4), ==, 0x5a5a0000 | SEL_DATA0);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    tear_down();
}

/* The T bit traps in the new task; a v8086 task takes its selectors as they are. */
static void test_task_trap_and_v8086(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    fill_other_task();
    mock_poke(MOCK_OTHER_TSS + 0x64, 1, 2);
    mock_poke(MOCK_OTHER_TSS + 0x24, EFLAGS_FIXED | EFLAGS_VM, 4);
    g_assert_cmpint(run_jmp(SEL_OTHER_TSS, 0), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_DB);
    g_assert_cmphex(cpu->fault.dr6, ==, 1u << 15);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, SEL_CODE0 << 4);
    g_assert_cmphex(cpu->seg[SEG_GS].base, ==, SEL_DATA3 << 4);
    g_assert_cmphex(cpu->seg[SEG_GS].limit, ==, 0xffff);
    tear_down();
}

/* A return to a 16-bit stack writes SP only: the upper half of ESP stays the inner ring's. */
static void test_outer_16bit_stack(void)
{
    Insn insn = mock_insn(32);

    for (unsigned is_iret = 0; is_iret < 2; is_iret++) {
        uint64_t pointer = MOCK_STACK + (is_iret ? 12 : 8);

        set_up();
        mock_enter_protected(cpu, 0);
        mock_descriptor(SEL_GATE, 0, 0xffff, 0xf2);
        cpu->seg[SEG_SS].base = (uint32_t)-0x12340000;
        cpu->gpr[R_RSP] = 0x12340000 + MOCK_STACK;
        mock_poke(MOCK_STACK, TARGET, 4);
        mock_poke(MOCK_STACK + 4, SEL_CODE3 | 3, 4);
        mock_poke(MOCK_STACK + 8, EFLAGS_FIXED, 4);
        mock_poke(pointer, 0x5678c000, 4);
        mock_poke(pointer + 4, SEL_GATE | 3, 4);
        g_assert_cmpint(is_iret ? helper_iret(cpu, &insn) : run_ret(32, 0), ==, INSN_JUMP);
        g_assert_cmphex(cpu->gpr[R_RSP], ==, 0x1234c000);
        g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_GATE | 3);
        tear_down();
    }
}

static void test_task_errors(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    fill_other_task();
    g_assert_cmpint(run_jmp(SEL_TSS, 0), ==, INSN_FAULT); /* busy */
    mock_expect_fault(cpu, VECTOR_GP, SEL_TSS);
    mock_descriptor(SEL_OTHER_TSS, MOCK_OTHER_TSS, 0x66, SEG_P | SYSTEM_TSS32);
    g_assert_cmpint(run_jmp(SEL_OTHER_TSS, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_TS, SEL_OTHER_TSS);
    g_assert_cmphex(cpu->tr.selector, ==, SEL_TSS);
    mock_descriptor(SEL_OTHER_TSS, MOCK_OTHER_TSS, 0x67, SYSTEM_TSS32);
    g_assert_cmpint(run_jmp(SEL_OTHER_TSS, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_NP, SEL_OTHER_TSS);
    /* Behind the point of no return the fault is the new task's. */
    mock_descriptor(SEL_OTHER_TSS, MOCK_OTHER_TSS, 0x67, SEG_P | SYSTEM_TSS32);
    mock_poke(MOCK_OTHER_TSS + 0x48, SEL_EXECUTE_ONLY, 2);
    g_assert_cmpint(run_jmp(SEL_OTHER_TSS, 0), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_TS, SEL_EXECUTE_ONLY);
    g_assert_cmphex(cpu->tr.selector, ==, SEL_OTHER_TSS);
    g_assert_cmphex(cpu->rip, ==, TARGET);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86-transfer/real", test_real);
    g_test_add_func("/x86-transfer/jumps", test_jumps);
    g_test_add_func("/x86-transfer/long-jump", test_long_jump);
    g_test_add_func("/x86-transfer/call-gate-inner", test_call_gate_inner);
    g_test_add_func("/x86-transfer/call-gate-16bit", test_call_gate_16bit);
    g_test_add_func("/x86-transfer/call-gate-64bit", test_call_gate_64bit);
    g_test_add_func("/x86-transfer/call-gate-errors", test_call_gate_errors);
    g_test_add_func("/x86-transfer/ret-errors", test_ret_errors);
    g_test_add_func("/x86-transfer/syscall", test_syscall);
    g_test_add_func("/x86-transfer/sysret-canonical", test_sysret_canonical);
    g_test_add_func("/x86-transfer/sysret-compatibility", test_sysret_compatibility);
    g_test_add_func("/x86-transfer/syscall-legacy", test_syscall_legacy);
    g_test_add_func("/x86-transfer/sysenter", test_sysenter);
    g_test_add_func("/x86-transfer/task-jmp", test_task_jmp);
    g_test_add_func("/x86-transfer/task-call-iret", test_task_call_iret);
    g_test_add_func("/x86-transfer/task-gate-interrupt", test_task_gate_interrupt);
    g_test_add_func("/x86-transfer/task-errors", test_task_errors);
    g_test_add_func("/x86-transfer/task-16bit", test_task_16bit);
    g_test_add_func("/x86-transfer/task-trap-and-v8086", test_task_trap_and_v8086);
    g_test_add_func("/x86-transfer/outer-16bit-stack", test_outer_16bit_stack);
    return g_test_run();
}
