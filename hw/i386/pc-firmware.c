/* SPDX-License-Identifier: MIT */
/* What the PC board tells its firmware: fw_cfg items, boot order, ACPI tables, direct boot. */
#include "hw/i386/pc-internal.h"

#include "hw/ide.h"
#include "hw/pci.h"
#include "hw/pvpanic.h"
#include "hw/rtc.h"
#include "hw/smbios.h"
#include "target/i386/cpu-model.h"
#include "target/i386/cpu.h"
#include "util/file.h"

#include <string.h>

enum { /* CMOS bytes */
       CMOS_EQUIPMENT = 0x14,
       CMOS_BOOT_THIRD = 0x38, /* high nibble; bit 0: do not look for a signature on floppies */
       CMOS_DISK_TRANSLATION = 0x39,
       CMOS_BOOT_ORDER = 0x3d,
       CMOS_CPU_COUNT = 0x5f
};

enum { EQUIPMENT_FPU = 0x02, EQUIPMENT_PS2_MOUSE = 0x04 };
enum { DISK_TRANSLATION_LBA = 1 }; /* two bits for each of four drives; 0: none */

/* What fits into cylinder, head and sector numbers of the BIOS as the drive has them. */
#define UNTRANSLATED_SECTORS (1024u * 16 * 63)

#define BOOT_DEVICES_MAX 3

/* Boot device letter as the CMOS numbers it: 0 for none. */
static uint8_t boot_code(char letter)
{
    switch (letter) {
    case 'a':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

void pc_boot_order_set(PcMachine *pc, const char *order)
{
    uint8_t codes[BOOT_DEVICES_MAX] = {0};

    for (unsigned i = 0, n = 0; order && order[i] && n < BOOT_DEVICES_MAX; i++) {
        codes[n] = boot_code(order[i]);
        n += codes[n] != 0;
    }
    rtc_set_cmos(pc->rtc, CMOS_BOOT_ORDER, (uint8_t)(codes[1] << 4 | codes[0]));
    rtc_set_cmos(pc->rtc, CMOS_BOOT_THIRD, (uint8_t)(codes[2] << 4 | !pc->fd_bootchk));
}

static bool set_number_file(FwCfg *fw_cfg, const char *name, uint64_t value, unsigned size,
                            Error **err)
{
    uint64_t little = GUINT64_TO_LE(value);
    g_autoptr(GBytes) bytes = g_bytes_new(&little, size);

    return fw_cfg_set_file(fw_cfg, name, bytes, err);
}

/* A picture that SeaBIOS can show, by how it begins. */
static const char *splash_name(const uint8_t *bytes, size_t size)
{
    static const uint8_t jpeg[] = {0xff, 0xd8, 0xff};

    if (size > 30 && memcmp(bytes, "BM", 2) == 0) {
        return bytes[28] == 24 ? "bootsplash.bmp" : NULL; /* bits a pixel */
    }
    return size > sizeof(jpeg) && memcmp(bytes, jpeg, sizeof(jpeg)) == 0 ? "bootsplash.jpg" : NULL;
}

static bool add_splash(PcMachine *pc, Error **err)
{
    const char *path = pc->machine.boot_splash;
    size_t size;

    if (!path) {
        return true;
    }
    char *data = file_read(path, &size, err);
    if (!data) {
        error_prefix(err, "-boot splash=: ");
        return false;
    }
    g_autoptr(GBytes) bytes = g_bytes_new_take(data, size);
    const char *name = splash_name((const uint8_t *)data, size);
    if (!name) {
        return error_set(err, "-boot splash=: '%s' is neither a JPEG nor a BMP of 24 bits", path);
    }
    return fw_cfg_set_file(pc->fw_cfg, name, bytes, err);
}

static gint compare_boot_indices(gconstpointer a, gconstpointer b)
{
    const MachineFwCfg *one = *(const MachineFwCfg *const *)a;
    const MachineFwCfg *other = *(const MachineFwCfg *const *)b;

    return one->boot_index < other->boot_index ? -1 : one->boot_index > other->boot_index;
}

/* Option ROMs with a place in the boot order. A kernel's, `first`, has place 0. */
static bool add_boot_roms(const Machine *machine, const char *first, GString *order, Error **err)
{
    g_autoptr(GPtrArray) roms = g_ptr_array_new();
    int64_t last = first ? 0 : -1;

    for (guint i = 0; i < machine->fw_cfg->len; i++) {
        MachineFwCfg *item = machine->fw_cfg->pdata[i];
        if (item->boot_index >= 0) {
            g_ptr_array_add(roms, item);
        }
    }
    g_ptr_array_sort(roms, compare_boot_indices);
    if (first) {
        g_string_append_printf(order, "/rom@%s\n", first);
    }
    for (guint i = 0; i < roms->len; i++) {
        const MachineFwCfg *rom = roms->pdata[i];
        if (rom->boot_index == last) {
            return error_set(err, "bootindex=%d was given to more than one device", (int)last);
        }
        last = rom->boot_index;
        g_string_append_printf(order, "/rom@%s\n", rom->name);
    }
    return true;
}

static bool describe_boot(PcMachine *pc, const char *first, Error **err)
{
    const Machine *machine = &pc->machine;
    g_autoptr(GString) order = g_string_new(NULL);

    if (!add_boot_roms(machine, first, order, err)) {
        return false;
    }
    if (machine->boot_strict) {
        g_string_append(order, "HALT\n");
    }
    if (order->len) {
        order->str[order->len - 1] = '\0';
        g_autoptr(GBytes) bytes = g_bytes_new(order->str, order->len);
        if (!fw_cfg_set_file(pc->fw_cfg, "bootorder", bytes, err)) {
            return false;
        }
    }
    if (machine->boot_splash_time != UINT32_MAX &&
        !set_number_file(pc->fw_cfg, "etc/boot-menu-wait", machine->boot_splash_time, 2, err)) {
        return false;
    }
    return set_number_file(pc->fw_cfg, "etc/boot-fail-wait", machine->boot_reboot_timeout, 4, err);
}

static uint8_t disk_translations(void)
{
    uint8_t translations = 0;

    for (unsigned i = 0; i < 4; i++) {
        const IdeBus *bus = (const IdeBus *)bus_find(&ide_bus_type, i < 2 ? "ide.0" : "ide.1");
        if (bus && ide_bus_drive_sectors(bus, i % IDE_UNITS) > UNTRANSLATED_SECTORS) {
            translations |= (uint8_t)(DISK_TRANSLATION_LBA << (2 * i));
        }
    }
    return translations;
}

/* Number of nodes, the node of each CPU by APIC id, the memory of each node: 64 bits each. */
static void describe_nodes(PcMachine *pc, const Numa *numa)
{
    const MachineCpus *cpus = &pc->machine.cpus;
    unsigned ids = cpu_apic_id(cpus->max - 1) + 1;
    unsigned count = 1 + ids + (numa ? numa->count : 0);
    g_autofree uint64_t *words = g_new0(uint64_t, count);

    words[0] = GUINT64_TO_LE(numa ? numa->count : 0);
    for (unsigned i = 0; numa && i < cpus->max; i++) {
        words[1 + cpu_apic_id(i)] = GUINT64_TO_LE(numa->node_of_cpu[i]);
    }
    for (unsigned i = 0; numa && i < numa->count; i++) {
        words[1 + ids + i] = GUINT64_TO_LE(numa->nodes[i].size);
    }
    g_autoptr(GBytes) bytes = g_bytes_new(words, count * sizeof(*words));
    fw_cfg_set(pc->fw_cfg, FW_CFG_NUMA, bytes);
}

static void describe_machine(PcMachine *pc)
{
    const Machine *machine = &pc->machine;
    g_autoptr(GBytes) uuid = g_bytes_new(machine->uuid, sizeof(machine->uuid));

    fw_cfg_set(pc->fw_cfg, FW_CFG_UUID, uuid);
    describe_nodes(pc, machine->numa);
    fw_cfg_set_number(pc->fw_cfg, FW_CFG_NOGRAPHIC, !machine->graphics, 2);
    fw_cfg_set_number(pc->fw_cfg, FW_CFG_CPU_COUNT, machine->cpus.count, 2);
    /* As far as APIC ids go, which is more than the CPUs where the shape leaves gaps. */
    fw_cfg_set_number(pc->fw_cfg, FW_CFG_CPU_MAX, cpu_apic_id(machine->cpus.max - 1) + 1, 2);
    fw_cfg_set_number(pc->fw_cfg, FW_CFG_BOOT_MENU, machine->boot_menu, 2);
    fw_cfg_set_number(pc->fw_cfg, FW_CFG_IRQ0_OVERRIDE, 1, 4);
    rtc_set_cmos(pc->rtc, CMOS_EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_PS2_MOUSE);
    rtc_set_cmos(pc->rtc, CMOS_DISK_TRANSLATION, disk_translations());
    rtc_set_cmos(pc->rtc, CMOS_CPU_COUNT, (uint8_t)(machine->cpus.count - 1));
}

static bool add_user_items(PcMachine *pc, Error **err)
{
    for (guint i = 0; i < pc->machine.fw_cfg->len; i++) {
        const MachineFwCfg *item = pc->machine.fw_cfg->pdata[i];
        g_autoptr(GBytes) bytes = g_bytes_new(item->data, item->size);
        if (!fw_cfg_set_file(pc->fw_cfg, item->name, bytes, err)) {
            error_prefix(err, "-fw_cfg: ");
            return false;
        }
    }
    return true;
}

bool pc_firmware_create(PcMachine *pc, Error **err)
{
    const char *boot_rom = NULL;

    pc->fw_cfg = (FwCfg *)pc_device_new("fw_cfg_io", NULL, NULL);
    fw_cfg_set_io(pc->fw_cfg, &pc->io);
    pc_memory_describe(pc);
    describe_machine(pc);
    if (pc->machine.kernel &&
        !direct_boot_load(pc->fw_cfg, &pc->machine, pc->low_size, &boot_rom, err)) {
        return false;
    }
    return describe_boot(pc, boot_rom, err) && add_splash(pc, err) && add_user_items(pc, err) &&
           object_realize((Object *)pc->fw_cfg, err);
}

/* -- When all devices are there ---------------------------------------------------------------- */

static bool find_pci(const char *id, uint8_t *ret_bus, uint8_t *ret_devfn)
{
    Object *obj = object_child(object_container("/machine/peripheral"), id);

    if (!obj || !object_is_a(obj, &pci_device_type)) {
        return false;
    }
    *ret_bus = ((const PciBus *)((const Device *)obj)->bus)->number;
    *ret_devfn = (uint8_t)((const PciDevice *)obj)->devfn;
    return true;
}

static bool add_smbios(PcMachine *pc, Error **err)
{
    const Machine *machine = &pc->machine;
    uint32_t regs[4];

    cpu_cpuid(cpu_get(0), 1, 0, regs);
    SmbiosConfig config = {
        .options = machine->smbios,
        .manufacturer = "QEMU",
        .product = machine_info(machine)->desc,
        .version = machine_info(machine)->name,
        .processor_id = (uint64_t)regs[3] << 32 | regs[0],
        .sockets = machine->cpus.sockets,
        .cores = machine->cpus.dies * machine->cpus.cores,
        .threads = machine->cpus.dies * machine->cpus.cores * machine->cpus.threads,
        .low_memory = pc->low_size,
        .high_memory = pc->high_size,
        .is_64bit = pc->smbios_entry_point == 1,
        .find_pci = find_pci,
    };
    memcpy(config.uuid, machine->uuid, sizeof(config.uuid));
    return smbios_tables_add(pc->fw_cfg, &config, err);
}

bool pc_firmware_ready(Machine *machine, Error **err)
{
    PcMachine *pc = (PcMachine *)machine;
    uint16_t panic_port = pvpanic_port(pc->isa);
    const AcpiConfig acpi = {
        .cpu_count = pc->machine.cpus.count,
        .apic_id = cpu_apic_id,
        .low_memory = pc->low_size,
        .serial_ports = pc->serial_ports,
        .panic_port = panic_port,
        .user_tables = pc->machine.acpi_tables,
        .numa = pc->machine.numa,
        .hpet_timers = pc->timers ? hpet_timer_count(pc->timers) : 0,
    };

    return (!panic_port || set_number_file(pc->fw_cfg, "etc/pvpanic-port", panic_port, 2, err)) &&
           (pc->acpi == CHOICE_OFF || acpi_tables_add(pc->fw_cfg, &acpi, err)) &&
           add_smbios(pc, err);
}
