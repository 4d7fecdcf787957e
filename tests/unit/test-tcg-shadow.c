/* SPDX-License-Identifier: MIT */
/* The interrupt shadow of STI in a trace whose shared check fails right behind it: it ends with
 * that instruction, not with the next exit from translated code. */
#include "tcg-machine.h"

#include <string.h>
#include <unistd.h>

#define PAGE_TABLES 0x1000u /* three pages, then 2 MiB each one to one */
#define CODE 0x10000u
#define DATA 0x20ff0u /* the second operand lies in the next page */
#define COUNTER 0x30000u

#define ROUNDS 10 /* jumps between the blocks are chained from the second on */
#define BEHIND_STI (CODE + 2)

/* RBX: the data, RDI: a counter. */
static const uint8_t code[] = {
    0xfa,                         /* 1: cli */
    0xfb,                         /* sti */
    0x48, 0x8b, 0x03,             /* mov (%rbx), %rax: opens a window that no page has */
    0x48, 0x8b, 0x4b, 0x10,       /* mov 16(%rbx), %rcx */
    0xff, 0x07,                   /* incl (%rdi) */
    0xb9, 0x00, 0x00, 0x10, 0x00, /* mov $0x100000, %ecx */
    0xff, 0xc9,                   /* 2: dec %ecx: here it will be stopped */
    0x75, 0xfc,                   /* jnz 2b */
    0xeb, 0xea,                   /* jmp 1b */
};

static void fill_memory(void)
{
    uint64_t entry[] = {PAGE_TABLES + 0x1003, PAGE_TABLES + 0x2003, 0xe3};

    for (unsigned i = 0; i < G_N_ELEMENTS(entry); i++) {
        memcpy(ram->host + PAGE_TABLES + i * TARGET_PAGE_SIZE, &entry[i], 8);
    }
    memcpy(ram->host + CODE, code, sizeof(code));
}

static void test_shadow_ends(void)
{
    X86Cpu *cpu = cpu_get(0);
    uint32_t *counter = (uint32_t *)(ram->host + COUNTER);

    tcg_machine_enter(cpu, PAGE_TABLES, CODE);
    cpu->gpr[R_RBX] = DATA;
    cpu->gpr[R_RDI] = COUNTER;
    vm_start();
    machine_unlock();
    while (__atomic_load_n(counter, __ATOMIC_RELAXED) < ROUNDS) {
        usleep(1000);
    }
    machine_lock();
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(cpu->tcg.own->statistics.windows_left, >=, ROUNDS);
    g_assert_true(cpu->eflags & EFLAGS_IF);
    g_assert_true(!cpu->interrupt_shadow || cpu->rip == BEHIND_STI);
}

int main(int argc, char **argv)
{
    static char accel[] = "tcg,hot=1";

    tcg_machine_begin(&argc, &argv, accel, 1);
    fill_memory();
    g_test_add_func("/tcg-shadow/ends-behind-a-failed-window", test_shadow_ends);
    return tcg_machine_end();
}
