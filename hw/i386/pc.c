/* SPDX-License-Identifier: MIT */
/* The board "pc": i440FX and PIIX3 of 1996 with what QEMU put on it. */
#include "hw/i386/pc-internal.h"

#include "accel/kvm.h"
#include "hw/i8254.h"
#include "hw/kvm-chips.h"
#include "hw/piix4-pm.h"
#include "hw/port92.h"
#include "hw/ps2.h"
#include "hw/x87-error.h"
#include "softmmu/run.h"
#include "softmmu/watchdog.h"
#include "target/i386/cpu.h"
#include "ui/chardev.h"

#include <assert.h>

#define MAX_CPUS 255
#define RTC_IRQ 8

Device *pc_device_new(const char *type, Bus *bus, const char *const *properties)
{
    Device *dev = device_new(type, bus);

    for (const char *const *text = properties; text && *text; text++) {
        g_auto(GStrv) pair = g_strsplit(*text, "=", 2);
        bool is_good = object_set(&dev->obj, pair[0], pair[1], NULL);
        assert(is_good);
        (void)is_good;
    }
    return dev;
}

static bool add_device(const char *type, Bus *bus, const char *const *properties, Error **err)
{
    return object_realize(&pc_device_new(type, bus, properties)->obj, err);
}

/* -- PCI --------------------------------------------------------------------------------------- */

static bool create_bridges(PcMachine *pc, Error **err)
{
    const I440fxWiring wiring = {.system_memory = &pc->memory,
                                 .smm_memory = &pc->smm_memory,
                                 .smm_code = &pc->smm_code_memory,
                                 .io = &pc->io,
                                 .ram = &pc->ram};

    pc->host = (I440fxHost *)pc_device_new("i440FX-pcihost", NULL, NULL);
    i440fx_wire(pc->host, &wiring);
    if (!object_realize((Object *)pc->host, err)) {
        return false;
    }
    Bus *pci = &i440fx_pci_bus(pc->host)->bus;
    pc->piix3 = (Piix3 *)pc_device_new("PIIX3", pci, (const char *[]){"addr=1.0", NULL});
    pc->isa = piix3_isa_bus(pc->piix3);
    i440fx_set_reset_port(pc->host, piix3_reset_port(pc->piix3));
    return object_realize((Object *)pc->piix3, err);
}

/* Without ACPI there is no function for it either: firmware would describe it by itself. */
static bool create_power_management(PcMachine *pc, Bus *pci, Error **err)
{
    bool has_smm = pc->smm == CHOICE_AUTO ? kvm_has_smm() : pc->smm == CHOICE_ON;
    const char *smm = has_smm ? "smm-enabled=on" : "smm-enabled=off";

    if (pc->acpi == CHOICE_OFF) {
        return true;
    }
    if (has_smm && !kvm_has_smm()) {
        return error_set(err, "-machine smm=on: this host's KVM has no system management mode");
    }
    Piix4Pm *pm =
        (Piix4Pm *)pc_device_new("PIIX4_PM", pci, (const char *[]){"addr=1.3", smm, NULL});
    piix4_pm_connect(pm, pc_gsi(pc, PIIX4_PM_SCI_IRQ), pc_smi(pc), pc->serial_ports);
    return object_realize((Object *)pm, err);
}

static bool create_pci_functions(PcMachine *pc, Error **err)
{
    Bus *pci = &i440fx_pci_bus(pc->host)->bus;

    return add_device("piix3-ide", pci, (const char *[]){"addr=1.1", NULL}, err) &&
           create_power_management(pc, pci, err);
}

/* -- ISA --------------------------------------------------------------------------------------- */

/* -rtc: the machine's property becomes that of the clock chip. */
static bool copy_rtc_option(PcMachine *pc, const char *machine_name, const char *rtc_name,
                            Error **err)
{
    g_autofree char *value = object_get((Object *)pc, machine_name, err);

    return value && object_set(&pc->rtc->obj, rtc_name, value, err);
}

/* The HPET lies between the older timers and their lines: it may take these over. */
static bool create_hpet(PcMachine *pc, Error **err)
{
    if (!pc->hpet) {
        return true;
    }
    pc->timers = (Hpet *)pc_device_new("hpet", NULL, NULL);
    hpet_set_memory(pc->timers, &pc->memory);
    for (unsigned line = 0; line < HPET_OUTPUT_COUNT; line++) {
        hpet_set_output(pc->timers, line, pc_gsi(pc, line));
    }
    pc->isa->irqs[RTC_IRQ] = hpet_legacy_input(pc->timers, HPET_LEGACY_RTC);
    return object_realize((Object *)pc->timers, err);
}

static void set_pit_heard(void *owner, unsigned n, bool level)
{
    i8254_set_heard(owner, level);
}

static void set_kernel_pit_heard(void *owner, unsigned n, bool level)
{
    kvm_pit_set_heard(owner, level);
}

/* With the kernel's controllers: the timer's line ends in them, port 61h is there too. */
static bool create_kernel_pit(PcMachine *pc, Error **err)
{
    Device *pit = pc_device_new("kvm-pit", NULL, NULL);

    if (pc->timers) {
        hpet_set_pit_heard(pc->timers, (Irq){.set = set_kernel_pit_heard, .owner = pit});
    }
    return object_realize(&pit->obj, err);
}

static bool create_pit(PcMachine *pc, Error **err)
{
    Bus *isa = &pc->isa->bus;
    I8254 *pit = (I8254 *)pc_device_new("isa-pit", isa, NULL);
    PcSpeaker *speaker = (PcSpeaker *)pc_device_new("isa-pcspk", isa, NULL);

    i8254_set_output(pit,
                     pc->timers ? hpet_legacy_input(pc->timers, HPET_LEGACY_PIT) : pc_gsi(pc, 0));
    if (pc->timers) {
        hpet_set_pit_heard(pc->timers, (Irq){.set = set_pit_heard, .owner = pit});
    }
    pc_speaker_set_pit(speaker, pit);
    return object_realize((Object *)pit, err) && object_realize((Object *)speaker, err);
}

static bool create_timers(PcMachine *pc, Error **err)
{
    bool has_pit =
        kvm_irqchip() == KVM_IRQCHIP_ON ? create_kernel_pit(pc, err) : create_pit(pc, err);

    pc->rtc = pc_device_new("mc146818rtc", &pc->isa->bus, NULL);
    return has_pit && copy_rtc_option(pc, "rtc.base", "base", err) &&
           copy_rtc_option(pc, "rtc.clock", "clock", err) &&
           copy_rtc_option(pc, "rtc.driftfix", "driftfix", err) &&
           object_realize(&pc->rtc->obj, err);
}

static bool create_serial_ports(PcMachine *pc, Error **err)
{
    for (unsigned i = 0; i < MACHINE_SERIAL_COUNT; i++) {
        if (!pc->machine.serial[i]) {
            continue;
        }
        g_autofree char *index = g_strdup_printf("index=%u", i);
        Device *dev = pc_device_new("isa-serial", &pc->isa->bus, (const char *[]){index, NULL});
        if (!object_set(&dev->obj, "chardev", pc->machine.serial[i]->obj.name, err) ||
            !object_realize(&dev->obj, err)) {
            return false;
        }
        pc->serial_ports |= 1u << i;
    }
    return true;
}

static bool create_isa_devices(PcMachine *pc, Error **err)
{
    Port92 *port92 = (Port92 *)pc_device_new("port92", &pc->isa->bus, NULL);
    I8042 *keyboard = (I8042 *)pc_device_new("i8042", &pc->isa->bus, NULL);

    X87ErrorLatch *x87_error = (X87ErrorLatch *)pc_device_new("x87-error", &pc->isa->bus, NULL);
    port92_set_a20(port92, pc_a20(pc));
    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        x87_error_attach(x87_error, cpu_get(i));
    }
    i8042_set_a20(keyboard, pc_a20(pc));
    return create_hpet(pc, err) && create_timers(pc, err) &&
           object_realize((Object *)x87_error, err) && object_realize((Object *)port92, err) &&
           object_realize((Object *)keyboard, err) && create_serial_ports(pc, err);
}

/* -- Machine ----------------------------------------------------------------------------------- */

static bool check_properties(const PcMachine *pc, Error **err)
{
    if (pc->vmport == CHOICE_ON) {
        return error_set(err, "-machine: vmport=on: this machine has no VMware port");
    }
    if (pc->pit == CHOICE_OFF || pc->with_pic == CHOICE_OFF || !pc->i8042 || !pc->smbus) {
        return error_set(err, "-machine: %s=off: this machine always has one",
                         pc->pit == CHOICE_OFF        ? "pit"
                         : pc->with_pic == CHOICE_OFF ? "pic"
                         : pc->i8042                  ? "smbus"
                                                      : "i8042");
    }
    if (pc->max_low_memory > PC_LOW_MEMORY_MAX ||
        (pc->max_low_memory && pc->max_low_memory < 1 << 20)) {
        return error_set(err, "-machine: max-ram-below-4g= goes from 1M to 3.5G");
    }
    return true;
}

static bool build(PcMachine *pc, Error **err)
{
    return check_properties(pc, err) && pc_memory_create(pc, err) && pc_cpus_create(pc, err) &&
           create_bridges(pc, err) && pc_interrupts_create(pc, err) && pc_apics_create(pc, err) &&
           create_isa_devices(pc, err) && create_pci_functions(pc, err) &&
           firmware_rom_load(&pc->firmware_rom, &pc->machine, i440fx_pci_memory(pc->host), err) &&
           pc_firmware_create(pc, err) && pc_cpus_start(pc, err);
}

static bool pc_realize(Object *obj, Error **err)
{
    PcMachine *pc = (PcMachine *)obj;

    if (!build(pc, err)) {
        pc_memory_destroy(pc);
        return false;
    }
    system_set_reset_handler(machine_reset, pc);
    system_set_nmi_handler(pc_nmi, pc);
    return true;
}

static void pc_unrealize(Object *obj)
{
    PcMachine *pc = (PcMachine *)obj;

    system_set_reset_handler(NULL, NULL);
    system_set_nmi_handler(NULL, NULL);
    pc_memory_destroy(pc);
}

/* The first reset is power-on. */
static void pc_reset(Machine *machine)
{
    PcMachine *pc = (PcMachine *)machine;

    pc_boot_order_set(pc, machine->boot_once && !pc->has_booted ? machine->boot_once
                                                                : machine->boot_order);
    pc->has_booted = true;
    object_reset(&machine->obj);
    pc_cpus_reset(pc);
}

static const char *const entry_points[] = {"32", "64", NULL};
static const char *const on_off_auto[] = {"auto", "on", "off", NULL};

static const Field pc_fields[] = {
    PROP_ENUM(PcMachine, smm, .choices = on_off_auto,
              .desc = "system management mode; auto: on where the accelerator has it"),
    PROP_ENUM(PcMachine, vmport, .choices = on_off_auto, .desc = "VMware port; not available"),
    PROP_ENUM(PcMachine, acpi, .choices = on_off_auto, .desc = "ACPI tables; auto: on"),
    PROP(PcMachine, hpet, .init = 1, .desc = "high precision event timer"),
    PROP(PcMachine, fd_bootchk, .init = 1, .desc = "look for a boot signature on floppies"),
    PROP(PcMachine, i8042, .init = 1, .desc = "keyboard controller; always there"),
    PROP(PcMachine, smbus, .init = 1, .desc = "system management bus; always there"),
    PROP(PcMachine, sata, .init = 1, .desc = "SATA bus; this machine has none"),
    PROP(PcMachine, suppress_vmdesc, .desc = "saved machines do not describe themselves"),
    PROP_ENUM(PcMachine, pit, .choices = on_off_auto, .desc = "interval timer; always there"),
    PROP_ENUM(PcMachine, with_pic, .prop_name = "pic", .choices = on_off_auto,
              .desc = "interrupt controller; always there"),
    PROP_SIZE(PcMachine, max_low_memory, .prop_name = "max-ram-below-4g",
              .desc = "memory below 4 GiB, at most 3.5G; 0: the usual"),
    PROP_ENUM(PcMachine, smbios_entry_point, .prop_name = "smbios-entry-point-type",
              .choices = entry_points, .desc = "32: SMBIOS 2.8, 64: SMBIOS 3.0"),
    DERIVED(PcMachine, memory),
    DERIVED(PcMachine, io),
    DERIVED(PcMachine, cpu_memory),
    DERIVED(PcMachine, smm_memory),
    DERIVED(PcMachine, smm_system),
    DERIVED(PcMachine, smm_code_memory),
    DERIVED(PcMachine, smm_code_system),
    DERIVED(PcMachine, has_memory),
    DERIVED(PcMachine, ram_block),
    DERIVED(PcMachine, node_ram),
    DERIVED(PcMachine, ram),
    DERIVED(PcMachine, ram_low),
    DERIVED(PcMachine, ram_high),
    DERIVED(PcMachine, apic_region),
    DERIVED(PcMachine, low_size),
    DERIVED(PcMachine, high_size),
    DERIVED(PcMachine, firmware_rom),
    LINK(PcMachine, host),
    LINK(PcMachine, piix3),
    LINK(PcMachine, isa),
    LINK(PcMachine, fw_cfg),
    LINK(PcMachine, rtc),
    LINK(PcMachine, timers),
    LINK(PcMachine, pic_master),
    LINK(PcMachine, pic),
    LINK(PcMachine, ioapic),
    DERIVED(PcMachine, timer_levels),
    DERIVED(PcMachine, serial_ports),
    DERIVED(PcMachine, has_booted),
    FIELDS_END,
};

/* Versions differ in defaults this board does not have, so one type answers to all their names. */
static const char *const pc_aliases[] = {
    "pc",
    "pc-i440fx-7.1",
    "pc-i440fx-7.0",
    "pc-i440fx-6.2",
    "pc-i440fx-6.1",
    "pc-i440fx-6.0",
    "pc-i440fx-5.2",
    "pc-i440fx-5.1",
    "pc-i440fx-5.0",
    "pc-i440fx-4.2",
    "pc-i440fx-4.1",
    "pc-i440fx-4.0",
    "pc-i440fx-3.1",
    "pc-i440fx-3.0",
    "pc-i440fx-2.12",
    "pc-i440fx-2.11",
    "pc-i440fx-2.10",
    "pc-i440fx-2.9",
    "pc-i440fx-2.8",
    "pc-i440fx-2.7",
    "pc-i440fx-2.6",
    "pc-i440fx-2.5",
    "pc-i440fx-2.4",
    "pc-i440fx-2.3",
    "pc-i440fx-2.2",
    "pc-i440fx-2.1",
    "pc-i440fx-2.0",
    "pc-i440fx-1.7",
    "pc-i440fx-1.6",
    "pc-i440fx-1.5",
    "pc-i440fx-1.4",
    "pc-1.3",
    "pc-1.2",
    "pc-1.1",
    "pc-1.0",
    "pc-0.15",
    "pc-0.14",
    "pc-0.13",
    NULL,
};

static const MachineInfo pc_info = {
    .name = "pc-i440fx-7.2",
    .desc = "Standard PC (i440FX + PIIX, 1996)",
    .aliases = pc_aliases,
    .is_default = true,
    .max_cpus = MAX_CPUS,
    .ram_id = PC_RAM_ID,
    .has_cdrom = true,
    .reset = pc_reset,
    .ready = pc_firmware_ready,
};

static const Type pc_type = {
    .name = "pc-i440fx-7.2" MACHINE_TYPE_SUFFIX,
    .parent = &machine_type,
    .size = sizeof(PcMachine),
    .desc = "Standard PC (i440FX + PIIX, 1996)",
    .fields = pc_fields,
    .info = &pc_info,
    .realize = pc_realize,
    .unrealize = pc_unrealize,
};
OBJECT_TYPE(pc_type);
