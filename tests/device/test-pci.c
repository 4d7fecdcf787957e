/* SPDX-License-Identifier: MIT */
/* PCI on the PC board: configuration cycles, base addresses, shadow RAM, interrupt routing, power
 * management. */
#include "tests/device/pc-bench.h"

#define HOST PCI_DEVFN(0, 0)
#define BRIDGE PCI_DEVFN(1, 0)
#define PM PCI_DEVFN(1, 3)
#define PROBE PCI_DEVFN(5, 0)
#define ALL_ONES UINT32_MAX

/* -- A function with one base address of each kind --------------------------------------------- */

typedef struct Probe {
    PciDevice pci;
    Region io, memory, big;
} Probe;

static uint64_t probe_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x40 + offset;
}

static void probe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static bool probe_realize(Object *obj, Error **err)
{
    static const RegionOps ops = {
        .read = probe_read, .write = probe_write, .impl_min = 1, .impl_max = 1};
    Probe *probe = (Probe *)obj;
    RegionDesc desc = {.name = "probe", .kind = REGION_IO, .ops = &ops, .owner = obj};

    desc.size = 16;
    region_init(&probe->io, &desc);
    desc.size = 4096;
    region_init(&probe->memory, &desc);
    desc.size = 65536;
    region_init(&probe->big, &desc);
    pci_register_bar(&probe->pci, 0, PCI_BAR_IO, &probe->io);
    pci_register_bar(&probe->pci, 1, PCI_BAR_MEM32, &probe->memory);
    pci_register_bar(&probe->pci, 2, PCI_BAR_MEM64_PREFETCH, &probe->big);
    g_assert_cmpuint(pci_add_capability(&probe->pci, 9, 0, 6), ==, 0x40);
    g_assert_cmpuint(pci_add_capability(&probe->pci, 5, 0, 4), ==, 0x48);
    return true;
}

static void probe_unrealize(Object *obj)
{
    Probe *probe = (Probe *)obj;

    region_fini(&probe->big);
    region_fini(&probe->memory);
    region_fini(&probe->io);
}

static const Field probe_fields[] = {
    DERIVED(Probe, io),
    DERIVED(Probe, memory),
    DERIVED(Probe, big),
    FIELDS_END,
};

static const PciDeviceInfo probe_info = {
    .vendor_id = 0x1234,
    .device_id = 0x5678,
    .class_code = 0xff0000,
    .interrupt_pin = 1,
};

static const Type probe_type = {
    .name = "test-probe",
    .parent = &pci_device_type,
    .size = sizeof(Probe),
    .fields = probe_fields,
    .info = &probe_info,
    .realize = probe_realize,
    .unrealize = probe_unrealize,
};
DEVICE(probe_type);

static PciDevice *add_probe(const char *address)
{
    Device *dev = device_new("test-probe", bus_find(&pci_bus_type, NULL));

    g_assert_true(object_set(&dev->obj, "addr", address, NULL));
    g_assert_true(object_realize(&dev->obj, NULL));
    object_reset(&dev->obj);
    return (PciDevice *)dev;
}

/* -- Configuration ----------------------------------------------------------------------------- */

static void test_config_cycles(void)
{
    pc_bench_make("16M");
    g_assert_cmphex(config_get(HOST, 0, 4), ==, 0x12378086);
    g_assert_cmphex(config_get(HOST, 2, 2), ==, 0x1237);
    g_assert_cmphex(config_get(HOST, 3, 1), ==, 0x12);
    g_assert_cmphex(config_get(BRIDGE, 0, 4), ==, 0x70008086);
    g_assert_cmphex(config_get(BRIDGE, PCI_HEADER_TYPE, 1), ==, 0x80);
    g_assert_cmphex(config_get(PM, 0, 4), ==, 0x71138086);
    g_assert_cmphex(config_get(PCI_DEVFN(9, 0), 0, 4), ==, ALL_ONES);

    port_out(0xcf8, 0x80010000, 4); /* bus 1 */
    g_assert_cmphex(port_in(0xcfc, 4), ==, ALL_ONES);
    port_out(0xcf8, 0x00000000, 4); /* not enabled */
    g_assert_cmphex(port_in(0xcfc, 4), ==, ALL_ONES);
    port_out(0xcf8, 0x80000000, 4);
    port_out(0xcf8, 0xff, 1); /* narrow writes do not reach the register */
    port_out(0xcfa, 0xffff, 2);
    g_assert_cmphex(port_in(0xcf8, 4), ==, 0x80000000);

    config_put(HOST, PCI_VENDOR_ID, 0, 4);
    g_assert_cmphex(config_get(HOST, 0, 4), ==, 0x12378086);
    pc_bench_free();
}

static void test_base_addresses(void)
{
    pc_bench_make("16M");
    add_probe("5.0");
    config_put(PROBE, PCI_BAR0, ALL_ONES, 4);
    g_assert_cmphex(config_get(PROBE, PCI_BAR0, 4), ==, 0xfffffff1);
    config_put(PROBE, PCI_BAR0 + 4, ALL_ONES, 4);
    g_assert_cmphex(config_get(PROBE, PCI_BAR0 + 4, 4), ==, 0xfffff000);
    config_put(PROBE, PCI_BAR0 + 8, ALL_ONES, 4);
    config_put(PROBE, PCI_BAR0 + 12, ALL_ONES, 4);
    g_assert_cmphex(config_get(PROBE, PCI_BAR0 + 8, 4), ==, 0xffff000c);
    g_assert_cmphex(config_get(PROBE, PCI_BAR0 + 12, 4), ==, ALL_ONES);
    g_assert_cmphex(config_get(PROBE, PCI_BAR0 + 16, 4), ==, 0);

    config_put(PROBE, PCI_BAR0, 0xc000, 4);
    config_put(PROBE, PCI_BAR0 + 4, 0xf0000000, 4);
    config_put(PROBE, PCI_BAR0 + 8, 0x20000, 4);
    config_put(PROBE, PCI_BAR0 + 12, 0x12, 4);
    g_assert_cmphex(port_in(0xc001, 1), ==, 0xff); /* decoding is off */
    config_put(PROBE, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    g_assert_cmphex(port_in(0xc001, 1), ==, 0x41);
    g_assert_cmphex(mem_get(0xf0000002, 1), ==, 0x42);
    g_assert_cmphex(mem_get(0x1200020003, 1), ==, 0x43);

    config_put(PROBE, PCI_BAR0, 0xd000, 4);
    g_assert_cmphex(port_in(0xc001, 1), ==, 0xff);
    g_assert_cmphex(port_in(0xd001, 1), ==, 0x41);
    config_put(PROBE, PCI_COMMAND, PCI_COMMAND_IO, 2);
    g_assert_cmphex(mem_get(0xf0000002, 1), ==, 0xff);
    machine_reset(pc);
    g_assert_cmphex(port_in(0xd001, 1), ==, 0xff);
    g_assert_cmphex(config_get(PROBE, PCI_BAR0, 4), ==, 1);
    pc_bench_free();
}

static void test_capabilities(void)
{
    pc_bench_make("16M");
    add_probe("5.0");
    g_assert_cmphex(config_get(PROBE, PCI_STATUS, 1) & PCI_STATUS_CAP_LIST, !=, 0);
    g_assert_cmphex(config_get(PROBE, PCI_CAPABILITY_LIST, 1), ==, 0x48);
    g_assert_cmphex(config_get(PROBE, 0x48, 2), ==, 0x4005);
    g_assert_cmphex(config_get(PROBE, 0x40, 2), ==, 0x0009);
    pc_bench_free();
}

static void test_addresses_taken(void)
{
    Error *err = NULL;

    pc_bench_make("16M");
    PciDevice *first = add_probe("5.0");
    Device *second = device_new("test-probe", first->dev.bus);
    g_assert_true(object_set(&second->obj, "addr", "5", NULL));
    g_assert_false(object_realize(&second->obj, &err));
    g_assert_cmpstr(error_message(err), ==,
                    "PCI address 05.0 of 'test-probe' is taken by 'test-probe'");
    g_clear_pointer(&err, error_free);
    g_assert_false(object_set(&second->obj, "addr", "20", &err));
    g_assert_nonnull(err);
    error_free(err);
    object_free(&second->obj);
    object_free(&first->dev.obj);
    g_assert_cmphex(config_get(PROBE, 0, 4), ==, ALL_ONES);
    pc_bench_free();
}

/* -- Shadow RAM -------------------------------------------------------------------------------- */

static void test_shadow_ram(void)
{
    pc_bench_make("16M");
    g_assert_cmphex(mem_get(0xffff0, 1), ==, 0xea); /* the far jump at the reset vector */
    g_assert_cmphex(mem_get(0xfffffff0, 8), ==, mem_get(0xffff0, 8));
    g_assert_cmphex(mem_get(0xc0000, 4), ==, ALL_ONES);
    mem_put(0xc0000, 0x11111111, 4);
    g_assert_cmphex(mem_get(0xc0000, 4), ==, ALL_ONES);

    config_put(HOST, 0x5a, 0x33, 1); /* C0000-C7FFF: read and write */
    mem_put(0xc0000, 0x11111111, 4);
    mem_put(0xc4000, 0x22222222, 4);
    config_put(HOST, 0x5a, 0x13, 1); /* C4000: read only */
    mem_put(0xc0000, 0x33333333, 4);
    mem_put(0xc4000, 0x33333333, 4);
    g_assert_cmphex(mem_get(0xc0000, 4), ==, 0x33333333);
    g_assert_cmphex(mem_get(0xc4000, 4), ==, 0x22222222);
    g_assert_cmphex(mem_get(0xc8000, 4), ==, ALL_ONES);

    uint64_t rom = mem_get(0xf0000, 8);
    config_put(HOST, 0x59, 0x20, 1); /* reads from PCI, writes to RAM */
    mem_put(0xf0000, rom + 1, 8);
    g_assert_cmphex(mem_get(0xf0000, 8), ==, rom);
    config_put(HOST, 0x59, 0x10, 1);
    g_assert_cmphex(mem_get(0xf0000, 8), ==, rom + 1);
    config_put(HOST, 0x59, 0x30, 1);
    mem_put(0xf0000, ~rom, 8);
    g_assert_cmphex(mem_get(0xf0000, 8), ==, ~rom);
    machine_reset(pc);
    g_assert_cmphex(mem_get(0xf0000, 8), ==, rom);
    g_assert_cmphex(mem_get(0xc0000, 4), ==, ALL_ONES);
    pc_bench_free();
}

static void test_smram(void)
{
    pc_bench_make("16M");
    g_assert_cmphex(mem_get(0xa0000, 4), ==, ALL_ONES);
    config_put(HOST, 0x72, 0x4a, 1); /* open */
    mem_put(0xa0000, 0x12345678, 4);
    g_assert_cmphex(mem_get(0xa0000, 4), ==, 0x12345678);
    config_put(HOST, 0x72, 0x5a, 1); /* lock: closes */
    g_assert_cmphex(mem_get(0xa0000, 4), ==, ALL_ONES);
    config_put(HOST, 0x72, 0x4a, 1);
    g_assert_cmphex(config_get(HOST, 0x72, 1), ==, 0x1a);
    g_assert_cmphex(mem_get(0xa0000, 4), ==, ALL_ONES);
    machine_reset(pc);
    config_put(HOST, 0x72, 0x42, 1); /* D_OPEN without G_SMRAME opens nothing */
    g_assert_cmphex(mem_get(0xa0000, 4), ==, ALL_ONES);
    pc_bench_free();
}

static uint32_t smm_get(AddressSpace *as)
{
    return (uint32_t)address_space_load(as, 0xa0000, 4, NULL);
}

/* D_CLS hides SMRAM from the data accesses of SMM, and can be changed after the lock. */
static void test_smram_closed(void)
{
    pc_bench_make("16M");
    config_put(HOST, 0x72, 0x4a, 1);
    mem_put(0xa0000, 0x12345678, 4);
    config_put(HOST, 0x72, 0x0a, 1);
    g_assert_cmphex(smm_get(&address_space_smm), ==, 0x12345678);
    g_assert_cmphex(smm_get(&address_space_smm_code), ==, 0x12345678);
    config_put(HOST, 0x72, 0x1a, 1);
    config_put(HOST, 0x72, 0x2a, 1);
    g_assert_cmphex(config_get(HOST, 0x72, 1), ==, 0x3a);
    g_assert_cmphex(smm_get(&address_space_smm), ==, 0xffffffff);
    g_assert_cmphex(smm_get(&address_space_smm_code), ==, 0x12345678);
    config_put(HOST, 0x72, 0, 1); /* G_SMRAME is locked */
    g_assert_cmphex(config_get(HOST, 0x72, 1), ==, 0x1a);
    g_assert_cmphex(smm_get(&address_space_smm), ==, 0x12345678);
    pc_bench_free();
}

static void test_memory_split(void)
{
    pc_bench_make("8M");
    mem_put(0x7ffffc, 0x55667788, 4);
    g_assert_cmphex(mem_get(0x7ffffc, 4), ==, 0x55667788);
    g_assert_cmphex(mem_get(0x800000, 4), ==, ALL_ONES);
    pc_bench_free();

    pc_bench_make("5G");
    mem_put(0xbffffff8, 1, 8);
    mem_put(0x100000000, 2, 8);
    mem_put(0x17ffffff8, 3, 8);
    g_assert_cmphex(mem_get(0xbffffff8, 8), ==, 1);
    g_assert_cmphex(mem_get(0x100000000, 8), ==, 2);
    g_assert_cmphex(mem_get(0x17ffffff8, 8), ==, 3);
    g_assert_cmphex(mem_get(0xc0000000, 4), ==, ALL_ONES);
    g_assert_cmphex(mem_get(0x180000000, 4), ==, ALL_ONES);
    pc_bench_free();
}

/* -- Interrupts -------------------------------------------------------------------------------- */

static bool isa_line(unsigned irq)
{
    uint16_t port = irq < 8 ? 0x20 : 0xa0;

    port_out(port, 0x0a, 1); /* read the request register */
    return port_in(port, 1) >> (irq & 7) & 1;
}

static void start_pics(void)
{
    for (uint16_t base = 0x20; base <= 0xa0; base += 0x80) {
        port_out(base, 0x11, 1);
        port_out(base + 1, base == 0x20 ? 0x08 : 0x70, 1);
        port_out(base + 1, base == 0x20 ? 0x04 : 0x02, 1);
        port_out(base + 1, 0x01, 1);
    }
    port_out(0x4d1, 0x0e, 1); /* 9, 10, 11: level */
}

static void test_interrupt_routing(void)
{
    pc_bench_make("16M");
    PciDevice *one = add_probe("5.0"); /* INTA of slot 5: PIRQA */
    PciDevice *other = add_probe("9.0");

    start_pics();
    pci_set_intx(one, true);
    g_assert_false(isa_line(10));
    config_put(BRIDGE, 0x60, 10, 1);
    g_assert_true(isa_line(10));
    g_assert_cmphex(config_get(PROBE, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT, !=, 0);
    config_put(BRIDGE, 0x60, 11, 1);
    g_assert_false(isa_line(10));
    g_assert_true(isa_line(11));

    pci_set_intx(other, true); /* shares PIRQA */
    pci_set_intx(one, false);
    g_assert_true(isa_line(11));
    pci_set_intx(other, false);
    g_assert_false(isa_line(11));

    pci_set_intx(one, true);
    config_put(PROBE, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    g_assert_false(isa_line(11));
    config_put(PROBE, PCI_COMMAND, 0, 2);
    g_assert_true(isa_line(11));
    config_put(BRIDGE, 0x60, 0x80 | 11, 1);
    g_assert_false(isa_line(11));
    pc_bench_free();
}

static void test_slot_rotation(void)
{
    pc_bench_make("16M");
    PciDevice *dev = add_probe("6.0"); /* INTA of slot 6: PIRQB */

    start_pics();
    config_put(BRIDGE, 0x60, 10, 1);
    config_put(BRIDGE, 0x61, 11, 1);
    pci_set_intx(dev, true);
    g_assert_false(isa_line(10));
    g_assert_true(isa_line(11));
    machine_reset(pc);
    start_pics();
    g_assert_false(isa_line(11));
    pc_bench_free();
}

/* -- Power management -------------------------------------------------------------------------- */

static void start_pm(void)
{
    start_pics();
    config_put(PM, 0x40, 0x601, 4);
    config_put(PM, 0x80, 1, 1);
}

static void test_pm_timer(void)
{
    pc_bench_make("16M");
    g_assert_cmphex(port_in(0x608, 4), ==, ALL_ONES);
    start_pm();
    uint32_t before = (uint32_t)port_in(0x608, 4);
    clock_virtual_advance_ns(main_loop(), NS_PER_SECOND);
    uint32_t ticks = ((uint32_t)port_in(0x608, 4) - before) & 0xffffff;
    g_assert_cmpuint(ticks, ==, 3579545);

    port_out(0x600, 0xffff, 2);
    g_assert_cmphex(port_in(0x600, 2), ==, 0);
    port_out(0x602, 1, 2);
    port_out(0xb2, 0xf1, 1); /* ACPI mode */
    g_assert_cmphex(port_in(0x604, 2), ==, 1);
    g_assert_false(isa_line(9));
    clock_virtual_advance_ns(main_loop(), 3 * NS_PER_SECOND);
    g_assert_true(isa_line(9));
    g_assert_cmphex(port_in(0x600, 2), ==, 1);
    port_out(0x600, 1, 2);
    g_assert_false(isa_line(9));
    pc_bench_free();
}

static void test_power_button(void)
{
    pc_bench_make("16M");
    start_pm();
    port_out(0x602, 0x100, 2);
    port_out(0xb2, 0xf1, 1);
    system_powerdown_request();
    g_assert_false(isa_line(9));
    g_assert_cmpint(pc_bench_run(), ==, PC_BENCH_STILL_ON);
    g_assert_true(isa_line(9));
    g_assert_cmphex(port_in(0x601, 1), ==, 1);
    port_out(0x601, 1, 1);
    g_assert_false(isa_line(9));
    pc_bench_free();
}

static void test_smbus_is_empty(void)
{
    pc_bench_make("16M");
    config_put(PM, 0x90, 0x701, 4);
    config_put(PM, 0xd2, 1, 1);
    port_out(0x702, 0x48, 1);
    g_assert_cmphex(port_in(0x700, 1), ==, 0x04);
    port_out(0x700, 0xff, 1);
    g_assert_cmphex(port_in(0x700, 1), ==, 0);
    pc_bench_free();
}

static void test_soft_off(void)
{
    pc_bench_make("16M");
    start_pm();
    port_out(0x604, 0x0001, 2);
    g_assert_cmpint(pc_bench_run(), ==, PC_BENCH_STILL_ON);
    port_out(0x604, 0x2001, 2);
    g_assert_cmpint(pc_bench_run(), ==, 0);
    pc_bench_free();
}

static void test_reset_control(void)
{
    pc_bench_make("16M");
    uint64_t resets = system_reset_count();
    port_out(0xcf9, 0x02, 1);
    g_assert_cmphex(port_in(0xcf9, 1), ==, 0x02);
    g_assert_cmphex(port_in(0xcf8, 4), ==, 0);
    g_assert_cmpint(pc_bench_run(), ==, PC_BENCH_STILL_ON);
    g_assert_cmpuint(system_reset_count(), ==, resets);
    port_out(0xcf9, 0x06, 1);
    g_assert_cmpint(pc_bench_run(), ==, PC_BENCH_STILL_ON);
    g_assert_cmpuint(system_reset_count(), ==, resets + 1);
    g_assert_cmphex(port_in(0xcf9, 1), ==, 0);
    port_out(0x92, 1, 1);
    g_assert_cmpint(pc_bench_run(), ==, PC_BENCH_STILL_ON);
    g_assert_cmpuint(system_reset_count(), ==, resets + 2);
    pc_bench_free();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pc_bench_init();
    g_test_add_func("/pci/config", test_config_cycles);
    g_test_add_func("/pci/base-addresses", test_base_addresses);
    g_test_add_func("/pci/capabilities", test_capabilities);
    g_test_add_func("/pci/taken", test_addresses_taken);
    g_test_add_func("/i440fx/shadow", test_shadow_ram);
    g_test_add_func("/i440fx/smram", test_smram);
    g_test_add_func("/i440fx/smram-closed", test_smram_closed);
    g_test_add_func("/pc/memory", test_memory_split);
    g_test_add_func("/piix3/routing", test_interrupt_routing);
    g_test_add_func("/piix3/rotation", test_slot_rotation);
    g_test_add_func("/piix3/reset-control", test_reset_control);
    g_test_add_func("/piix4-pm/timer", test_pm_timer);
    g_test_add_func("/piix4-pm/button", test_power_button);
    g_test_add_func("/piix4-pm/soft-off", test_soft_off);
    g_test_add_func("/piix4-pm/smbus", test_smbus_is_empty);
    return g_test_run();
}
