/* SPDX-License-Identifier: MIT */
/* Loops of PAUSE under the translator: a long wait costs little of the host's time, a short one is
 * no longer than it was, and two CPUs pass a word to each other. */
#include "accel/tcg/options.h"
#include "target/i386/tsc.h"
#include "tcg-machine.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CPUS 2
#define RESULTS 0x100000u /* a page for each CPU: how often, then done, then ticks waited */
#define TABLES 0x300000u
#define TURN 0x200000u
#define CODE 0x10000u
#define TURNS 1000u

/* 64-bit code. RBX: the CPU's results, ECX: how often. Waits ESI ticks with PAUSE and then EDI
 * ticks without, or until the word at ESI is EDI, which makes it EDX. */
extern const uint8_t wait_code[], wait_end[], turns_code[], turns_end[];

__asm__(".pushsection .rodata\n"
        ".code64\n"
        "wait_code:\n"
        "    rdtsc\n"
        "    mov %eax, %ebp\n"
        "1:  pause\n"
        "    rdtsc\n"
        "    sub %ebp, %eax\n"
        "    cmp %esi, %eax\n"
        "    jb 1b\n"
        "    add %eax, 8(%rbx)\n"
        "    adcl $0, 12(%rbx)\n"
        "    rdtsc\n"
        "    mov %eax, %ebp\n"
        "2:  rdtsc\n"
        "    sub %ebp, %eax\n"
        "    cmp %edi, %eax\n"
        "    jb 2b\n"
        "    incl (%rbx)\n"
        "    dec %ecx\n"
        "    jnz wait_code\n"
        "    incl 4(%rbx)\n"
        "3:  cli\n"
        "    hlt\n"
        "    jmp 3b\n"
        "wait_end:\n"
        "turns_code:\n"
        "    cmp (%rsi), %edi\n"
        "    je 1f\n"
        "    pause\n"
        "    jmp turns_code\n"
        "1:  mov %edx, (%rsi)\n"
        "    incl (%rbx)\n"
        "    cmp %ecx, (%rbx)\n"
        "    jb turns_code\n"
        "    incl 4(%rbx)\n"
        "2:  cli\n"
        "    hlt\n"
        "    jmp 2b\n"
        "turns_end:\n"
        ".popsection\n");

static uint64_t load(uint32_t address)
{
    return __atomic_load_n((uint64_t *)(void *)(ram->host + address), __ATOMIC_SEQ_CST);
}

/* -- The machine ------------------------------------------------------------------------------- */

/* One page of 1 GiB: present, writable, large. */
static void make_page_tables(void)
{
    uint64_t entries[] = {(TABLES + 4096) | 3, 0x83};

    for (unsigned i = 0; i < G_N_ELEMENTS(entries); i++) {
        address_space_write(&address_space_memory, TABLES + i * 4096, &entries[i], 8);
    }
}

/* A parked CPU that halts at once, in 64-bit mode, unless it is given code. */
static X86Cpu *prepare(unsigned index, const uint8_t *code, const uint8_t *end)
{
    X86Cpu *cpu = cpu_get(index);
    uint32_t start = CODE + index * 4096;

    if (code) {
        address_space_write(&address_space_memory, start, code, (uint64_t)(end - code));
    }
    memset(ram->host + RESULTS + index * 4096, 0, 16);
    tcg_machine_enter(cpu, TABLES, start);
    cpu->gpr[R_RBX] = RESULTS + index * 4096;
    cpu->halted = cpu->vcpu.halted = !code;
    return cpu;
}

static void run_until_done(unsigned count)
{
    vm_start();
    for (unsigned i = 0; i < count; i++) {
        while (!(load(RESULTS + i * 4096) >> 32)) {
            machine_unlock();
            usleep(1000);
            machine_lock();
        }
    }
    vm_stop(RUN_STATE_PAUSED);
}

static uint64_t naps(unsigned index)
{
    return COUNTED(cpu_get(index)->tcg.own->statistics.naps);
}

static double cpu_seconds(unsigned index)
{
    struct timespec time;
    clockid_t clock;

    g_assert_cmpint(pthread_getcpuclockid(cpu_get(index)->vcpu.thread, &clock), ==, 0);
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* -- Tests ------------------------------------------------------------------------------------- */

/* `count` times; returns the thread's share of the time waited. */
static double wait_with_pause(unsigned count, double wait_us, double rest_us, uint64_t *ret_naps)
{
    double ticks_per_us = (double)tsc_host_frequency_hz() / 1e6, before;
    X86Cpu *cpu = prepare(0, wait_code, wait_end);

    prepare(1, NULL, NULL);
    cpu->gpr[R_RCX] = count;
    cpu->gpr[R_RSI] = (uint64_t)(wait_us * ticks_per_us);
    cpu->gpr[R_RDI] = (uint64_t)(rest_us * ticks_per_us);
    *ret_naps = naps(0);
    before = cpu_seconds(0);
    run_until_done(1);
    *ret_naps = naps(0) - *ret_naps;
    double share = (cpu_seconds(0) - before) * 1e6 * ticks_per_us / (double)load(RESULTS + 8);

    g_test_message(
        "%u waits of %.0f us took %.1f us each, %.0f %% of it on the processor, %" PRIu64 " naps",
        count, wait_us, (double)load(RESULTS + 8) / ticks_per_us / count, share * 100, *ret_naps);
    return share;
}

/* A busy host only makes it run less. */
static void test_long_wait_sleeps(void)
{
    uint64_t naps;
    double share = wait_with_pause(4, 50000, 0, &naps);

    g_assert_cmpuint(naps, >, 0);
    g_assert_cmpfloat(share, <, 0.6);
}

static void test_short_wait_does_not(void)
{
    uint64_t naps;

    wait_with_pause(2000, 10, 10, &naps);
    g_assert_cmpuint(naps, ==, 0);
}

/* Each waits for the other one's store. */
static void test_turns(void)
{
    int64_t start = g_get_monotonic_time();
    uint64_t before = naps(0) + naps(1);

    memset(ram->host + TURN, 0, 4);
    for (unsigned i = 0; i < CPUS; i++) {
        X86Cpu *cpu = prepare(i, turns_code, turns_end);

        cpu->gpr[R_RCX] = TURNS;
        cpu->gpr[R_RSI] = TURN;
        cpu->gpr[R_RDI] = i;
        cpu->gpr[R_RDX] = (i + 1) % CPUS;
    }
    run_until_done(CPUS);
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint((uint32_t)load(RESULTS + i * 4096), ==, TURNS);
    }
    g_test_message("%u turns took %.3f us each, %" PRIu64 " naps", TURNS * CPUS,
                   (double)(g_get_monotonic_time() - start) / (TURNS * CPUS),
                   naps(0) + naps(1) - before);
}

static void nothing(Vcpu *vcpu, void *opaque)
{
}

/* A CPU that waits for ever is there when it is wanted. */
static void test_who_waits_can_be_called(void)
{
    X86Cpu *cpu = prepare(0, turns_code, turns_end);
    uint64_t before = naps(0);

    prepare(1, NULL, NULL);
    cpu->gpr[R_RSI] = TURN;
    cpu->gpr[R_RDI] = 1;
    memset(ram->host + TURN, 0, 4);
    vm_start();
    for (unsigned calls = 0; calls < 200 || naps(0) < before + 50; calls++) {
        vcpu_run_on(&cpu->vcpu, nothing, NULL);
        vcpu_wait_safe_points();
        machine_unlock();
        usleep(calls % 500);
        machine_lock();
    }
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(cpu->rip, >=, CODE);
    g_assert_cmpuint(cpu->rip, <, CODE + 4096);
}

static void test_switch(void)
{
    uint64_t naps;

    tcg_options.opt_pause = false;
    blocks_flush(false);
    wait_with_pause(1, 5000, 0, &naps);
    g_assert_cmpuint(naps, ==, 0);
    tcg_options.opt_pause = true;
    blocks_flush(false);
}

int main(int argc, char **argv)
{
    static char accel[] = "tcg";

    tcg_machine_begin(&argc, &argv, accel, CPUS);
    make_page_tables();
    tcg_overcommitted = false; /* on a host with one core: each PAUSE would yield, for long */
    g_test_add_func("/tcg-pause/long-wait-sleeps", test_long_wait_sleeps);
    g_test_add_func("/tcg-pause/short-wait-does-not", test_short_wait_does_not);
    g_test_add_func("/tcg-pause/turns", test_turns);
    g_test_add_func("/tcg-pause/who-waits-can-be-called", test_who_waits_can_be_called);
    g_test_add_func("/tcg-pause/switch", test_switch);
    return tcg_machine_end();
}
