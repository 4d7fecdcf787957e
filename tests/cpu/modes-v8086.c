/* SPDX-License-Identifier: MIT */
/* Virtual-8086 mode: what IOPL guards, ports, limits, interrupts out of it and IRET into it; with
 * CR4.VME the virtual interrupt flag and the redirection bitmap. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum {
    CODE = 0x70000,
    STACK = 0x60000,
    DATA = 0x50000,
    SEL_CODE1 = SEL_FREE,
    VM = 0x20000,
    IF = 0x200,
    TF = 0x100,
    IOPL3 = 0x3000,
    VIF = 0x80000,
    INT3 = 3,
    VECTOR = 0x30,
    CR4_VME = 1
};
#define VIP 0x100000

static Regs begin(word flags)
{
    return (Regs){.cs = CODE >> 4,
                  .ss = STACK >> 4,
                  .ds = DATA >> 4,
                  .es = DATA >> 4,
                  .sp = 0x100,
                  .bx = 0xffff,
                  .dx = 0x80,
                  .flags = 2 | VM | flags};
}

static Trap run_code(const Regs *in, const uint8_t *code, unsigned size)
{
    memset((void *)CODE, 0xcc, 64);
    memcpy((void *)(CODE + in->ip), code, size);
    return run(in);
}

/* -- Without VME
 * ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t code[8];
    uint8_t iopl;
    uint8_t vector, offset;
    uint16_t error;
    const char *source;
} cases[] = {
    {"cli-iopl-3", {0xfa}, 3, INT3, 2, 0, "SDM 3B 20.2.7"},
    {"cli-iopl-0", {0xfa}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"cli-iopl-2", {0xfa}, 2, 13, 0, 0, "SDM 3B 20.2.7"},
    {"sti-iopl-3", {0xfb, 0xfa}, 3, INT3, 3, 0, "SDM 3B 20.2.7"},
    {"sti-iopl-0", {0xfb}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"pushf-iopl-3", {0x9c}, 3, INT3, 2, 0, "SDM 3B 20.2.7"},
    {"pushf-iopl-0", {0x9c}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"pushfd-iopl-3", {0x66, 0x9c}, 3, INT3, 3, 0, "SDM 3B 20.2.7"},
    {"pushfd-iopl-0", {0x66, 0x9c}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"popf-iopl-0", {0x9d}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"iret-iopl-0", {0xcf}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"int-iopl-3", {0xcd, VECTOR}, 3, VECTOR, 2, 0, "SDM 3B 20.3"},
    {"int-iopl-0", {0xcd, VECTOR}, 0, 13, 0, 0, "SDM 3B 20.2.7"},
    {"int-dpl", {0xcd, 0x80}, 3, 13, 0, 0x80 * 8 + 2, "SDM 3B 20.3"},
    {"int3-iopl-0", {0xcc}, 0, INT3, 1, 0, "SDM 3B 20.2.7"},
    {"int1-iopl-0", {0xf1}, 0, 1, 1, 0, "SDM 3B 20.2.7"},
    {"into-iopl-0", {0xb0, 0x7f, 0xfe, 0xc0, 0xce}, 0, 4, 5, 0, "SDM 3B 20.2.7"},
    {"hlt", {0xf4}, 3, 13, 0, 0, "SDM 2A HLT"},
    {"mov-cr0", {0x0f, 0x20, 0xc0}, 3, 13, 0, 0, "SDM 2B MOV"},
    {"mov-dr0", {0x0f, 0x21, 0xc0}, 3, 13, 0, 0, "SDM 2B MOV"},
    {"lgdt", {0x0f, 0x01, 0x16, 0, 0}, 3, 13, 0, 0, "SDM 2A LGDT"},
    {"lmsw", {0x0f, 0x01, 0xf0}, 3, 13, 0, 0, "SDM 2A LMSW"},
    {"clts", {0x0f, 0x06}, 3, 13, 0, 0, "SDM 2A CLTS"},
    {"rdmsr", {0x0f, 0x32}, 3, 13, 0, 0, "SDM 2B RDMSR"},
    {"smsw", {0x0f, 0x01, 0xe0}, 0, INT3, 4, 0, "SDM 2B SMSW"},
    {"lldt", {0x0f, 0x00, 0xd0}, 3, 6, 0, 0, "SDM 2A LLDT"},
    {"sldt", {0x0f, 0x00, 0xc0}, 3, 6, 0, 0, "SDM 2B SLDT"},
    {"lar", {0x0f, 0x02, 0xc0}, 3, 6, 0, 0, "SDM 2A LAR"},
    {"verr", {0x0f, 0x00, 0xe0}, 3, 6, 0, 0, "SDM 2B VERR"},
    {"arpl", {0x63, 0xc0}, 3, 6, 0, 0, "SDM 2A ARPL"},
    {"vex", {0xc5, 0xf8, 0x77}, 3, 6, 0, 0, "SDM 2A 2.8"},
    {"divide", {0x31, 0xc9, 0xf7, 0xf1}, 0, 0, 2, 0, "SDM 3B 20.3"},
    {"ud2", {0x0f, 0x0b}, 0, 6, 0, 0, "SDM 3B 20.3"},
    {"word-end", {0x8b, 0x07}, 0, 13, 0, 0, "SDM 3B 20.2.1"},
    {"byte-end", {0x8a, 0x07}, 0, INT3, 3, 0, "SDM 3B 20.2.1"},
    {"ss-end", {0x36, 0x8b, 0x07}, 0, 12, 0, 0, "SDM 3B 20.2.1"},
    {"address-32-outside", {0x67, 0x8a, 0x83, 1, 0, 0, 0}, 0, 13, 0, 0, "SDM 3B 20.2.1"},
    {"jump-outside", {0x66, 0xe9, 0, 0, 1, 0}, 0, 13, 0, 0, "SDM 3B 20.2.1"},
    {"in-allowed", {0xec}, 0, INT3, 2, 0, "SDM 3B 20.2.8.1"},
    {"out-denied", {0xe6, 0x90}, 0, 13, 0, 0, "SDM 3B 20.2.8.1"},
    {"out-denied-iopl-3", {0xe6, 0x90}, 3, 13, 0, 0, "SDM 3B 20.2.8.1"},
};

static void plain(void)
{
    char name[40];
    for (unsigned i = 0; i < COUNT(cases); i++) {
        uint8_t code[8];
        memcpy(code, cases[i].code, 8);
        for (unsigned n = 7; n && !code[n]; n--) {
            code[n] = cases[i].code[0] == 0x67 || cases[i].vector == 13 ? code[n] : 0xcc;
        }
        Regs in = begin((word)cases[i].iopl << 12);
        Trap trap = run_code(&in, code, 8);
        format(name, sizeof(name), "v8086-%s", cases[i].name);
        check_trap(name, &trap, cases[i].vector, cases[i].error, cases[i].offset, cases[i].source);
        format(name, sizeof(name), "v8086-%s-vm", cases[i].name);
        check(name, trap.regs.flags & VM, VM, "SDM 3B 20.3.1");
    }
}

static void transfers(void)
{
    static const uint8_t popf[] = {0x9d, 0x9c, 0x58, 0xcc}, iret[] = {0xcf};
    uint16_t *stack = (uint16_t *)(STACK + 0x100);
    Regs in = begin(IOPL3);
    stack[0] = 0x4ed7; /* with IF, NT, IOPL 0 */
    Trap trap = run_code(&in, popf, sizeof(popf));
    check("popf", trap.regs.ax, 0x7ed7, "SDM 2B POPF");
    stack[0] = 0x10, stack[1] = 0x7001, stack[2] = 0x0ed7;
    trap = run_code(&in, iret, sizeof(iret));
    memset((void *)0x70020, 0xcc, 1);
    trap = run(&in);
    check("iret", trap.regs.cs << 16 | trap.regs.ip, 0x70010011, "SDM 3B 20.2.7");
    check("iret-flags", trap.regs.flags & ~0x10000u, VM | 0x3ed7, "SDM 3B 20.2.7");
    in.ip = 0x10000;
    trap = run(&in);
    check("entry-outside", trap.vector << 16 | trap.error, 13 << 16, "SDM 2A IRET");
    check("entry-outside-cs", trap.regs.cs, SEL_CODE, "SDM 2A IRET");
    /* handlers must be of ring 0 */
    static const uint8_t ud2[] = {0x0f, 0x0b};
    gdt[SEL_CODE1 / 8] = 0x00cfbb000000ffff;
    uint64_t saved = idt[6].low;
    idt[6].low = (saved & ~UINT64_C(0xffff0000)) | SEL_CODE1 << 16;
    in = begin(0);
    trap = run_code(&in, ud2, 2);
    check_trap("handler-ring-1", &trap, 13, SEL_CODE1 | 1, 0, "SDM 3B 20.3.1");
    gdt[SEL_CODE1 / 8] = 0x00cf9f000000ffff;
    trap = run_code(&in, ud2, 2);
    check_trap("handler-conforming", &trap, 13, SEL_CODE1 | 1, 0, "SDM 3B 20.3.1");
    idt[6].low = saved;
    /* what the handler finds */
    in = begin(IF | 0x8d5);
    in.fs = 0x1111, in.gs = 0x2222, in.sp = 0x54321234;
    trap = run_code(&in, ud2, 2);
    check("frame-sp", trap.regs.sp, 0x54321234, "SDM 3B 20.3.1.1");
    check("frame-segments",
          trap.regs.ss == in.ss && trap.regs.fs == 0x1111 && trap.regs.gs == 0x2222 &&
              trap.regs.ds == in.ds && trap.regs.es == in.es,
          true, "SDM 3B 20.3.1.1");
    check("frame-flags", trap.regs.flags, in.flags | 0x10000, "SDM 3B 20.3.1.1");
    static const uint8_t far_jump[] = {0xea, 0x04, 0x00, 0x02, 0x70};
    memset((void *)0x70024, 0xcc, 1);
    in = begin(0);
    trap = run_code(&in, far_jump, sizeof(far_jump));
    check("far-jump", trap.regs.cs << 16 | trap.regs.ip, 0x70020005, "SDM 3B 20.2.1");
}

/* -- With VME
 * ------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    uint8_t code[8], size;
    word flags;
    uint8_t vector, offset;
    word ax, result; /* AX, and EFLAGS without RF and VM */
} virtual[] = {
    {"cli", {0xfa}, 1, VIF, INT3, 2, 0, 2},
    {"sti", {0xfb}, 1, 0, INT3, 2, 0, 2 | VIF},
    {"sti-vip", {0xfb}, 1, VIP, 13, 0, 0, 2 | VIP},
    {"cli-vip", {0xfa}, 1, VIP | VIF, INT3, 2, 0, 2 | VIP},
    {"cli-iopl-3", {0xfa}, 1, VIF | IF | IOPL3, INT3, 2, 0, 2 | VIF | IOPL3},
    {"pushf", {0x9c, 0x58}, 2, VIF, INT3, 3, 0x3202, 2 | VIF},
    {"pushf-clear", {0x9c, 0x58}, 2, IF, INT3, 3, 0x3002, 2 | IF},
    {"pushf-iopl-3", {0x9c, 0x58}, 2, VIF | IOPL3, INT3, 3, 0x3002, 2 | VIF | IOPL3},
    {"pushfd", {0x66, 0x9c}, 2, VIF, 13, 0, 0, 2 | VIF},
    {"popf-if", {0x68, 0x02, 0x02, 0x9d}, 4, 0, INT3, 5, 0, 2 | VIF},
    {"popf-no-if", {0x68, 0x02, 0x30, 0x9d}, 4, VIF | IF, INT3, 5, 0, 2 | IF},
    {"popf-tf", {0x68, 0x02, 0x01, 0x9d}, 4, 0, 13, 3, 0, 2},
    {"popf-vip", {0x68, 0x02, 0x02, 0x9d}, 4, VIP, 13, 3, 0, 2 | VIP},
    {"popf-vip-no-if", {0x68, 0xd7, 0x00, 0x9d}, 4, VIP | VIF, INT3, 5, 0, 0xd7 | VIP},
    {"popfd", {0x66, 0x9d}, 2, 0, 13, 0, 0, 2},
    {"iretd", {0x66, 0xcf}, 2, 0, 13, 0, 0, 2},
    {"hlt", {0xf4}, 1, 0, 13, 0, 0, 2},
};

static void set_redirection(unsigned vector, bool to_monitor)
{
    uint8_t *map = (uint8_t *)&tss[1];
    map[vector / 8] = (uint8_t)(to_monitor << (vector & 7));
}

static void redirection(void)
{
    static const uint8_t int_21[] = {0xcd, 0x21};
    uint32_t vector = 0x70000030;
    memcpy((void *)(0x21 * 4), &vector, 4);
    Regs in = begin(VIF | 0xd5);
    set_redirection(0x21, false);
    Trap trap = run_code(&in, int_21, 2);
    const uint16_t *stack = (const uint16_t *)(STACK + 0x100);
    check("redirected", trap.regs.cs << 16 | trap.regs.ip, 0x70000031, "SDM 3B 20.3.3");
    check("redirected-flags", trap.regs.flags, VM | 0xd7, "SDM 3B 20.3.3");
    check("redirected-image", stack[-1], 0x32d7, "SDM 3B 20.3.3");
    check("redirected-return", stack[-2] << 16 | stack[-3], 0x70000002, "SDM 3B 20.3.3");
    in = begin(IF | IOPL3);
    trap = run_code(&in, int_21, 2);
    check("redirected-iopl-3", trap.regs.flags, VM | IOPL3 | 2, "SDM 3B 20.3.3");
    check("redirected-iopl-3-image", stack[-1], 0x3202, "SDM 3B 20.3.3");
    in = begin(0);
    set_redirection(0x21, true);
    trap = run_code(&in, int_21, 2);
    check_trap("not-redirected", &trap, 13, 0, 0, "SDM 3B 20.3.3");
    in = begin(IOPL3);
    set_redirection(VECTOR, true);
    static const uint8_t int_30[] = {0xcd, VECTOR};
    trap = run_code(&in, int_30, 2);
    check_trap("not-redirected-iopl-3", &trap, VECTOR, 0, 2, "SDM 3B 20.3.3");
    static const uint8_t int3[] = {0xcc};
    set_redirection(3, false);
    in = begin(0);
    trap = run_code(&in, int3, 1);
    check_trap("int3-not-redirected", &trap, 3, 0, 1, "SDM 3B 20.3.3");
}

static void with_vme(void)
{
    if (!(cpuid(1, 0).edx & 2)) {
        check_skip("vme", "CPUID says no VME");
        return;
    }
    write_cr4(read_cr4() | CR4_VME);
    char name[40];
    for (unsigned i = 0; i < COUNT(virtual); i++) {
        Regs in = begin(virtual[i].flags);
        Trap trap = run_code(&in, virtual[i].code, virtual[i].size);
        format(name, sizeof(name), "vme-%s", virtual[i].name);
        check_trap(name, &trap, virtual[i].vector, 0, virtual[i].offset, "SDM 3B 20.3.3.4");
        format(name, sizeof(name), "vme-%s-state", virtual[i].name);
        check(name, (uint64_t)trap.regs.ax << 32 | (trap.regs.flags & ~0x30000u),
              (uint64_t) virtual[i].ax << 32 | virtual[i].result, "SDM 3B 20.3.3.4");
    }
    redirection();
    write_cr4(read_cr4() & ~(word)CR4_VME);
}

int main(void);
int main(void)
{
    /* the redirection bitmap's 32 bytes, then ports: 90h is not to be had */
    memset(&tss[1], 0, 0x600);
    memset((uint8_t *)&tss[1] + 32 + 0x90 / 8, 1, 1);
    tss[0].io_map = sizeof(Tss) + 32;
    gdt[SEL_TSS / 8] = descriptor((word)&tss[0], sizeof(Tss) + 0x200, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
    plain();
    transfers();
    with_vme();
    return 0;
}
