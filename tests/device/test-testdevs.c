/* SPDX-License-Identifier: MIT */
/* Devices for guest test suites: isa-debug-exit, isa-debugcon, pc-testdev, pci-testdev. */
#include "tests/device/isa-bench.h"

#include "hw/pci.h"
#include "hw/pvpanic.h"
#include "softmmu/run-end.h"
#include "softmmu/watchdog.h"
#include "ui/chardev.h"

#include <string.h>

static uint64_t load(AddressSpace *as, uint64_t address, unsigned size)
{
    return address_space_load(as, address, size, NULL);
}

static void test_debug_exit(void)
{
    Device *dev = bench_device("isa-debug-exit", NULL, NULL);
    g_autoptr(Error) err = NULL;

    bench_start(dev);
    g_assert_cmphex(in8(0x501), ==, 0);
    out8(0x502, 0x21);
    g_assert_cmpint(run_main_loop(), ==, 0x43);
    object_free(&dev->obj);
    dev = bench_device("isa-debug-exit", "iosize", "0");
    g_assert_false(object_realize(&dev->obj, &err));
    object_free(&dev->obj);
}

static bool has_fired(void)
{
    int status;

    vm_start();
    g_assert_false(run_handle_requests(&status));
    return run_state_get() == RUN_STATE_WATCHDOG;
}

static void test_ib700(void)
{
    Device *dev = bench_device("ib700", NULL, NULL);

    bench_start(dev);
    run_watchdog_action = WATCHDOG_ACTION_PAUSE;
    advance_ns(40 * NS_PER_SECOND);
    g_assert_false(has_fired());
    out8(0x443, 0x1d); /* 4 seconds */
    advance_ns(3 * NS_PER_SECOND);
    g_assert_false(has_fired());
    out8(0x443, 0x0d);
    advance_ns(3 * NS_PER_SECOND);
    g_assert_false(has_fired());
    advance_ns(2 * NS_PER_SECOND);
    g_assert_true(has_fired());
    advance_ns(40 * NS_PER_SECOND);
    g_assert_false(has_fired()); /* once */
    out8(0x443, 0);
    advance_ns(29 * NS_PER_SECOND);
    out8(0x441, 0);
    advance_ns(40 * NS_PER_SECOND);
    g_assert_false(has_fired());
    out8(0x443, 0x0d);
    object_reset(&dev->obj);
    advance_ns(40 * NS_PER_SECOND);
    g_assert_false(has_fired());
    run_watchdog_action = WATCHDOG_ACTION_RESET;
    vm_stop(RUN_STATE_PAUSED);
    object_free(&dev->obj);
}

static void test_pvpanic(void)
{
    Device *dev = bench_device("pvpanic", "events", "1");
    int status = -1;

    g_assert_cmphex(pvpanic_port(&bench.bus), ==, 0x505);
    bench_start(dev);
    g_assert_cmphex(in8(0x505), ==, 1);
    vm_start();
    out8(0x505, 4);
    out8(0x505, 2);
    g_assert_false(run_handle_requests(&status));
    g_assert_false(run_guest_panicked());
    out8(0x505, 3);
    g_assert_true(run_guest_panicked());
    g_assert_true(run_handle_requests(&status));
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(run_end()->kind, ==, RUN_END_PANIC);
    g_assert_cmpint(run_end()->state, ==, RUN_STATE_GUEST_PANICKED);
    object_free(&dev->obj);
    g_assert_cmphex(pvpanic_port(&bench.bus), ==, 0);
}

static GString *sent;

static size_t host_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    g_string_append_len(sent, (const char *)bytes, (gssize)count);
    return count;
}

static const ChardevInfo host_info = {.backend = "bench", .write = host_write};
static const Type host_type = {
    .name = "chardev-bench", .parent = &chardev_type, .size = sizeof(Chardev), .info = &host_info};
OBJECT_TYPE(host_type);

static void test_debugcon(void)
{
    Chardev *host = (Chardev *)object_new(&host_type);
    Device *dev;

    sent = g_string_new(NULL);
    object_add_child(object_container("/chardevs"), "host", &host->obj);
    chardev_event(host, CHARDEV_OPENED);
    dev = bench_device("isa-debugcon", "chardev", "host");
    g_assert_true(object_set(&dev->obj, "iobase", "0x402", NULL));
    bench_start(dev);
    g_assert_cmphex(in8(0x402), ==, 0xe9);
    out8(0x402, 'o');
    out8(0x402, 'k');
    g_assert_cmpstr(sent->str, ==, "ok");
    object_free(&dev->obj);
    g_assert_false(host->attached);
    object_free(&host->obj);
    g_string_free(sent, TRUE);
}

static void test_pc_testdev(void)
{
    Device *dev = bench_device("pc-testdev", NULL, NULL);

    bench_start(dev);
    address_space_store(&address_space_io, 0xe0, 0x12345678, 4);
    g_assert_cmphex(in8(0xe1), ==, 0x56);
    address_space_store(&address_space_io, 0xe2, 0xabcd, 2);
    g_assert_cmphex(load(&address_space_io, 0xe0, 4), ==, 0xabcd5678);
    g_assert_cmphex(load(&address_space_io, 0xe8, 4), ==, 0xabcd5678);
    out8(0xe4, 1);
    out8(0x2005, 1);
    g_assert_true(bench.levels[5]);
    out8(0x2005, 0);
    g_assert_false(bench.levels[5]);
    out8(0x2017, 1);
    address_space_store(&address_space_memory, 0xff000ffe, 0x1122334455667788, 8);
    g_assert_cmphex(load(&address_space_memory, 0xff000ffe, 8), ==, 0x1122334455667788);
    g_assert_cmphex(load(&address_space_memory, 0xff001001, 2), ==, 0x4455);
    object_free(&dev->obj);
}

/* Runs a test of the BAR at `base` as a guest does; returns its count. */
static uint32_t run_pci_test(AddressSpace *as, uint64_t base, uint8_t test, char *ret_name)
{
    uint64_t data_at;
    uint32_t data;

    address_space_store(as, base, test, 1);
    if (load(as, base + 1, 1) == 0) {
        return UINT32_MAX;
    }
    g_assert_cmpuint(load(as, base + 1, 1), ==, 1);
    data_at = base + load(as, base + 4, 4);
    data = (uint32_t)load(as, base + 8, 4);
    for (unsigned i = 0; i < 32; i++) {
        ret_name[i] = (char)load(as, base + 16 + i, 1);
    }
    address_space_store(as, data_at, data, 1);
    address_space_store(as, data_at, data ^ 1, 1);
    address_space_store(as, data_at + 1, data, 1);
    return (uint32_t)load(as, base + 12, 4);
}

static void test_pci_testdev(void)
{
    PciBus bus = {0};
    Device *dev;
    char name[32];

    pci_bus_init(&bus, NULL, "pci.0", &bench.io, &bench.memory);
    dev = device_new("pci-testdev", &bus.bus);
    g_assert_true(object_set(&dev->obj, "addr", "4.0", NULL));
    bench_start(dev);
    g_assert_cmphex(pci_config_read(&bus, PCI_DEVFN(4, 0), 0, 4), ==, 0x00051b36);
    pci_config_write(&bus, PCI_DEVFN(4, 0), PCI_BAR0, 0xfe000000, 4);
    pci_config_write(&bus, PCI_DEVFN(4, 0), PCI_BAR0 + 4, 0xc000, 4);
    pci_config_write(&bus, PCI_DEVFN(4, 0), PCI_COMMAND, 3, 2);
    g_assert_cmpuint(run_pci_test(&address_space_memory, 0xfe000000, 0, name), ==, 2);
    g_assert_cmpstr(name, ==, "mmio-no-eventfd");
    g_assert_cmpuint(run_pci_test(&address_space_io, 0xc000, 1, name), ==, 2);
    g_assert_cmpstr(name, ==, "portio-wildcard-eventfd");
    g_assert_cmpuint(run_pci_test(&address_space_io, 0xc000, 2, name), ==, 1);
    g_assert_cmpuint(run_pci_test(&address_space_io, 0xc000, 2, name), ==, 1); /* begins anew */
    g_assert_cmpuint(run_pci_test(&address_space_memory, 0xfe000000, 2, name), ==, 1);
    g_assert_cmpstr(name, ==, "mmio-datamatch-eventfd");
    g_assert_cmpuint(run_pci_test(&address_space_memory, 0xfe000000, 1, name), ==, 2);
    g_assert_cmpuint(run_pci_test(&address_space_memory, 0xfe000000, 0, name), ==, 2);
    g_assert_cmpuint(run_pci_test(&address_space_io, 0xc000, 3, name), ==, UINT32_MAX);
    run_pci_test(&address_space_memory, 0xfe000000, 1, name);
    object_reset(&dev->obj); /* no test, and nobody counts */
    pci_config_write(&bus, PCI_DEVFN(4, 0), PCI_BAR0, 0xfe000000, 4);
    pci_config_write(&bus, PCI_DEVFN(4, 0), PCI_COMMAND, 3, 2);
    address_space_store(&address_space_memory, 0xfe000000 + 2049, 0xce, 1);
    g_assert_cmphex(load(&address_space_memory, 0xfe000000, 4), ==, 0);
    g_assert_cmpuint(run_pci_test(&address_space_memory, 0xfe000000, 1, name), ==, 2);
    object_free(&dev->obj);
    object_free(&bus.bus.obj);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_test_add_func("/testdevs/debug-exit", test_debug_exit);
    g_test_add_func("/testdevs/ib700", test_ib700);
    g_test_add_func("/testdevs/pvpanic", test_pvpanic);
    g_test_add_func("/testdevs/debugcon", test_debugcon);
    g_test_add_func("/testdevs/pc-testdev", test_pc_testdev);
    g_test_add_func("/testdevs/pci-testdev", test_pci_testdev);
    return g_test_run();
}
