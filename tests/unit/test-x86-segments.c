/* SPDX-License-Identifier: MIT */
/* Segment loads, what LAR, LSL, VERR, VERW and ARPL say of selectors, segment bases. */
#include "tests/unit/x86-mock.h"

static X86Cpu *cpu;

static void set_up(void)
{
    cpu = mock_cpu_new();
}

static void tear_down(void)
{
    mock_cpu_free(cpu);
}

static uint64_t stacked(unsigned n, unsigned size)
{
    return mock_peek(cpu->gpr[R_RSP] + n * size, size);
}

/* -- Segment loads ----------------------------------------------------------------------------- */

typedef struct LoadCase {
    unsigned ring, segment;
    uint16_t selector;
    unsigned fault;
    uint32_t error_code;
} LoadCase;

static const LoadCase load_cases[] = {
    {0, SEG_DS, 0, VECTOR_NONE, 0},
    {3, SEG_DS, 3, VECTOR_NONE, 0},
    {0, SEG_DS, SEL_DATA0, VECTOR_NONE, 0},
    {0, SEG_DS, SEL_DATA3 | 3, VECTOR_NONE, 0},
    {0, SEG_DS, SEL_READ_ONLY, VECTOR_NONE, 0},
    {0, SEG_DS, SEL_CODE0_32, VECTOR_NONE, 0},
    {3, SEG_DS, SEL_CONFORMING0 | 3, VECTOR_NONE, 0},
    {3, SEG_DS, SEL_DATA0 | 3, VECTOR_GP, SEL_DATA0},
    {3, SEG_DS, SEL_DATA0, VECTOR_GP, SEL_DATA0},
    {0, SEG_DS, SEL_DATA0 | 3, VECTOR_GP, SEL_DATA0},
    {0, SEG_FS, SEL_EXECUTE_ONLY, VECTOR_GP, SEL_EXECUTE_ONLY},
    {0, SEG_FS, SEL_TSS, VECTOR_GP, SEL_TSS},
    {0, SEG_FS, SEL_ABSENT_DATA, VECTOR_NP, SEL_ABSENT_DATA},
    {0, SEG_FS, SEL_END, VECTOR_GP, SEL_END},
    {0, SEG_FS, 0x104, VECTOR_GP, 0x104},
    {0, SEG_SS, SEL_DATA0, VECTOR_NONE, 0},
    {3, SEG_SS, SEL_DATA3 | 3, VECTOR_NONE, 0},
    {0, SEG_SS, 0, VECTOR_GP, 0},
    {0, SEG_SS, SEL_DATA0 | 1, VECTOR_GP, SEL_DATA0},
    {0, SEG_SS, SEL_DATA3, VECTOR_GP, SEL_DATA3},
    {0, SEG_SS, SEL_READ_ONLY, VECTOR_GP, SEL_READ_ONLY},
    {0, SEG_SS, SEL_CODE0_32, VECTOR_GP, SEL_CODE0_32},
    {0, SEG_SS, SEL_ABSENT_DATA, VECTOR_SS, SEL_ABSENT_DATA},
};

static void test_segment_load(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(load_cases); i++) {
        const LoadCase *c = &load_cases[i];
        Segment before;
        bool done;

        set_up();
        mock_enter_protected(cpu, c->ring);
        before = cpu->seg[c->segment];
        done = segment_load(cpu, c->segment, c->selector);
        g_test_message("case %u", i);
        g_assert_cmpint(done, ==, c->fault == VECTOR_NONE);
        mock_expect_fault(cpu, c->fault, c->error_code);
        if (!done) {
            g_assert_cmpmem(&before, sizeof(before), &cpu->seg[c->segment], sizeof(before));
        } else {
            g_assert_cmphex(cpu->seg[c->segment].selector, ==, c->selector);
        }
        if (done && (c->selector & 0xfffc)) { /* the accessed bit */
            g_assert_cmphex(mock_peek(MOCK_GDT + (c->selector & 0xfff8) + 5, 1) & 1, ==, 1);
        }
        tear_down();
    }
}

static void test_segment_unpack(void)
{
    Segment segment;

    set_up();
    mock_enter_protected(cpu, 0);
    mock_descriptor(SEL_GATE, 0xa1b2c3d4, 0x12345, 0xd092 & 0xf0ff);
    g_assert_true(segment_load(cpu, SEG_ES, SEL_GATE));
    segment = cpu->seg[SEG_ES];
    g_assert_cmphex(segment.base, ==, 0xa1b2c3d4);
    g_assert_cmphex(segment.limit, ==, 0x12345fff);
    g_assert_cmphex(segment.attributes, ==, 0xd093);

    mock_poke(MOCK_LDT + 8, mock_peek(MOCK_GDT + SEL_GATE, 8), 8);
    g_assert_true(segment_load(cpu, SEG_FS, 0xc)); /* the LDT's */
    g_assert_cmphex(cpu->seg[SEG_FS].base, ==, 0xa1b2c3d4);
    cpu->ldtr.attributes = 0;
    g_assert_false(segment_load(cpu, SEG_FS, 0xc));
    mock_expect_fault(cpu, VECTOR_GP, 0xc);
    tear_down();
}

static void test_null_stack(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    g_assert_true(segment_load(cpu, SEG_SS, 0));
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_false(segment_load(cpu, SEG_SS, 3));
    tear_down();
    set_up();
    mock_enter_long(cpu, 3);
    g_assert_false(segment_load(cpu, SEG_SS, 3));
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

static void test_mov_pop_segment(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg_class = REG_SEGMENT, .reg = SEG_SS};
    insn.operands[1] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RCX, .size = 2};
    cpu->gpr[R_RCX] = SEL_DATA16;
    g_assert_cmpint(helper_mov_segment(cpu, &insn), ==, INSN_NEXT);
    g_assert_true(cpu->interrupt_shadow && cpu->shadow_is_mov_ss);
    g_assert_cmphex(cpu->mode & CPU_MODE_SS_B, ==, 0);

    /* POP SS moves SP by the rules of the old stack. */
    cpu->gpr[R_RSP] = 0x1234fffc;
    mock_poke(0xfffc, SEL_DATA0, 4);
    g_assert_cmpint(helper_pop_segment(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, 0x12340000);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA0);

    cpu->gpr[R_RSP] = MOCK_STACK;
    g_assert_cmpint(helper_push_segment(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(stacked(0, 4), ==, SEL_DATA0);

    insn.operands[0].reg = SEG_CS;
    g_assert_cmpint(helper_mov_segment(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    tear_down();
}

static void test_load_far_pointer(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    insn.opcode = 0xb4; /* LFS */
    insn.segment = SEG_DS;
    insn.displacement = 0x8000;
    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RBX, .size = 4};
    mock_poke(0x8000, 0xcafef00d, 4);
    mock_poke(0x8004, SEL_DATA3 | 3, 2);
    g_assert_cmpint(helper_load_far_pointer(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RBX], ==, 0xcafef00d);
    g_assert_cmphex(cpu->seg[SEG_FS].selector, ==, SEL_DATA3 | 3);
    mock_poke(0x8000, 0, 4);
    mock_poke(0x8004, SEL_TSS, 2);
    g_assert_cmpint(helper_load_far_pointer(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->gpr[R_RBX], ==, 0xcafef00d);
    tear_down();
}

/* LAR, LSL, VERR, VERW from ring 3: 0 not visible, else the value. */
static void test_queries(void)
{
    static const struct {
        uint16_t selector;
        uint32_t rights, limit;
        bool readable, writable;
    } cases[] = {
        {0, 0, 0, false, false},
        {SEL_END, 0, 0, false, false},
        {SEL_DATA0 | 3, 0, 0, false, false},
        {SEL_DATA3 | 3, 0xcff200, 0xffffffff, true, true},
        {SEL_CODE3 | 3, 0xcffa00, 0xffffffff, true, false},
        {SEL_CONFORMING0 | 3, 0xcf9e00, 0xffffffff, true, false},
        {SEL_TSS | 3, 0, 0, false, false}, /* DPL 0 */
    };
    Insn insn = mock_insn(32);

    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RDX, .size = 4};
    insn.operands[1] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RCX, .size = 2};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Insn verify = insn;

        set_up();
        mock_enter_protected(cpu, 3);
        mock_poke(MOCK_GDT + SEL_DATA3 + 5, 0xf2, 1);
        cpu->gpr[R_RCX] = cases[i].selector;
        verify.operands[0] = insn.operands[1];
        g_test_message("case %u", i);
        g_assert_cmpint(helper_lar(cpu, &insn), ==, INSN_NEXT);
        g_assert_cmphex(cpu->gpr[R_RDX], ==, cases[i].rights);
        g_assert_cmpint(cpu->eflags & EFLAGS_ZF, ==, cases[i].rights ? EFLAGS_ZF : 0);
        g_assert_cmpint(helper_lsl(cpu, &insn), ==, INSN_NEXT);
        g_assert_cmphex(cpu->gpr[R_RDX], ==, cases[i].limit);
        g_assert_cmpint(helper_verr(cpu, &verify), ==, INSN_NEXT);
        g_assert_cmpint(cpu->eflags & EFLAGS_ZF, ==, cases[i].readable ? EFLAGS_ZF : 0);
        g_assert_cmpint(helper_verw(cpu, &verify), ==, INSN_NEXT);
        g_assert_cmpint(cpu->eflags & EFLAGS_ZF, ==, cases[i].writable ? EFLAGS_ZF : 0);
        tear_down();
    }
    set_up();
    mock_enter_real(cpu);
    g_assert_cmpint(helper_lar(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    tear_down();
}

static void test_arpl(void)
{
    Insn insn = mock_insn(16);

    set_up();
    mock_enter_protected(cpu, 0);
    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RAX, .size = 2};
    insn.operands[1] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RBX, .size = 2};
    for (unsigned have = 0; have < 4; have++) {
        for (unsigned want = 0; want < 4; want++) {
            cpu->gpr[R_RAX] = 0xaaaa1230 | have;
            cpu->gpr[R_RBX] = 0x40 | want;
            g_assert_cmpint(helper_arpl(cpu, &insn), ==, INSN_NEXT);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, 0xaaaa1230 | MAX(have, want));
            g_assert_cmpint(cpu->eflags & EFLAGS_ZF, ==, have < want ? EFLAGS_ZF : 0);
        }
    }
    tear_down();
}

static void test_bases(void)
{
    Insn insn = mock_insn(64);

    set_up();
    mock_enter_long(cpu, 0);
    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RAX, .size = 8};
    cpu->seg[SEG_GS].base = 0x111;
    cpu->kernel_gs_base = 0xffff888000000000;
    g_assert_cmpint(helper_swapgs(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->seg[SEG_GS].base, ==, 0xffff888000000000);
    g_assert_cmphex(cpu->kernel_gs_base, ==, 0x111);
    g_assert_cmpint(helper_rdgsbase(cpu, &insn), ==, INSN_FAULT); /* CR4.FSGSBASE is clear */
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    cpu->cr4 |= CR4_FSGSBASE;
    g_assert_cmpint(helper_rdgsbase(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RAX], ==, 0xffff888000000000);
    g_assert_cmpint(helper_wrfsbase(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->seg[SEG_FS].base, ==, 0xffff888000000000);
    cpu->gpr[R_RAX] = 0x800000000000;
    g_assert_cmpint(helper_wrgsbase(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

/* Long mode knows fewer system types. */
static void test_long_queries(void)
{
    static const uint16_t seen_by_lar = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12;
    static const uint16_t seen_by_lsl = 1 << 2 | 1 << 9 | 1 << 11;
    Insn insn = mock_insn(32);

    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RDX, .size = 4};
    insn.operands[1] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RCX, .size = 2};
    set_up();
    mock_enter_long(cpu, 0);
    cpu->gpr[R_RCX] = SEL_GATE;
    for (unsigned type = 0; type < 16; type++) {
        mock_descriptor(SEL_GATE, 0, 0x1234, SEG_P | type);
        helper_lar(cpu, &insn);
        g_assert_cmpint(!!(cpu->eflags & EFLAGS_ZF), ==, seen_by_lar >> type & 1);
        helper_lsl(cpu, &insn);
        g_assert_cmpint(!!(cpu->eflags & EFLAGS_ZF), ==, seen_by_lsl >> type & 1);
    }
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86-segments/segment-load", test_segment_load);
    g_test_add_func("/x86-segments/segment-unpack", test_segment_unpack);
    g_test_add_func("/x86-segments/null-stack", test_null_stack);
    g_test_add_func("/x86-segments/mov-pop-segment", test_mov_pop_segment);
    g_test_add_func("/x86-segments/load-far-pointer", test_load_far_pointer);
    g_test_add_func("/x86-segments/queries", test_queries);
    g_test_add_func("/x86-segments/arpl", test_arpl);
    g_test_add_func("/x86-segments/bases", test_bases);
    g_test_add_func("/x86-segments/long-queries", test_long_queries);
    return g_test_run();
}
