/* SPDX-License-Identifier: MIT */
/* The machine of the tests test-tcg-*. */
#include "tcg-machine.h"

RamBlock *ram;
Region root;

static Region ram_region;

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

    memory.ram = ram = ram_block_new(&desc, NULL);
    region_init(&root, &container);
    region_init(&ram_region, &memory);
    region_add(&root, 0, &ram_region, 0);
    address_space_init(&address_space_memory, &root, "memory");
}

void tcg_machine_begin(int *argc, char ***argv, char *accel, unsigned cpus)
{
    char *texts[] = {accel};
    g_autoptr(Error) err = NULL;

    g_test_init(argc, argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    g_assert_true(accel_select(texts, 1, &err));
    g_assert_true(cpu_model_select("max", &err));
    make_memory();
    for (unsigned i = 0; i < cpus; i++) {
        X86Cpu *cpu = cpu_new(i, &err);

        g_assert_nonnull(cpu);
        cpu->apic_ops = &apic_ops;
        g_assert_true(vcpu_start(&cpu->vcpu, &err));
    }
}

void tcg_machine_enter(X86Cpu *cpu, uint64_t tables, uint64_t rip)
{
    cpu_reset(cpu, false);
    cpu->cr0 |= CR0_PE;
    if (tables) {
        cpu->cr0 |= CR0_PG;
        cpu->cr3 = tables;
        cpu->cr4 |= CR4_PAE;
        cpu->efer |= EFER_LME | EFER_LMA;
    }
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu->seg[n] = (Segment){.limit = UINT32_MAX, .attributes = 0xc093};
    }
    cpu->seg[SEG_CS].attributes = tables ? 0xa09b : 0xc09b;
    cpu->eflags = 2;
    cpu->rip = rip;
    cpu->wait_for_sipi = cpu->halted = cpu->vcpu.halted = false;
    cpu_update_mode(cpu);
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu_update_segment(cpu, n);
    }
}

int tcg_machine_end(void)
{
    int result = g_test_run();

    blocks_flush(false);
    vcpus_destroy();
    machine_unlock();
    return result;
}
