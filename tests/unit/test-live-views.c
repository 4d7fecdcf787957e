/* SPDX-License-Identifier: MIT */
/* Views that are replaced while CPUs look at them without the lock: nothing they may still see is
 * freed. Most telling when built with the address sanitizer. */
#include "softmmu/memory.h"
#include "softmmu/run.h"

#include <string.h>
#include <unistd.h>

#define READERS 2
#define CHANGES 3000
#define LOOKUPS_PER_SAFE_POINT 64
#define BLOCK_SIZE (16 * TARGET_PAGE_SIZE)
#define MARK 0x5a

static AddressSpace space;
static Region root, rom, window;
static Vcpu cpus[READERS];
static unsigned long lookups, in_window; /* atomic */

static void look(uint64_t address)
{
    const FlatRange *range = address_space_lookup(&space, address);

    g_assert_nonnull(range);
    g_assert_true(range->region == &rom || range->region == &window);
    g_assert_cmphex(range->host[address - range->start], ==, MARK);
    __atomic_add_fetch(&lookups, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&in_window, range->region == &window, __ATOMIC_RELAXED);
}

static void cpu_run(Vcpu *vcpu)
{
    uint64_t address = 0;

    for (unsigned i = 1; !__atomic_load_n(&vcpu->exit_request, __ATOMIC_SEQ_CST); i++) {
        address = (address + 4099) % BLOCK_SIZE;
        look(address);
        if (i % LOOKUPS_PER_SAFE_POINT == 0) {
            vcpu_quiescent(vcpu);
        }
    }
}

static bool cpu_has_work(Vcpu *vcpu)
{
    return false;
}

static const VcpuOps cpu_ops = {.name = "reader", .run = cpu_run};

static RamBlock *new_block(uint64_t size)
{
    RamBlock *block = ram_block_new(&(RamDesc){.name = "block", .size = size}, NULL);

    g_assert_nonnull(block);
    memset(block->host, MARK, size);
    return block;
}

static void init_ram(Region *region, RamBlock *block)
{
    region_init(
        region,
        &(RegionDesc){.name = block->name, .kind = REGION_ROM, .size = block->size, .ram = block});
    ram_block_unref(block); /* the region's, and that of the views that show it, are enough */
}

/* Each time with RAM of its own, which is unmapped with the last view that shows it. */
static void change(void)
{
    init_ram(&window, new_block(4 * TARGET_PAGE_SIZE));
    region_add(&root, 4 * TARGET_PAGE_SIZE, &window, 1);
    main_loop_wait(false);
    region_fini(&window);
    main_loop_wait(false);
}

static void test_replace(void)
{
    region_init(&root, &(RegionDesc){.name = "root", .kind = REGION_CONTAINER, .size = BLOCK_SIZE});
    init_ram(&rom, new_block(BLOCK_SIZE));
    region_add(&root, 0, &rom, 0);
    address_space_init(&space, &root, "live");
    for (unsigned i = 0; i < READERS; i++) {
        cpus[i] = (Vcpu){.ops = &cpu_ops, .has_work = cpu_has_work};
        g_assert_true(vcpu_start(&cpus[i], NULL));
    }
    vm_start();
    for (unsigned i = 0; i < CHANGES; i++) {
        change();
    }
    vm_stop(RUN_STATE_PAUSED);
    g_test_message("%lu lookups, %lu in the window", lookups, in_window);
    g_assert_cmpuint(lookups, >, CHANGES);
    g_assert_cmpuint(in_window, >, 0);
    vcpus_destroy();
    address_space_fini(&space);
    region_fini(&rom);
    region_fini(&root);
    main_loop_wait(false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    g_test_add_func("/memory/live-views", test_replace);
    return g_test_run();
}
