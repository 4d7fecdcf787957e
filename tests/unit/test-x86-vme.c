/* SPDX-License-Identifier: MIT */
/* The virtual interrupt flag: CLI, STI, PUSHF, POPF, IRET, INT n under VME and PVI, in every state
 * of IOPL, VIF and VIP. Intel SDM vol. 3 ch. 21.2 table 21-2 and ch. 21.4. */
#include "tests/unit/x86-mock.h"

#define VECTOR 0x21
#define CLIENT_SEGMENT 0x2000u
#define CLIENT_OFFSET 0x5000u
#define REDIRECTION_BYTE (MOCK_TSS + 0x100 - 32 + VECTOR / 8)

static X86Cpu *cpu;

/* One state of the flags that count. */
typedef struct State {
    bool extended; /* CR4.VME, CR4.PVI */
    unsigned iopl;
    bool interrupts, vif, vip;
} State;

#define STATE_COUNT (2 * 4 * 8)

static State state_of(unsigned n)
{
    return (State){.extended = n & 1,
                   .iopl = n >> 1 & 3,
                   .interrupts = n >> 3 & 1,
                   .vif = n >> 4 & 1,
                   .vip = n >> 5 & 1};
}

static uint32_t flags_of(const State *state)
{
    return EFLAGS_FIXED | state->iopl << EFLAGS_IOPL_SHIFT | (state->interrupts ? EFLAGS_IF : 0) |
           (state->vif ? EFLAGS_VIF : 0) | (state->vip ? EFLAGS_VIP : 0);
}

static void enter_v8086(const State *state)
{
    cpu = mock_cpu_new();
    mock_enter_v8086(cpu, 0);
    cpu->cr4 = state->extended ? CR4_VME : 0;
    cpu->eflags = flags_of(state) | EFLAGS_VM;
}

static uint64_t stack_top(void)
{
    return cpu->seg[SEG_SS].base + (cpu->gpr[R_RSP] & 0xffff);
}

static InsnResult run(InsnHelper *helper, unsigned operand_bits)
{
    Insn insn = {.length = 2,
                 .operand_bits = (uint8_t)operand_bits,
                 .address_bits = (uint8_t)operand_bits,
                 .immediate = VECTOR,
                 .memory_operand = INSN_NO_REG};

    return helper(cpu, &insn);
}

static void expect_gp(InsnResult result)
{
    g_assert_cmpint(result, ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
}

/* IF, VIF and VIP as they are now. */
static void expect_flags(bool interrupts, bool vif, bool vip)
{
    g_assert_cmpint(!!(cpu->eflags & EFLAGS_IF), ==, interrupts);
    g_assert_cmpint(!!(cpu->eflags & EFLAGS_VIF), ==, vif);
    g_assert_cmpint(!!(cpu->eflags & EFLAGS_VIP), ==, vip);
}

static void test_cli_sti(void)
{
    for (unsigned n = 0; n < STATE_COUNT; n++) {
        State state = state_of(n);
        bool real = state.iopl == 3;

        enter_v8086(&state);
        if (!real && !state.extended) {
            expect_gp(run(helper_cli, 16));
            expect_gp(run(helper_sti, 16));
            expect_flags(state.interrupts, state.vif, state.vip);
            mock_cpu_free(cpu);
            continue;
        }
        g_assert_cmpint(run(helper_cli, 16), ==, INSN_NEXT);
        expect_flags(!real && state.interrupts, real && state.vif, state.vip);
        if (!real && state.vip) {
            expect_gp(run(helper_sti, 16));
        } else {
            g_assert_cmpint(run(helper_sti, 16), ==, INSN_NEXT);
            expect_flags(real || state.interrupts, !real || state.vif, state.vip);
        }
        mock_cpu_free(cpu);
    }
}

/* Protected mode, ring 3, IOPL below 3: PVI gives CLI and STI to VIF, and nothing else. */
static void test_protected_mode(void)
{
    for (unsigned n = 0; n < STATE_COUNT; n++) {
        State state = state_of(n);

        cpu = mock_cpu_new();
        mock_enter_protected(cpu, 3);
        cpu->cr4 = state.extended ? CR4_PVI : CR4_VME;
        cpu->eflags = flags_of(&state);
        if (state.iopl == 3) {
            g_assert_cmpint(run(helper_cli, 32), ==, INSN_NEXT);
            expect_flags(false, state.vif, state.vip);
        } else if (!state.extended) {
            expect_gp(run(helper_cli, 32));
        } else {
            g_assert_cmpint(run(helper_cli, 32), ==, INSN_NEXT);
            expect_flags(state.interrupts, false, state.vip);
            if (state.vip) {
                expect_gp(run(helper_sti, 32));
            } else {
                g_assert_cmpint(run(helper_sti, 32), ==, INSN_NEXT);
                expect_flags(state.interrupts, true, false);
            }
            cpu->eflags |= EFLAGS_VIF;
            g_assert_cmpint(run(helper_pushf, 32), ==, INSN_NEXT); /* the real flag */
            g_assert_cmpint(!!(mock_peek(stack_top(), 4) & EFLAGS_IF), ==, state.interrupts);
            mock_poke(stack_top(), 0, 4);
            g_assert_cmpint(run(helper_popf, 32), ==, INSN_NEXT); /* neither flag changes */
            expect_flags(state.interrupts, true, state.vip);
        }
        mock_cpu_free(cpu);
    }
}

static void test_pushf(void)
{
    for (unsigned n = 0; n < STATE_COUNT; n++) {
        State state = state_of(n);
        uint32_t image;

        enter_v8086(&state);
        if (state.iopl < 3) {
            expect_gp(run(helper_pushf, 32)); /* the wide forms have no virtual flag */
        }
        if (state.iopl < 3 && !state.extended) {
            expect_gp(run(helper_pushf, 16));
            mock_cpu_free(cpu);
            continue;
        }
        g_assert_cmpint(run(helper_pushf, 16), ==, INSN_NEXT);
        image = (uint32_t)mock_peek(stack_top(), 2);
        g_assert_cmphex(image & EFLAGS_IOPL, ==, EFLAGS_IOPL);
        g_assert_cmpint(!!(image & EFLAGS_IF), ==, state.iopl == 3 ? state.interrupts : state.vif);
        mock_cpu_free(cpu);
    }
}

/* POPF and IRET of an image with IF and TF in every combination. */
static void load_image(const State *state, bool is_iret, bool image_if, bool image_tf)
{
    InsnHelper *helper = is_iret ? helper_iret : helper_popf;
    uint32_t image = (image_if ? EFLAGS_IF : 0) | (image_tf ? EFLAGS_TF : 0) | EFLAGS_CF;

    enter_v8086(state);
    mock_poke(stack_top(), is_iret ? CLIENT_OFFSET | CLIENT_SEGMENT << 16 : image, 4);
    mock_poke(stack_top() + 4, image, 2);
    if (state->iopl < 3) {
        expect_gp(run(helper, 32));
    }
    if (state->iopl < 3 && (!state->extended || image_tf || (image_if && state->vip))) {
        expect_gp(run(helper, 16));
        expect_flags(state->interrupts, state->vif, state->vip);
        mock_cpu_free(cpu);
        return;
    }
    g_assert_cmpint(run(helper, 16), ==, is_iret ? INSN_JUMP : INSN_NEXT);
    if (state->iopl == 3) {
        expect_flags(image_if, state->vif, state->vip);
    } else {
        expect_flags(state->interrupts, image_if, state->vip);
    }
    g_assert_cmpuint(mode_iopl(cpu), ==, state->iopl);
    g_assert_true(cpu->eflags & EFLAGS_CF);
    g_assert_true(mode_is_v8086(cpu));
    if (is_iret) {
        g_assert_cmphex(cpu->rip, ==, CLIENT_OFFSET);
        g_assert_cmphex(cpu->seg[SEG_CS].base, ==, CLIENT_SEGMENT << 4);
    }
    mock_cpu_free(cpu);
}

static void test_popf_iret(void)
{
    for (unsigned n = 0; n < STATE_COUNT * 8; n++) {
        State state = state_of(n % STATE_COUNT);
        unsigned image = n / STATE_COUNT;

        load_image(&state, image & 4, image & 1, image & 2);
    }
}

/* Where INT n goes: table 21-2. */
static void run_int(const State *state, bool redirection_bit)
{
    bool own_handler = state->extended && !redirection_bit; /* methods 5 and 6 */
    uint32_t image;

    enter_v8086(state);
    mock_gate(cpu, VECTOR, 0xee, SEL_CODE0, 0x1234, 0);
    mock_poke(VECTOR * 4, CLIENT_OFFSET | CLIENT_SEGMENT << 16, 4);
    mock_poke(REDIRECTION_BYTE, redirection_bit ? 1 << (VECTOR & 7) : 0, 1);
    if (!own_handler && state->iopl < 3) { /* method 4, or no VME */
        expect_gp(run(helper_int, 16));
        mock_cpu_free(cpu);
        return;
    }
    g_assert_cmpint(run(helper_int, 16), ==, INSN_JUMP);
    if (!own_handler) { /* method 1 */
        g_assert_false(mode_is_v8086(cpu));
        g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, SEL_CODE0);
        mock_cpu_free(cpu);
        return;
    }
    g_assert_true(mode_is_v8086(cpu));
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, CLIENT_SEGMENT << 4);
    image = (uint32_t)mock_peek(stack_top() + 4, 2);
    g_assert_cmphex(image & EFLAGS_IOPL, ==, EFLAGS_IOPL);
    if (state->iopl == 3) {
        g_assert_cmpint(!!(image & EFLAGS_IF), ==, state->interrupts);
        expect_flags(false, state->vif, state->vip);
    } else {
        g_assert_cmpint(!!(image & EFLAGS_IF), ==, state->vif);
        expect_flags(state->interrupts, false, state->vip);
    }
    mock_cpu_free(cpu);
}

static void test_int(void)
{
    for (unsigned n = 0; n < STATE_COUNT * 2; n++) {
        State state = state_of(n % STATE_COUNT);

        run_int(&state, n / STATE_COUNT);
    }
}

/* The map must lie within the TSS. */
static void test_map_outside_tss(void)
{
    State state = {.extended = true, .vif = true};

    enter_v8086(&state);
    cpu->tr.limit = 0x100 - 32 + VECTOR / 8 - 1;
    expect_gp(run(helper_int, 16));
    cpu->tr.limit++;
    g_assert_cmpint(run(helper_int, 16), ==, INSN_JUMP);
    mock_cpu_free(cpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86-vme/cli-sti", test_cli_sti);
    g_test_add_func("/x86-vme/protected-mode", test_protected_mode);
    g_test_add_func("/x86-vme/pushf", test_pushf);
    g_test_add_func("/x86-vme/popf-iret", test_popf_iret);
    g_test_add_func("/x86-vme/int", test_int);
    g_test_add_func("/x86-vme/map-outside-tss", test_map_outside_tss);
    return g_test_run();
}
