/* SPDX-License-Identifier: MIT */
/* An instruction that meets a page fault changes nothing: each one here is tried with a fault at
 * its first access, its second and so on, until it comes through. */
#include "tests/unit/x86-mock.h"

#include <string.h>

#define TARGET 0x5000u
#define DATA 0xd000u

static X86Cpu *cpu;

/* What an instruction may change; DERIVED parts follow from it. */
typedef struct Architectural {
    uint64_t gpr[16], rip, eflags, cr0, cr2, cr3, dr7;
    Segment seg[SEG_COUNT], ldtr, tr;
    uint32_t mode;
    uint8_t cpl;
    bool nmi_masked, interrupt_shadow;
} Architectural;

static void capture(Architectural *to)
{
    memset(to, 0, sizeof(*to)); /* padding too: compared as bytes */
    memcpy(to->gpr, cpu->gpr, sizeof(to->gpr));
    to->rip = cpu->rip;
    to->eflags = cpu->eflags;
    to->cr0 = cpu->cr0;
    to->cr2 = cpu->cr2;
    to->cr3 = cpu->cr3;
    to->dr7 = cpu->dr[7];
    memcpy(to->seg, cpu->seg, sizeof(to->seg));
    memcpy(&to->ldtr, &cpu->ldtr, sizeof(to->ldtr));
    memcpy(&to->tr, &cpu->tr, sizeof(to->tr));
    to->mode = cpu->mode;
    to->cpl = cpu->cpl;
    to->nmi_masked = cpu->nmi_masked;
    to->interrupt_shadow = cpu->interrupt_shadow;
}

typedef struct Case {
    const char *name;
    void (*prepare)(Insn *insn);
    InsnHelper *helper;
    InsnResult result;
    int least_accesses; /* fewer would mean that the case misses its point */
} Case;

static void poke_frame(uint64_t address, unsigned size, unsigned count, const uint64_t *values)
{
    for (unsigned i = 0; i < count; i++) {
        mock_poke(address + i * size, values[i], size);
    }
}

/* -- Interrupts and returns -------------------------------------------------------------------- */

static void prepare_int_protected(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    mock_gate(cpu, 0x80, 0xee, SEL_CODE0, TARGET, 0);
    insn->immediate = 0x80;
}

static void prepare_int_long(Insn *insn)
{
    mock_enter_long(cpu, 3);
    mock_gate(cpu, 0x80, 0xee, SEL_CODE0, TARGET, 0);
    insn->immediate = 0x80;
}

static void prepare_int_ist(Insn *insn)
{
    mock_enter_long(cpu, 0);
    mock_gate(cpu, 0x80, 0xee, SEL_CODE0, TARGET, 1);
    insn->immediate = 0x80;
}

static void prepare_int_v8086(Insn *insn)
{
    mock_enter_v8086(cpu, 3);
    mock_gate(cpu, 0x80, 0xee, SEL_CODE0, TARGET, 0);
    insn->immediate = 0x80;
}

static void prepare_int_redirected(Insn *insn)
{
    mock_enter_v8086(cpu, 0);
    cpu->cr4 = CR4_VME;
    mock_poke(0x80 * 4, 0x20005000, 4);
    insn->immediate = 0x80;
}

static void prepare_int_real(Insn *insn)
{
    mock_enter_real(cpu);
    insn->immediate = 0x80;
}

static void prepare_iret_outer(Insn *insn)
{
    static const uint64_t frame[] = {TARGET, SEL_CODE3 | 3, 2, DATA, SEL_DATA3 | 3};

    mock_enter_protected(cpu, 0);
    poke_frame(MOCK_STACK, 4, 5, frame);
}

static void prepare_iret_same(Insn *insn)
{
    static const uint64_t frame[] = {TARGET, SEL_CODE0_32, 2};

    mock_enter_protected(cpu, 0);
    poke_frame(MOCK_STACK, 4, 3, frame);
}

static void prepare_iret_v8086(Insn *insn)
{
    static const uint64_t frame[] = {TARGET, 1, EFLAGS_VM | 2, DATA, 2, 3, 4, 5, 6};

    mock_enter_protected(cpu, 0);
    poke_frame(MOCK_STACK, 4, 9, frame);
}

static void prepare_iret_long(Insn *insn)
{
    static const uint64_t frame[] = {TARGET, SEL_CODE3_32 | 3, 2, DATA, SEL_DATA3 | 3};

    mock_enter_long(cpu, 0);
    insn->operand_bits = 64;
    poke_frame(MOCK_STACK, 8, 5, frame);
}

static void prepare_iret_real(Insn *insn)
{
    mock_enter_real(cpu);
    insn->operand_bits = 16;
}

/* -- Far transfers ----------------------------------------------------------------------------- */

static void prepare_call_gate(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    mock_poke(MOCK_GDT + SEL_GATE, TARGET | (uint32_t)SEL_CODE0 << 16, 4);
    mock_poke(MOCK_GDT + SEL_GATE + 4, 0xec00 | 4, 4);
    insn->immediate2 = SEL_GATE | 3;
}

static void prepare_call_gate_long(Insn *insn)
{
    mock_enter_compatibility(cpu, 3);
    mock_poke(MOCK_GDT + SEL_GATE, TARGET | (uint32_t)SEL_CODE0 << 16, 4);
    mock_poke(MOCK_GDT + SEL_GATE + 4, 0xec00, 4);
    mock_poke(MOCK_GDT + SEL_GATE + 8, 0, 8);
    insn->immediate2 = SEL_GATE | 3;
}

static void prepare_direct(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    insn->immediate = TARGET;
    insn->immediate2 = SEL_CODE3_32;
}

static void prepare_indirect(Insn *insn)
{
    mock_enter_protected(cpu, 0);
    insn->memory_operand = 0;
    mock_poke(DATA, TARGET, 4);
    mock_poke(DATA + 4, SEL_CODE0_32, 2);
}

static void prepare_call_real(Insn *insn)
{
    mock_enter_real(cpu);
    insn->operand_bits = 16;
    insn->immediate = TARGET;
}

static void prepare_ret_outer(Insn *insn)
{
    static const uint64_t frame[] = {TARGET, SEL_CODE3 | 3, DATA, SEL_DATA3 | 3};

    mock_enter_protected(cpu, 0);
    poke_frame(MOCK_STACK, 4, 4, frame);
}

static void prepare_ret_same(Insn *insn)
{
    static const uint64_t frame[] = {TARGET, SEL_CODE0_32};

    mock_enter_protected(cpu, 0);
    poke_frame(MOCK_STACK, 4, 2, frame);
}

static void prepare_ret_real(Insn *insn)
{
    mock_enter_real(cpu);
    insn->operand_bits = 16;
}

/* -- Segments ---------------------------------------------------------------------------------- */

static void use_segment(Insn *insn, unsigned segment)
{
    mock_enter_protected(cpu, 0);
    insn->operands[0] =
        (InsnOperand){.kind = OPERAND_REG, .reg_class = REG_SEGMENT, .reg = (uint8_t)segment};
    insn->operands[1] = (InsnOperand){.kind = OPERAND_MEM, .size = 2};
}

static void prepare_mov_segment(Insn *insn)
{
    use_segment(insn, SEG_FS);
    mock_poke(DATA, SEL_DATA1, 2);
}

static void prepare_store_segment(Insn *insn)
{
    mock_enter_protected(cpu, 0);
    insn->operands[0] = (InsnOperand){.kind = OPERAND_MEM, .size = 2};
    insn->operands[1] = (InsnOperand){.kind = OPERAND_REG, .reg_class = REG_SEGMENT, .reg = SEG_SS};
}

static void prepare_pop_stack_segment(Insn *insn)
{
    use_segment(insn, SEG_SS);
    mock_poke(MOCK_STACK, SEL_DATA16, 2);
}

static void prepare_far_pointer(Insn *insn)
{
    mock_enter_protected(cpu, 0);
    insn->opcode = 0xb2;
    insn->operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RSP, .size = 4};
    mock_poke(DATA, 0x12345678, 4);
    mock_poke(DATA + 4, SEL_DATA16, 2);
}

static void prepare_query(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    insn->operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RAX, .size = 4};
    insn->operands[1] = (InsnOperand){.kind = OPERAND_MEM, .size = 2};
    mock_poke(DATA, SEL_DATA3 | 3, 2);
}

static void prepare_verify(Insn *insn)
{
    prepare_query(insn);
    insn->operands[0] = insn->operands[1];
}

static void prepare_arpl(Insn *insn)
{
    prepare_verify(insn);
    insn->operands[1] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RDX, .size = 2};
    mock_poke(DATA, 0, 2);
    cpu->gpr[R_RDX] = 3;
}

/* -- Stack and ports --------------------------------------------------------------------------- */

static void prepare_stack(Insn *insn)
{
    mock_enter_protected(cpu, 0);
    cpu->gpr[R_RBP] = DATA;
    insn->immediate = 0x40;
    insn->immediate2 = 3;
    cpu->gpr[R_RAX] = 1; /* so that POPA changes something */
    mock_poke(MOCK_STACK, EFLAGS_CF, 4);
}

static void prepare_stack_wrap(Insn *insn)
{
    prepare_stack(insn);
    g_assert_true(segment_load(cpu, SEG_SS, SEL_DATA16));
    cpu->gpr[R_RSP] = 8; /* PUSHA goes over the edge */
}

static void prepare_in(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    insn->opcode = 0xec;
}

static void prepare_string(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    insn->opcode = 0x6d;
    insn->address_bits = 32;
    insn->rep = true;
    cpu->gpr[R_RSI] = cpu->gpr[R_RDI] = DATA;
    cpu->gpr[R_RCX] = 10;
}

static void prepare_bound(Insn *insn)
{
    mock_enter_protected(cpu, 3);
    insn->operands[0] = (InsnOperand){.kind = OPERAND_REG, .reg = R_RAX, .size = 4};
}

static void prepare_bound16(Insn *insn)
{
    prepare_bound(insn);
    insn->operand_bits = 16;
}

static const Case cases[] = {
    {"int/protected", prepare_int_protected, helper_int, INSN_JUMP, 6},
    {"int/long", prepare_int_long, helper_int, INSN_JUMP, 5},
    {"int/ist", prepare_int_ist, helper_int, INSN_JUMP, 4},
    {"int/v8086", prepare_int_v8086, helper_int, INSN_JUMP, 5},
    {"int/redirected", prepare_int_redirected, helper_int, INSN_JUMP, 4},
    {"int/real", prepare_int_real, helper_int, INSN_JUMP, 2},
    {"iret/outer", prepare_iret_outer, helper_iret, INSN_JUMP, 6},
    {"iret/same", prepare_iret_same, helper_iret, INSN_JUMP, 3},
    {"iret/v8086", prepare_iret_v8086, helper_iret, INSN_JUMP, 2},
    {"iret/long", prepare_iret_long, helper_iret, INSN_JUMP, 6},
    {"iret/real", prepare_iret_real, helper_iret, INSN_JUMP, 1},
    {"call-gate/protected", prepare_call_gate, helper_call_far, INSN_JUMP, 9},
    {"call-gate/long", prepare_call_gate_long, helper_call_far, INSN_JUMP, 7},
    {"call/direct", prepare_direct, helper_call_far, INSN_JUMP, 3},
    {"call/real", prepare_call_real, helper_call_far, INSN_JUMP, 1},
    {"call/indirect", prepare_indirect, helper_call_far, INSN_JUMP, 5},
    {"jmp/direct", prepare_direct, helper_jmp_far, INSN_JUMP, 2},
    {"ret/outer", prepare_ret_outer, helper_ret_far, INSN_JUMP, 6},
    {"ret/same", prepare_ret_same, helper_ret_far, INSN_JUMP, 3},
    {"ret/real", prepare_ret_real, helper_ret_far, INSN_JUMP, 1},
    {"mov-segment/load", prepare_mov_segment, helper_mov_segment, INSN_NEXT, 3},
    {"mov-segment/store", prepare_store_segment, helper_mov_segment, INSN_NEXT, 1},
    {"pop-segment", prepare_pop_stack_segment, helper_pop_segment, INSN_NEXT, 3},
    {"push-segment", prepare_mov_segment, helper_push_segment, INSN_NEXT, 1},
    {"lss", prepare_far_pointer, helper_load_far_pointer, INSN_NEXT, 4},
    {"lar", prepare_query, helper_lar, INSN_NEXT, 2},
    {"lsl", prepare_query, helper_lsl, INSN_NEXT, 2},
    {"verr", prepare_verify, helper_verr, INSN_NEXT, 2},
    {"verw", prepare_verify, helper_verw, INSN_NEXT, 2},
    {"arpl", prepare_arpl, helper_arpl, INSN_NEXT, 2},
    {"pusha", prepare_stack, helper_pusha, INSN_NEXT, 1},
    {"pusha/wrap", prepare_stack_wrap, helper_pusha, INSN_NEXT, 8},
    /* POPA keeps what it has read before the fault, as the silicon does: fuzz-insn compares that */
    {"enter", prepare_stack, helper_enter, INSN_NEXT, 4},
    {"leave", prepare_stack, helper_leave, INSN_NEXT, 1},
    {"pushf", prepare_stack, helper_pushf, INSN_NEXT, 1},
    {"popf", prepare_stack, helper_popf, INSN_NEXT, 1},
    {"in", prepare_in, helper_in, INSN_NEXT, 2},
    {"out", prepare_in, helper_out, INSN_NEXT, 2},
    {"ins", prepare_string, helper_ins, INSN_NEXT, 3},
    {"outs", prepare_string, helper_outs, INSN_NEXT, 3},
    {"bound", prepare_bound, helper_bound, INSN_NEXT, 1},
    {"bound/16-bit", prepare_bound16, helper_bound, INSN_NEXT, 1},
};

static Insn prepare(const Case *c)
{
    Insn insn = {.length = 2,
                 .operand_bits = 32,
                 .memory_operand = INSN_NO_REG,
                 .segment = SEG_DS,
                 .displacement = DATA};

    cpu = mock_cpu_new();
    c->prepare(&insn);
    return insn;
}

/* INS may touch the port before its own write fails: a probe precedes it, so the injected fault
 * there is one that no guest can make. */
static bool may_touch_port(const Case *c, int access)
{
    return c->helper == helper_ins && access == c->least_accesses;
}

static void test_restart(const void *data)
{
    const Case *c = data;
    Architectural before, after;
    InsnResult result = INSN_FAULT;
    int access;

    for (access = 0; result == INSN_FAULT; access++) {
        Insn insn = prepare(c);

        capture(&before);
        mock_fault_at = access;
        result = c->helper(cpu, &insn);
        if (result == INSN_FAULT) {
            capture(&after);
            g_test_message("access %d", access);
            g_assert_cmphex(cpu->fault.vector, ==, VECTOR_PF);
            g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
            g_assert_true(mock_port_loads + mock_port_stores == 0 || may_touch_port(c, access));
        }
        mock_cpu_free(cpu);
        g_assert_cmpint(access, <, 100);
    }
    g_assert_cmpint(result, ==, c->result);
    g_assert_cmpint(access - 1, >=, c->least_accesses);
}

/* A task switch has a point of no return: in front of it nothing, behind it all of the new task's
 * registers. */
static void test_task_switch(void)
{
    static const uint16_t selectors[] = {SEL_DATA3, SEL_CODE0, SEL_DATA0, SEL_DATA0, 0, 0};
    Architectural before, after;
    InsnResult result;
    unsigned kept = 0, switched = 0;

    mock_fault_at = -1;
    /* A fault at a write that was probed before is lost: no guest can make one. */
    for (int access = 0; mock_fault_at < 0; access++) {
        Insn insn = {.length = 2,
                     .operand_bits = 32,
                     .memory_operand = INSN_NO_REG,
                     .immediate2 = SEL_OTHER_TSS};

        cpu = mock_cpu_new();
        mock_enter_protected(cpu, 0);
        mock_poke(MOCK_OTHER_TSS + 0x20, TARGET, 4);
        mock_poke(MOCK_OTHER_TSS + 0x24, 2, 4);
        mock_poke(MOCK_OTHER_TSS + 0x38, DATA, 4);
        for (unsigned i = 0; i < 6; i++) {
            mock_poke(MOCK_OTHER_TSS + 0x48 + 4 * i, selectors[i], 2);
        }
        mock_poke(MOCK_OTHER_TSS + 0x60, SEL_LDT, 2);
        capture(&before);
        mock_fault_at = access;
        result = helper_jmp_far(cpu, &insn);
        capture(&after);
        if (result == INSN_FAULT && cpu->tr.selector == SEL_TSS) {
            g_assert_cmpmem(&before, sizeof(before), &after, sizeof(after));
            kept++;
        } else if (result == INSN_FAULT) {
            g_assert_cmphex(cpu->rip, ==, TARGET);
            g_assert_cmphex(cpu->gpr[R_RSP], ==, DATA);
            g_assert_cmphex(mock_peek(MOCK_TSS + 0x20, 4), ==, 0x102);
            switched++;
        }
        mock_cpu_free(cpu);
    }
    g_assert_cmpuint(kept, >=, 7);
    g_assert_cmpuint(switched, >=, 5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/x86-restart/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_restart);
    }
    g_test_add_func("/x86-restart/task-switch", test_task_switch);
    return g_test_run();
}
