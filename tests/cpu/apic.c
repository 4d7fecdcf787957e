/* SPDX-License-Identifier: MIT */
/* Local APIC in xAPIC mode, by itself: registers, priorities, errors, local pins, base. Two CPUs:
 * each has its registers where it wants them. SDM 3A chapter 11. */
#include "interrupts.h"

#define MOVED 0x42000000

static void send_self(unsigned vector)
{
    apic_write(APIC_ICR, ICR_SELF | vector);
}

/* -- Registers --------------------------------------------------------------------------------- */

static uint32_t stored(unsigned offset, uint32_t value)
{
    apic_write(offset, value);
    return apic_read(offset);
}

static void test_registers(void)
{
    check("id", apic_read(APIC_ID) >> 24, cpuid(1, 0).ebx >> 24, "SDM 3A 11.4.6");
    check("version", apic_read(APIC_VERSION) & 0xf0, 0x10, "SDM 3A 11.4.8");
    check("version-lvt-entries", apic_read(APIC_VERSION) >> 16 & 0xff, 5, "SDM 3A 11.4.8");
    check("tpr-bits", stored(APIC_TPR, 0xffffff5a), 0x5a, "SDM 3A 11.8.3.1");
    check("ppr-is-tpr", apic_read(APIC_PPR), 0x5a, "SDM 3A 11.8.3.1");
    check("ldr-bits", stored(APIC_LDR, 0x12ffffff), 0x12000000, "SDM 3A 11.6.2.2");
    check("dfr-bits", stored(APIC_DFR, 0), 0x0fffffff, "SDM 3A 11.6.2.2");
    apic_write(APIC_DFR, 0xffffffff);
    check("svr-bits", stored(APIC_SVR, 0xffffe1a5) & 0xffffedff, 0x1a5, "SDM 3A 11.9");
    apic_write(APIC_SVR, 0x1ff);
    check("divide-bits", stored(APIC_DIVIDE, 0xffffffff), 0xb, "SDM 3A 11.5.4");
    check("icr-high-bits", stored(APIC_ICR_HIGH, 0xabffffff), 0xab000000, "SDM 3A 11.6.1");
    check("lvt-timer-one-shot", stored(APIC_LVT_TIMER, 0xfff9ffff), 0x100ff, "SDM 3A 11.5.1");
    check("lvt-timer-periodic", stored(APIC_LVT_TIMER, 0x200ff), 0x200ff, "SDM 3A 11.5.1");
    check("lvt-thermal", stored(APIC_LVT_THERMAL, 0xffffffff), 0x107ff, "SDM 3A 11.5.1");
    check("lvt-performance", stored(APIC_LVT_PERFORMANCE, 0xffffffff), 0x107ff, "SDM 3A 11.5.1");
    check("lvt-lint0", stored(APIC_LVT_LINT0, 0xffffffff), 0x1a7ff, "SDM 3A 11.5.1");
    check("lvt-lint1", stored(APIC_LVT_LINT1, 0xffffffff), 0x1a7ff, "SDM 3A 11.5.1");
    check("lvt-error", stored(APIC_LVT_ERROR, 0xffffffff), 0x100ff, "SDM 3A 11.5.1");
    apic_write(APIC_TPR, 0);
}

static void test_tpr_and_cr8(void)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"(0xbul));
    check("cr8-sets-tpr", apic_read(APIC_TPR), 0xb0, "SDM 3A 11.8.6.1");
    apic_write(APIC_TPR, 0x4f);
    word cr8;
    __asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
    check("tpr-shows-in-cr8", cr8, 4, "SDM 3A 11.8.6.1");
    CATCH("mov %0, %%cr8", : "r"(0x10ul));
    check_trap("cr8-reserved", &caught, 13, 0, 0, "SDM 3A 11.8.6.1");
    check("cr8-unchanged", apic_read(APIC_TPR), 0x4f, "SDM 3A 11.8.6.1");
    apic_write(APIC_TPR, 0);
}

static void test_software_disable(void)
{
    apic_write(APIC_LVT_LINT1, 0x400);
    send_self(0x41);
    apic_write(APIC_SVR, 0xff);
    check("disabled-masks", apic_read(APIC_LVT_LINT1), 0x10400, "SDM 3A 11.4.7.2");
    check("disabled-mask-stays", stored(APIC_LVT_LINT1, 0x400), 0x10400, "SDM 3A 11.4.7.2");
    send_self(0x52);
    check("disabled-receives-nothing", apic_bit(APIC_IRR, 0x52), 0, "SDM 3A 11.4.7.2");
    check("disabled-keeps-pending", apic_bit(APIC_IRR, 0x41), 1, "SDM 3A 11.4.7.2");
    apic_write(APIC_SVR, 0x1ff);
    check("enabled-still-masked", apic_read(APIC_LVT_LINT1), 0x10400, "SDM 3A 11.4.7.2");
    window();
    check("enabled-delivers-pending", vectors(), 0x41, "SDM 3A 11.4.7.2");
    eoi();
}

/* -- Priorities -------------------------------------------------------------------------------- */

static void test_order(void)
{
    send_self(0x41);
    send_self(0x52);
    send_self(0x31);
    check("irr", apic_read(APIC_IRR + 0x10) | (uint64_t)apic_read(APIC_IRR + 0x20) << 32,
          0x4000200020000, "SDM 3A 11.8.4");
    window();
    check("highest-first", vectors(), 0x52, "SDM 3A 11.8.4");
    check("isr", apic_highest(APIC_ISR), 0x52, "SDM 3A 11.8.4");
    check("irr-cleared", apic_bit(APIC_IRR, 0x52), 0, "SDM 3A 11.8.4");
    check("ppr-in-service", apic_read(APIC_PPR), 0x50, "SDM 3A 11.8.3.1");
    send_self(0x5f);
    window();
    check("same-class-waits", vectors(), 0, "SDM 3A 11.8.3.1");
    send_self(0x60);
    window();
    check("higher-class-nests", vectors(), 0x60, "SDM 3A 11.8.3.1");
    eoi();
    check("eoi-ends-highest", apic_highest(APIC_ISR), 0x52, "SDM 3A 11.8.5");
    eoi();
    window();
    check("after-eoi", vectors(), 0x5f, "SDM 3A 11.8.5");
    eoi();
    window();
    eoi();
    window();
    check("the-rest", vectors(), 0x4131, "SDM 3A 11.8.4");
    eoi();
    eoi(); /* nothing is in service */
    check("all-ended", (uint64_t)apic_highest(APIC_ISR), (uint64_t)-1, "SDM 3A 11.8.5");
}

static void test_tpr(void)
{
    apic_write(APIC_TPR, 0x50);
    send_self(0x5f);
    window();
    check("tpr-holds-back", vectors(), 0, "SDM 3A 11.8.3.1");
    apic_write(APIC_TPR, 0x4f);
    window();
    check("tpr-lets-through", vectors(), 0x5f, "SDM 3A 11.8.3.1");
    apic_write(APIC_TPR, 0x3a);
    check("ppr-of-service", apic_read(APIC_PPR), 0x50, "SDM 3A 11.8.3.1");
    apic_write(APIC_TPR, 0x73);
    check("ppr-of-tpr", apic_read(APIC_PPR), 0x73, "SDM 3A 11.8.3.1");
    apic_write(APIC_TPR, 0);
    eoi();
}

static void test_twice(void)
{
    send_self(0x52);
    window();
    send_self(0x52); /* one may be pending while one is in service, and no more */
    send_self(0x52);
    eoi();
    window();
    eoi();
    window();
    check("one-pending-one-in-service", vectors(), 0x5252, "SDM 3A 11.8.4");
    check("tmr-edge", apic_bit(APIC_TMR, 0x52), 0, "SDM 3A 11.8.4");
}

/* -- Errors ------------------------------------------------------------------------------------ */

static uint32_t errors(void)
{
    apic_write(APIC_ESR, 0);
    return apic_read(APIC_ESR);
}

static void test_errors(void)
{
    errors();
    check("no-errors", errors(), 0, "SDM 3A 11.5.3");
    apic_write(APIC_LVT_ERROR, 0xe1);
    send_self(5);
    check("esr-wants-a-write", apic_read(APIC_ESR), 0, "SDM 3A 11.5.3");
    check("illegal-vector-sent", errors() & 0x20, 0x20, "SDM 3A 11.5.3");
    check("esr-stays", apic_read(APIC_ESR) & 0x20, 0x20, "SDM 3A 11.5.3");
    check("esr-rearmed", errors(), 0, "SDM 3A 11.5.3");
    check("illegal-vector-irr", apic_bit(APIC_IRR, 5), 0, "SDM 3A 11.5.2");
    window();
    check("error-interrupt", vectors(), 0xe1, "SDM 3A 11.5.3");
    eoi();
    apic_read(0x3f0);
    check("illegal-register", errors(), 0x80, "SDM 3A 11.5.3");
    apic_write(0x40, 0);
    check("illegal-register-write", errors(), 0x80, "SDM 3A 11.5.3");
    window();
    vectors();
    eoi();
    apic_write(APIC_LVT_ERROR, LVT_MASK | 0xe1);
    send_self(5);
    window();
    check("error-masked", vectors(), 0, "SDM 3A 11.5.3");
    errors();
}

/* -- Local pins: LINT0 is the 8259's INT ------------------------------------------------------- */

static void test_lint0(void)
{
    pic_start(1);
    outb(PIC1_DATA, 0xfe);
    apic_write(APIC_LVT_LINT0, 0x700);
    irq0_raise();
    window();
    check("lint0-extint", vectors(), 0x20, "SDM 3A 11.5.1");
    check("extint-no-isr", (uint64_t)apic_highest(APIC_ISR), (uint64_t)-1, "SDM 3A 11.8.1");
    outb(PIC1, 0x20);
    apic_write(APIC_LVT_LINT0, LVT_MASK | 0x700);
    irq0_raise();
    window();
    check("lint0-masked", vectors(), 0, "SDM 3A 11.5.1");
    apic_write(APIC_TPR, 0xf0); /* ExtINT knows no priority */
    apic_write(APIC_LVT_LINT0, 0x700);
    window();
    check("extint-over-tpr", vectors(), 0x20, "SDM 3A 11.8.1");
    apic_write(APIC_TPR, 0);
    outb(PIC1, 0x20);
    apic_write(APIC_LVT_LINT0, 0x71);
    irq0_raise();
    window();
    check("lint0-fixed", vectors(), 0x71, "SDM 3A 11.5.1");
    eoi();
    irq0_lower();
    apic_write(APIC_LVT_LINT0, 0x400);
    irq0_raise();
    window();
    check("lint0-nmi", vectors(), 2, "SDM 3A 11.5.1");
    irq0_lower();
    apic_write(APIC_LVT_LINT0, 0x8072);
    irq0_raise();
    check("lint0-level-remote-irr", apic_read(APIC_LVT_LINT0) & 0x4000, 0x4000, "SDM 3A 11.5.1");
    check("lint0-level-tmr", apic_bit(APIC_TMR, 0x72), 1, "SDM 3A 11.8.4");
    window();
    eoi();
    window();
    check("lint0-level-again", vectors(), 0x7272, "SDM 3A 11.5.1");
    irq0_lower();
    outb(PIC1_DATA, 0xff);
    eoi();
    window();
    check("lint0-level-low", vectors(), 0, "SDM 3A 11.5.1");
    check("lint0-level-done", apic_read(APIC_LVT_LINT0) & 0x4000, 0, "SDM 3A 11.5.1");
    apic_write(APIC_LVT_LINT0, LVT_MASK);
}

/* -- Where the registers are ------------------------------------------------------------------- */

static volatile uint32_t seen_there, seen_here;

static void look_from_the_other(void *argument)
{
    *(volatile uint32_t *)MOVED = 0x600d;
    seen_there = *(volatile uint32_t *)MOVED;
    seen_here = apic_read(APIC_ID) >> 24;
}

static void test_base(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE);
    check("base", base, 0xfee00900, "SDM 3A 11.4.4");
    check("base-reserved-low", try_write_msr(MSR_APIC_BASE, base | 1), 13, "SDM 3A 11.4.4");
    check("base-reserved-high", try_write_msr(MSR_APIC_BASE, base | 1ull << 60), 13,
          "SDM 3A 11.4.4");
    apic_write(APIC_TPR, 0x37);
    write_msr(MSR_APIC_BASE, MOVED | 0x900);
    check("moved-tpr", *(volatile uint32_t *)(MOVED + APIC_TPR), 0x37, "SDM 3A 11.4.5");
    *(volatile uint32_t *)(MOVED + APIC_TPR) = 0x48;
    word cr8;
    __asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
    check("moved-write", cr8, 4, "SDM 3A 11.4.5");
    if (cpu_count() > 1) {
        cpu_run(1, look_from_the_other, NULL);
        cpu_wait(1);
        check("moved-of-one-cpu", seen_here, 1, "SDM 3A 11.4.4");
        check("moved-not-of-the-other", seen_there != 0x37 && seen_there != 0x48, 1,
              "SDM 3A 11.4.4");
    }
    write_msr(MSR_APIC_BASE, base);
    check("moved-back", apic_read(APIC_TPR), 0x48, "SDM 3A 11.4.5");
    write_msr(MSR_APIC_BASE, base & ~0x800ull);
    check("off-cpuid", cpuid(1, 0).edx >> 9 & 1, 0, "SDM 3A 11.4.3");
    check("off-readable", read_msr(MSR_APIC_BASE), base & ~0x800ull, "SDM 3A 11.4.3");
    write_msr(MSR_APIC_BASE, base);
    check("on-cpuid", cpuid(1, 0).edx >> 9 & 1, 1, "SDM 3A 11.4.3");
    check("on-svr", apic_read(APIC_SVR), 0xff, "SDM 3A 11.4.7.1");
    check("on-tpr", apic_read(APIC_TPR), 0, "SDM 3A 11.4.7.1");
    check("on-lvt", apic_read(APIC_LVT_TIMER), LVT_MASK, "SDM 3A 11.4.7.1");
}

int main(void);
int main(void)
{
    log_interrupts();
    cpus_start();
    apic_start();
    test_registers();
    test_tpr_and_cr8();
    test_software_disable();
    test_order();
    test_tpr();
    test_twice();
    test_errors();
    test_lint0();
    test_base();
    return 0;
}
