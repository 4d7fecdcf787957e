/* SPDX-License-Identifier: MIT */
/* Breakpoints of DR0-DR3, RF, single steps: the rules by themselves, in every mode. */
#include "tests/unit/x86-mock.h"

#include <Zydis/Mnemonic.h>

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/debug-regs.h"

#define HANDLER 0x7000u
#define WATCHED 0x8008u
#define ENABLE(n) (1ull << (2 * (n)))
#define ON(n, kind, length_code) ((uint64_t)((length_code) << 2 | (kind)) << (16 + 4 * (n)))

enum { EXECUTE, WRITE, PORT, ACCESS };
enum { ONE, TWO, EIGHT, FOUR };

static X86Cpu *cpu;

static void set_up(void)
{
    cpu = mock_cpu_new();
    mock_enter_protected(cpu, 0);
    mock_gate(cpu, VECTOR_DB, 0x8e, SEL_CODE0, HANDLER, 0);
}

static void break_on(unsigned n, unsigned kind, unsigned length, uint64_t address)
{
    cpu->dr[n] = address;
    cpu->dr[7] |= ENABLE(n) | ON(n, kind, length);
    cpu_update_mode(cpu);
    g_assert_true(cpu->mode & CPU_MODE_BREAKPOINTS);
}

static unsigned noted(uint64_t linear, unsigned size, bool is_write)
{
    unsigned bits;

    cpu->debug_pending = 0;
    debug_regs_note_access(cpu, linear, size, is_write);
    bits = cpu->debug_pending;
    cpu->debug_pending = 0;
    return bits;
}

/* Every overlap of every length, and one byte off on either side. */
static void test_ranges(void)
{
    static const struct {
        unsigned code, size;
    } lengths[] = {{ONE, 1}, {TWO, 2}, {FOUR, 4}, {EIGHT, 8}};

    set_up();
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        unsigned size = lengths[i].size;

        cpu->dr[7] = 0x400;
        break_on(2, ACCESS, lengths[i].code, WATCHED);
        for (unsigned access = 1; access <= 32; access *= 2) {
            g_assert_cmphex(noted(WATCHED - access, access, true), ==, 0);
            g_assert_cmphex(noted(WATCHED - access + 1, access, false), ==, 4);
            g_assert_cmphex(noted(WATCHED + size - 1, access, true), ==, 4);
            g_assert_cmphex(noted(WATCHED + size, access, false), ==, 0);
            g_assert_true(debug_regs_watch(cpu, WATCHED - access + 1, access));
            g_assert_false(debug_regs_watch(cpu, WATCHED + size, access));
        }
    }
    cpu->dr[2] = WATCHED + 3; /* the low bits do not count */
    g_assert_cmphex(noted(WATCHED, 1, true), ==, 4);
    g_assert_cmphex(noted(WATCHED + 8, 1, true), ==, 0);
    mock_cpu_free(cpu);
}

static void test_kinds(void)
{
    set_up();
    break_on(0, WRITE, FOUR, WATCHED);
    break_on(1, ACCESS, FOUR, WATCHED);
    break_on(2, EXECUTE, ONE, WATCHED);
    break_on(3, PORT, ONE, WATCHED);
    cpu->cr4 |= CR4_DE;
    g_assert_cmphex(noted(WATCHED, 4, false), ==, 2);
    g_assert_cmphex(noted(WATCHED, 4, true), ==, 3);
    debug_regs_note_port(cpu, WATCHED - 1, 2);
    g_assert_cmphex(cpu->debug_pending, ==, 8);
    cpu->debug_pending = 0;
    cpu->cr4 = 0; /* without DE there are no port breakpoints */
    debug_regs_note_port(cpu, WATCHED - 1, 2);
    g_assert_cmphex(cpu->debug_pending, ==, 0);
    cpu->dr[7] &= ~ENABLE(1);
    cpu->dr[7] |= ENABLE(0) << 1; /* G does as well as L */
    g_assert_cmphex(noted(WATCHED, 4, true), ==, 1);
    mock_cpu_free(cpu);
}

static void test_execute(void)
{
    set_up();
    break_on(1, EXECUTE, ONE, cpu->rip);
    break_on(3, EXECUTE, ONE, cpu->rip);
    g_assert_true(debug_regs_stops_before(cpu));
    mock_expect_fault(cpu, VECTOR_DB, 0);
    exception_deliver(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(cpu->dr[6], ==, 0xffff0ffa);
    g_assert_cmphex(mock_peek(cpu->gpr[R_RSP], 4), ==, 0x100);
    g_assert_true(mock_peek(cpu->gpr[R_RSP] + 8, 4) & EFLAGS_RF);
    mock_enter_protected(cpu, 0);
    cpu->eflags |= EFLAGS_RF;
    g_assert_false(debug_regs_stops_before(cpu));
    cpu->eflags &= ~(uint64_t)EFLAGS_RF;
    cpu->interrupt_shadow = true; /* STI holds nothing off, MOV SS does */
    g_assert_true(debug_regs_stops_before(cpu));
    cpu->shadow_is_mov_ss = true;
    g_assert_false(debug_regs_stops_before(cpu));
    cpu->interrupt_shadow = false;
    cpu->rip++;
    g_assert_false(debug_regs_stops_before(cpu));
    mock_enter_real(cpu); /* linear addresses: CS counts */
    segment_set_real(cpu, SEG_CS, 0x10);
    cpu->rip = 0;
    g_assert_true(debug_regs_stops_before(cpu));
    mock_cpu_free(cpu);
}

/* What is left after an instruction: DR6 without its fixed bits, -1 for no trap. */
static int after(unsigned mnemonic, InsnResult result, uint64_t flags_before)
{
    Insn insn = {.mnemonic = (uint16_t)mnemonic,
                 .vector_index = mnemonic == ZYDIS_MNEMONIC_VPGATHERDD ? 1 : INSN_NO_REG};
    DebugStart start;

    cpu->dr[6] = 0xffff0ff0;
    start = debug_regs_start(cpu);
    start.tf = flags_before & EFLAGS_TF;
    start.rf = flags_before & EFLAGS_RF;
    cpu->rip = 0x100;
    debug_regs_after(cpu, &insn, result, &start);
    return cpu->rip == HANDLER ? (int)(cpu->dr[6] & 0xf00f) : -1;
}

static void set_flags(uint64_t flags)
{
    mock_enter_protected(cpu, 0);
    cpu->eflags |= flags;
    cpu_update_mode(cpu);
}

static void test_single_step(void)
{
    static const struct {
        unsigned mnemonic;
        InsnResult result;
        bool before, behind; /* TF */
        int dr6;
        bool is_amd;
    } rows[] = {
        {ZYDIS_MNEMONIC_NOP, INSN_NEXT, true, true, 0x4000},
        {ZYDIS_MNEMONIC_NOP, INSN_NEXT, false, false, -1},
        {ZYDIS_MNEMONIC_POPF, INSN_NEXT, false, true, -1},     /* only what follows is a step */
        {ZYDIS_MNEMONIC_POPF, INSN_NEXT, true, false, 0x4000}, /* the last one */
        {ZYDIS_MNEMONIC_IRETQ, INSN_JUMP, false, true, -1},
        {ZYDIS_MNEMONIC_JMP, INSN_JUMP, true, true, 0x4000},
        {ZYDIS_MNEMONIC_MOVSB, INSN_REPEAT, true, true, 0x4000},
        {ZYDIS_MNEMONIC_VPGATHERDD, INSN_REPEAT, true, true, 0x4000},
        {ZYDIS_MNEMONIC_VPGATHERDD, INSN_REPEAT, true, true, 0x4000, true}, /* without RF */
        {ZYDIS_MNEMONIC_HLT, INSN_HALT, true, true, 0x4000},
        {ZYDIS_MNEMONIC_INT, INSN_JUMP, true, false, -1},
        {ZYDIS_MNEMONIC_INT3, INSN_JUMP, true, false, -1},
        {ZYDIS_MNEMONIC_INTO, INSN_NEXT, true, true, 0x4000},
        {ZYDIS_MNEMONIC_SYSCALL, INSN_JUMP, true, false, -1}, /* FMASK took it */
        {ZYDIS_MNEMONIC_SYSCALL, INSN_JUMP, true, true, 0x4000},
        {ZYDIS_MNEMONIC_SYSRET, INSN_JUMP, false, true, 0x4000},
        {ZYDIS_MNEMONIC_SYSENTER, INSN_JUMP, true, true, 0x4000},
    };

    set_up();
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        set_flags(rows[i].behind ? EFLAGS_TF : 0);
        cpu->halted = rows[i].result == INSN_HALT;
        cpu->model->is_amd = rows[i].is_amd;
        g_test_message("row %u", i);
        g_assert_cmpint(after(rows[i].mnemonic, rows[i].result, rows[i].before ? EFLAGS_TF : 0), ==,
                        rows[i].dr6);
        if (rows[i].dr6 >= 0) {
            g_assert_false(cpu->halted);
            g_assert_false(cpu->eflags & EFLAGS_TF);
            g_assert_cmpint(!!(mock_peek(cpu->gpr[R_RSP] + 8, 4) & EFLAGS_RF), ==,
                            rows[i].result == INSN_REPEAT && !rows[i].is_amd);
        }
    }
    mock_cpu_free(cpu);
}

static void test_branch_step(void)
{
    set_up();
    set_flags(EFLAGS_TF);
    cpu->debugctl = DEBUGCTL_BTF;
    g_assert_cmpint(after(ZYDIS_MNEMONIC_JZ, INSN_NEXT, EFLAGS_TF), ==, -1);
    g_assert_cmpint(after(ZYDIS_MNEMONIC_JZ, INSN_JUMP, EFLAGS_TF), ==, 0x4000);
    g_assert_cmphex(cpu->debugctl, ==, 0); /* a #DB ends it */
    mock_cpu_free(cpu);
}

static void test_pending(void)
{
    set_up();
    break_on(1, WRITE, FOUR, WATCHED);
    set_flags(EFLAGS_TF);
    debug_regs_note_access(cpu, WATCHED, 4, true);
    g_assert_cmpint(after(ZYDIS_MNEMONIC_MOV, INSN_NEXT, EFLAGS_TF), ==, 0x4002);
    g_assert_cmphex(cpu->debug_pending, ==, 0);

    set_flags(EFLAGS_TF); /* MOV SS: both wait for the next instruction */
    debug_regs_note_access(cpu, WATCHED, 4, true);
    cpu->interrupt_shadow = cpu->shadow_is_mov_ss = true;
    g_assert_cmpint(after(ZYDIS_MNEMONIC_MOV, INSN_NEXT, EFLAGS_TF), ==, -1);
    g_assert_false(debug_regs_stops_before(cpu));
    cpu->interrupt_shadow = false;
    g_assert_cmpint(after(ZYDIS_MNEMONIC_NOP, INSN_NEXT, EFLAGS_TF), ==, 0x4002);

    set_flags(0); /* noted outside of an instruction: nobody's */
    debug_regs_note_access(cpu, WATCHED, 4, true);
    g_assert_false(debug_regs_stops_before(cpu));
    g_assert_cmpint(after(ZYDIS_MNEMONIC_NOP, INSN_NEXT, 0), ==, -1);
    mock_cpu_free(cpu);
}

static void test_resume_flag(void)
{
    set_up();
    set_flags(EFLAGS_RF);
    after(ZYDIS_MNEMONIC_MOVSB, INSN_REPEAT, EFLAGS_RF);
    g_assert_true(cpu->eflags & EFLAGS_RF);
    after(ZYDIS_MNEMONIC_IRETD, INSN_JUMP, EFLAGS_RF);
    g_assert_true(cpu->eflags & EFLAGS_RF);
    after(ZYDIS_MNEMONIC_JMP, INSN_JUMP, 0); /* a task switch from a task without */
    g_assert_true(cpu->eflags & EFLAGS_RF);
    after(ZYDIS_MNEMONIC_JMP, INSN_JUMP, EFLAGS_RF);
    g_assert_false(cpu->eflags & EFLAGS_RF);
    mock_cpu_free(cpu);
}

/* IN and OUT note their ports; a forbidden one is not accessed. */
static void test_ports(void)
{
    Insn insn = {.opcode = 0xef, .operand_bits = 32, .length = 1};

    set_up();
    cpu->cr4 = CR4_DE;
    break_on(0, PORT, TWO, 0x3fa);
    cpu->gpr[R_RDX] = 0x3f8;
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->debug_pending, ==, 1);
    cpu->debug_pending = 0;
    cpu->gpr[R_RDX] = 0x3fc;
    insn.opcode = 0xed;
    g_assert_cmpint(helper_in(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->debug_pending, ==, 0);
    mock_enter_protected(cpu, 3);
    mock_poke(MOCK_TSS + 0x100 + 0x3f8 / 8, 0xff, 1);
    cpu->gpr[R_RDX] = 0x3f8;
    g_assert_cmpint(helper_in(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->debug_pending, ==, 0);
    mock_cpu_free(cpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86-debug/ranges", test_ranges);
    g_test_add_func("/x86-debug/kinds", test_kinds);
    g_test_add_func("/x86-debug/execute", test_execute);
    g_test_add_func("/x86-debug/single-step", test_single_step);
    g_test_add_func("/x86-debug/branch-step", test_branch_step);
    g_test_add_func("/x86-debug/pending", test_pending);
    g_test_add_func("/x86-debug/resume-flag", test_resume_flag);
    g_test_add_func("/x86-debug/ports", test_ports);
    return g_test_run();
}
