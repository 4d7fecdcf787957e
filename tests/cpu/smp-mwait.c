/* SPDX-License-Identifier: MIT */
/* MONITOR and MWAIT: what ends the wait, what does not begin one, and who may. */
#include "cpu-test.h"

#define VECTOR 0x41
#define APIC_ID 0x20
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR_LOW 0x300
#define APIC_ICR_HIGH 0x310
#define ROUNDS 200
#define MWAIT_SOURCE "SDM 2B MWAIT"

static volatile uint32_t line[16] __attribute__((aligned(64)));
static volatile uint32_t answer[16] __attribute__((aligned(64)));
static volatile unsigned interrupts, returns, waiting;
static uint32_t first_id, second_id;

static void monitor(volatile void *address)
{
    __asm__ volatile("monitor" : : "a"(address), "c"(0), "d"(0) : "memory");
}

static void mwait(uint32_t extensions)
{
    __asm__ volatile("mwait" : : "a"(0), "c"(extensions) : "memory");
}

static void on_interrupt(Regs *regs)
{
    interrupts++;
    apic_write(APIC_EOI, 0);
}

static void send(uint32_t id)
{
    apic_write(APIC_ICR_HIGH, id);
    apic_write(APIC_ICR_LOW, 0x4000 | VECTOR);
}

static void delay(uint64_t ticks)
{
    for (uint64_t start = read_tsc(); read_tsc() - start < ticks;) {
        __builtin_ia32_pause();
    }
}

/* -- The other CPU ----------------------------------------------------------------------------- */

static void introduce(void *argument)
{
    apic_write(APIC_SPURIOUS, 0x1ff);
    second_id = apic_read(APIC_ID);
}

static void wait_for_store(void *argument)
{
    waiting = 1;
    while (!line[3]) {
        monitor(line);
        if (!line[3]) {
            mwait(0);
            returns++;
        }
    }
}

static void answers(void *argument)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        while (line[0] != i) {
            monitor(line);
            if (line[0] != i) {
                mwait(0);
            }
        }
        answer[0] = i;
    }
}

/* Interrupts on: taken, and then the next instruction. */
static void waits_open(void *argument)
{
    __asm__ volatile("sti");
    waiting = 1;
    while (!interrupts) {
        monitor(line);
        if (!interrupts) {
            mwait(0);
            returns++;
        }
    }
    __asm__ volatile("cli");
}

static volatile unsigned taken_while_masked;

/* Interrupts off, but they end the wait. */
static void waits_masked(void *argument)
{
    monitor(line);
    waiting = 1;
    mwait(1);
    taken_while_masked = interrupts;
    __asm__ volatile("sti; nop; nop; cli");
}

static void start(void (*function)(void *))
{
    interrupts = returns = waiting = 0;
    memset((void *)line, 0, sizeof(line));
    cpu_run(1, function, NULL);
    while (!waiting) {
        __builtin_ia32_pause();
    }
    delay(20000000); /* it has fallen asleep */
}

static void two_cpus(void)
{
    cpu_run(1, introduce, NULL);
    cpu_wait(1);

    start(wait_for_store);
    line[3] = 1; /* not the address of MONITOR, but its line */
    cpu_wait(1);
    check("store-ends-wait", returns > 0 && returns < 10, 1, MWAIT_SOURCE);

    memset((void *)line, 0, sizeof(line));
    cpu_run(1, answers, NULL);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        line[0] = i;
        while (answer[0] != i) {
            __builtin_ia32_pause();
        }
    }
    cpu_wait(1);
    check("answers", answer[0], ROUNDS, MWAIT_SOURCE);

    start(waits_open);
    send(second_id);
    cpu_wait(1);
    check("interrupt-ends-wait", interrupts == 1 && returns < 10, 1, MWAIT_SOURCE);

    start(waits_masked);
    send(second_id);
    cpu_wait(1);
    check("masked-interrupt-ends-wait", interrupts, 1, "SDM 2B MWAIT, extensions");
    check("masked-interrupt-not-taken", taken_while_masked, 0, "SDM 2B MWAIT, extensions");
}

extern const uint8_t user_monitor[], user_mwait[];
__asm__(".pushsection .text\n"
        "user_monitor: monitor\n"
        "user_mwait: mwait\n"
        ".popsection\n");

static void one_cpu(void)
{
    Trap trap;

    check("leaf-5-line", cpuid(5, 0).eax == cpuid(5, 0).ebx && cpuid(5, 0).eax >= 16, 1,
          "SDM 2A CPUID, leaf 5");
    check("leaf-5-extensions", cpuid(5, 0).ecx & 3, 3, "SDM 2A CPUID, leaf 5");
    mwait(0); /* nothing is monitored */
    monitor(line);
    line[0]++;
    mwait(0); /* written since */
    check("no-wait", 1, 1, MWAIT_SOURCE);
    monitor(line);
    send(first_id); /* pending before: ends it although interrupts are off */
    mwait(1);
    __asm__ volatile("sti; nop; nop; cli");
    check("pending-interrupt", interrupts, 1, MWAIT_SOURCE);
    trap = run_user(user_monitor);
    check_trap("monitor-ring-3", &trap, 6, 0, 0, "SDM 2B MONITOR");
    trap = run_user(user_mwait);
    check_trap("mwait-ring-3", &trap, 6, 0, 0, MWAIT_SOURCE);
    CATCH("monitor", : "a"(line), "c"(1), "d"(0));
    check_trap("monitor-rcx", &caught, 13, 0, 0, "SDM 2B MONITOR");
    CATCH("mwait", : "a"(0), "c"(2));
    check_trap("mwait-rcx", &caught, 13, 0, 0, MWAIT_SOURCE);
}

int main(void)
{
    if (!(cpuid(1, 0).ecx & 8)) {
        CATCH("mwait", : "a"(0), "c"(0));
        check_trap("mwait-absent", &caught, 6, 0, 0, MWAIT_SOURCE);
        return 0;
    }
    trap_set_handler(VECTOR, on_interrupt);
    apic_write(APIC_SPURIOUS, 0x1ff);
    first_id = apic_read(APIC_ID);
    one_cpu();
    if (cpu_count() > 1) {
        cpus_start();
        two_cpus();
    }
    return 0;
}
