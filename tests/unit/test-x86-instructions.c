/* SPDX-License-Identifier: MIT */
/* Flag instructions, stack frames, decimal arithmetic, port I/O and SMM. */
#include "tests/unit/x86-mock.h"

#include <string.h>

#include "target/i386/helpers/smm.h"

static X86Cpu *cpu;

static void set_up(void)
{
    cpu = mock_cpu_new();
}

static void tear_down(void)
{
    mock_cpu_free(cpu);
}

static InsnResult run(InsnHelper *helper, unsigned operand_bits)
{
    Insn insn = mock_insn(operand_bits);

    return helper(cpu, &insn);
}

static uint64_t stacked(unsigned n, unsigned size)
{
    return mock_peek((cpu->gpr[R_RSP] & 0xffffffff) + n * size, size);
}

/* -- Flags ------------------------------------------------------------------------------------- */

/* Who may change IF by CLI and STI: mode, IOPL, CR4 bits. */
static void test_cli_sti(void)
{
    static const struct {
        unsigned ring, iopl;
        uint32_t cr4;
        bool works, is_virtual;
    } cases[] = {
        {0, 0, 0, true, false},        {3, 0, 0, false, false}, {3, 3, 0, true, false},
        {1, 0, 0, false, false},       {1, 1, 0, true, false},  {3, 0, CR4_PVI, true, true},
        {1, 0, CR4_PVI, false, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t bit = cases[i].is_virtual ? EFLAGS_VIF : EFLAGS_IF;
        InsnResult wanted = cases[i].works ? INSN_NEXT : INSN_FAULT;

        set_up();
        mock_enter_protected(cpu, cases[i].ring);
        cpu->cr4 = cases[i].cr4;
        cpu->eflags |= cases[i].iopl << EFLAGS_IOPL_SHIFT | EFLAGS_VIF;
        g_test_message("case %u", i);
        g_assert_cmpint(run(helper_cli, 32), ==, wanted);
        g_assert_cmpint(!(cpu->eflags & bit), ==, cases[i].works);
        g_assert_cmpint(run(helper_sti, 32), ==, wanted);
        g_assert_true(cpu->eflags & bit);
        g_assert_cmpint(cpu->interrupt_shadow, ==, cases[i].works && !cases[i].is_virtual);
        if (!cases[i].works) {
            mock_expect_fault(cpu, VECTOR_GP, 0);
        }
        tear_down();
    }
}

static void test_sti_shadow(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    g_assert_cmpint(run(helper_sti, 32), ==, INSN_NEXT); /* IF was set: no shadow */
    g_assert_false(cpu->interrupt_shadow);
    tear_down();

    set_up();
    mock_enter_real(cpu); /* IOPL does not count */
    g_assert_cmpint(run(helper_cli, 16), ==, INSN_NEXT);
    cpu->shadow_is_mov_ss = true;
    g_assert_cmpint(run(helper_sti, 16), ==, INSN_NEXT);
    g_assert_true(cpu->interrupt_shadow);
    g_assert_false(cpu->shadow_is_mov_ss);
    tear_down();

    set_up();
    mock_enter_v8086(cpu, 0);
    cpu->cr4 |= CR4_VME;
    cpu->eflags |= EFLAGS_VIP;
    for (unsigned image = 0; image < 4; image++) { /* TF alone, or IF with VIP, is refused */
        uint64_t top = cpu->seg[SEG_SS].base + cpu->gpr[R_RSP];

        mock_poke(top, (image & 1 ? EFLAGS_TF : 0) | (image & 2 ? EFLAGS_IF : 0), 2);
        if (image) {
            g_assert_cmpint(run(helper_popf, 16), ==, INSN_FAULT);
            mock_expect_fault(cpu, VECTOR_GP, 0);
        }
    }
    g_assert_cmpint(run(helper_sti, 16), ==, INSN_FAULT); /* a pending virtual interrupt */
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

static void test_popf(void)
{
    static const struct {
        unsigned ring, iopl, bits;
        uint32_t image, flags;
    } cases[] = {
        {0, 0, 32, 0xffffffff, 0x247fd7},
        {0, 0, 16, 0xffff, 0x7fd7},
        {3, 0, 32, 0xffffffff, 0x244fd7}, /* IF was set and stays */
        {3, 0, 32, 0, EFLAGS_FIXED | EFLAGS_IF},
        {3, 3, 32, 0, EFLAGS_FIXED | EFLAGS_IOPL},
        {3, 3, 16, 0x200, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_IOPL},
        {0, 0, 32, 0, EFLAGS_FIXED},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        set_up();
        mock_enter_protected(cpu, cases[i].ring);
        cpu->eflags |= cases[i].iopl << EFLAGS_IOPL_SHIFT;
        mock_poke(MOCK_STACK, cases[i].image, 4);
        g_test_message("case %u", i);
        g_assert_cmpint(run(helper_popf, cases[i].bits), ==, INSN_NEXT);
        g_assert_cmphex(cpu->eflags, ==, cases[i].flags);
        g_assert_cmpint(!!(cpu->mode & CPU_MODE_TF), ==, !!(cpu->eflags & EFLAGS_TF));
        g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK + cases[i].bits / 8);
        tear_down();
    }
}

static void test_pushf(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    cpu->eflags |= EFLAGS_RF | EFLAGS_ID | EFLAGS_AC;
    mock_poke(MOCK_STACK - 8, UINT64_MAX, 8);
    g_assert_cmpint(run(helper_pushf, 32), ==, INSN_NEXT); /* 64 bits wide in 64-bit code */
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 8);
    g_assert_cmphex(stacked(0, 8), ==, EFLAGS_FIXED | EFLAGS_IF | EFLAGS_ID | EFLAGS_AC);
    tear_down();

    set_up();
    mock_enter_v8086(cpu, 0);
    g_assert_cmpint(run(helper_pushf, 16), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    cpu->cr4 |= CR4_VME;
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_IF) | EFLAGS_VIF;
    g_assert_cmpint(run(helper_pushf, 16), ==, INSN_NEXT);
    g_assert_cmphex(mock_peek(cpu->seg[SEG_SS].base + cpu->gpr[R_RSP], 2), ==,
                    EFLAGS_FIXED | EFLAGS_IF | EFLAGS_IOPL);
    g_assert_cmpint(run(helper_pushf, 32), ==, INSN_FAULT);
    mock_poke(cpu->seg[SEG_SS].base + cpu->gpr[R_RSP], 0, 2);
    g_assert_cmpint(run(helper_popf, 16), ==, INSN_NEXT);
    g_assert_cmphex(cpu->eflags & EFLAGS_VIF, ==, 0);
    tear_down();
}

static void test_clac_stac(void)
{
    set_up();
    mock_enter_long(cpu, 0);
    g_assert_cmpint(run(helper_stac, 32), ==, INSN_NEXT);
    g_assert_true(cpu->eflags & EFLAGS_AC);
    g_assert_cmpint(run(helper_clac, 32), ==, INSN_NEXT);
    g_assert_false(cpu->eflags & EFLAGS_AC);
    tear_down();
    set_up();
    mock_enter_long(cpu, 3);
    g_assert_cmpint(run(helper_stac, 32), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    tear_down();
}

/* -- Stack frames ------------------------------------------------------------------------------ */

static void test_pusha_popa(void)
{
    uint64_t before[16];

    set_up();
    mock_enter_protected(cpu, 0);
    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = i == R_RSP ? MOCK_STACK : 0x01010101u * (i + 1);
    }
    memcpy(before, cpu->gpr, sizeof(before));
    g_assert_cmpint(run(helper_pusha, 32), ==, INSN_NEXT);
    g_assert_cmphex(stacked(7, 4), ==, 0x01010101); /* EAX first */
    g_assert_cmphex(stacked(3, 4), ==, MOCK_STACK);
    g_assert_cmphex(stacked(0, 4), ==, 0x08080808);
    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = i == R_RSP ? cpu->gpr[i] : 0;
    }
    mock_poke(cpu->gpr[R_RSP] + 12, 0xdead, 4); /* POPA skips this */
    g_assert_cmpint(run(helper_popa, 32), ==, INSN_NEXT);
    g_assert_cmpmem(before, sizeof(before), cpu->gpr, sizeof(before));

    cpu->gpr[R_RDI] = 0xaaaabbbb;
    g_assert_cmpint(run(helper_pusha, 16), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 16);
    mock_poke(cpu->gpr[R_RSP], 0x1234, 2);
    g_assert_cmpint(run(helper_popa, 16), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RDI], ==, 0xaaaa1234);

    cpu->seg[SEG_SS].limit = MOCK_STACK - 8; /* only the lowest registers fit */
    g_assert_cmpint(run(helper_pusha, 32), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_SS, 0);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    tear_down();
}

static void test_enter_leave(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    cpu->gpr[R_RBP] = 0x8000;
    mock_poke(0x8000 - 4, 0x7f00, 4);
    mock_poke(0x8000 - 8, 0x7e00, 4);
    insn.immediate = 0x20;
    insn.immediate2 = 3 | 32; /* modulo 32 */
    g_assert_cmpint(helper_enter(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RBP], ==, MOCK_STACK - 4);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK - 16 - 0x20);
    g_assert_cmphex(mock_peek(MOCK_STACK - 4, 4), ==, 0x8000);
    g_assert_cmphex(mock_peek(MOCK_STACK - 8, 4), ==, 0x7f00);
    g_assert_cmphex(mock_peek(MOCK_STACK - 12, 4), ==, 0x7e00);
    g_assert_cmphex(mock_peek(MOCK_STACK - 16, 4), ==, MOCK_STACK - 4);
    g_assert_cmpint(run(helper_leave, 32), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK);
    g_assert_cmphex(cpu->gpr[R_RBP], ==, 0x8000);

    mock_absent_page = MOCK_STACK - 0x1000;
    insn.immediate2 = 0;
    insn.immediate = 0;
    cpu->gpr[R_RSP] = MOCK_STACK + 4;
    g_assert_cmpint(helper_enter(cpu, &insn), ==, INSN_NEXT);
    cpu->gpr[R_RSP] = MOCK_STACK + 4;
    insn.immediate = 4; /* the frame is fine, the locals are not */
    g_assert_cmpint(helper_enter(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_PF);
    g_assert_cmphex(cpu->gpr[R_RSP], ==, MOCK_STACK + 4);
    tear_down();
}

/* -- Decimal arithmetic: against plain decimal numbers ----------------------------------------- */

static unsigned bcd(unsigned n)
{
    return n / 10 << 4 | n % 10;
}

static void set_byte_flags(uint8_t a, uint8_t b, bool is_sub)
{
    unsigned result = is_sub ? (unsigned)a - b : (unsigned)a + b;

    cpu->gpr[R_RAX] = 0xffff00 | (result & 0xff);
    cpu->eflags =
        EFLAGS_FIXED | (result & 0x100 ? EFLAGS_CF : 0) | ((a ^ b ^ result) & 0x10 ? EFLAGS_AF : 0);
}

static void test_daa_das(void)
{
    set_up();
    mock_enter_protected(cpu, 0);
    for (unsigned a = 0; a < 100; a++) {
        for (unsigned b = 0; b < 100; b++) {
            set_byte_flags((uint8_t)bcd(a), (uint8_t)bcd(b), false);
            g_assert_cmpint(run(helper_daa, 32), ==, INSN_NEXT);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, 0xffff00 | bcd((a + b) % 100));
            g_assert_cmpint(!!(cpu->eflags & EFLAGS_CF), ==, a + b > 99);
            g_assert_cmpint(!!(cpu->eflags & EFLAGS_ZF), ==, (a + b) % 100 == 0);

            set_byte_flags((uint8_t)bcd(a), (uint8_t)bcd(b), true);
            g_assert_cmpint(run(helper_das, 32), ==, INSN_NEXT);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, 0xffff00 | bcd((a + 100 - b) % 100));
            g_assert_cmpint(!!(cpu->eflags & EFLAGS_CF), ==, a < b);
        }
    }
    /* The manual's own example, and a borrow out of the low adjustment. */
    cpu->gpr[R_RAX] = 0xae;
    cpu->eflags = EFLAGS_FIXED | EFLAGS_OF;
    run(helper_daa, 32);
    g_assert_cmphex(cpu->gpr[R_RAX], ==, 0x14);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED | EFLAGS_CF | EFLAGS_AF | EFLAGS_PF);
    cpu->gpr[R_RAX] = 0x03;
    cpu->eflags = EFLAGS_FIXED | EFLAGS_AF;
    run(helper_das, 32);
    g_assert_cmphex(cpu->gpr[R_RAX], ==, 0xfd);
    g_assert_cmphex(cpu->eflags & EFLAGS_CF, ==, EFLAGS_CF);
    tear_down();
}

static void test_ascii(void)
{
    Insn insn = mock_insn(32);

    set_up();
    mock_enter_protected(cpu, 0);
    for (unsigned a = 0; a < 10; a++) {
        for (unsigned b = 0; b < 10; b++) {
            set_byte_flags((uint8_t)a, (uint8_t)b, false);
            cpu->gpr[R_RAX] &= 0xff;
            run(helper_aaa, 32);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, (a + b) / 10 << 8 | (a + b) % 10);
            g_assert_cmpint(!!(cpu->eflags & EFLAGS_CF), ==, a + b > 9);
            set_byte_flags((uint8_t)a, (uint8_t)b, true);
            cpu->gpr[R_RAX] = (cpu->gpr[R_RAX] & 0xff) | 0x500;
            run(helper_aas, 32);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, (a < b ? 0x400u : 0x500u) | (a + 10 - b) % 10);
            insn.immediate = 10;
            cpu->gpr[R_RAX] = 0x99990000 | a * b;
            g_assert_cmpint(helper_aam(cpu, &insn), ==, INSN_NEXT);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, 0x99990000 | a * b / 10 << 8 | a * b % 10);
            g_assert_cmpint(helper_aad(cpu, &insn), ==, INSN_NEXT);
            g_assert_cmphex(cpu->gpr[R_RAX], ==, 0x99990000 | a * b);
        }
    }
    insn.immediate = 0;
    g_assert_cmpint(helper_aam(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_DE);
    cpu->eflags |= EFLAGS_CF;
    run(helper_salc, 32);
    g_assert_cmphex(cpu->gpr[R_RAX] & 0xff, ==, 0xff);
    mock_enter_long(cpu, 0);
    g_assert_cmpint(run(helper_daa, 32), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);
    tear_down();
}

/* -- Ports ------------------------------------------------------------------------------------- */

static Insn port_insn(uint8_t opcode, unsigned operand_bits)
{
    Insn insn = mock_insn(operand_bits);

    insn.opcode = opcode;
    insn.bytes[0] = opcode;
    insn.length = 1;
    return insn;
}

static void test_in_out(void)
{
    Insn insn = port_insn(0xe4, 8); /* IN AL, 71h */

    set_up();
    mock_enter_protected(cpu, 0);
    cpu->gpr[R_RAX] = 0x1111222233334444;
    insn.immediate = 0x71;
    g_assert_cmpint(helper_in(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RAX], ==, 0x1111222233334401);
    g_assert_cmphex(mock_port_last, ==, 0x71);
    insn = port_insn(0xed, 32); /* IN EAX, DX */
    cpu->gpr[R_RDX] = 0x10cf8;
    g_assert_cmpint(helper_in(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RAX], ==, 2);
    g_assert_cmphex(mock_port_last, ==, 0xcf8);
    cpu->gpr[R_RAX] = 0xaabbccdd;
    insn = port_insn(0xef, 16); /* OUT DX, AX */
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(mock_port_log[0], ==, 0xccdd);
    insn = port_insn(0xe6, 8); /* OUT imm, AL; an immediate is sign-extended when decoded */
    insn.immediate = -1;
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(mock_port_last, ==, 0xff);
    g_assert_cmphex(mock_port_log[1], ==, 0xdd);
    tear_down();
}

static void test_port_bitmap(void)
{
    Insn insn = port_insn(0xef, 32); /* OUT DX, EAX: four bits count */

    set_up();
    mock_enter_protected(cpu, 3);
    cpu->gpr[R_RDX] = 0x3f6;
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_NEXT);
    for (unsigned bit = 0; bit < 16; bit++) {
        bool denied = bit >= 6 && bit < 10; /* ports 3F6h-3F9h */

        mock_poke(MOCK_TSS + 0x100 + 0x3f0 / 8, 1u << bit, 2);
        g_assert_cmpint(helper_out(cpu, &insn), ==, denied ? INSN_FAULT : INSN_NEXT);
    }
    mock_expect_fault(cpu, VECTOR_GP, 0);
    g_assert_cmpuint(mock_port_stores, ==, 13);
    cpu->eflags |= EFLAGS_IOPL; /* IOPL 3: nobody asks the map */
    mock_poke(MOCK_TSS + 0x100 + 0x3f0 / 8, 0xffff, 2);
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_NEXT);
    cpu->eflags &= ~(uint64_t)EFLAGS_IOPL;
    mock_poke(MOCK_TSS + 0x100 + 0x3f0 / 8, 0, 2);
    cpu->tr.limit = 0x100 + 0x3f0 / 8; /* the second byte of the pair is outside */
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_FAULT);
    cpu->tr.limit++;
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_NEXT);
    cpu->tr.attributes = SEG_P | SYSTEM_TSS16_BUSY;
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_FAULT);
    tear_down();

    set_up();
    mock_enter_v8086(cpu, 3); /* IOPL does not count */
    mock_poke(MOCK_TSS + 0x100 + 0x3f0 / 8, 0xffff, 2);
    cpu->gpr[R_RDX] = 0x3f6;
    g_assert_cmpint(helper_out(cpu, &insn), ==, INSN_FAULT);
    tear_down();
}

static void test_rep_ins(void)
{
    Insn insn = port_insn(0x6d, 16);
    unsigned calls = 0;
    InsnResult result;

    set_up();
    mock_enter_protected(cpu, 0);
    insn.rep = true;
    cpu->gpr[R_RDI] = 0x8ffb; /* odd: an element crosses into the next page */
    cpu->gpr[R_RCX] = 1000;
    do {
        result = helper_ins(cpu, &insn);
        calls++;
        g_assert_cmpuint(cpu->gpr[R_RDI], ==, 0x8ffb + 2 * (1000 - cpu->gpr[R_RCX]));
    } while (result == INSN_REPEAT);
    g_assert_cmpint(result, ==, INSN_NEXT);
    g_assert_cmpuint(cpu->gpr[R_RCX], ==, 0);
    g_assert_cmpuint(calls, >, 2);
    g_assert_cmpuint(mock_port_loads, ==, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        g_assert_cmpuint(mock_peek(0x8ffb + 2 * i, 2), ==, i + 1);
    }
    g_assert_cmpint(helper_ins(cpu, &insn), ==, INSN_NEXT); /* nothing left: nothing read */
    g_assert_cmpuint(mock_port_loads, ==, 1000);

    /* A page that is not there is found before the port is read. */
    mock_absent_page = 0x20000;
    cpu->gpr[R_RDI] = 0x1fffe;
    cpu->gpr[R_RCX] = 3;
    g_assert_cmpint(helper_ins(cpu, &insn), ==, INSN_REPEAT);
    g_assert_cmpint(helper_ins(cpu, &insn), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.cr2, ==, 0x20000);
    g_assert_cmpuint(mock_port_loads, ==, 1001);
    g_assert_cmpuint(cpu->gpr[R_RCX], ==, 2);
    tear_down();
}

static void test_ins_backward(void)
{
    Insn insn = port_insn(0x6c, 8);

    set_up();
    mock_enter_protected(cpu, 0);
    insn.rep = true;
    insn.address_bits = 16;
    cpu->eflags |= EFLAGS_DF;
    cpu->gpr[R_RDI] = 0x77770000; /* DI wraps downwards */
    cpu->gpr[R_RCX] = 0x88880002;
    g_assert_cmpint(helper_ins(cpu, &insn), ==, INSN_REPEAT);
    g_assert_cmpint(helper_ins(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmphex(cpu->gpr[R_RDI], ==, 0x7777fffe);
    g_assert_cmphex(cpu->gpr[R_RCX], ==, 0x88880000);
    g_assert_cmphex(mock_peek(0, 1), ==, 1);
    g_assert_cmphex(mock_peek(0xffff, 1), ==, 2);
    tear_down();
}

static void test_outs(void)
{
    Insn insn = port_insn(0x6e, 8);

    set_up();
    mock_enter_protected(cpu, 0);
    insn.rep = true;
    insn.bytes[0] = 0x64; /* FS: */
    insn.bytes[1] = 0xf3;
    insn.bytes[2] = 0x6e;
    insn.length = 3;
    cpu->seg[SEG_FS].base = 0x700;
    cpu->gpr[R_RSI] = 0x100;
    cpu->gpr[R_RCX] = 3;
    mock_poke(0x800, 0x332211, 4);
    g_assert_cmpint(helper_outs(cpu, &insn), ==, INSN_NEXT);
    g_assert_cmpuint(mock_port_stores, ==, 3);
    g_assert_cmphex(mock_port_log[0], ==, 0x11);
    g_assert_cmphex(mock_port_log[2], ==, 0x33);
    g_assert_cmphex(cpu->gpr[R_RSI], ==, 0x103);

    /* The last byte below the limit goes out, the next one faults. */
    cpu->seg[SEG_FS].limit = 0x103;
    cpu->gpr[R_RCX] = 4;
    g_assert_cmpint(helper_outs(cpu, &insn), ==, INSN_REPEAT);
    g_assert_cmpuint(mock_port_stores, ==, 4);
    g_assert_cmpint(helper_outs(cpu, &insn), ==, INSN_FAULT);
    mock_expect_fault(cpu, VECTOR_GP, 0);
    tear_down();
}

/* -- SMM --------------------------------------------------------------------------------------- */

static void test_smm(void)
{
    X86Cpu *before = g_new(X86Cpu, 1);

    set_up();
    mock_enter_long(cpu, 3);
    cpu->smbase = 0x30000;
    cpu->cr0 |= CR0_PG;
    cpu->cr4 = CR4_PAE;
    cpu->cr3 = 0x55000;
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < 16; i++) {
        cpu->gpr[i] = 0x1111111111111111u * i;
    }
    cpu->seg[SEG_FS].base = 0x7fff12345678;
    memcpy(before, cpu, sizeof(*before));
    g_assert_cmpint(run(helper_rsm, 32), ==, INSN_FAULT);
    g_assert_cmphex(cpu->fault.vector, ==, VECTOR_UD);

    smm_enter(cpu);
    g_assert_true(cpu->smm);
    g_assert_true(cpu->nmi_masked);
    g_assert_cmphex(cpu->rip, ==, 0x8000);
    g_assert_cmphex(cpu->seg[SEG_CS].selector, ==, 0x3000);
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, 0x30000);
    g_assert_cmphex(cpu->cr0, ==, 0);
    g_assert_cmphex(cpu->efer, ==, 0);
    g_assert_cmphex(cpu->eflags, ==, EFLAGS_FIXED);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->mode & (CPU_MODE_PE | CPU_MODE_PG | CPU_MODE_SMM), ==, CPU_MODE_SMM);
    /* Where firmware looks: revision, RAX, RIP. */
    g_assert_cmphex(mock_peek(0x3fefc, 4), ==, 0x20064);
    g_assert_cmphex(mock_peek(0x3fff0, 8), ==, 0x1111111111111111);
    g_assert_cmphex(mock_peek(0x3ff78, 8), ==, 0x100);

    memset(cpu->gpr, 0xee, sizeof(cpu->gpr));
    mock_poke(0x3ff00, 0x40000, 4); /* the handler moves SMBASE */
    g_assert_cmpint(run(helper_rsm, 32), ==, INSN_JUMP);
    g_assert_cmphex(cpu->smbase, ==, 0x40000);
    g_assert_cmpmem(before->gpr, sizeof(cpu->gpr), cpu->gpr, sizeof(cpu->gpr));
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        g_assert_cmphex(cpu->seg[i].selector, ==, before->seg[i].selector);
        g_assert_cmphex(cpu->seg[i].attributes, ==, before->seg[i].attributes);
        g_assert_cmphex(cpu->seg[i].limit, ==, before->seg[i].limit);
        g_assert_cmphex(cpu->seg[i].base, ==, before->seg[i].base);
    }
    g_assert_cmphex(cpu->tr.base, ==, before->tr.base);
    g_assert_cmphex(cpu->gdtr.limit, ==, before->gdtr.limit);
    g_assert_cmphex(cpu->rip, ==, before->rip);
    g_assert_cmphex(cpu->eflags, ==, before->eflags);
    g_assert_cmphex(cpu->cr0, ==, before->cr0 | CR0_ET);
    g_assert_cmphex(cpu->cr3, ==, before->cr3);
    g_assert_cmphex(cpu->cr4, ==, before->cr4);
    g_assert_cmphex(cpu->efer, ==, before->efer);
    g_assert_cmphex(cpu->mode, ==, before->mode);
    g_assert_false(cpu->smm || cpu->nmi_masked);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    tear_down();
    g_free(before);
}

static void test_smm_halt(void)
{
    set_up();
    mock_enter_real(cpu);
    cpu->smbase = 0x30000;
    cpu->halted = true;
    cpu->rip = 0x201;
    smm_enter(cpu);
    g_assert_false(cpu->halted);
    g_assert_cmpint(run(helper_rsm, 32), ==, INSN_JUMP);
    g_assert_cmphex(cpu->rip, ==, 0x200); /* at the HLT again */

    tear_down();
}

/* Intel SDM vol. 3, 32.3.2: what ends in shutdown, and with what it is put right again. */
static void test_smm_shutdown(void)
{
    static const struct {
        uint64_t cr0, cr4, efer;
        bool is_valid;
    } images[] = {
        {CR0_PG, 0, 0, false},
        {CR0_NW, 0, 0, false},
        {CR0_NW | CR0_CD, 0, 0, true},
        {0, 1ull << 32, 0, false},
        {1ull << 32, 0, 0, false},
        {CR0_PE | CR0_PG, 0, EFER_LME, false},
        {CR0_PE | CR0_PG, CR4_PAE, EFER_LME, true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(images); i++) {
        set_up();
        mock_enter_real(cpu);
        cpu->smbase = 0x30000;
        smm_enter(cpu);
        mock_poke(0x3ff58, images[i].cr0, 8);
        mock_poke(0x3ff48, images[i].cr4, 8);
        mock_poke(0x3fed0, images[i].efer, 8);
        run(helper_rsm, 32);
        g_assert_cmpuint(mock_reset_count, ==, !images[i].is_valid);
        g_assert_cmpint(cpu->smm, ==, !images[i].is_valid);
        tear_down();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/x86-instructions/cli-sti", test_cli_sti);
    g_test_add_func("/x86-instructions/sti-shadow", test_sti_shadow);
    g_test_add_func("/x86-instructions/popf", test_popf);
    g_test_add_func("/x86-instructions/pushf", test_pushf);
    g_test_add_func("/x86-instructions/clac-stac", test_clac_stac);
    g_test_add_func("/x86-instructions/pusha-popa", test_pusha_popa);
    g_test_add_func("/x86-instructions/enter-leave", test_enter_leave);
    g_test_add_func("/x86-instructions/daa-das", test_daa_das);
    g_test_add_func("/x86-instructions/ascii", test_ascii);
    g_test_add_func("/x86-instructions/in-out", test_in_out);
    g_test_add_func("/x86-instructions/port-bitmap", test_port_bitmap);
    g_test_add_func("/x86-instructions/rep-ins", test_rep_ins);
    g_test_add_func("/x86-instructions/ins-backward", test_ins_backward);
    g_test_add_func("/x86-instructions/outs", test_outs);
    g_test_add_func("/x86-instructions/smm", test_smm);
    g_test_add_func("/x86-instructions/smm-halt", test_smm_halt);
    g_test_add_func("/x86-instructions/smm-shutdown", test_smm_shutdown);
    return g_test_run();
}
