/* SPDX-License-Identifier: MIT */
/* KVM by its parts: which pages a guest has written, by logs and by rings; memory that is taken
 * apart and put together while another CPU uses it; events by descriptors. Skipped without
 * /dev/kvm. */
#include "accel/accel.h"
#include "accel/kvm.h"
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CPUS 2
#define RAM_SIZE (4u << 20)
#define CODE 0x10000u
#define COUNTERS 0x20000u /* a page for each CPU */
#define PAGES 0x100000u
#define PAGE_STEP 0x3000u
#define PAGE_COUNT 100u
#define HOLE 0x300000u /* a region that comes and goes in the middle of RAM */
#define EVENT_PORT 0x500
#define EVENT_ADDRESS 0xd0000000u
#define EVENT_COUNT 50

/* 32-bit code. EBX: the CPU's counter. */
extern const uint8_t pages_code[], pages_end[], count_code[], count_end[], events_code[],
    events_end[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "pages_code:\n"
        "    mov $0x100000, %esi\n"
        "    mov $100, %ecx\n"
        "1:  movl %ecx, (%esi)\n"
        "    add $0x3000, %esi\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "2:  hlt\n"
        "    jmp 2b\n"
        "pages_end:\n"
        "count_code:\n"
        "1:  incl (%ebx)\n"
        "    jmp 1b\n"
        "count_end:\n"
        "events_code:\n"
        "    mov $50, %ecx\n"
        "    mov $0xd0000000, %esi\n"
        "1:  mov $0x500, %edx\n"
        "    out %eax, %dx\n"
        "    mov %ecx, (%esi)\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "2:  hlt\n"
        "    jmp 2b\n"
        "events_end:\n"
        ".code64\n"
        ".popsection\n");

static RamBlock *ram;
static Region root, io_root, ram_region, hole;
static const char *unusable; /* why the tests are skipped */

/* -- The machine ------------------------------------------------------------------------------- */

static bool no_interrupt(void *apic)
{
    return false;
}

static uint8_t no_tpr(void *apic)
{
    return 0;
}

static void drop_tpr(void *apic, uint8_t cr8)
{
}

static uint64_t usual_base(void *apic)
{
    return 0xfee00900;
}

static bool drop_base(void *apic, uint64_t value)
{
    return true;
}

static const CpuApicOps apic_ops = {.has_interrupt = no_interrupt,
                                    .get_tpr = no_tpr,
                                    .set_tpr = drop_tpr,
                                    .get_base = usual_base,
                                    .set_base = drop_base};

static uint64_t hole_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void hole_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static void make_memory(void)
{
    static const RegionOps ops = {.read = hole_read, .write = hole_write};
    RamDesc desc = {.name = "ram", .size = RAM_SIZE};
    RegionDesc container = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc io = {.name = "io", .kind = REGION_CONTAINER, .size = 0x10000};
    RegionDesc memory = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};
    RegionDesc device = {.name = "hole", .kind = REGION_IO, .size = 4096, .ops = &ops};

    memory.ram = ram = ram_block_new(&desc, NULL);
    region_init(&root, &container);
    region_init(&io_root, &io);
    region_init(&ram_region, &memory);
    region_init(&hole, &device);
    region_add(&root, 0, &ram_region, 0);
    region_add(&root, HOLE, &hole, 1);
    region_set_enabled(&hole, false);
    address_space_init(&address_space_memory, &root, "memory");
    address_space_init(&address_space_io, &io_root, "io");
}

/* Makes the machine's accelerator and CPUs anew. */
static void begin(const char *accel)
{
    g_autoptr(Error) err = NULL;
    char *texts[] = {(char *)accel};

    g_assert_true(accel_select(texts, 1, &err));
    g_assert_true(cpu_model_select(NULL, &err));
    for (unsigned i = 0; i < CPUS; i++) {
        X86Cpu *cpu = cpu_get(i) ? cpu_get(i) : cpu_new(i, &err);

        g_assert_nonnull(cpu);
        cpu->apic_ops = &apic_ops;
        g_assert_true(vcpu_start(&cpu->vcpu, &err));
        cpu_reset(cpu, false);
    }
}

static void end(void)
{
    vm_stop(RUN_STATE_PAUSED);
    vcpus_destroy();
}

/* A parked CPU begins with the code, in flat 32-bit mode without paging. */
static void load_code(unsigned index, const uint8_t *code, const uint8_t *code_end)
{
    X86Cpu *cpu = cpu_get(index);
    uint32_t start = CODE + index * 4096;

    address_space_write(&address_space_memory, start, code, (uint64_t)(code_end - code));
    memset(ram->host + COUNTERS + index * 4096, 0, 8);
    cpu->cr0 |= CR0_PE;
    for (unsigned n = 0; n < SEG_COUNT; n++) {
        cpu->seg[n] = (Segment){.limit = UINT32_MAX, .attributes = 0xc093};
    }
    cpu->seg[SEG_CS].attributes = 0xc09b;
    cpu->rip = start;
    cpu->gpr[R_RBX] = COUNTERS + index * 4096;
    cpu->wait_for_sipi = cpu->halted = cpu->vcpu.halted = false;
    cpu_update_mode(cpu);
}

static void let_run(unsigned microseconds)
{
    machine_unlock();
    usleep(microseconds);
    machine_lock();
}

static void run_to_halt(unsigned index)
{
    vm_start();
    for (unsigned i = 0; !cpu_get(index)->vcpu.halted; i++) {
        g_assert_cmpuint(i, <, 20000);
        let_run(1000);
    }
    vm_stop(RUN_STATE_PAUSED);
}

static bool skipped(void)
{
    if (unusable) {
        g_test_skip(unusable);
    }
    return unusable;
}

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

/* More pages than a ring has entries for: it is emptied when it is full. */
static void test_small_ring(void)
{
    if (!skipped()) {
        check_written_pages("kvm,kernel-irqchip=off,dirty-ring-size=256");
    }
}

static uint32_t *counter_of(unsigned cpu)
{
    return (uint32_t *)(ram->host + COUNTERS + cpu * 4096);
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

/* What is copied whenever the log says so is in the end what memory holds, as a migration needs it.
 * While CPUs run the log may be a little late: some KVMs note a store after it is seen. */
static void check_no_store_is_lost(const char *accel)
{
    uint32_t copies[CPUS] = {0};
    unsigned seen[2] = {0};

    begin(accel);
    ram_block_log(ram, DIRTY_MIGRATION, true);
    for (unsigned i = 0; i < CPUS; i++) {
        load_code(i, count_code, count_end);
    }
    vm_start();
    for (unsigned n = 0; n < 20000 && (n < 1000 || seen[1] < 20); n++) {
        seen[copy_if_dirty(n % CPUS, copies)]++;
        let_run(n % 10 ? 0 : 1000);
    }
    g_assert_cmpuint(seen[1], >=, 1); /* how often is a matter of the host's load */
    vm_stop(RUN_STATE_PAUSED);
    for (unsigned i = 0; i < CPUS; i++) {
        copy_if_dirty(i, copies);
        g_assert_cmpuint(copies[i], ==, *counter_of(i));
        g_assert_cmpuint(copies[i], >, 0);
    }
    ram_block_log(ram, DIRTY_MIGRATION, false);
    end();
}

static void test_no_store_is_lost(void)
{
    if (!skipped()) {
        check_no_store_is_lost("kvm,kernel-irqchip=off,dirty-ring-size=4096");
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
    check_no_store_is_lost("kvm,kernel-irqchip=off");
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
        before[i] = *(volatile uint32_t *)(ram->host + COUNTERS + i * 4096);
    }
    let_run(100000);
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(*(volatile uint32_t *)(ram->host + COUNTERS + i * 4096), !=, before[i]);
    }
    region_set_enabled(&hole, false);
    g_assert_true(run_state_is_running());
    end();
}

/* Each write counts, or each of the one value. */
static void test_events(void)
{
    g_autoptr(Error) err = NULL;
    int any = eventfd(0, EFD_NONBLOCK), one = eventfd(0, EFD_NONBLOCK);
    KvmIoEvent port = {.address = EVENT_PORT, .size = 4, .is_port = true, .fd = any};
    KvmIoEvent word = {
        .address = EVENT_ADDRESS, .size = 4, .must_match = true, .value = 7, .fd = one};
    eventfd_t count = 0;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    g_assert_true(kvm_ioevent(&port, true, &err));
    g_assert_true(kvm_ioevent(&word, true, &err));
    load_code(0, events_code, events_end);
    run_to_halt(0);
    g_assert_cmpint(eventfd_read(any, &count), ==, 0);
    g_assert_cmpuint(count, ==, EVENT_COUNT);
    g_assert_cmpint(eventfd_read(one, &count), ==, 0);
    g_assert_cmpuint(count, ==, 1);
    g_assert_true(kvm_ioevent(&port, false, &err));
    g_assert_true(kvm_ioevent(&word, false, &err));
    g_assert_false(kvm_ioevent(&word, false, &err));
    close(any);
    close(one);
    end();
}

/* Once for all: what there is no KVM for is skipped. */
static void look_for_kvm(void)
{
    g_autoptr(Error) err = NULL;
    char *texts[] = {(char *)"kvm,kernel-irqchip=off"};

    if (!accel_select(texts, 1, &err)) {
        unusable = g_strdup(error_message(err));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    machine_lock();
    make_memory();
    look_for_kvm();
    g_test_add_func("/kvm/log", test_log);
    g_test_add_func("/kvm/rings", test_rings);
    g_test_add_func("/kvm/small-ring", test_small_ring);
    g_test_add_func("/kvm/no-store-is-lost", test_no_store_is_lost);
    g_test_add_func("/kvm/log-loses-no-store", test_log_loses_no_store);
    g_test_add_func("/kvm/splits", test_splits);
    g_test_add_func("/kvm/events", test_events);
    return g_test_run();
}
