/* SPDX-License-Identifier: MIT */
/*
 * The translator's CPUs against each other and against other threads: dirty bits that are cleared
 * while they store, devices that wait for CPUs while these want to be exclusive, and a monitor that
 * asks for everything meanwhile.
 */
#include "softmmu/monitor/monitor-private.h"
#include "tcg-machine.h"

#include <string.h>
#include <unistd.h>

#define CPUS 4
#define COUNTERS 0x100000u /* a page for each CPU: count, then a flag for failure */
#define CODE 0x10000u      /* a page for each CPU */
#define CROSSING 0x200ffeu /* a word here and one in the next page */
#define DEVICE_ADDRESS RAM_SIZE

/* 32-bit code. EBX: the CPU's counter, ESI: the crossing word, EDI: the device, EDX: the constant
 * that is patched. */
extern const uint8_t bursts_code[], bursts_end[], storm_code[], storm_end[], storm_constant[];

__asm__(".pushsection .rodata\n"
        ".code32\n"
        "bursts_code:\n"
        "    mov $200, %ecx\n"
        "1:  incl (%ebx)\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "    mov $20000, %ecx\n"
        "2:  dec %ecx\n"
        "    jnz 2b\n"
        "    jmp bursts_code\n"
        "bursts_end:\n"
        "storm_code:\n"
        "    mov %eax, (%edi)\n"
        "    lock incl (%esi)\n"
        "    incl (%ebx)\n"
        "    incl (%edx)\n"
        "    jmp 1f\n"
        "1:  mov $0, %eax\n"
        "    cmp (%ebx), %eax\n"
        "    jne 2f\n"
        "    lock incl -2(%edi)\n"
        "    jmp storm_code\n"
        "2:  movl $1, 4(%ebx)\n"
        "    jmp 2b\n"
        "storm_end:\n"
        ".set storm_constant, 1b + 1\n"
        ".code64\n"
        ".popsection\n");

static Region device_region;
static unsigned device_writes; /* under the lock */

static uint32_t load(uint32_t address)
{
    return __atomic_load_n((uint32_t *)(ram->host + address), __ATOMIC_SEQ_CST);
}

/* -- A device that waits ----------------------------------------------------------------------- */

static void nothing(Vcpu *vcpu, void *opaque)
{
}

static void device_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned n = ++device_writes;

    switch (n % 4) {
    case 0:
        vcpu_wait_safe_points();
        break;
    case 1:
        vcpu_run_on_all(nothing, NULL);
        break;
    case 2:
        vcpu_run_on(vcpu_get(n / 4 % CPUS), nothing, NULL);
        break;
    default:
        ram_block_test_and_clear_dirty(ram, DIRTY_VGA, COUNTERS, CPUS * TARGET_PAGE_SIZE);
        break;
    }
}

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

/* -- The machine ------------------------------------------------------------------------------- */

static void add_device(void)
{
    static const RegionOps ops = {.read = device_read, .write = device_write};
    RegionDesc device = {.name = "device", .kind = REGION_IO, .size = 4096, .ops = &ops};

    region_init(&device_region, &device);
    region_add(&root, DEVICE_ADDRESS, &device_region, 0);
}

/* Parked CPUs begin with code of their own page, in flat 32-bit mode without paging. */
static void load_code(const uint8_t *code, const uint8_t *end, const uint8_t *constant)
{
    for (unsigned i = 0; i < CPUS; i++) {
        X86Cpu *cpu = cpu_get(i);
        uint32_t start = CODE + i * 4096;

        address_space_write(&address_space_memory, start, code, (uint64_t)(end - code));
        memset(ram->host + COUNTERS + i * 4096, 0, 8);
        tcg_machine_enter(cpu, 0, start);
        cpu->gpr[R_RBX] = COUNTERS + i * 4096;
        cpu->gpr[R_RSI] = CROSSING;
        cpu->gpr[R_RDI] = DEVICE_ADDRESS;
        cpu->gpr[R_RDX] = start + (uint32_t)(constant - code);
    }
    memset(ram->host + CROSSING, 0, 4);
}

static void let_run(unsigned microseconds)
{
    machine_unlock();
    usleep(microseconds);
    machine_lock();
}

/* Every CPU gets on, within a time that a busy host does not exceed. */
static void let_all_move(const uint32_t before[CPUS])
{
    int64_t end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    for (unsigned i = 0; i < CPUS; i++) {
        while (load(COUNTERS + i * 4096) == before[i] && g_get_monotonic_time() < end) {
            let_run(1000);
        }
        g_assert_cmpuint(load(COUNTERS + i * 4096), >, before[i]);
    }
}

/* -- Tests ------------------------------------------------------------------------------------- */

/* Copies a counter whenever its page was written since the last look. What a look that finds
 * nothing has missed would be missed for ever. */
static void test_no_store_is_lost(void)
{
    uint32_t copies[CPUS] = {0}, before;
    unsigned seen[2] = {0};
    int64_t end = g_get_monotonic_time() + G_USEC_PER_SEC;

    load_code(bursts_code, bursts_end, bursts_code);
    vm_start();
    for (unsigned i = 0; g_get_monotonic_time() < end || seen[1] < 20; i = (i + 1) % CPUS) {
        uint32_t address = COUNTERS + i * 4096;

        before = load(address);
        bool dirty = ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, address, 4096);

        seen[dirty]++;
        if (dirty) {
            copies[i] = load(address);
        } else {
            g_assert_cmpuint(copies[i], ==, before);
        }
        machine_unlock(); /* who wants it gets it */
        machine_lock();
    }
    g_test_message("%u looks found a change, %u none", seen[1], seen[0]);
    vm_stop(RUN_STATE_PAUSED);
    for (unsigned i = 0; i < CPUS; i++) {
        uint32_t address = COUNTERS + i * 4096;

        g_assert_cmpuint(load(address), >, 1000);
        if (!ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, address, 4096)) {
            g_assert_cmpuint(copies[i], ==, load(address));
        }
        g_assert_false(ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, address, 4096));
    }
}

static bool all_went_on(const uint32_t before[CPUS])
{
    for (unsigned i = 0; i < CPUS; i++) {
        if (load(COUNTERS + i * 4096) == before[i]) {
            return false;
        }
    }
    return true;
}

/* Every CPU changes its own code, locks a word across two pages and one that ends in the device,
 * and calls the device, which waits for all of them. */
static void test_waits_within_exclusive(void)
{
    uint32_t crossing, sum = 0;

    load_code(storm_code, storm_end, storm_constant);
    for (unsigned round = 0; round < 20; round++) {
        uint32_t before[CPUS];

        for (unsigned i = 0; i < CPUS; i++) {
            before[i] = load(COUNTERS + i * 4096);
        }
        vm_start();
        let_run(50000);
        for (unsigned n = 0; n < 200 && round % 4 == 3 && !all_went_on(before); n++) {
            let_run(50000); /* a busy host */
        }
        vcpu_wait_safe_points();
        ram_block_test_and_clear_dirty(ram, DIRTY_MIGRATION, 0, RAM_SIZE);
        if (round % 4 == 3) {
            let_all_move(before);
        }
        vm_stop(RUN_STATE_PAUSED);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(load(COUNTERS + i * 4096 + 4), ==, 0); /* the constant was up to date */
        sum += load(COUNTERS + i * 4096);
    }
    crossing = load(CROSSING);
    g_test_message("%u rounds of the loop, %u device writes", sum, device_writes);
    g_assert_cmpuint(crossing, >=, sum); /* a CPU may have stopped between the two */
    g_assert_cmpuint(crossing, <=, sum + CPUS);
}

/* Commands that ask and need no arguments. */
static bool asks(const MonitorCommand *command)
{
    bool is_query = command->qmp && g_str_has_prefix(command->qmp, "query-");

    for (const MonitorArg *arg = command->args; arg->kind != MONITOR_ARG_END; arg++) {
        if (!arg->optional && arg->kind != MONITOR_ARG_FLAG) {
            return false;
        }
    }
    bool is_info = command->name && g_str_has_prefix(command->name, "info ");
    return is_query || is_info;
}

/* Without a machine some have nothing to say; those about CPUs have. */
static unsigned ask_everything(void)
{
    unsigned count = 0;

    MONITOR_FOREACH_COMMAND(command)
    {
        MonitorValue values[MONITOR_MAX_ARGS + 1] = {0};
        json_t *result = NULL;

        if (asks(*command)) {
            Monitor *monitor = monitor_new();
            count += monitor_call(monitor, *command, values, &result, NULL);
            json_decref(result);
            monitor_free(monitor);
            let_run(100);
        }
    }
    return count;
}

/* As above, and all commands that show something are asked all the time: nothing they look at may
 * change under them. */
static void test_monitor_looks_on(void)
{
    static const char *const lines[] = {"info registers -a", "x /20i 0x10000", "x /100xb 0x100000",
                                        "xp /4xw 0x100000", "info tlb"};
    int64_t end = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;
    unsigned answers = 0;

    load_code(storm_code, storm_end, storm_constant);
    vm_start();
    while (g_get_monotonic_time() < end) {
        answers += ask_everything();
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
            g_autofree char *text = monitor_run_hmp(lines[i]);
            g_assert_cmpstr(text, !=, "");
        }
    }
    vm_stop(RUN_STATE_PAUSED);
    g_test_message("%u answers", answers);
    g_assert_cmpuint(answers, >, 20);
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(load(COUNTERS + i * 4096), >, 0);
        g_assert_cmpuint(load(COUNTERS + i * 4096 + 4), ==, 0);
    }
}

int main(int argc, char **argv)
{
    static char accel[] = "tcg,tb-size=1";

    tcg_machine_begin(&argc, &argv, accel, CPUS);
    add_device();
    g_test_add_func("/tcg-smp/no-store-is-lost", test_no_store_is_lost);
    g_test_add_func("/tcg-smp/waits-within-exclusive", test_waits_within_exclusive);
    g_test_add_func("/tcg-smp/monitor-looks-on", test_monitor_looks_on);
    return tcg_machine_end();
}
