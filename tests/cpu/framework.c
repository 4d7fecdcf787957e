/* SPDX-License-Identifier: MIT */
/* The framework itself: what CATCH() and run() say of the simplest traps, in both builds. */
#include "cpu-test.h"

static unsigned handled;

static void count(Regs *regs)
{
    handled++;
    regs->ax = 0x1234;
}

int main(void);
int main(void)
{
    CATCH("nop", );
    check("catch-nothing", caught.vector, NO_TRAP, "SDM 3A 6.15");
    unsigned dividend = 7;
    CATCH("nop; divl %1", "+a"(dividend) : "r"(0), "d"(0));
    check_trap("catch-divide", &caught, 0, 0, 1, "SDM 3A 6.15");
    check("catch-keeps-registers", dividend, 7, "SDM 3A 6.15");
    CATCH("mov %0, %%ds", : "r"(0x7ff8));
    check_trap("catch-error-code", &caught, 13, 0x7ff8, 0, "SDM 3A 6.13");

    static const uint8_t int3[] = {0x90, 0xcc};
    Trap trap = run_user(int3);
    check_trap("user-int3", &trap, 3, 0, 2, "SDM 3A 6.15");
    check("user-ring", trap.regs.cs, SEL_USER, "SDM 3A 6.14");
    check("user-stack", trap.regs.sp, user_stack_top(), "SDM 3A 6.14");
    static const uint8_t cli[] = {0xfa};
    trap = run_user(cli);
    check_trap("user-cli", &trap, 13, 0, 0, "SDM 2A CLI");

    Regs regs = {.ip = (word)int3,
                 .cs = SEL_CODE,
                 .ss = SEL_DATA,
                 .sp = user_stack_top(),
                 .flags = 2,
                 .ax = 1,
                 .cx = 2,
                 .dx = 3,
                 .bx = 4,
                 .bp = 5,
                 .si = 6,
                 .di = 7};
    trap = run(&regs);
    check_trap("ring-0-int3", &trap, 3, 0, 2, "SDM 3A 6.15");
    check("registers",
          trap.regs.ax | trap.regs.cx << 4 | trap.regs.dx << 8 | trap.regs.bx << 12 |
              trap.regs.bp << 16 | trap.regs.si << 20 | trap.regs.di << 24,
          0x7654321, "SDM 3A 6.12.1");

    trap_set_handler(0x40, count);
    unsigned a = 0;
    CATCH("int $0x40", "+a"(a));
    check("handler-called", handled, 1, "SDM 3A 6.4.4");
    check("handler-changes", a, 0x1234, "SDM 3A 6.4.4");
    check("handler-no-trap", caught.vector, NO_TRAP, "SDM 3A 6.4.4");
    check("no-such-msr", try_write_msr(0x12345678, 0), 13, "SDM 2B WRMSR");
    char text[40];
    format(text, sizeof(text), "%s %04x %d %llx %u%%", "text", 0x1f, -5, 0x123456789abcdefull, 10u);
    check("format", (uint64_t)memcmp(text, "text 001f -5 123456789abcdef 10%", 33), 0, "none");
#ifdef __x86_64__
    cpus_start();
#else
    regs = (Regs){.ip = 0x10,
                  .cs = 0x700,
                  .ss = 0x600,
                  .sp = 0x100,
                  .ds = 0x111,
                  .es = 0x222,
                  .fs = 0x333,
                  .gs = 0x444,
                  .flags = 0x20002 | 3 << 12};
    memcpy((void *)0x7010, int3, 2);
    trap = run(&regs);
    check_trap("v8086-int3", &trap, 3, 0, 2, "SDM 3B 20.3");
    check("v8086-segments", trap.regs.ds | trap.regs.es << 12, 0x222111, "SDM 3B 20.3");
#endif
    return 0;
}
