/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs and giving them work: cpu-test.h. SDM 3A 9.4 (MP initialisation). */
#include "cpu-test.h"

#define TRAMPOLINE 0x8000
#define APIC_BASE 0xfee00000
#define APIC_ICR_LOW 0x300
#define PATIENCE 300000000000ull /* TSC ticks after which something is broken */

extern const uint8_t ap_trampoline[], ap_trampoline_end[];
extern volatile unsigned cpus_present;
void runtime_init_cpu(unsigned index);
_Noreturn void ap_main(unsigned index);

typedef struct Job {
    void (*volatile function)(void *argument);
    void *volatile argument;
} Job;
static Job jobs[16];

uint32_t apic_read(unsigned offset)
{
    return *(volatile uint32_t *)(word)(APIC_BASE + offset);
}

void apic_write(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(word)(APIC_BASE + offset) = value;
}

unsigned cpu_count(void)
{
    outw(0x510, 5); /* fw_cfg: number of CPUs, 16 bits */
    unsigned low = inb(0x511);
    return low | inb(0x511) << 8;
}

unsigned cpu_index(void)
{
    uint16_t selector;
    __asm__("str %0" : "=r"(selector));
    return (selector - SEL_TSS) / 0x10u;
}

void ap_main(unsigned index)
{
    runtime_init_cpu(index);
    __atomic_fetch_add(&cpus_present, 0x100, __ATOMIC_SEQ_CST); /* ready: counted again above */
    Job *job = &jobs[index];
    for (;;) {
        if (job->function) {
            job->function(job->argument);
            __atomic_store_n(&job->function, NULL, __ATOMIC_RELEASE);
        }
        __builtin_ia32_pause();
    }
}

static void spin(uint64_t ticks)
{
    for (uint64_t start = read_tsc(); read_tsc() - start < ticks;) {
        __builtin_ia32_pause();
    }
}

void cpus_start(void)
{
    unsigned others = cpu_count() - 1;
    if (others > 15) {
        give_up("more than 16 CPUs");
    }
    memcpy((void *)TRAMPOLINE, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    apic_write(0xf0, 0x1ff);           /* enabled, spurious vector FFh */
    apic_write(APIC_ICR_LOW, 0xc4500); /* INIT to all but self */
    spin(10000000);
    apic_write(APIC_ICR_LOW, 0xc4600 | TRAMPOLINE >> 12); /* SIPI */
    for (uint64_t start = read_tsc(); cpus_present >> 8 < others;) {
        if (read_tsc() - start > PATIENCE) {
            give_up("only %u of %u CPUs started", cpus_present >> 8, others);
        }
        __builtin_ia32_pause();
    }
}

void cpu_run(unsigned cpu, void (*function)(void *argument), void *argument)
{
    jobs[cpu].argument = argument;
    __atomic_store_n(&jobs[cpu].function, function, __ATOMIC_RELEASE);
}

void cpu_wait(unsigned cpu)
{
    for (uint64_t start = read_tsc(); __atomic_load_n(&jobs[cpu].function, __ATOMIC_ACQUIRE);) {
        if (read_tsc() - start > PATIENCE) {
            give_up("CPU %u does not finish", cpu);
        }
        __builtin_ia32_pause();
    }
}
