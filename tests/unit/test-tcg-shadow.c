/* SPDX-License-Identifier: MIT */
/* The interrupt shadow of STI in a trace whose shared check fails right behind it: it ends with
 * that instruction, not with the next exit from translated code. */
#include "accel/accel.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/cpu-model.h"

#include <string.h>
#include <unistd.h>

#define RAM_SIZE (4u << 20)
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

static RamBlock *ram;
static Region root, ram_region;

static bool no_interrupt(void *apic)
{
    return false;
}

static const CpuApicOps apic_ops = {.has_interrupt = no_interrupt};

static void make_memory(void)
{
    RamDesc desc = {.name = "ram", .size = RAM_SIZE};
    RegionDesc container = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc memory = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};
    uint64_t entry[] = {PAGE_TABLES + 0x1003, PAGE_TABLES + 0x2003, 0xe3};

    memory.ram = ram = ram_block_new(&desc, NULL);
    region_init(&root, &container);
    region_init(&ram_region, &memory);
    region_add(&root, 0, &ram_region, 0);
    address_space_init(&address_space_memory, &root, "memory");
    for (unsigned i = 0; i < G_N_ELEMENTS(entry); i++) {
        memcpy(ram->host + PAGE_TABLES + i * TARGET_PAGE_SIZE, &entry[i], 8);
    }
    memcpy(ram->host + CODE, code, sizeof(code));
}

/* 64-bit code of ring 0, interrupts off. */
static void enter_long_mode(X86Cpu *cpu)
{
    cpu_reset(cpu, false);
    cpu->cr0 |= CR0_PE | CR0_PG;
    cpu->cr3 = PAGE_TABLES;
    cpu->cr4 |= CR4_PAE;
    cpu->efer |= EFER_LME | EFER_LMA;
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu->seg[n] = (Segment){.limit = UINT32_MAX, .attributes = n == SEG_CS ? 0xa09b : 0xc093};
    }
    cpu->eflags = 2;
    cpu->rip = CODE;
    cpu->gpr[R_RBX] = DATA;
    cpu->gpr[R_RDI] = COUNTER;
    cpu->wait_for_sipi = cpu->halted = cpu->vcpu.halted = false;
    cpu_update_mode(cpu);
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu_update_segment(cpu, n);
    }
}

static void test_shadow_ends(void)
{
    g_autoptr(Error) err = NULL;
    X86Cpu *cpu = cpu_new(0, &err);
    uint32_t *counter = (uint32_t *)(ram->host + COUNTER);

    g_assert_nonnull(cpu);
    cpu->apic_ops = &apic_ops;
    g_assert_true(vcpu_start(&cpu->vcpu, &err));
    enter_long_mode(cpu);
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
    static char tcg[] = "tcg,hot=1";
    static char *texts[] = {tcg};
    g_autoptr(Error) err = NULL;
    int result;

    g_test_init(&argc, &argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    g_assert_true(accel_select(texts, 1, &err));
    g_assert_true(cpu_model_select("max", &err));
    make_memory();
    g_test_add_func("/tcg-shadow/ends-behind-a-failed-window", test_shadow_ends);
    result = g_test_run();
    vcpus_destroy();
    machine_unlock();
    return result;
}
