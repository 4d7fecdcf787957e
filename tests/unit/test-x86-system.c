/* SPDX-License-Identifier: MIT */
/* Exceptions, interrupts and IRET in every mode:
 * frames, stack switches, error codes, escalation. */
#include "tests/unit/x86-mock.h"

#define HANDLER 0x5000u
#define NEXT (cpu->rip + 2)

static X86Cpu *cpu;

static void set_up(void)
{
    cpu = mock_cpu_new();
}

static void tear_down(void)
{
    mock_cpu_free(cpu);
}

static InsnResult run_int(unsigned vector)
{
    Insn insn = mock_insn(32);

    insn.immediate = vector;
    return helper_int(cpu, &insn);
}

static InsnResult run_iret(unsigned operand_bits)
{
    Insn insn = mock_insn(operand_bits);

    return helper_iret(cpu, &insn);
}

/* The doubleword or so at place n of the stack, counted from its top. */
static uint64_t stacked(unsigned n, unsigned size)
{
    return mock_peek(cpu->seg[SEG_SS].base + (cpu->gpr[R_RSP] & 0xffffffff) + n * size, size);
}

/* -- Real mode --------------------------------------------------------------------------------- */

static void test_real_mode(void)
{
    set_up();
    mock_enter_real(cpu);
    cpu->seg[SEG_CS].selector = 0x123;
    cpu->seg[SEG_CS].base = 0x1230;
    cpu->eflags |= EFLAGS_CF | EFLAGS_TF;
    mock_poke(0x21 * 4, 0x20005000, 4);
    g_assert_cmpint(run_int(0x21), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x5000);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, 0x2000);
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, 0x20000);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 6);
    g_assert_cmphex(stacked(0, 2), ==, 0x102);
    g_assert_cmphex(stacked(1, 2), ==, 0x123);
    g_assert_cmphex(stacked(2, 2), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_TF | EFLAGS_CF);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_CF);

    g_assert_cmpint(run_iret(16), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, 0x1230);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_TF | EFLAGS_CF);
    tear_down();
}

static void test_real_mode_stack_wrap(void)
{
    set_up();
    mock_enter_real(cpu);
    cpu->gpr[R_RSP] = 0xabcd0002; /* flags at 0, CS at FFFE, IP at FFFC; the upper half stays */
    mock_poke(8 * 4, 0x5000, 4);
    interrupt_deliver(cpu, 8);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, 0xabcdfffc);
    g_assert_cmphex(mock_peek(0xfffc, 2), ==, 0x100);
    g_assert_cmphex(mock_peek(0, 2), ==, EFLAGS_FIXED | EFLAGS_IF);
    g_assert_cmpint(run_iret(16), ==, INSN_JUMP);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, 0xabcd0002);
    tear_down();
}

/* -- Protected mode ---------------------------------------------------------------------------- */

static void test_protected_same_ring(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, 0x30, 0x8f, SEL_CODE0, HANDLER, 0);
    cpu->eflags |= EFLAGS_NT | EFLAGS_TF;
    interrupt_deliver(cpu, 0x30);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 12);
    g_assert_cmphex(stacked(0, 4), ==, 0x100);
    g_assert_cmphex(stacked(1, 4), ==, SEL_CODE0);
    g_assert_cmphex(stacked(2, 4), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_NT | EFLAGS_TF);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_IF); /* a trap gate */
    g_assert_cmpint(run_iret(32), ==, INSN_JUMP);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_NT | EFLAGS_TF);
    tear_down();
}

static void test_protected_ring_change(void)
{
    set_up();
    mock_enter_protected(cpu, 3);
    mock_gate(cpu, VECTOR_GP, 0x8e, SEL_CODE0, HANDLER, 0);
    fault_gp(cpu, 0x1230);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_NONE);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, SEL_CODE0);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA0);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK - 24);
    g_assert_cmphex(stacked(0, 4), ==, 0x1230);
    g_assert_cmphex(stacked(1, 4), ==, 0x100);
    g_assert_cmphex(stacked(2, 4), ==, SEL_CODE3 | 3);
    g_assert_cmphex(stacked(3, 4), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_RF);
    g_assert_cmphex(stacked(4, 4), ==, MOCK_STACK);
    g_assert_cmphex(stacked(5, 4), ==, SEL_DATA3 | 3);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED);

    cpu->gpr[R_RSP] += 4;
    segment_load(cpu, SEG_DS, SEL_DATA0); /* not for ring 3: becomes null */
    g_assert_cmpint(run_iret(32), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->rip, ==, 0x100);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA3 | 3);
    g_assert_cmphex(cpu->seg[SEG_DS].selector, ==, 0);
    g_assert_cmphex(cpu->seg[SEG_ES].selector, ==, SEL_DATA3 | 3);
    tear_down();
}

static void test_protected_16bit_gate(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, 0x40, 0x86, SEL_CODE16, 0x12345678, 0);
    interrupt_deliver(cpu, 0x40);
    g_assert_cmphex(cpu->rip, ==, 0x5678);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 6);
    g_assert_cmphex(stacked(1, 2), ==, SEL_CODE0);
    g_assert_cmphex(mock_peek(MOCK_GDT + SEL_CODE16 + 5, 1) & 1, ==, 1); /* accessed */
    g_assert_cmpint(run_iret(16), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x100);
    tear_down();
}

static void test_conforming_handler(void)
{
    set_up();
    mock_enter_protected(cpu, 3);
    mock_gate(cpu, 0x40, 0xee, SEL_CONFORMING0, HANDLER, 0);
    g_assert_cmpint(run_int(0x40), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, SEL_CONFORMING0 | 3);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 12);
    tear_down();
}

/* -- v8086 mode -------------------------------------------------------------------------------- */

static void test_v8086(void)
{
    uint64_t flags;

    set_up();
    mock_enter_v8086(cpu, 3);
    flags = cpu->eflags;
    mock_gate(cpu, 0x21, 0xee, SEL_CODE0, HANDLER, 0);
    g_assert_cmpint(run_int(0x21), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_false(mode_is_v8086(cpu));
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK - 36);
    g_assert_cmphex(stacked(0, 4), ==, 0x102);
    g_assert_cmphex(stacked(1, 4), ==, 0x10 * SEG_CS);
    g_assert_cmphex(stacked(2, 4), ==, flags);
    g_assert_cmphex(stacked(3, 4), ==, MOCK_STACK);
    g_assert_cmphex(stacked(4, 4), ==, 0x10 * SEG_SS);
    g_assert_cmphex(stacked(5, 4), ==, 0x10 * SEG_ES);
    g_assert_cmphex(stacked(6, 4), ==, 0x10 * SEG_DS);
    g_assert_cmphex(stacked(7, 4), ==, 0x10 * SEG_FS);
    g_assert_cmphex(stacked(8, 4), ==, 0x10 * SEG_GS);
    g_assert_cmphex(cpu->seg[SEG_GS].selector, ==, 0);
    g_assert_cmphex(cpu->seg[SEG_DS].attributes & SEG_P, ==, 0);

    g_assert_cmpint(run_iret(32), ==, INSN_JUMP);
    g_assert_cmphex(cpu->eflags, ==, flags);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->rip, ==, 0x102);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        g_assert_cmphex(cpu->seg[i].base, ==, 0x100 * i);
        g_assert_cmphex(cpu->seg[i].limit, ==, 0xffff);
    }
    tear_down();
}

static void test_v8086_iopl(void)
{
    set_up();
    mock_enter_v8086(cpu, 0);
    mock_gate(cpu, 0x21, 0xee, SEL_CODE0, HANDLER, 0);
    g_assert_cmpint(run_int(0x21), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    g_assert_cmpint(run_iret(16), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    /* INT3 does not ask IOPL, but its gate must lead to ring 0. */
    mock_gate(cpu, 3, 0xee, SEL_CODE1, HANDLER, 0);
    g_assert_cmpint(helper_int3(cpu, &(Insn){.length = 1}), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, SEL_CODE1);
    tear_down();
}

static void test_v8086_redirection(void)
{
    set_up();
    mock_enter_v8086(cpu, 0);
    cpu->cr4 |= CR4_VME;
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_IF) | EFLAGS_VIF;
    mock_poke(0x21 * 4, 0x20005000, 4);
    g_assert_cmpint(run_int(0x21), ==, INSN_JUMP);
    g_assert_true(mode_is_v8086(cpu));
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, 0x20000);
    g_assert_cmphex(cpu->rip, ==, 0x5000);
    g_assert_cmphex(stacked(2, 2), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_IOPL);
    g_assert_cmphex(cpu->eflags & EFLAGS_VIF, ==, 0);
    g_assert_cmpint(run_iret(16), ==, INSN_JUMP);
    g_assert_cmphex(cpu->eflags & (EFLAGS_VIF | EFLAGS_IF | EFLAGS_IOPL), ==, EFLAGS_VIF);

    mock_poke(MOCK_TSS + 0x100 - 32 + 4, 2, 1); /* bit 0x21: to the monitor */
    g_assert_cmpint(run_int(0x21), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

/* -- Long mode --------------------------------------------------------------------------------- */

static void test_long_ring_change(void)
{
    set_up();
    mock_enter_long(cpu, 3);
    mock_gate(cpu, VECTOR_PF, 0x8e, SEL_CODE0, 0xffff800000005000, 0);
    cpu->gpr[R_RSP] = MOCK_STACK - 3;
    fault_page(cpu, 0x12345678, 7);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->cr2, ==, 0x12345678);
    g_assert_cmphex(cpu->rip, ==, 0xffff800000005000);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_RING0_STACK - 48);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, 0);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(stacked(0, 8), ==, 7);
    g_assert_cmphex(stacked(1, 8), ==, 0x100);
    g_assert_cmphex(stacked(2, 8), ==, SEL_CODE3 | 3);
    g_assert_cmphex(stacked(3, 8), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_RF);
    g_assert_cmphex(stacked(4, 8), ==, MOCK_STACK - 3);
    g_assert_cmphex(stacked(5, 8), ==, SEL_DATA3 | 3);

    cpu->gpr[R_RSP] += 8;
    cpu->nmi_masked = true;
    g_assert_cmpint(run_iret(64), ==, INSN_JUMP);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 3);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA3 | 3);
    g_assert_false(cpu->nmi_masked);
    tear_down();
}

static void test_long_same_ring(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    mock_gate(cpu, 0x30, 0x8e, SEL_CODE0, HANDLER, 0);
    cpu->gpr[R_RSP] = MOCK_STACK - 3; /* aligned before the frame */
    interrupt_deliver(cpu, 0x30);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 16 - 40);
    g_assert_cmphex(stacked(3, 8), ==, MOCK_STACK - 3);
    g_assert_cmphex(stacked(4, 8), ==, SEL_DATA0);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA0);
    g_assert_cmpint(run_iret(64), ==, INSN_JUMP);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 3);
    tear_down();
}

static void test_long_ist(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    mock_gate(cpu, VECTOR_NMI, 0x8e, SEL_CODE0, HANDLER, 1);
    interrupt_deliver(cpu, VECTOR_NMI);
    g_assert_true(cpu->nmi_masked);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_IST1 - 40);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, SEL_DATA0);
    tear_down();
}

static void test_long_null_stack(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    cpu->seg[SEG_SS] = segment_null_stack(0);
    mock_gate(cpu, 0x30, 0x8e, SEL_CODE0, HANDLER, 0);
    interrupt_deliver(cpu, 0x30);
    g_assert_cmphex(stacked(4, 8), ==, 0);
    g_assert_cmpint(run_iret(64), ==, INSN_JUMP);
    g_assert_cmphex(cpu->seg[SEG_SS].selector, ==, 0);
    g_assert_cmpuint(cpu->cpl, ==, 0);

    interrupt_deliver(cpu, 0x30);
    mock_poke(cpu->gpr[R_RSP] + 8, SEL_CODE3 | 3, 8); /* to ring 3 SS must not be null */
    g_assert_cmpint(run_iret(64), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

static void test_compatibility(void)
{
    set_up();
    mock_enter_compatibility(cpu, 3);
    cpu->gpr[R_RAX] = 0x123456789abcdef0;
    mock_gate(cpu, 0x80, 0xee, SEL_CODE0, HANDLER, 0);
    g_assert_cmpint(run_int(0x80), ==, INSN_JUMP);
    g_assert_true(mode_is_64bit(cpu));
    g_assert_cmphex(stacked(0, 8), ==, 0x102);
    g_assert_cmphex(stacked(1, 8), ==, SEL_CODE3_32 | 3);
    g_assert_cmpint(run_iret(64), ==, INSN_JUMP);
    g_assert_false(mode_is_64bit(cpu));
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    tear_down();
}

static void test_long_nt(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    cpu->eflags |= EFLAGS_NT;
    g_assert_cmpint(run_iret(64), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

/* -- Error codes ------------------------------------------------------------------------------- */

typedef struct GateCase {
    bool is_long;
    unsigned ring, type;
    uint16_t selector;
    uint64_t offset;
    unsigned fault;
    uint32_t error_code;
} GateCase;

#define IDT_ERROR(vector) ((vector)*8 + 2)

static const GateCase gate_cases[] = {
    {false, 3, 0x8e, SEL_CODE0, HANDLER, VECTOR_GP, IDT_ERROR(0x50)}, /* DPL 0 from ring 3 */
    {false, 3, 0x6e, SEL_CODE0, HANDLER, VECTOR_NP, IDT_ERROR(0x50)},
    {false, 0, 0x8c, SEL_CODE0, HANDLER, VECTOR_GP, IDT_ERROR(0x50)}, /* a call gate */
    {false, 0, 0x9e, SEL_CODE0, HANDLER, VECTOR_GP, IDT_ERROR(0x50)}, /* S is set */
    {false, 0, 0x8e, 3, HANDLER, VECTOR_GP, 0},
    {false, 0, 0x8e, SEL_END | 3, HANDLER, VECTOR_GP, SEL_END},
    {false, 0, 0x8e, SEL_DATA0, HANDLER, VECTOR_GP, SEL_DATA0},
    {false, 0, 0x8e, SEL_CODE3, HANDLER, VECTOR_GP, SEL_CODE3},
    {false, 0, 0x8e, SEL_ABSENT_CODE, HANDLER, VECTOR_NP, SEL_ABSENT_CODE},
    {false, 0, 0x8e, SEL_CODE16, 0x10000, VECTOR_GP, 0},
    {false, 0, 0x8e, 4, HANDLER, VECTOR_GP, 4}, /* an empty descriptor of the LDT */
    {false, 0, 0x8e, 0x104, HANDLER, VECTOR_GP, 0x104},
    {false, 0, 0x85, SEL_LDT, HANDLER, VECTOR_GP, SEL_LDT}, /* task gates */
    {false, 0, 0x85, SEL_TSS, HANDLER, VECTOR_GP, SEL_TSS}, /* busy */
    {true, 3, 0x8e, SEL_CODE0, HANDLER, VECTOR_GP, IDT_ERROR(0x50)},
    {true, 0, 0x86, SEL_CODE0, HANDLER, VECTOR_GP, IDT_ERROR(0x50)},
    {true, 0, 0x85, SEL_CODE0, HANDLER, VECTOR_GP, IDT_ERROR(0x50)},
    {true, 0, 0x8e, SEL_CODE0_32, HANDLER, VECTOR_GP, SEL_CODE0_32},
    {true, 0, 0x8e, SEL_CODE0, 0x800000000000, VECTOR_GP, 0},
};

static void test_gate_errors(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(gate_cases); i++) {
        const GateCase *c = &gate_cases[i];
        uint64_t gpr[16];
        Segment cs;

        set_up();
        (c->is_long ? mock_enter_long : mock_enter_protected)(cpu, c->ring);
        mock_gate(cpu, 0x50, c->type, c->selector, c->offset, 0);
        memcpy(gpr, cpu->gpr, sizeof(gpr));
        cs = cpu->seg[SEG_CS];
        g_test_message("case %u", i);
        g_assert_cmpint(run_int(0x50), ==, INSN_FAULT);
        mock_expect_fault(cpu, c->fault, c->error_code);
        g_assert_cmpmem(gpr, sizeof(gpr), cpu->gpr, sizeof(gpr));
        g_assert_cmpmem(&cs, sizeof(cs), &cpu->seg[SEG_CS], sizeof(cs));
        g_assert_cmphex(cpu->rip, ==, 0x100);
        tear_down();
    }
}

static void test_stack_errors(void)
{
    static const struct {
        uint16_t ss;
        unsigned fault;
        uint32_t error_code;
    } cases[] = {
        {0, VECTOR_TS, 0},
        {SEL_END, VECTOR_TS, SEL_END},
        {SEL_DATA0 | 3, VECTOR_TS, SEL_DATA0},
        {SEL_DATA3, VECTOR_TS, SEL_DATA3},
        {SEL_READ_ONLY, VECTOR_TS, SEL_READ_ONLY},
        {SEL_ABSENT_DATA, VECTOR_SS, SEL_ABSENT_DATA},
        {SEL_DATA16, VECTOR_SS, SEL_DATA16}, /* limit: see below */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        set_up();
        mock_enter_protected(cpu, 3);
        mock_gate(cpu, 0x50, 0xee, SEL_CODE0, HANDLER, 0);
        mock_poke(MOCK_TSS + 8, cases[i].ss, 2);
        mock_descriptor(SEL_DATA16, 0, 0x7fff, 0x92);
        g_test_message("case %u", i);
        g_assert_cmpint(run_int(0x50), ==, INSN_FAULT);
        mock_expect_fault(cpu, cases[i].fault, cases[i].error_code);
        g_assert_cmpuint(cpu->cpl, ==, 3);
        tear_down();
    }
    set_up();
    mock_enter_protected(cpu, 3);
    mock_gate(cpu, 0x50, 0xee, SEL_CODE0, HANDLER, 0);
    cpu->tr.limit = 8; /* does not hold SS0 */
    g_assert_cmpint(run_int(0x50), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_TS, SEL_TSS);
    tear_down();
}

/* -- Escalation -------------------------------------------------------------------------------- */

static void test_external_bit(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, VECTOR_GP, 0x8e, SEL_CODE0, HANDLER, 0);
    interrupt_deliver(cpu, 0x50); /* an empty gate */
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(stacked(0, 4), ==, IDT_ERROR(0x50) | 1);
    g_assert_cmphex(stacked(1, 4), ==, 0x100);
    g_assert_cmpuint(mock_reset_count, ==, 0);
    tear_down();
}

static void test_double_fault(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, VECTOR_DF, 0x8e, SEL_CODE0, HANDLER, 0);
    fault_gp(cpu, 0x40);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(stacked(0, 4), ==, 0);
    g_assert_cmphex(stacked(1, 4), ==, 0x100);
    tear_down();

    /* A page fault behind a contributory one is delivered itself, CR2 and all. */
    set_up();
    mock_enter_protected(cpu, 3);
    mock_gate(cpu, VECTOR_DF, 0x8e, SEL_CODE0, HANDLER, 0);
    mock_gate(cpu, VECTOR_PF, 0xee, SEL_CONFORMING0, HANDLER + 16, 0);
    mock_gate(cpu, VECTOR_GP, 0x8e, SEL_CODE0, HANDLER, 0);
    mock_poke(MOCK_TSS + 4, 0x7f020, 4);
    mock_absent_page = 0x7f000;
    fault_gp(cpu, 0);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER + 16);
    g_assert_cmphex(cpu->cr2, ==, 0x7f020 - 4); /* the first push */
    g_assert_cmphex(stacked(0, 4), ==, PF_WRITE);
    tear_down();

    /* After a benign one a contributory one is as well. */
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, VECTOR_NP, 0x8e, SEL_CODE0, HANDLER, 0);
    mock_gate(cpu, VECTOR_UD, 0x0e, SEL_CODE0, HANDLER, 0);
    fault_ud(cpu);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(stacked(0, 4), ==, IDT_ERROR(VECTOR_UD) | 1);
    tear_down();
}

static void test_double_page_fault(void)
{
    set_up();
    mock_enter_long(cpu, 3);
    mock_gate(cpu, VECTOR_PF, 0x8e, SEL_CODE0, HANDLER, 0);
    mock_gate(cpu, VECTOR_DF, 0x8e, SEL_CODE0, HANDLER + 16, 1);
    mock_absent_page = MOCK_RING0_STACK - 0x1000;
    fault_page(cpu, 0x77777000, 4);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER + 16);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_IST1 - 48);
    g_assert_cmphex(cpu->cr2, ==, MOCK_RING0_STACK - 8); /* the first push */
    g_assert_cmpuint(mock_reset_count, ==, 0);
    tear_down();
}

static void test_triple_fault(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    cpu->fpu_live = true;
    fault_gp(cpu, 0);
    exception_deliver(cpu);
    g_assert_cmpuint(mock_reset_count, ==, 1);
    g_assert_true(cpu->halted);
    g_assert_false(cpu->fpu_live);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_NONE);
    tear_down();

    set_up();
    mock_enter_real(cpu);
    cpu->idtr.limit = 0; /* as reboot code does it */
    g_assert_cmpint(run_int(3), ==, INSN_FAULT);
    exception_deliver(cpu);
    g_assert_cmpuint(mock_reset_count, ==, 1);
    tear_down();
}

/* -- Debug exceptions, shadows, other INTs ----------------------------------------------------- */

static void test_debug(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, VECTOR_DB, 0x8e, SEL_CODE0, HANDLER, 0);
    cpu->dr[6] |= 1;
    cpu->dr[7] |= 1u << 13;
    cpu->eflags |= EFLAGS_TF | EFLAGS_RF;
    fault_raise(cpu, VECTOR_DB);
    cpu->fault.dr6 = 1u << 14;
    cpu->interrupt_shadow = true;
    exception_deliver(cpu);
    g_assert_cmphex(cpu->dr[6], ==, 0xffff4ff0);
    g_assert_cmphex(cpu->dr[7], ==, 0x400);
    g_assert_cmphex(stacked(2, 4), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_TF);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED);
    g_assert_false(cpu->interrupt_shadow);
    tear_down();
}

/* Traps push RF clear whatever it was; INT1 asks no DPL and marks its errors external. */
static void test_traps(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 3);
    mock_gate(cpu, VECTOR_BP, 0xee, SEL_CODE0, HANDLER, 0);
    mock_gate(cpu, VECTOR_DB, 0x8e, SEL_CODE0, HANDLER, 0);
    cpu->eflags |= EFLAGS_RF;
    g_assert_cmpint(helper_int1(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(stacked(2, 4), ==, EFLAGS_FIXED | EFLAGS_IF);
    g_assert_cmphex(cpu->dr[6], ==, 0xffff0ff0);
    cpu->eflags |= EFLAGS_RF;
    g_assert_cmpint(helper_int3(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(stacked(2, 4), ==, EFLAGS_FIXED);
    mock_gate(cpu, VECTOR_DB, 0x0e, SEL_CODE0, HANDLER, 0);
    g_assert_cmpint(helper_int1(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_NP, IDT_ERROR(VECTOR_DB) | 1);
    tear_down();
}

static void test_idt_limit(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, 0x50, 0x8e, SEL_CODE0, HANDLER, 0);
    cpu->idtr.limit = 0x50 * 8 + 6;
    g_assert_cmpint(run_int(0x50), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, IDT_ERROR(0x50));
    cpu->idtr.limit++;
    cpu->halted = true;
    interrupt_deliver(cpu, 0x50);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_false(cpu->halted);
    g_assert_false(cpu->nmi_masked);
    tear_down();

    set_up();
    mock_enter_real(cpu);
    cpu->idtr.limit = 0x50 * 4 + 2;
    g_assert_cmpint(run_int(0x50), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, IDT_ERROR(0x50));
    tear_down();
}

static void test_into_bound_ud(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, VECTOR_OF, 0x8e, SEL_CODE0, HANDLER, 0);
    g_assert_cmpint(helper_into(cpu, &insn), ==, INSN_NEXT);
    cpu->eflags |= EFLAGS_OF;
    g_assert_cmpint(helper_into(cpu, &insn), ==, INSN_JUMP);
    g_assert_cmphex(stacked(0, 4), ==, 0x102);

    insn.displacement = 0x8000;
    insn.segment = SEG_DS;
    insn.operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RDX, .size = 4};
    mock_poke(0x8000, (uint32_t)-5, 4);
    mock_poke(0x8004, 7, 4);
    for (int64_t value = -7; value < 10; value++) {
        cpu->gpr[R_RDX] = (uint32_t)value;
        g_assert_cmpint(helper_bound(cpu, &insn), ==,
                        value < -5 || value > 7 ? INSN_FAULT : INSN_NEXT);
    }
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_BR);
    g_assert_false(cpu->fault.has_error_code);
    g_assert_cmpint(helper_ud(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    tear_down();
}

/* -- IRET's own errors and flags --------------------------------------------------------------- */

static void test_iret_errors(void)
{
    static const struct {
        uint32_t eip, cs, esp, ss;
        unsigned fault;
        uint32_t error_code;
    } cases[] = {
        {0, 0, 0, 0, VECTOR_GP, 0},
        {0, SEL_END, 0, 0, VECTOR_GP, SEL_END},
        {0, SEL_DATA0, 0, 0, VECTOR_GP, SEL_DATA0},
        {0, SEL_CODE0 | 3, 0, SEL_DATA3 | 3, VECTOR_GP, SEL_CODE0},
        {0, SEL_CODE1, 0, 0, VECTOR_GP, SEL_CODE1},
        {0, SEL_ABSENT_CODE, 0, 0, VECTOR_NP, SEL_ABSENT_CODE},
        {0x10000, SEL_CODE16, 0, 0, VECTOR_GP, 0},
        {0, SEL_CODE3 | 3, 0, 3, VECTOR_GP, 0},
        {0, SEL_CODE3 | 3, 0, SEL_DATA0, VECTOR_GP, SEL_DATA0},
        {0, SEL_CODE3 | 3, 0, SEL_DATA3, VECTOR_GP, SEL_DATA3},
        {0, SEL_CODE3 | 3, 0, SEL_CODE3 | 3, VECTOR_GP, SEL_CODE3},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        set_up();
        mock_enter_protected(cpu, 0);
        mock_poke(MOCK_STACK, cases[i].eip, 4);
        mock_poke(MOCK_STACK + 4, cases[i].cs, 4);
        mock_poke(MOCK_STACK + 8, EFLAGS_FIXED, 4);
        mock_poke(MOCK_STACK + 12, cases[i].esp, 4);
        mock_poke(MOCK_STACK + 16, cases[i].ss, 4);
        g_test_message("case %u", i);
        g_assert_cmpint(run_iret(32), ==, INSN_FAULT);
        mock_expect_fault(cpu, cases[i].fault, cases[i].error_code);
        g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
        g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_IF);
        tear_down();
    }
}

static void test_iret_flags(void)
{
    set_up();
    mock_enter_protected(cpu, 3);
    mock_poke(MOCK_STACK, 0x200, 4);
    mock_poke(MOCK_STACK + 4, SEL_CODE3 | 3, 4);
    mock_poke(MOCK_STACK + 8, 0xffffffff & ~EFLAGS_IF, 4);
    g_assert_cmpint(run_iret(32), ==, INSN_JUMP);
    /* Ring 3 at IOPL 0 keeps IF, IOPL, VM, VIF, VIP. */
    g_assert_cmphex(cpu->eflags, ==,
                    EFLAGS_FIXED | EFLAGS_IF | EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF |
                        EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86-system/real-mode", test_real_mode);
    g_test_add_func("/x86-system/real-mode-stack-wrap", test_real_mode_stack_wrap);
    g_test_add_func("/x86-system/protected-same-ring", test_protected_same_ring);
    g_test_add_func("/x86-system/protected-ring-change", test_protected_ring_change);
    g_test_add_func("/x86-system/protected-16bit-gate", test_protected_16bit_gate);
    g_test_add_func("/x86-system/conforming-handler", test_conforming_handler);
    g_test_add_func("/x86-system/v8086", test_v8086);
    g_test_add_func("/x86-system/v8086-iopl", test_v8086_iopl);
    g_test_add_func("/x86-system/v8086-redirection", test_v8086_redirection);
    g_test_add_func("/x86-system/long-ring-change", test_long_ring_change);
    g_test_add_func("/x86-system/long-same-ring", test_long_same_ring);
    g_test_add_func("/x86-system/long-ist", test_long_ist);
    g_test_add_func("/x86-system/long-null-stack", test_long_null_stack);
    g_test_add_func("/x86-system/long-nt", test_long_nt);
    g_test_add_func("/x86-system/compatibility", test_compatibility);
    g_test_add_func("/x86-system/gate-errors", test_gate_errors);
    g_test_add_func("/x86-system/stack-errors", test_stack_errors);
    g_test_add_func("/x86-system/external-bit", test_external_bit);
    g_test_add_func("/x86-system/double-fault", test_double_fault);
    g_test_add_func("/x86-system/double-page-fault", test_double_page_fault);
    g_test_add_func("/x86-system/triple-fault", test_triple_fault);
    g_test_add_func("/x86-system/debug", test_debug);
    g_test_add_func("/x86-system/into-bound-ud", test_into_bound_ud);
    g_test_add_func("/x86-system/iret-errors", test_iret_errors);
    g_test_add_func("/x86-system/iret-flags", test_iret_flags);
    g_test_add_func("/x86-system/traps", test_traps);
    g_test_add_func("/x86-system/idt-limit", test_idt_limit);
    return g_test_run();
}
