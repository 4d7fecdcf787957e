/* SPDX-License-Identifier: MIT */
/* KVM's memory: which pages a guest has written, by logs and by rings; memory that is taken apart
 * and put together while another CPU uses it. Skipped without /dev/kvm. */
#include "tests/kvm/kvm-machine.h"

#define PAGES 0x100000u
#define PAGE_STEP 0x3000u
#define PAGE_COUNT 250u

/* 32-bit code. EBX: the CPU's counter. */
extern const uint8_t pages_code[], pages_end[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "pages_code:\n"
        "    mov $0x100000, %esi\n"
        "    mov $250, %ecx\n"
        "1:  movl %ecx, (%esi)\n"
        "    add $0x3000, %esi\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "2:  hlt\n"
        "    jmp 2b\n"
        "pages_end:\n"
        ".code64\n"
        ".popsection\n");

/* -- Tests ------------------------------------------------------------------------------------- */

static unsigned count_written(uint32_t first, uint32_t step)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PAGE_COUNT; i++) {
        count += ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, first + i * step,
                                                TARGET_PAGE_SIZE);
    }
    return count;
}

static void check_written_pages(const char *accel)
{
    const uint32_t dma = 5;

    begin(accel);
    ram_block_log(ram, DIRTY_MIGRATION, true);
    ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, 0, RAM_SIZE);
    g_assert_cmpuint(count_written(PAGES, PAGE_STEP), ==, 0);
    for (unsigned round = 0; round < 3; round++) { /* what was told is told again next time */
        load_code(0, pages_code, pages_end);
        run_to_halt(0);
        g_assert_cmpuint(count_written(PAGES + 0x1000, PAGE_STEP), ==, 0);
        g_assert_cmpuint(count_written(PAGES, PAGE_STEP), ==, PAGE_COUNT);
        g_assert_cmpuint(count_written(PAGES, PAGE_STEP), ==, 0);
    }
    address_space_write(&address_space_memory, PAGES + 2 * PAGE_STEP, &dma, sizeof(dma));
    g_assert_cmpuint(count_written(PAGES, PAGE_STEP), ==, 1);

    /* a slot that goes takes nothing with it */
    load_code(0, pages_code, pages_end);
    run_to_halt(0);
    region_set_enabled(&hole, true);
    g_assert_cmpuint(count_written(PAGES, PAGE_STEP), ==, PAGE_COUNT);
    region_set_enabled(&hole, false);
    ram_block_log(ram, DIRTY_MIGRATION, false);
    end();
}

static void test_log(void)
{
    if (!skipped()) {
        check_written_pages("kvm,kernel-irqchip=off");
    }
}

static void test_rings(void)
{
    if (!skipped()) {
        check_written_pages("kvm,kernel-irqchip=off,dirty-ring-size=4096");
    }
}

/* More pages than a ring may hold, as some entries are kept in reserve: it is emptied meanwhile. */
static void test_small_ring(void)
{
    if (!skipped()) {
        check_written_pages("kvm,kernel-irqchip=off,dirty-ring-size=256");
    }
}

static bool copy_if_dirty(unsigned cpu, uint32_t *copies)
{
    uint64_t offset = COUNTERS + cpu * 4096;
    bool dirty = ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, offset, 4096);

    if (dirty) {
        copies[cpu] = __atomic_load_n(counter_of(cpu), __ATOMIC_SEQ_CST);
    }
    return dirty;
}

static void wait_for_change(unsigned cpu, uint32_t value)
{
    for (unsigned i = 0; __atomic_load_n(counter_of(cpu), __ATOMIC_SEQ_CST) == value; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
    }
}

/* What is copied whenever the log says so is in the end what memory holds, as a migration needs it.
 * Returns how many counters were not. */
static unsigned lost_stores(const char *accel, unsigned rounds)
{
    uint32_t copies[CPUS] = {0};
    unsigned seen[2] = {0}, lost = 0;

    begin(accel);
    ram_block_log(ram, DIRTY_MIGRATION, true);
    for (unsigned i = 0; i < CPUS; i++) {
        load_code(i, count_code, count_end);
    }
    vm_start();
    for (unsigned i = 0; i < CPUS; i++) {
        wait_for_change(i, 0);
    }
    for (unsigned n = 0; n < 20000 && (n < rounds || seen[1] < 20); n++) {
        seen[copy_if_dirty(n % CPUS, copies)]++;
        let_run(n % 10 ? 0 : 1000);
    }
    g_assert_cmpuint(seen[1], >=, 1); /* how often is a matter of the host's load */
    for (unsigned i = 0; i < CPUS; i++) {
        wait_for_change(i, *counter_of(i)); /* with nobody who looks at the log */
    }
    vm_stop(RUN_STATE_PAUSED);
    for (unsigned i = 0; i < CPUS; i++) {
        copy_if_dirty(i, copies);
        g_assert_cmpuint(*counter_of(i), >, 0);
        lost += copies[i] != *counter_of(i);
    }
    ram_block_log(ram, DIRTY_MIGRATION, false);
    end();
    return lost;
}

static void test_no_store_is_lost(void)
{
    if (!skipped()) {
        g_assert_cmpuint(lost_stores("kvm,kernel-irqchip=off,dirty-ring-size=4096", 1000), ==, 0);
    }
}

/* So small that a KVM in software, which notes each store, writes on over what nobody has taken. */
static void test_small_ring_loses_no_store(void)
{
    if (!skipped()) {
        g_assert_cmpuint(lost_stores("kvm,kernel-irqchip=off,dirty-ring-size=256", 300), ==, 0);
    }
}

static void test_log_loses_no_store(void)
{
    g_autoptr(Error) err = NULL;

    if (skipped()) {
        return;
    }
    if (!accel_find("kvm")->suits(&err)) {
        g_autofree char *why = g_strdup_printf("a log may lose stores: %s", error_message(err));
        g_test_skip(why);
        return;
    }
    g_assert_cmpuint(lost_stores("kvm,kernel-irqchip=off", 1000), ==, 0);
}

/* RAM is split and put together under CPUs that fetch code from it. */
static void test_splits(void)
{
    uint32_t before[CPUS];

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    for (unsigned i = 0; i < CPUS; i++) {
        load_code(i, count_code, count_end);
    }
    vm_start();
    for (unsigned n = 0; n < 300; n++) {
        region_set_enabled(&hole, n % 2 == 0);
        let_run(100);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        before[i] = *counter_of(i);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        wait_for_change(i, before[i]);
    }
    region_set_enabled(&hole, false);
    g_assert_true(run_state_is_running());
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_init(true);
    g_test_add_func("/kvm/log", test_log);
    g_test_add_func("/kvm/rings", test_rings);
    g_test_add_func("/kvm/small-ring", test_small_ring);
    g_test_add_func("/kvm/no-store-is-lost", test_no_store_is_lost);
    g_test_add_func("/kvm/small-ring-loses-no-store", test_small_ring_loses_no_store);
    g_test_add_func("/kvm/log-loses-no-store", test_log_loses_no_store);
    g_test_add_func("/kvm/splits", test_splits);
    return g_test_run();
}
